import PlannerCore

extension Samples {
  private static let rate = Estimate(estimate: 3, low: 2.5, high: 3.5)

  private static func findings(_ groups: [LogFindings.Group]) -> LogFindings {
    LogFindings(
      log: "access.log", format: "common", lines: 1000, requests: 900, durationSeconds: 300, ratePerSecond: rate,
      busiest: nil, window: "mean", leftOut: [], groups: groups, groupsNeverAsked: [])
  }

  private static func group(
    _ popularity: LogFindings.PopularityFinding, _ arrivals: LogFindings.ArrivalsFinding,
    busiest: Double? = nil, sizes: LogFindings.SizesFinding? = nil
  ) -> LogFindings.Group {
    LogFindings.Group(
      name: "bert-base", models: 12, modelsNeverAsked: 1, modelsSeldomAsked: 2, requests: 900, ratePerSecond: rate,
      busiestRatePerSecond: busiest, hottest: [.init(name: "a", ratePerSecond: rate)], popularity: popularity,
      arrivals: arrivals, sizes: sizes)
  }

  /// All that a log may say.
  static let logFindings = {
    var full = findings([
      group(
        .init(
          law: "zipf", chiSquare: 900, criticalChiSquare: 31, zipfExponent: rate, misplacedShare: 0.04,
          allowedShare: 0.07),
        .init(process: "gamma", cv: rate, pairs: 120), busiest: 6,
        sizes: .init(requests: 900, mean: 40, p50: 32, p99: 128, largest: 200))
    ])
    full.busiest = .init(startSeconds: 60, lengthSeconds: 60, ratePerSecond: 6)
    full.window = "busiest"
    full.leftOut = [.init(reason: "status", sentence: "requests refused as wrong", lines: 100, firstLine: 7)]
    full.groupsNeverAsked = ["lstm"]
    full.blanks = ["targetP99"]
    full.files = ["shop.1.models.csv", "shop.yaml"]
    return full
  }()

  /// A short log of few models, without sizes.
  static let bareLogFindings = findings([
    group(
      .init(
        law: "uniform", chiSquare: 9, criticalChiSquare: 31, zipfExponent: nil, misplacedShare: nil, allowedShare: nil),
      .init(process: "poisson", cv: nil, pairs: 0))
  ])
}
