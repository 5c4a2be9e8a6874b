import PlannerCore

/// Models that a workload takes together.
public struct LogGroup: Hashable, Sendable {
  public var name: String
  public var architecture: String
  /// Models that there are, asked or not; empty where the log alone says.
  public var models: [String]

  public init(name: String, architecture: String, models: [String] = []) {
    self.name = name
    self.architecture = architecture
    self.models = models
  }
}

/// Which part of the log the rates are of.
public enum LogWindow: String, CaseIterable, Sendable {
  /// The whole log.
  case mean
  /// The busiest part of it, by the requests to all groups together.
  case busiest
}

/// Makes a workload of a log.
public struct LogWorkload: Sendable {
  public var name: String
  public var groups: [LogGroup]
  /// Size of every request, in place of what the log says.
  public var size: Int?
  public var input: RequestInput
  /// Target of all groups.
  public var targetP99Seconds: Double
  public var window: LogWindow

  public init(
    name: String, groups: [LogGroup], size: Int?, input: RequestInput, targetP99Seconds: Double, window: LogWindow
  ) {
    self.name = name
    self.groups = groups
    self.size = size
    self.input = input
    self.targetP99Seconds = targetP99Seconds
    self.window = window
  }

  /// - Throws: `AccessLogError` (`badData`) where the log has too few requests to have a rate.
  public func make(_ log: AccessLog) throws(AccessLogError) -> (workload: Workload, findings: LogFindings) {
    let tally = log.tally
    let leftOut = Self.leftOut(tally)
    guard let first = tally.first, tally.requests >= 2, tally.newest > first else {
      let reasons = leftOut.map { "\($0.lines) \($0.sentence), the first in line \($0.firstLine)" }
      throw AccessLogError(
        .badData,
        "\(log.path): \(tally.requests) of \(log.lines) lines are requests to models, at less than two times: that is "
          + "no rate" + (reasons.isEmpty ? "" : "; left out: " + reasons.joined(separator: "; ")))
    }
    let seconds = Double(tally.newest - first) / 1000
    // The span between the first of n requests and the last holds n − 1 of them.
    let scale = Double(tally.requests - 1) / Double(tally.requests) / seconds
    let busiest = Self.busiest(tally, seconds)
    var workloadGroups: [ModelGroup] = []
    var findings: [LogFindings.Group] = []
    var neverAsked: [String] = []
    let ranked = ranked(tally)
    for (index, group) in groups.enumerated() {
      guard tally.groups[index].requests > 0 else {
        neverAsked.append(group.name)
        continue
      }
      let study = GroupStudy(
        group: group, tally: tally.groups[index], ranked: ranked[index], perRequest: scale, seconds: seconds,
        busiest: busiest.map { ($0.minutes, $0.finding.lengthSeconds) })
      findings.append(study.finding)
      workloadGroups.append(study.modelGroup(self))
    }
    let isLong = seconds >= DispersionPool.fewestSeconds
    let dispersion = tally.groups.reduce(1) { max($0, isLong ? $1.dispersion.figure?.index ?? 1 : 1) }
    let all = LogFindings(
      log: log.path, format: log.format.rawValue, lines: log.lines, requests: tally.requests, durationSeconds: seconds,
      ratePerSecond: GroupStudy.rate(tally.requests, scale, dispersion), busiest: busiest?.finding,
      window: window.rawValue, leftOut: leftOut, groups: findings, groupsNeverAsked: neverAsked)
    let part = window == .busiest && busiest != nil ? "busiest \(Self.words(busiest?.finding))" : "mean rates"
    let source = "\(log.path): \(tally.requests) requests in \(log.lines) lines over \(Self.number(seconds)) s, \(part)"
    return (Workload(name: name, groups: workloadGroups, source: source), all)
  }

  private static func words(_ busiest: LogFindings.Busiest?) -> String {
    "\(number((busiest?.lengthSeconds ?? 0) / 60)) min"
  }

  private static func number(_ value: Double) -> String {
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private static func leftOut(_ tally: LogTally) -> [LogFindings.LeftOut] {
    LeftOut.allCases.filter { tally.leftOut[$0.rawValue] > 0 }.map {
      LogFindings.LeftOut(
        reason: $0.name, sentence: $0.sentence, lines: tally.leftOut[$0.rawValue],
        firstLine: tally.firstLineLeftOut[$0.rawValue])
    }
  }

  /// Names and requests of each group's models, the most asked first, then by name.
  private func ranked(_ tally: LogTally) -> [[(name: String, requests: Int)]] {
    var ranked = groups.map { _ in [(name: String, requests: Int)]() }
    var asked = groups.map { _ in Set<String>() }
    for (number, model) in tally.models.enumerated() where model.group >= 0 && model.requests > 0 {
      let name = tally.names.name(number)
      ranked[Int(model.group)].append((name, model.requests))
      if !groups[Int(model.group)].models.isEmpty { asked[Int(model.group)].insert(name) }
    }
    for (index, group) in groups.enumerated() {
      ranked[index] += group.models.filter { !asked[index].contains($0) }.map { ($0, 0) }
      ranked[index].sort { ($1.requests, $0.name) < ($0.requests, $1.name) }
    }
    return ranked
  }

  /// The busiest part of the log: an hour of one of at least three, ten minutes of one of half an hour, a minute of one
  /// of three; nil for shorter ones.
  private static func busiest(
    _ tally: LogTally, _ seconds: Double
  ) -> (finding: LogFindings.Busiest, minutes: Range<Int>)? {
    guard let length = [60, 10, 1].first(where: { seconds >= Double($0) * 180 }) else { return nil }
    let minutes = tally.groups.reduce(0) { max($0, $1.minutes.count) }
    func requests(_ minute: Int) -> Int {
      tally.groups.reduce(0) { $0 + (minute < $1.minutes.count ? Int($1.minutes[minute]) : 0) }
    }
    var sum = (0..<length).reduce(0) { $0 + requests($1) }
    var best = (sum: sum, end: length)
    for end in stride(from: length + 1, through: minutes, by: 1) {
      sum += requests(end - 1) - requests(end - 1 - length)
      if sum > best.sum { best = (sum, end) }
    }
    let span = Double(length) * 60
    return (
      LogFindings.Busiest(
        startSeconds: tally.startSeconds(ofMinute: best.end - length), lengthSeconds: span,
        ratePerSecond: Double(best.sum) / span),
      best.end - length..<best.end
    )
  }
}

/// What the log says of one group.
private struct GroupStudy {
  let group: LogGroup
  let tally: LogTally.Group
  let ranked: [(name: String, requests: Int)]
  /// Requests a second that each request of the log stands for.
  let perRequest: Double
  let fit: PopularityFit
  let dispersion: DispersionPool.Figure?
  let busiestRatePerSecond: Double?

