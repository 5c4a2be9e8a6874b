/// What to buy and what to run on it, with the prediction and the proof of its cost.
///
/// The same object is the plan file and what `planner optimize --json` prints.
public struct Plan: Codable, Sendable {
  public static let schemaVersion = 2
  public static let hoursPerMonth = 730.0

  public var schemaVersion = Plan.schemaVersion
  public var kind = "plan"
  public var seed: UInt64
  public var feasible: Bool
  /// Price of the plan, dollars an hour; nil where no plan is feasible.
  @ExplicitNull public var costPerHour: Double?
  /// Price of the plan, dollars a month; nil where no plan is feasible.
  @ExplicitNull public var costPerMonth: Double?
  /// No plan over the types considered can cost less; nil where it is proven that there is none.
  @ExplicitNull public var lowerBoundPerHour: Double?
  /// What proves the lower bound; nil where there is none.
  @ExplicitNull public var certificate: Certificate?
  /// Cost over lower bound, less 1.
  @ExplicitNull public var gap: Double?
  /// Models that are served, over all groups.
  public var models: Int
  @ExplicitNull public var budgetPerHour: Double?
  /// Price of the cluster that a fleet runs on, dollars an hour; part of its cost, not of the local machine's.
  public var clusterCostPerHour: Double
  public var workload: Workload
  public var groups: [PlannedGroup]
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
  /// What would do if models kept as little of their hosts' memory as they may; nil where that changes nothing.
  @ExplicitNull public var atLowHostMemory: LowHostMemory?

  public init(
    seed: UInt64, feasible: Bool, costPerHour: Double?, lowerBoundPerHour: Double?, models: Int,
    budgetPerHour: Double?, workload: Workload, latencySeconds: PlannedLatency?, nodes: [NodeGroup], binding: Binding,
    bindingReason: Reason, bestExecutable: ExecutablePlan?, bestExecutableReason: Reason?,
    alternatives: [Alternative], guidance: [GuidanceRow], catalog: Provenance,
    clusterCostPerHour: Double = Catalog.eksCostPerHour, atLowHostMemory: LowHostMemory? = nil,
    groups: [PlannedGroup]? = nil
  ) {
    self.seed = seed
    self.feasible = feasible
    self.costPerHour = costPerHour
    costPerMonth = costPerHour.map { $0 * Self.hoursPerMonth }
    self.lowerBoundPerHour = lowerBoundPerHour
    certificate = Self.certificate(lowerBoundPerHour, nodes)
    if let costPerHour, let lowerBoundPerHour, lowerBoundPerHour > 0 { gap = costPerHour / lowerBoundPerHour - 1 }
    self.models = models
    self.budgetPerHour = budgetPerHour
    self.clusterCostPerHour = clusterCostPerHour
    self.workload = workload
    self.groups = groups ?? Self.groups(of: workload, nodes)
    self.latencySeconds = latencySeconds
    self.nodes = nodes
    self.binding = binding
    self.bindingReason = bindingReason
    self.bestExecutable = bestExecutable
    self.bestExecutableReason = bestExecutableReason
    self.alternatives = alternatives
    self.guidance = guidance
    self.catalog = catalog
    self.atLowHostMemory = atLowHostMemory
  }

  private static func certificate(_ bound: Double?, _ nodes: [NodeGroup]) -> Certificate? {
    guard bound != nil else { return nil }
    let isFree = !nodes.isEmpty && nodes.allSatisfy(\.spec.machine.isLocal)
    return Certificate(method: isFree ? .free : .relaxedCover)
  }

  /// Groups of which each model has as many copies as the workload wants at least.
  private static func groups(of workload: Workload, _ nodes: [NodeGroup]) -> [PlannedGroup] {
    workload.groups.map { group in
      PlannedGroup(
        name: group.name, models: group.models, replicas: [group.leastReplicas, group.leastReplicas],
        targetP99Seconds: group.targetP99Seconds, p99Seconds: group.worstP99(on: nodes))
    }
  }

