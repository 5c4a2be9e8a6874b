/// A measured distribution of a time, in seconds, kept as its quantiles.
///
/// The value at probability p is read by linear interpolation between the listed points, and sampling
/// is inversion of that piecewise-linear distribution: what is drawn lies between the smallest and the
/// largest time that was seen. The points are dense in the upper tail because p99 is what is planned for.
public struct QuantileTable: Hashable, Sendable {
  /// Probabilities of the points, ascending; the first is 0, the last 1.
  public let probabilities: [Double]
  /// Seconds, ascending, one for each probability.
  public let seconds: [Double]
  /// How many measurements it was made from; 0 where it was read off a published summary.
  public let sampleCount: Int

  /// What a profile keeps: every percent, then 99.5, 99.8, 99.9 %, and both ends.
  public static let standardProbabilities: [Double] = (0...99).map { Double($0) / 100 } + [0.995, 0.998, 0.999, 1]

  /// - Returns: nil unless the arrays agree, ascend, start at probability 0, end at 1 and hold finite times ≥ 0.
  public init?(probabilities: [Double], seconds: [Double], sampleCount: Int) {
    guard probabilities.count == seconds.count, probabilities.count >= 2, probabilities.first == 0,
      probabilities.last == 1, let first = seconds.first, first >= 0, seconds.allSatisfy(\.isFinite),
      zip(probabilities, probabilities.dropFirst()).allSatisfy({ $0 < $1 }),
      zip(seconds, seconds.dropFirst()).allSatisfy({ $0 <= $1 })
    else { return nil }
    self.probabilities = probabilities
    self.seconds = seconds
    self.sampleCount = sampleCount
  }

  /// The quantiles of `samples` (seconds, any order), at `standardProbabilities`.
  ///
  /// - Returns: nil where there is no sample, or one that is negative or not finite.
  public init?(samples: [Double]) {
    guard !samples.isEmpty, samples.allSatisfy({ $0.isFinite && $0 >= 0 }) else { return nil }
    let sorted = samples.sorted()
    let values = Self.standardProbabilities.map { sorted.quantile($0) }
    self.init(probabilities: Self.standardProbabilities, seconds: values, sampleCount: samples.count)
  }

  /// The time at a probability, seconds; probabilities outside [0, 1] count as 0 and 1.
  ///
  /// Every simulated request draws through here, so the search works on the arrays' memory: both have the same, checked
  /// length of at least two. It begins where the point would be if all stood as far apart as the first two, which is
  /// where it is for all but the last percent of `standardProbabilities`.
  /// Complexity: O(log n) in the number of points, O(1) where they are evenly spaced.
  public func quantile(_ probability: Double) -> Double {
    let p = min(max(probability, 0), 1)
    return probabilities.withUnsafeBufferPointer { points in
      var low = 0
      var high = points.count &- 1
      let guess = Int(min(p / points[1], Double(high &- 1)))
      if points[guess] > p {
        high = guess
      } else {
        low = guess
        if p < points[guess &+ 1] { high = guess &+ 1 }
      }
      while high &- low > 1 {
        let middle = (low &+ high) / 2
        if points[middle] <= p { low = middle } else { high = middle }
      }
      return seconds.withUnsafeBufferPointer { times in
        times[low] + (times[high] - times[low]) * (p - points[low]) / (points[high] - points[low])
      }
    }
  }

  /// As many times as it was made from, evenly over the distribution; none where it was read off a summary.
  func spread() -> [Double] {
    (0..<sampleCount).map { quantile((Double($0) + 0.5) / Double(sampleCount)) }
  }

  /// The table whose quantiles are the sums of both tables' quantiles; it counts as made from this one's measurements.
  func adding(_ other: QuantileTable) -> QuantileTable {
    let points = Set(probabilities + other.probabilities).sorted()
    let sums = points.map { quantile($0) + other.quantile($0) }
    guard let table = QuantileTable(probabilities: points, seconds: sums, sampleCount: sampleCount) else {
      preconditionFailure("sums of ascending times ascend")
    }
    return table
  }

  /// Mean of the piecewise-linear distribution, so that it agrees with what is sampled.
  public var mean: Double {
    moment { (a, b) in (a + b) / 2 }
  }

  /// Variance over squared mean, of the piecewise-linear distribution.
  public var squaredCV: Double {
    let first = mean
    guard first > 0 else { return 0 }
    let second = moment { (a, b) in (a * a + a * b + b * b) / 3 }
    return max(0, second / (first * first) - 1)
  }

  private func moment(_ segment: (Double, Double) -> Double) -> Double {
    var sum = 0.0
    for i in 1..<probabilities.count {
      sum += (probabilities[i] - probabilities[i - 1]) * segment(seconds[i - 1], seconds[i])
    }
    return sum
  }

  public func scaled(by factor: Double) -> QuantileTable {
    precondition(factor > 0)
    return QuantileTable(
      probabilities: probabilities, seconds: seconds.map { $0 * factor }, sampleCount: sampleCount)!
  }
}

extension [Double] {
  /// The quantile of an ascending, non-empty array at probability p: linear interpolation between order
  /// statistics (Hyndman and Fan's definition 7, which R and NumPy use by default).
  public func quantile(_ p: Double) -> Double {
    let position = p * Double(count - 1)
    let index = Int(position.rounded(.down))
    guard index + 1 < count else { return self[count - 1] }
    return self[index] + (self[index + 1] - self[index]) * (position - Double(index))
  }
}

extension QuantileTable: Codable {
  private enum Key: String, CodingKey { case probabilities, seconds, sampleCount }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: Key.self)
    guard
      let table = QuantileTable(
        probabilities: try box.decodeIfPresent([Double].self, forKey: .probabilities) ?? Self.standardProbabilities,
        seconds: try box.decode([Double].self, forKey: .seconds),
        sampleCount: try box.decode(Int.self, forKey: .sampleCount))
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .seconds, in: box,
        debugDescription: "quantiles must be finite, not negative, ascending and as many as their probabilities")
    }
    self = table
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    // The usual points are not repeated in every cell of every profile.
    if probabilities != Self.standardProbabilities { try box.encode(probabilities, forKey: .probabilities) }
    try box.encode(seconds, forKey: .seconds)
    try box.encode(sampleCount, forKey: .sampleCount)
  }
}
