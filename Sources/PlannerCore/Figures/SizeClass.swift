/// Requests of like size, which a prediction takes to be of the largest of them.
public struct SizeClass: Hashable, Sendable {
  /// Largest size of the class.
  public var upTo: Int
  /// Share of the requests, above 0; those of all classes sum to 1.
  public var share: Double

  public init(upTo: Int, share: Double) {
    self.upTo = upTo
    self.share = share
  }
}

extension ModelProfile {
  /// How the times of each class of size compare with those of a cell, which speaks for the largest requests.
  ///
  /// Between the sizes at which the same split was served, means are taken to lie on a line; where only one size was
  /// served, the engine's own passes say how the time grows; below the smallest size, its time stands.
  /// - Returns: nil where all requests have one size.
  func sizeFactors(_ sizes: [SizeClass], beside cell: ServedCell) -> [SizeFactor]? {
    guard sizes.count > 1 else { return nil }
    var points = served.filter {
      $0.workers == cell.workers && $0.threads == cell.threads && $0.input == cell.input && $0.computeSeconds.mean > 0
    }.map { (size: $0.tokens, seconds: $0.computeSeconds.mean) }
    if Set(points.map(\.size)).count < 2 {
      points = forward.filter { $0.threads == cell.threads && $0.batch == 1 && $0.concurrency == 1 }
        .map { (size: $0.tokens, seconds: $0.serviceSeconds.mean) }
    }
    points.sort { ($0.size, $0.seconds) < ($1.size, $1.seconds) }
    guard let whole = Self.seconds(at: cell.tokens, points), whole > 0 else {
      return sizes.map { SizeFactor(upTo: $0.upTo, share: $0.share, factor: 1) }
    }
    return sizes.map { size in
      let seconds = Self.seconds(at: size.upTo, points) ?? whole
      return SizeFactor(upTo: size.upTo, share: size.share, factor: min(1, seconds / whole))
    }
  }

  /// - Parameter points: ascending in size.
  private static func seconds(at size: Int, _ points: [(size: Int, seconds: Double)]) -> Double? {
    guard let upper = points.first(where: { $0.size >= size }) else { return points.last?.seconds }
    guard upper.size > size, let lower = points.last(where: { $0.size < size }) else { return upper.seconds }
    let part = Double(size - lower.size) / Double(upper.size - lower.size)
    return lower.seconds + (upper.seconds - lower.seconds) * part
  }
}
