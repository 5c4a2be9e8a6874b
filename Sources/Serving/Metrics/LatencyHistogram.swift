import Synchronization

/// Upper bounds of a histogram's buckets, and how Prometheus writes them.
package struct BucketBounds: Sendable {
  /// Upper bounds of the buckets, ascending.
  package let upper: [Double]
  let labels: [String]

  package init(_ upper: [Double]) {
    self.upper = upper
    labels = upper.map(PrometheusText.number)
  }

  /// Seconds: steps of 4 % from 1 ms to 1 s, so that a quantile read off them is within 4 % there; of 25 % from 0.1 ms
  /// and up to a minute.
  package static let seconds = BucketBounds(
    steps(0.0001, 0.001, 1.25) + steps(0.001, 0.1, 1.04) + steps(0.1, 1, 1.04) + steps(1, 60, 1.25) + [60])

  /// Requests of one forward pass.
  package static let batchSizes = BucketBounds([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128])

  /// From `first`, up to but not including `last`, evenly in the logarithm and by `factor` at most; six digits.
  private static func steps(_ first: Double, _ last: Double, _ factor: Double) -> [Double] {
    var count = 1
    func ratio(_ count: Int) -> Double { root(last / first, count) }
    while ratio(count) > factor { count += 1 }
    return (0..<count).map { index in
      let exact = first * (0..<index).reduce(1.0) { product, _ in product * ratio(count) }
      return (exact * 1e7).rounded() / 1e7
    }
  }

  /// By bisection: Foundation's pow may differ in the last digit from machine to machine, and servers must agree on
  /// their bounds for their buckets to be added up.
  private static func root(_ value: Double, _ count: Int) -> Double {
    var (low, high) = (1.0, value)
    for _ in 0..<80 {
      let middle = (low + high) / 2
      let power = (0..<count).reduce(1.0) { product, _ in product * middle }
      if power < value { low = middle } else { high = middle }
    }
    return high
  }

  /// Index of the first bucket whose bound is not below the value; the number of bounds for those above all.
  package func bucket(_ value: Double) -> Int {
    var low = 0
    var high = upper.count
    while low < high {
      let middle = (low + high) / 2
      if upper[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Counts of observations by bucket, and their sum. Recording takes two additions.
package struct LatencyHistogram: Sendable {
  package let bounds: BucketBounds
  private let counters: ShardedCounters

  package init(_ bounds: BucketBounds) {
    self.bounds = bounds
    counters = ShardedCounters(count: bounds.upper.count + 2)
  }

  /// - Parameter value: seconds, or a plain number; kept to nine decimals.
  package func record(_ value: Double) {
    // Also for a value that is no number.
    let bounded = value > 0 ? min(value, 1e9) : 0
    counters.add(to: bounds.bucket(bounded))
    counters.add(Int((bounded * 1e9).rounded()), to: bounds.upper.count + 1)
  }

  package struct Reading: Sendable {
    /// Observations by bucket, the last above all bounds; not cumulative.
    package var counts: [Int]
    package var sum: Double
    package var count: Int { counts.reduce(0, +) }
  }

  package var reading: Reading {
    var values = counters.values()
    let sum = Double(values.removeLast()) / 1e9
    return Reading(counts: values, sum: sum)
  }
}
