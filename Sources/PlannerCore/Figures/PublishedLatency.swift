import RealModule

/// Makes a distribution of a published summary, which names a mean and one or two quantiles.
///
/// Where the summary is silent the table overestimates:
/// - a missing p50 is taken to be the mean;
/// - p90 and p95, where missing between known quantiles, lie on the exponential that joins these;
/// - above the last known quantile, exceedance falls off exponentially through the last two known quantiles, which
///   is heavier than the normal tail that forward passes on a device show; the largest time is where 1 of 10,000
///   would lie;
/// - below p50 the table mirrors its first known quantile above, but no time is shorter than half of p50;
/// - a table whose mean is below the published mean is stretched to it.
package enum PublishedLatency {
  /// Run-to-run drift of the mean, which no publication names: that of a device with a fixed clock.
  static let assumedBetweenRunCV = 0.02

  /// - Returns: nil where the summary has neither mean nor p50, or is not ascending, finite and above 0.
  package static func table(_ figure: PublishedBenchmark, factor: Double = 1) -> QuantileTable? {
    let keys: [(String, Double)] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)]
    var points: [(probability: Double, seconds: Double)] = keys.compactMap { key, probability in
      figure.seconds[key].map { (probability, $0) }
    }
    if points.first?.probability != 0.5 {
      guard let mean = figure.seconds["mean"] else { return nil }
      points.insert((0.5, mean), at: 0)
    }
    guard points.allSatisfy({ $0.seconds > 0 && $0.seconds.isFinite }),
      zip(points, points.dropFirst()).allSatisfy({ $0.seconds <= $1.seconds })
    else { return nil }

    let median = points[0].seconds
    // With nothing known of the tail, a quarter more at p95: far above what any publication shows.
    let above = points.count > 1 ? points[1] : (probability: 0.95, seconds: median * 1.25)
    if points.count == 1 { points.append(above) }
    let fastest = max(median - (above.seconds - median), median / 2)

    let last = points[points.count - 1]
    let previous = points[points.count - 2]
    for (probability, exceedance) in [(0.9, 0.1), (0.95, 0.05), (0.99, 0.01), (0.999, 0.001), (1, 0.0001)] {
      let place = points.firstIndex { $0.probability >= probability } ?? points.count
      if place < points.count, points[place].probability == probability { continue }
      // Within: through the neighbours. Beyond the last known quantile: through the last two that are known.
      let upper = place < points.count ? points[place] : last
      let lower = place < points.count ? points[place - 1] : previous
      let slope = (upper.seconds - lower.seconds) / Double.log((1 - lower.probability) / (1 - upper.probability))
      points.insert((probability, lower.seconds + slope * Double.log((1 - lower.probability) / exceedance)), at: place)
    }
    points.insert((0, fastest), at: 0)
    guard
      let table = QuantileTable(
        probabilities: points.map(\.probability), seconds: points.map { $0.seconds * factor }, sampleCount: 0)
    else { return nil }
    guard let mean = figure.seconds["mean"], mean * factor > table.mean else { return table }
    return table.scaled(by: mean * factor / table.mean)
  }

  /// The largest published quantile up to p99: no load and no packing makes p99 shorter. 0 where only a mean is known.
  static func floorSeconds(_ figure: PublishedBenchmark) -> Double {
    ["p50", "p90", "p95", "p99"].compactMap { figure.seconds[$0] }.max() ?? 0
  }

  /// Mean as published; p50 where only that is known.
  static func meanSeconds(_ figure: PublishedBenchmark) -> Double? { figure.seconds["mean"] ?? figure.seconds["p50"] }

  /// The quantile nearest to p99 that was published; nil where no time was.
  static func label(_ figure: PublishedBenchmark) -> FigureLabel? {
    let key = ["p99", "p95", "p90", "p50", "mean"].first { figure.seconds[$0] != nil }
    guard let key, let seconds = figure.seconds[key] else { return nil }
    return .published(
      quantile: key, seconds: seconds, size: figure.tokens, precision: figure.precision, measuredOn: figure.measuredOn)
  }
}
