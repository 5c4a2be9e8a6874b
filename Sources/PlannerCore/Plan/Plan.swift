/// What to buy and what to run on it, with the prediction and the proof of its cost.
///
/// The same object is the plan file and what `planner optimize --json` prints.
public struct Plan: Codable, Sendable {
  public static let schemaVersion = 1
  public static let hoursPerMonth = 730.0

  public var schemaVersion = Plan.schemaVersion
  public var kind = "plan"
  public var seed: UInt64
  public var feasible: Bool
  /// nil where no plan is feasible.
  @ExplicitNull public var costPerHour: Double?
  @ExplicitNull public var costPerMonth: Double?
  /// No plan over the types considered can cost less; nil where it is proven that there is none.
  @ExplicitNull public var lowerBoundPerHour: Double?
  /// Cost over lower bound, less 1.
  @ExplicitNull public var gap: Double?
  public var models: Int
  @ExplicitNull public var budgetPerHour: Double?
  public var workload: Workload
  @ExplicitNull public var latencySeconds: PlannedLatency?
  public var nodes: [NodeGroup]
  /// What stops the plan from being cheaper, or from being feasible.
  public var binding: Binding
  public var bindingReason: Reason
  @ExplicitNull public var bestExecutable: ExecutablePlan?
  /// Why there is no executable plan; nil where there is one.
  @ExplicitNull public var bestExecutableReason: Reason?
  public var alternatives: [Alternative]
  public var guidance: [GuidanceRow]
  public var catalog: Provenance

  public init(
    seed: UInt64, feasible: Bool, costPerHour: Double?, lowerBoundPerHour: Double?, models: Int,
    budgetPerHour: Double?, workload: Workload, latencySeconds: PlannedLatency?, nodes: [NodeGroup], binding: Binding,
    bindingReason: Reason, bestExecutable: ExecutablePlan?, bestExecutableReason: Reason?,
    alternatives: [Alternative], guidance: [GuidanceRow], catalog: Provenance
  ) {
    self.seed = seed
    self.feasible = feasible
    self.costPerHour = costPerHour
    costPerMonth = costPerHour.map { $0 * Self.hoursPerMonth }
    self.lowerBoundPerHour = lowerBoundPerHour
    if let costPerHour, let lowerBoundPerHour, lowerBoundPerHour > 0 { gap = costPerHour / lowerBoundPerHour - 1 }
    self.models = models
    self.budgetPerHour = budgetPerHour
    self.workload = workload
    self.latencySeconds = latencySeconds
    self.nodes = nodes
    self.binding = binding
    self.bindingReason = bindingReason
    self.bestExecutable = bestExecutable
    self.bestExecutableReason = bestExecutableReason
    self.alternatives = alternatives
    self.guidance = guidance
    self.catalog = catalog
  }
}

public struct PlannedLatency: Codable, Hashable, Sendable {
  /// Worst node's, never pooled over the fleet.
  public var p99: Estimate
  public init(p99: Estimate) { self.p99 = p99 }
}

/// `count` identical nodes of a plan.
public struct NodeGroup: Codable, Hashable, Sendable {
  public var instanceType: String
  public var count: Int
  /// Fewest and most models on one of these nodes.
  public var modelsPerNode: [Int]
  /// Precision of the models.
  public var precision: Precision
  /// Queues of the node that share nothing, each with `workers` workers: the cores of an accelerator,
  /// whose models live on one of them; 1 for a CPU.
  public var devices: Int
  /// Forward passes at once in a queue.
  public var workers: Int
  public var threadsPerWorker: Int
  /// Of one node, dollars.
  public var costPerHour: Double
  public var provenance: Provenance
  /// This program's engine can run it today.
  public var executable: Bool
  public var latencySeconds: PlannedLatency
  public var utilization: Double
  /// What one model takes, and what the node has for models, bytes.
  public var memoryPerModelBytes: Int64
  public var memoryCapacityBytes: Int64
  public var memoryProvenance: Provenance
  public var service: ServiceModel
  /// Environment of the server process that brings about the settings that were profiled.
  public var environment: [String: String]
  /// The machine whose profile the figures are from; nil for published ones.
  @ExplicitNull public var host: HostFingerprint? = nil
  /// Memory of the server itself, beside its models; nil where nobody measured it.
  @ExplicitNull public var serverMemoryBytes: Int64? = nil

  private enum CodingKeys: String, CodingKey {
    case instanceType, count, modelsPerNode, precision = "variant", devices = "queues", workers, threadsPerWorker,
      costPerHour, provenance, executable, latencySeconds, utilization, memoryPerModelBytes, memoryCapacityBytes,
      memoryProvenance, service, environment, host, serverMemoryBytes
  }

