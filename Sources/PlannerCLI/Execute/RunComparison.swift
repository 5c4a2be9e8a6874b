import LoadTest
import Optimizer
import PlannerCore
import Simulator

/// Lays a prediction beside a measured run.
struct RunComparison {
  var name: String
  var startedAt: String
  var runtime: String
  var host: HostFingerprint
  var plan: Plan
  var deployment: Slice
  var prediction: NodePrediction
  /// nil where the prediction is the profile's own.
  var calibration: Calibration?
  var result: LoadResult
  var measuredMemoryBytes: Int64

  /// The machine's speed just before the run, and what was predicted without knowing it.
  struct Calibration {
    var speed: MachineSpeed
    var requests: Int
    var seconds: Double
    var profiled: NodePrediction
  }

  func record() -> RunRecord {
    let verdict = VerdictRule(targetSeconds: plan.workload.targetP99Seconds).judge(result)
    let measured = result.figures(memoryBytes: measuredMemoryBytes)
    let latency = prediction.latencySeconds
    let node = deployment.node
    let predicted = RunFigures(
      p50Seconds: latency.p50.estimate, p90Seconds: latency.p90.estimate, p95Seconds: latency.p95.estimate,
      p99Seconds: latency.p99.estimate, throughputPerSecond: prediction.throughputPerSecond,
      memoryBytes: Int64(deployment.models) * node.memoryPerModelBytes + (node.serverMemoryBytes ?? 0))
    return RunRecord(
      name: name, startedAt: startedAt, scope: deployment.reason == nil ? "full" : "slice",
      scopeReason: deployment.reason?.description, runtime: runtime,
      host: host, workload: plan.workload, node: node, models: deployment.models,
      durationSeconds: result.durationSeconds - result.fromSeconds, predicted: predicted, measured: measured,
      prediction: RunRecord.Prediction(
        errorP50: predicted.p50Seconds / measured.p50Seconds - 1,
        errorP99: predicted.p99Seconds / measured.p99Seconds - 1,
        withinInterval: latency.p50.contains(measured.p50Seconds) && latency.p99.contains(measured.p99Seconds),
        p50: latency.p50, p99: latency.p99),
      predictedCurve: prediction.curve, predictedCurveLow: prediction.curveLow,
      predictedCurveHigh: prediction.curveHigh,
      measuredCurve: result.curve(probabilities: prediction.curve.probabilities),
      predictedUtilization: prediction.utilization, measuredUtilization: result.utilization(workers: node.workers) ?? 0,
      requests: result.counts, targetP99Seconds: plan.workload.targetP99Seconds, verdict: verdict.verdict,
      verdictReason: verdict.reason, confidence: verdict.confidence, valid: verdict.valid,
      invalidReason: verdict.invalidReason, plan: RunRecord.PlanSummary(plan),
      calibration: calibration.map { calibration in
        let (p50, p99) = (calibration.profiled.latencySeconds.p50, calibration.profiled.latencySeconds.p99)
        return RunRecord.Calibration(
          requests: calibration.requests, durationSeconds: calibration.seconds, speed: calibration.speed,
          profileOnly: .init(
            p50Seconds: p50.estimate, p99Seconds: p99.estimate, errorP50: p50.estimate / measured.p50Seconds - 1,
            errorP99: p99.estimate / measured.p99Seconds - 1))
      })
  }
}

extension Estimate {
  func contains(_ value: Double) -> Bool { low <= value && value <= high }
}
