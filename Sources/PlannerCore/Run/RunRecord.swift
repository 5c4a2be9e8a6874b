/// What a plan promised beside what a run measured; `planner execute --json` prints this object, and `run.json` beside
/// the report holds it.
///
/// In Swift it is seven parts; in JSON their keys lie side by side. Version 1 of the file is read as well.
public struct RunRecord: Sendable {
  public static let schemaVersion = 2
  /// Versions that can be read.
  public static let oldestVersion = 1
  public static let kind = "run"

  /// What was asked for.
  public var asked: Asked
  /// What ran, and where.
  public var ran: Ran
  /// What was sent to it, and what became of that.
  public var load: Load
  /// Predicted and measured, side by side.
  public var figures: Figures
  /// How far the one was from the other.
  public var comparison: Comparison
  /// What the run says of the target.
  public var verdict: Judgement
  /// Groups of models and nodes, each by itself.
  public var parts: Parts

  public init(
    asked: Asked, ran: Ran, load: Load, figures: Figures, comparison: Comparison, verdict: Judgement,
    parts: Parts = Parts()
  ) {
    self.parts = parts
    self.asked = asked
    self.ran = ran
    self.load = load
    self.figures = figures
    self.comparison = comparison
    self.verdict = verdict
  }

  /// What the run amounts to, and with it the exit code of `planner execute`.
  public var conclusion: RunConclusion {
    guard verdict.valid else { return .open }
    switch verdict.outcome {
    case .pass: return .kept
    case .fail: return .missed
    case .undecided: return .open
    }
  }
}

extension RunRecord {
  /// What a run was to show: a workload, its target, and the plan that is to keep it.
  public struct Asked: Codable, Sendable {
    /// Name of the run.
    public var name: String
    public var workload: Workload
    /// Most that the 99th percentile of latency may be, seconds.
    public var targetP99Seconds: Double
    /// The plan's fleet, for the cost table of the report.
    public var plan: PlanSummary

    public init(name: String, workload: Workload, targetP99Seconds: Double, plan: PlanSummary) {
      self.name = name
      self.workload = workload
      self.targetP99Seconds = targetP99Seconds
      self.plan = plan
    }
  }

  /// What of a plan a report shows.
  public struct PlanSummary: Codable, Hashable, Sendable {
    /// Price of the fleet, dollars an hour; nil where no plan is feasible.
    @ExplicitNull public var costPerHour: Double?
    /// Price of the fleet, dollars a month of 730 hours; nil where no plan is feasible.
    @ExplicitNull public var costPerMonth: Double?
    /// Price below which no plan can be, dollars an hour; nil where it is proven that there is no plan.
    @ExplicitNull public var lowerBoundPerHour: Double?
    /// Cost over lower bound, less 1; nil where one of them is missing.
    @ExplicitNull public var gap: Double?
    /// Models that the plan serves.
    public var models: Int
    /// What stops the plan from being cheaper, or from being feasible.
    public var binding: String
    /// `binding` in a sentence.
    public var bindingReason: String
    public var nodes: [NodeGroup]

    public init(_ plan: Plan) {
      costPerHour = plan.costPerHour
      costPerMonth = plan.costPerMonth
      lowerBoundPerHour = plan.lowerBoundPerHour
      gap = plan.gap
      models = plan.models
      binding = plan.binding.rawValue
      bindingReason = plan.bindingReason.sentence
      nodes = plan.nodes
    }
  }

  /// The node that a run was made with.
  public struct Ran: Codable, Sendable {
    /// When the run began: ISO 8601, UTC.
    public var startedAt: String
    public var scope: RunScope
    /// Why it is a slice; nil for a run in full.
    @ExplicitNull public var scopeReason: String?
    /// Runtime that the node was deployed to, as `--runtime` names it.
    public var runtime: String
    /// The machine that it ran on; of nodes of a cluster, the one that they were asked from.
    public var host: HostFingerprint
    public var node: NodeGroup
    /// Models that the node held.
    public var models: Int

    public init(
      startedAt: String, scope: RunScope, scopeReason: String?, runtime: String, host: HostFingerprint,
      node: NodeGroup, models: Int
    ) {
      self.startedAt = startedAt
      self.scope = scope
      self.scopeReason = scopeReason
      self.runtime = runtime
      self.host = host
      self.node = node
      self.models = models
    }
  }

  /// How hard the node was driven.
  public struct Load: Codable, Hashable, Sendable {
    /// Length of the counted part, seconds; the warm-up is not in it.
    public var durationSeconds: Double
    public var requests: RequestOutcomes

    public init(durationSeconds: Double, requests: RequestOutcomes) {
      self.durationSeconds = durationSeconds
      self.requests = requests
    }
  }

  /// The figures of a run, as predicted on its own schedule and as measured.
  public struct Figures: Codable, Hashable, Sendable {
    public var predicted: RunFigures
    public var measured: RunFigures
    public var predictedCurve: LatencyCurve
    /// Lower ends of the prediction's 95 % intervals.
    public var predictedCurveLow: LatencyCurve
    /// Upper ends of the prediction's 95 % intervals.
    public var predictedCurveHigh: LatencyCurve
    public var measuredCurve: LatencyCurve
    /// Busy workers over workers, as predicted.
    public var predictedUtilization: Double
    /// Busy workers over workers, as the server's own times say; 0 where it sent none.
    public var measuredUtilization: Double