  /// Whether models are not all alike, or have several copies.
  public var isMixed: Bool {
    !workload.isFlat || groups.contains { $0.replicas != [1, 1] } || certificate?.method == .dualPrices
  }

  /// Where each copy of each model lives; nil where the nodes do not hold what the groups say.
  public var placement: Placement? { Placement(nodes: nodes, workload: workload, groups: groups) }

  private enum CodingKeys: String, CodingKey {
    case schemaVersion, kind, seed, feasible, costPerHour, costPerMonth, lowerBoundPerHour, certificate, gap, models,
      budgetPerHour, clusterCostPerHour, workload, groups, latencySeconds, nodes, binding, bindingReason,
      bestExecutable, bestExecutableReason, alternatives, guidance, catalog, atLowHostMemory
  }

  /// Reads version 1, too, whose nodes leave to the workload what their models are.
  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    let workload = try box.decode(Workload.self, forKey: .workload)
    let models = try box.decode(Int.self, forKey: .models)
    func adopted(_ nodes: [NodeGroup]) -> [NodeGroup] {
      var nodes = nodes
      for index in nodes.indices { nodes[index].adopt(workload.groups[0]) }
      if workload.groups.count == 1 { NodeGroup.settleTotals(of: &nodes, models: models) }
      return nodes
    }
    var executable = try box.decodeIfPresent(ExecutablePlan.self, forKey: .bestExecutable)
    if let nodes = executable?.nodes { executable?.nodes = adopted(nodes) }
    self.init(
      seed: try box.decode(UInt64.self, forKey: .seed), feasible: try box.decode(Bool.self, forKey: .feasible),
      costPerHour: try box.decodeIfPresent(Double.self, forKey: .costPerHour),
      lowerBoundPerHour: try box.decodeIfPresent(Double.self, forKey: .lowerBoundPerHour),
      models: models,
      budgetPerHour: try box.decodeIfPresent(Double.self, forKey: .budgetPerHour), workload: workload,
      latencySeconds: try box.decodeIfPresent(PlannedLatency.self, forKey: .latencySeconds),
      nodes: adopted(try box.decode([NodeGroup].self, forKey: .nodes)),
      binding: try box.decode(Binding.self, forKey: .binding),
      bindingReason: try box.decode(Reason.self, forKey: .bindingReason), bestExecutable: executable,
      bestExecutableReason: try box.decodeIfPresent(Reason.self, forKey: .bestExecutableReason),
      alternatives: try box.decode([Alternative].self, forKey: .alternatives),
      guidance: try box.decode([GuidanceRow].self, forKey: .guidance),
      catalog: try box.decode(Provenance.self, forKey: .catalog),
      clusterCostPerHour: try box.decodeIfPresent(Double.self, forKey: .clusterCostPerHour) ?? Catalog.eksCostPerHour,
      atLowHostMemory: try box.decodeIfPresent(LowHostMemory.self, forKey: .atLowHostMemory))
    // As the file has them: a check derives them again.
    costPerMonth = try box.decodeIfPresent(Double.self, forKey: .costPerMonth)
    gap = try box.decodeIfPresent(Double.self, forKey: .gap)
    certificate = try box.decodeIfPresent(Certificate.self, forKey: .certificate) ?? certificate
    groups = try box.decodeIfPresent([PlannedGroup].self, forKey: .groups) ?? groups
  }
}

extension ModelGroup {
  /// p99 of the group's requests on the node that is worst for them; nil where no node holds any.
  public func worstP99(on nodes: [NodeGroup]) -> Estimate? {
    let all = nodes.flatMap { node in
      node.spec.models.indices.filter { node.spec.models[$0].group == name }.map {
        node.shareP99Seconds.isEmpty ? node.latencySeconds.p99 : node.shareP99Seconds[$0]
      }
    }
    return all.max { $0.estimate < $1.estimate }
  }
}

