/// Whether a measured run kept the plan's target.
public enum Verdict: String, Codable, Sendable { case pass, fail, undecided }

/// Latency and throughput of one run, predicted or measured.
public struct RunFigures: Codable, Hashable, Sendable {
  public var p50Seconds: Double
  public var p90Seconds: Double
  public var p95Seconds: Double
  public var p99Seconds: Double
  public var throughputPerSecond: Double
  public var memoryBytes: Int64

  public init(
    p50Seconds: Double, p90Seconds: Double, p95Seconds: Double, p99Seconds: Double, throughputPerSecond: Double,
    memoryBytes: Int64
  ) {
    self.p50Seconds = p50Seconds
    self.p90Seconds = p90Seconds
    self.p95Seconds = p95Seconds
    self.p99Seconds = p99Seconds
    self.throughputPerSecond = throughputPerSecond
    self.memoryBytes = memoryBytes
  }
}

/// What a plan promised beside what a run measured; `planner execute --json` prints this object, and
/// `run.json` beside the report holds it.
public struct RunRecord: Codable, Sendable {
  public struct Prediction: Codable, Hashable, Sendable {
    /// Predicted over measured, less 1.
    public var errorP50: Double
    public var errorP99: Double
    /// Measured p50 and p99 both lie in the prediction's 95 % intervals.
    public var withinInterval: Bool
    public var p50: Estimate
    public var p99: Estimate

    public init(errorP50: Double, errorP99: Double, withinInterval: Bool, p50: Estimate, p99: Estimate) {
      self.errorP50 = errorP50
      self.errorP99 = errorP99
      self.withinInterval = withinInterval
      self.p50 = p50
      self.p99 = p99
    }
  }

  public struct Requests: Codable, Hashable, Sendable {
    public var sent = 0
    public var completed = 0
    public var rejected = 0
    public var timedOut = 0
    public var failed = 0
    public init() {}
  }

  /// A latency distribution for the percentile plot.
  public struct Curve: Codable, Hashable, Sendable {
    public var probabilities: [Double]
    public var seconds: [Double]
    public init(probabilities: [Double], seconds: [Double]) {
      self.probabilities = probabilities
      self.seconds = seconds
    }
  }

  public var schemaVersion = 1
  public var kind = "run"
  public var name: String
  /// ISO 8601, UTC.
  public var startedAt: String
  /// `full`, or `slice` where the plan's processor or size is not at hand.
  public var scope: String
  /// Why it is a slice; nil for `full`.
  @ExplicitNull public var scopeReason: String?
  public var runtime: String
  public var host: HostFingerprint
  public var workload: Workload
  public var node: NodeGroup
  public var models: Int
  public var durationSeconds: Double
  public var predicted: RunFigures
  public var measured: RunFigures
  public var prediction: Prediction
  public var predictedCurve: Curve
  public var predictedCurveLow: Curve
  public var predictedCurveHigh: Curve
  public var measuredCurve: Curve
  public var predictedUtilization: Double
  public var measuredUtilization: Double
  public var requests: Requests
  public var targetP99Seconds: Double
  public var verdict: Verdict
  public var verdictReason: String
  /// Of the verdict.
  public var confidence: Double
  /// false where the load generator itself fell behind or the run broke off.
  public var valid: Bool
  @ExplicitNull public var invalidReason: String?
  /// The plan's fleet, for the cost table of the report.
  public var plan: PlanSummary
  /// nil where the prediction is the profile's own.
  @ExplicitNull public var calibration: Calibration?

  public struct PlanSummary: Codable, Hashable, Sendable {
    @ExplicitNull public var costPerHour: Double?
    @ExplicitNull public var costPerMonth: Double?
    @ExplicitNull public var lowerBoundPerHour: Double?
    @ExplicitNull public var gap: Double?
    public var models: Int
    public var binding: String
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

  public init(
    name: String, startedAt: String, scope: String, scopeReason: String?, runtime: String, host: HostFingerprint,
    workload: Workload, node: NodeGroup, models: Int, durationSeconds: Double, predicted: RunFigures,
    measured: RunFigures, prediction: Prediction, predictedCurve: Curve, predictedCurveLow: Curve,
    predictedCurveHigh: Curve, measuredCurve: Curve, predictedUtilization: Double, measuredUtilization: Double,
    requests: Requests, targetP99Seconds: Double, verdict: Verdict, verdictReason: String, confidence: Double,
    valid: Bool, invalidReason: String?, plan: PlanSummary, calibration: Calibration? = nil
  ) {
    self.name = name
    self.startedAt = startedAt
    self.scope = scope
    self.scopeReason = scopeReason
    self.runtime = runtime
    self.host = host
    self.workload = workload
    self.node = node
    self.models = models
    self.durationSeconds = durationSeconds
    self.predicted = predicted
    self.measured = measured
    self.prediction = prediction
    self.predictedCurve = predictedCurve
    self.predictedCurveLow = predictedCurveLow
    self.predictedCurveHigh = predictedCurveHigh
    self.measuredCurve = measuredCurve
    self.predictedUtilization = predictedUtilization
    self.measuredUtilization = measuredUtilization
    self.requests = requests
    self.targetP99Seconds = targetP99Seconds
    self.verdict = verdict
    self.verdictReason = verdictReason
    self.confidence = confidence
    self.valid = valid
    self.invalidReason = invalidReason
    self.plan = plan
    self.calibration = calibration
  }
}