    public init(
      predicted: RunFigures, measured: RunFigures, predictedCurve: LatencyCurve, predictedCurveLow: LatencyCurve,
      predictedCurveHigh: LatencyCurve, measuredCurve: LatencyCurve, predictedUtilization: Double,
      measuredUtilization: Double
    ) {
      self.predicted = predicted
      self.measured = measured
      self.predictedCurve = predictedCurve
      self.predictedCurveLow = predictedCurveLow
      self.predictedCurveHigh = predictedCurveHigh
      self.measuredCurve = measuredCurve
      self.predictedUtilization = predictedUtilization
      self.measuredUtilization = measuredUtilization
    }
  }

  /// How far the prediction was from the measurement.
  public struct Comparison: Codable, Hashable, Sendable {
    public var prediction: Prediction
    /// How fast the machine was just before the run; nil where the prediction is the profile's own.
    @ExplicitNull public var calibration: Calibration?

    public init(prediction: Prediction, calibration: Calibration? = nil) {
      self.prediction = prediction
      self.calibration = calibration
    }
  }

  /// Errors of the prediction, and the intervals that it gave.
  public struct Prediction: Codable, Hashable, Sendable {
    /// Predicted median over measured median, less 1.
    public var errorP50: Double
    /// Predicted 99th percentile over measured 99th percentile, less 1.
    public var errorP99: Double
    /// Measured p50 and p99 both lie in the prediction's 95 % intervals.
    public var withinInterval: Bool
    /// Predicted median, seconds, with its 95 % prediction interval.
    public var p50: Estimate
    /// Predicted 99th percentile, seconds, with its 95 % prediction interval.
    public var p99: Estimate

    public init(errorP50: Double, errorP99: Double, withinInterval: Bool, p50: Estimate, p99: Estimate) {
      self.errorP50 = errorP50
      self.errorP99 = errorP99
      self.withinInterval = withinInterval
      self.p50 = p50
      self.p99 = p99
    }
  }

  /// The verdict, how sure it is, and whether the run counts at all.
  public struct Judgement: Codable, Hashable, Sendable {
    public var outcome: Verdict
    /// The verdict in a sentence.
    public var reason: String
    /// Confidence of the verdict, from 0 to 1; 0 where the run says nothing.
    public var confidence: Double
    /// false where the load generator itself fell behind or requests failed.
    public var valid: Bool
    /// Why the run does not count; nil where it does.
    @ExplicitNull public var invalidReason: String?

    private enum CodingKeys: String, CodingKey {
      case outcome = "verdict", reason = "verdictReason", confidence, valid, invalidReason
    }

    public init(outcome: Verdict, reason: String, confidence: Double, valid: Bool, invalidReason: String?) {
      self.outcome = outcome
      self.reason = reason
      self.confidence = confidence
      self.valid = valid
      self.invalidReason = invalidReason
    }
  }
}

extension RunRecord.Ran {
  /// The nodes were a cluster's, and `host` is the machine that they were asked from.
  public var isOfCluster: Bool { runtime == "kubernetes" }
}

extension RunRecord: Codable {
  private enum Key: String, CodingKey { case schemaVersion, kind }

  public init(from decoder: any Decoder) throws {
    // The parts' keys lie side by side, so each reads its own from the one object.
    asked = try Asked(from: decoder)
    ran = try Ran(from: decoder)
    load = try Load(from: decoder)
    figures = try Figures(from: decoder)
    comparison = try Comparison(from: decoder)
    verdict = try Judgement(from: decoder)
    parts = try Parts(from: decoder)
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    try box.encode(Self.schemaVersion, forKey: .schemaVersion)
    try box.encode(Self.kind, forKey: .kind)
    try asked.withoutTraces.encode(to: encoder)
    try ran.withoutTrace.encode(to: encoder)
    try load.encode(to: encoder)
    try figures.encode(to: encoder)
    try comparison.encode(to: encoder)
    try verdict.encode(to: encoder)
    try parts.encode(to: encoder)
  }
}

extension RunRecord.Asked {
  /// Without the thousands of single times that the plan was simulated with: they are the profile's.
  fileprivate var withoutTraces: Self {
    var asked = self
    asked.plan.nodes = asked.plan.nodes.map(\.withoutTraces)
    return asked
  }
}

extension RunRecord.Ran {
  /// Without the thousands of single times that the node was simulated with: they are the profile's.
  fileprivate var withoutTrace: Self {
    var ran = self
    ran.node = ran.node.withoutTraces
    return ran
  }
}

extension NodeGroup {
  /// The node without the single times of any of its models.
  fileprivate var withoutTraces: NodeGroup {
    var node = self
    for index in node.figures.entries.indices { node.figures.entries[index].service.computeTraceSeconds = nil }
    return node
  }
}