  init(
    group: LogGroup, tally: LogTally.Group, ranked: [(name: String, requests: Int)], perRequest: Double,
    seconds: Double, busiest: (minutes: Range<Int>, seconds: Double)?
  ) {
    self.group = group
    self.tally = tally
    self.ranked = ranked
    self.perRequest = perRequest
    dispersion = seconds >= DispersionPool.fewestSeconds ? tally.dispersion.figure : nil
    fit = PopularityFit(counts: ranked.map(\.requests), dispersion: dispersion?.index ?? 1)
    busiestRatePerSecond = busiest.map { part in
      let counted = part.minutes.clamped(to: 0..<tally.minutes.count)
      return Double(counted.reduce(0) { $0 + Int(tally.minutes[$1]) }) / part.seconds
    }
  }

  /// A rate with its 95 % interval: the number of requests varies by its dispersion.
  static func rate(_ requests: Int, _ perRequest: Double, _ dispersion: Double) -> Estimate {
    let spread = 1.96 * (Double(requests) * dispersion).squareRoot()
    return Estimate(
      estimate: Double(requests) * perRequest, low: max(0, Double(requests) - spread) * perRequest,
      high: (Double(requests) + spread) * perRequest)
  }

  /// Poisson's where the interval touches 0.95 to 1.05: such a difference moves no plan.
  private var process: ArrivalProcess {
    guard let dispersion, dispersion.high < 0.95 || dispersion.low > 1.05 else { return .poisson }
    // Clocks that tick evenly, but for the windows' edges.
    if dispersion.high < 0.2 { return .deterministic }
    return .gamma(cv: max(0.001, Self.rounded(dispersion.cv)))
  }

  private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

  private var popularity: Popularity {
    if fit.isUniform { return .uniform }
    if fit.isZipf, let exponent = fit.exponent, Self.rounded(exponent.estimate) > 0 {
      return .zipf(exponent: Self.rounded(exponent.estimate))
    }
    let total = Double(tally.requests)
    return .shares(ranked.map { Double($0.requests) / total })
  }

  func modelGroup(_ settings: LogWorkload) -> ModelGroup {
    let mean = Double(tally.requests) * perRequest
    let inBusiest = busiestRatePerSecond.flatMap { $0 > 0 ? $0 : nil } ?? mean
    let total = settings.window == .busiest ? inBusiest : mean
    let sizes = settings.size.map { RequestSizes.fixed($0) } ?? tally.sizes.sizes ?? .none
    return ModelGroup(
      name: group.name, architecture: group.architecture, models: ranked.count, modelNames: ranked.map(\.name),
      requests: RequestMix(sizes: sizes, input: settings.input),
      ratePerModelPerSecond: total / Double(ranked.count), popularity: popularity, arrivals: process,
      targetP99Seconds: settings.targetP99Seconds)
  }

  var finding: LogFindings.Group {
    let index = dispersion?.index ?? 1
    let law =
      switch popularity {
      case .uniform: "uniform"
      case .zipf: "zipf"
      case .shares: "listed"
      }
    return LogFindings.Group(
      name: group.name, models: ranked.count, modelsNeverAsked: ranked.count { $0.requests == 0 },
      modelsSeldomAsked: ranked.count { (1..<LogFindings.seldom).contains($0.requests) }, requests: tally.requests,
      ratePerSecond: Self.rate(tally.requests, perRequest, index), busiestRatePerSecond: busiestRatePerSecond,
      hottest: ranked.prefix(3).map { .init(name: $0.name, ratePerSecond: Self.rate($0.requests, perRequest, index)) },
      popularity: .init(
        law: law, chiSquare: fit.chiSquare, criticalChiSquare: fit.criticalChiSquare, zipfExponent: fit.exponent,
        misplacedShare: fit.misplaced, allowedShare: fit.allowed),
      arrivals: .init(
        process: process.name,
        cv: dispersion.map { Estimate(estimate: $0.cv, low: $0.low, high: $0.high) }, pairs: tally.dispersion.pairs),
      sizes: tally.sizes.requests == 0
        ? nil
        : .init(
          requests: tally.sizes.requests, mean: tally.sizes.mean, p50: tally.sizes.quantile(0.5),
          p99: tally.sizes.quantile(0.99), largest: tally.sizes.most))
  }
}