  public init(
    instanceType: String, count: Int, modelsPerNode: [Int], precision: Precision, devices: Int, workers: Int,
    threadsPerWorker: Int, costPerHour: Double, provenance: Provenance, executable: Bool,
    latencySeconds: PlannedLatency, utilization: Double, memoryPerModelBytes: Int64, memoryCapacityBytes: Int64,
    memoryProvenance: Provenance, service: ServiceModel, environment: [String: String]
  ) {
    self.instanceType = instanceType
    self.count = count
    self.modelsPerNode = modelsPerNode
    self.precision = precision
    self.devices = devices
    self.workers = workers
    self.threadsPerWorker = threadsPerWorker
    self.costPerHour = costPerHour
    self.provenance = provenance
    self.executable = executable
    self.latencySeconds = latencySeconds
    self.utilization = utilization
    self.memoryPerModelBytes = memoryPerModelBytes
    self.memoryCapacityBytes = memoryCapacityBytes
    self.memoryProvenance = memoryProvenance
    self.service = service
    self.environment = environment
  }
}

/// The cheapest plan whose every node this program's engine can run today.
public struct ExecutablePlan: Codable, Hashable, Sendable {
  public var costPerHour: Double
  public var costPerMonth: Double
  public var latencySeconds: PlannedLatency
  public var nodes: [NodeGroup]

  public init(costPerHour: Double, latencySeconds: PlannedLatency, nodes: [NodeGroup]) {
    self.costPerHour = costPerHour
    costPerMonth = costPerHour * Plan.hoursPerMonth
    self.latencySeconds = latencySeconds
    self.nodes = nodes
  }
}

/// What one instance type alone would give.
public struct Alternative: Codable, Hashable, Sendable {
  public var instanceType: String
  /// nil where no figure says.
  @ExplicitNull public var feasible: Bool?
  @ExplicitNull public var nodes: Int?
  @ExplicitNull public var modelsPerNode: Int?
  @ExplicitNull public var precision: Precision?
  @ExplicitNull public var costPerHour: Double?
  @ExplicitNull public var p99Seconds: Estimate?
  @ExplicitNull public var utilization: Double?
  /// What stops this type from being cheaper, or from being feasible.
  public var binding: Binding
  public var reason: Reason
  @ExplicitNull public var provenance: Provenance?

  private enum CodingKeys: String, CodingKey {
    case instanceType, feasible, nodes, modelsPerNode, precision = "variant", costPerHour, p99Seconds, utilization,
      binding, reason, provenance
  }

  public init(
    instanceType: String, feasible: Bool?, nodes: Int? = nil, modelsPerNode: Int? = nil, precision: Precision? = nil,
    costPerHour: Double? = nil, p99Seconds: Estimate? = nil, utilization: Double? = nil, binding: Binding,
    reason: Reason, provenance: Provenance? = nil
  ) {
    self.instanceType = instanceType
    self.feasible = feasible
    self.nodes = nodes
    self.modelsPerNode = modelsPerNode
    self.precision = precision
    self.costPerHour = costPerHour
    self.p99Seconds = p99Seconds
    self.utilization = utilization
    self.binding = binding
    self.reason = reason
    self.provenance = provenance
  }
}

/// A row of the guidance's cost table, with what the planner makes of that type and of that packing beside it.
public struct GuidanceRow: Codable, Hashable, Sendable {
  public var instanceType: String
  /// As the guidance prints them.
  public var guidancePricePerHour: Double
  public var guidanceNodes: Int
  public var guidanceTotalPerHour: Double
  public var guidanceModelsPerNode: Int
  /// That packing at the catalogue's price, EKS included, and whether it keeps the target.
  public var packingCostPerHour: Double
  @ExplicitNull public var packingFeasible: Bool?
  @ExplicitNull public var packingP99Seconds: Estimate?
  public var packingReason: Reason
  /// The planner's own plan on that type.
  public var planned: Alternative

  public init(
    instanceType: String, guidancePricePerHour: Double, guidanceNodes: Int, guidanceTotalPerHour: Double,
    guidanceModelsPerNode: Int, packingCostPerHour: Double, packingFeasible: Bool?, packingP99Seconds: Estimate?,
    packingReason: Reason, planned: Alternative
  ) {
    self.instanceType = instanceType
    self.guidancePricePerHour = guidancePricePerHour
    self.guidanceNodes = guidanceNodes
    self.guidanceTotalPerHour = guidanceTotalPerHour
    self.guidanceModelsPerNode = guidanceModelsPerNode
    self.packingCostPerHour = packingCostPerHour
    self.packingFeasible = packingFeasible
    self.packingP99Seconds = packingP99Seconds
    self.packingReason = packingReason
    self.planned = planned
  }
}
