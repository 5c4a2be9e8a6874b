/// A figure with its 95 % confidence interval.
public struct Estimate: Codable, Hashable, Sendable {
  public var estimate: Double
  public var low: Double
  public var high: Double

  public init(estimate: Double, low: Double, high: Double) {
    self.estimate = estimate
    self.low = low
    self.high = high
  }

  /// This figure in another unit, or shifted.
  public func mapped(_ transform: (Double) -> Double) -> Estimate {
    Estimate(estimate: transform(estimate), low: transform(low), high: transform(high))
  }
}
