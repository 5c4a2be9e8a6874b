import Executor
import LoadTest
import PlannerCore
import Simulator

/// Lays a prediction beside a measured run.
public struct RunComparison: Sendable {
  public var name: String
  /// When the run began: ISO 8601, UTC.
  public var startedAt: String
  public var runtime: String
  public var host: HostFingerprint
  public var plan: Plan
  public var excerpt: Excerpt
  public var prediction: NodePrediction
  /// What the machine's speed did to the prediction; nil where the prediction is the profile's own.
  public var calibration: CalibrationNote?
  public var result: LoadResult
  /// Private memory of each node's server, bytes.
  public var measuredMemoryBytes: [Int64]

  /// The machine's speed just before the run, and what was predicted without knowing it.
  public struct CalibrationNote: Sendable {
    public var speed: MachineSpeed
    public var requests: Int
    public var seconds: Double
    public var profiled: NodePrediction

    public init(speed: MachineSpeed, requests: Int, seconds: Double, profiled: NodePrediction) {
      self.speed = speed
      self.requests = requests
      self.seconds = seconds
      self.profiled = profiled
    }
  }

  public init(
    name: String, startedAt: String, runtime: String, host: HostFingerprint, plan: Plan, excerpt: Excerpt,
    prediction: NodePrediction, calibration: CalibrationNote?, result: LoadResult, measuredMemoryBytes: [Int64]
  ) {
    self.name = name
    self.startedAt = startedAt
    self.runtime = runtime
    self.host = host
    self.plan = plan
    self.excerpt = excerpt
    self.prediction = prediction
    self.calibration = calibration
    self.result = result
    self.measuredMemoryBytes = measuredMemoryBytes
  }

  public func record() -> RunRecord {
    let judged = JudgedGroups(excerpt, result)
    let measured = result.figures(memoryBytes: measuredMemoryBytes.reduce(0, +))
    return RunRecord(
      asked: .init(
        name: name, workload: plan.workload, targetP99Seconds: judged.strictestTargetSeconds,
        plan: RunRecord.PlanSummary(plan)),
      ran: .init(
        startedAt: startedAt, scope: excerpt.scope, scopeReason: excerpt.reason, runtime: runtime, host: host,
        node: excerpt.nodes[0], models: excerpt.layout.copies.count),
      load: .init(durationSeconds: result.durationSeconds - result.fromSeconds, requests: result.counts),
      figures: figures(measured: measured),
      comparison: .init(
        prediction: errors(measured), calibration: calibration.map { Self.calibration($0, measured) }),
      verdict: judged.judgement, parts: .init(groups: judged.groups.map(group), nodes: nodes()))
  }

  private func group(_ judged: JudgedGroups.Group) -> RunRecord.Group {
    let isOnly = excerpt.layout.groups.count == 1
    let predicted =
      isOnly ? prediction.latencySeconds : prediction.groups.first { $0.name == judged.group.name }?.latencySeconds
    return RunRecord.Group(
      name: judged.group.name, models: judged.models, requests: judged.result.counts,
      targetP99Seconds: judged.group.targetP99Seconds, predictedP99: predicted?.p99,
      measured: judged.result.counts.sent > 0 ? judged.result.figures(memoryBytes: 0) : nil,
      verdict: judged.verdict.verdict, verdictReason: judged.verdict.reason, confidence: judged.verdict.confidence,
      valid: judged.verdict.valid)
  }

  private func nodes() -> [RunRecord.Node] {
    excerpt.nodes.enumerated().map { index, node in
      let own = result.part { $0.target == index }
      let workers = node.devices * node.workers
      return RunRecord.Node(
        name: NodeID(index: index).text, instanceType: node.instanceType, workers: workers,
        threadsPerWorker: node.threadsPerWorker, models: excerpt.copies(onNode: index).count, requests: own.counts,
        measuredUtilization: own.utilization(workers: workers) ?? 0, memoryBytes: measuredMemoryBytes[index])
    }
  }

  private var predicted: RunFigures {
    let latency = prediction.latencySeconds
    return RunFigures(
      p50Seconds: latency.p50.estimate, p90Seconds: latency.p90.estimate, p95Seconds: latency.p95.estimate,
      p99Seconds: latency.p99.estimate, throughputPerSecond: prediction.throughputPerSecond,
      memoryBytes: excerpt.memoryBytes)
  }

  private func figures(measured: RunFigures) -> RunRecord.Figures {
    RunRecord.Figures(
      predicted: predicted, measured: measured, predictedCurve: prediction.curve,
      predictedCurveLow: prediction.curveLow, predictedCurveHigh: prediction.curveHigh,
      measuredCurve: result.curve(probabilities: prediction.curve.probabilities),
      predictedUtilization: prediction.utilization,
      measuredUtilization: result.utilization(workers: excerpt.workers) ?? 0)
  }

  private func errors(_ measured: RunFigures) -> RunRecord.Prediction {
    let (p50, p99) = (prediction.latencySeconds.p50, prediction.latencySeconds.p99)
    return RunRecord.Prediction(
      errorP50: Self.error(p50, measured.p50Seconds), errorP99: Self.error(p99, measured.p99Seconds),
      withinInterval: p50.contains(measured.p50Seconds) && p99.contains(measured.p99Seconds), p50: p50, p99: p99)
  }

  private static func calibration(_ note: CalibrationNote, _ measured: RunFigures) -> Calibration {
    let (p50, p99) = (note.profiled.latencySeconds.p50, note.profiled.latencySeconds.p99)
    return Calibration(
      requests: note.requests, durationSeconds: note.seconds, speed: note.speed,
      profileOnly: .init(
        p50Seconds: p50.estimate, p99Seconds: p99.estimate, errorP50: error(p50, measured.p50Seconds),
        errorP99: error(p99, measured.p99Seconds)))
  }

  /// Predicted over measured, less 1.
  private static func error(_ predicted: Estimate, _ measured: Double) -> Double { predicted.estimate / measured - 1 }
}

extension Estimate {
  /// Whether `value` lies in the interval, its ends included.
  func contains(_ value: Double) -> Bool { low <= value && value <= high }
}