public struct PlannedLatency: Codable, Hashable, Sendable {
  /// Worst node's, never pooled over the fleet.
  public var p99: Estimate
  public init(p99: Estimate) { self.p99 = p99 }
}

/// The cheapest fleet if models on devices kept no more of their hosts' memory than the low end of what is known, where
/// that is cheaper than what is planned.
public struct LowHostMemory: Codable, Hashable, Sendable {
  /// So many nodes of one type.
  public struct Part: Codable, Hashable, Sendable {
    public var instanceType: String
    public var count: Int

    public init(instanceType: String, count: Int) {
      self.instanceType = instanceType
      self.count = count
    }
  }

  /// What one model keeps: the plan is sized on the upper end, this fleet on the lower one.
  public var perModelBytes: HostMemory.Range
  /// Price of the fleet, the cluster included, dollars an hour.
  public var costPerHour: Double
  public var nodes: [Part]
  /// Where the two ends come from.
  public var provenance: Provenance

  public init(perModelBytes: HostMemory.Range, costPerHour: Double, nodes: [Part], provenance: Provenance) {
    self.perModelBytes = perModelBytes
    self.costPerHour = costPerHour
    self.nodes = nodes
    self.provenance = provenance
  }
}

/// A group of the workload as it is planned.
public struct PlannedGroup: Codable, Hashable, Sendable {
  public var name: String
  public var models: Int
  /// Fewest and most copies of a model of the group, each on another node.
  public var replicas: [Int]
  public var targetP99Seconds: Double
  /// p99 of the worst node that holds models of the group; nil where no plan is feasible.
  @ExplicitNull public var p99Seconds: Estimate?
  /// Most requests a second to one copy: a model that is asked more often has more copies; nil is any number.
  public var mostRatePerReplica: Double?

  public init(
    name: String, models: Int, replicas: [Int], targetP99Seconds: Double, p99Seconds: Estimate?,
    mostRatePerReplica: Double? = nil
  ) {
    self.mostRatePerReplica = mostRatePerReplica
    self.name = name
    self.models = models
    self.replicas = replicas
    self.targetP99Seconds = targetP99Seconds
    self.p99Seconds = p99Seconds
  }
}

/// What proves that no plan costs less than the lower bound.
public struct Certificate: Codable, Hashable, Sendable {
  public enum Method: String, Codable, Sendable {
    /// The exact cheapest cover by nodes that memory and a utilization below 1 alone limit: any feasible fleet of the
    /// types considered is a cover, too.
    case relaxedCover
    /// The machine at hand costs nothing, and nothing costs less.
    case free
    /// The price of each type, shared among its resources: a copy of a model costs at least what it takes of them at
    /// the type that is cheapest for it, and no fleet costs less than all copies.
    case dualPrices
  }

  public var method: Method
  /// How the price of each type is shared among its resources, where the method is `dualPrices`.
  public var prices: [ResourcePrices]?

  public init(method: Method, prices: [ResourcePrices]? = nil) {
    self.method = method
    self.prices = prices
  }
}

/// How the price of a type is shared among its resources; the shares sum to 1.
public struct ResourcePrices: Codable, Hashable, Sendable {
  public var instanceType: String
  /// Share of the memory that models live in.
  public var memory: Double
  /// Share of the host's memory, where models live on devices.
  public var hostMemory: Double
  /// Share of the workers' time.
  public var compute: Double

  public init(instanceType: String, memory: Double, hostMemory: Double, compute: Double) {
    self.instanceType = instanceType
    self.memory = memory
    self.hostMemory = hostMemory
    self.compute = compute
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
  /// Whether this type alone is feasible; nil where no figure says.
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
  /// Price of one node as the guidance prints it, dollars an hour.
  public var guidancePricePerHour: Double
  public var guidanceNodes: Int
  /// Price of all nodes as the guidance prints it, dollars an hour.
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
