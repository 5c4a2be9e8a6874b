import PlannerCore
import Simulator

/// One way to run the models on one instance type: a variant, a split into queues, workers and threads, and the
/// figures it is planned with.
struct Candidate {
  var type: InstanceType
  var precision: Precision
  /// Queues that share nothing; models are spread over them evenly.
  var devices: Int
  /// Of each queue.
  var workers: Int
  var threadsPerWorker: Int
  var service: ServiceModel
  var memoryPerModelBytes: Int64
  /// What the node has for models, over all its queues.
  var memoryCapacityBytes: Int64
  var memoryProvenance: Provenance
  /// Where the latency comes from.
  var provenance: Provenance
  var executable: Bool
  var environment: [String: String]
  /// The profiled machine, and what a server takes there without a model; nil for published figures.
  var host: HostFingerprint?
  var serverMemoryBytes: Int64?
  /// The latency in words, for reasons: `published p95 54.3 ms at 128 tokens, fp32`.
  var figureText: String
  /// As printed by the source, without this program's caution: what a lower bound may rely on.
  var meanFloorSeconds: Double
  /// p99 is at least this, whatever the load.
  var p99FloorSeconds: Double
  /// A better figure exists for the same type and variant; counts in the lower bound only.
  var isSuperseded: Bool
  /// Memory of the host that a model needs though it lives on a device does not fit; in a sentence.
  var hostMemoryShortage: String?

  /// Most models in one queue by memory alone.
  var modelsPerQueueByMemory: Int {
    guard hostMemoryShortage == nil, memoryPerModelBytes > 0 else { return 0 }
    return Int(max(0, memoryCapacityBytes) / Int64(devices) / memoryPerModelBytes)
  }

  /// Most models in one queue whose requests the workers can keep up with, going by `meanSeconds` a request.
  func modelsPerQueueByCompute(
    ratePerModelPerSecond rate: Double, meanSeconds: Double, belowUtilization utilization: Double
  ) -> Int {
    let models = utilization * Double(workers) / (rate * meanSeconds)
    guard models < 1e9 else { return 1_000_000_000 }
    let whole = Int(models)
    // Strictly below: a queue at its capacity has no steady state.
    return Double(whole) == models ? max(0, whole - 1) : whole
  }

  /// Most models of the node that no lower bound may deny it: memory and utilization below 1, no queueing; 0 where
  /// the service time alone is above the target.
  func relaxedModels(_ workload: Workload) -> Int {
    guard p99FloorSeconds <= workload.targetP99Seconds, meanFloorSeconds > 0 else { return 0 }
    let compute = modelsPerQueueByCompute(
      ratePerModelPerSecond: workload.ratePerModelPerSecond, meanSeconds: meanFloorSeconds, belowUtilization: 1)
    return min(modelsPerQueueByMemory, compute) * devices
  }
}

extension Candidate {
  /// `count` nodes of a plan that run this candidate, with what was predicted for the fullest of them.
  func planNode(count: Int, modelsPerNode: [Int], prediction: NodePrediction) -> NodeGroup {
    var node = NodeGroup(
      instanceType: type.name, count: count, modelsPerNode: modelsPerNode, precision: precision, devices: devices,
      workers: workers, threadsPerWorker: threadsPerWorker, costPerHour: type.costPerHour, provenance: provenance,
      executable: executable, latencySeconds: PlannedLatency(p99: prediction.latencySeconds.p99),
      utilization: prediction.utilization, memoryPerModelBytes: memoryPerModelBytes,
      memoryCapacityBytes: memoryCapacityBytes, memoryProvenance: memoryProvenance, service: service,
      environment: environment)
    node.host = host
    node.serverMemoryBytes = serverMemoryBytes
    return node
  }
}

/// What can be said of one instance type: ways to run the models, or why there is no figure.
struct Prospects {
  var type: InstanceType
  var candidates: [Candidate]
  /// Why there is no candidate; empty where there is one.
  var missing: String
}
