import Executor
import Optimizer
import PlannerCore
import Proof

/// What of a plan this machine runs, and on which CPUs.
struct ChosenNodes {
  var excerpt: Excerpt
  /// CPUs of each node.
  var cpus: [CPUSplit]

  /// This machine, and how much of it may be used.
  struct Place {
    var host: HostFingerprint
    /// CPUs that are left for the load generator and all else.
    var reservedCores: Int
    /// Share of the available memory that slices may fill.
    var memoryShare: Double
  }

  /// - Parameter count: how many of the plan's nodes.
  /// - Throws: `Failure`, `ProofError` and `ExecutorError` where they do not fit, with the numbers; `SliceError`.
  init(_ count: Int, of plan: Plan, on place: Place, figures: Figures) throws {
    let nodes = Array(plan.nodes.flatMap { Array(repeating: $0, count: $0.count) }.prefix(count))
    if nodes.count < count, count > 1 {
      throw Failure(.usage, "--nodes \(count): the plan has \(nodes.count) nodes; ask for no more than these")
    }
    if count == 1, !plan.isMixed {
      let cpus = try CPUSplit.current(servingCores: place.servingCores)
      let machine = try place.machine(for: plan, cores: cpus.workers.count, nodes: 1)
      excerpt = try Excerpt(of: plan, slices: [try Slice.choose(from: plan, on: machine, figures: figures)])
      self.cpus = [cpus]
      return
    }
    if !nodes.isEmpty, nodes.allSatisfy({ place.isPlace(of: $0) }) {
      excerpt = try Excerpt(of: plan, firstNodes: count)
    } else if plan.isMixed {
      let all = try Self.held(by: count, of: plan)
      excerpt = try Excerpt(
        of: plan,
        slices: try all.map { held in
          try MixSlice.choose(
            from: held.copies, of: plan.workload, planned: held.node,
            on: try place.part(of: plan, among: count), figures: figures,
            because: held.node.map { place.cause($0) } ?? .noPlan(plan.bindingReason.sentence))
        })
    } else {
      var part = plan
      excerpt = try Excerpt(
        of: plan,
        slices: try nodes.map { node in
          part.nodes = [node]
          return try Slice.choose(from: part, on: try place.part(of: part, among: count), figures: figures)
        })
    }
    cpus = try CPUSplit.sideBySide(
      cores: excerpt.nodes.map { $0.devices * $0.workers * $0.threadsPerWorker }, reserved: place.reservedCores)
    let (needed, available) = (excerpt.memoryBytes, try HostInfo.availableMemoryBytes())
    guard needed <= available else {
      throw Failure(
        .unavailable,
        "\(count) nodes need \(needed >> 20) MiB and \(available >> 20) MiB are free; run fewer nodes, or stop what "
          + "holds the memory")
    }
  }

  /// Copies on the first nodes of a mix; where there is no node, those of the workload.
  private static func held(
    by count: Int, of plan: Plan
  ) throws -> [(node: NodeGroup?, copies: [Placement.Copy])] {
    guard !plan.nodes.isEmpty else {
      let copies = plan.workload.groups.enumerated().flatMap { index, group in
        group.rates().enumerated().map { Placement.Copy(group: index, model: $0, modelRatePerSecond: $1) }
      }
      return [(nil, copies)]
    }
    guard let placement = plan.placement else {
      throw Failure(
        .badData, "the plan's nodes do not hold the copies of its models that its groups say; see: planner check")
    }
    let places = plan.nodes.enumerated().flatMap { kind, node in (0..<node.count).map { (kind: kind, node: $0) } }
    return places.prefix(count).map { place in
      let devices = placement.devices.filter { $0.kind == place.kind && $0.node == place.node }
      return (plan.nodes[place.kind], devices.flatMap { $0.contents.flatMap(\.copies) })
    }
  }
}

extension ChosenNodes.Place {
  fileprivate var servingCores: Int { max(1, host.usableCPUs - reservedCores) }

  /// A node that was planned for this very processor runs as it is planned.
  fileprivate func isPlace(of node: NodeGroup) -> Bool {
    node.spec.machine.isLocal && node.host?.isSameProcessor(as: host) == true
  }

  /// Why a node does not run here as it was planned.
  fileprivate func cause(_ node: NodeGroup) -> SliceReason.Cause {
    node.spec.machine.isLocal
      ? .plannedForAnotherMachine(cpuModel: node.host?.cpuModel, cores: node.host?.cores)
      : .thisMachineIsNo(instanceType: node.instanceType)
  }

  /// What one of `count` slices may take of this machine.
  fileprivate func part(of plan: Plan, among count: Int) throws -> MachineAtHand {
    guard count <= servingCores else {
      throw ExecutorError.tooFewCPUs(nodes: count, needed: count, free: servingCores, usable: host.usableCPUs)
    }
    return try machine(for: plan, cores: servingCores / count, nodes: count)
  }

  /// The share of this machine that one of `nodes` nodes has.
  fileprivate func machine(for plan: Plan, cores: Int, nodes: Int) throws -> MachineAtHand {
    // A plan of this machine carries its own figures; only a slice has to look for some.
    let isLocal = plan.nodes.first?.spec.machine.isLocal ?? false
    let available = try HostInfo.availableMemoryBytes()
    return MachineAtHand(
      host: host, servingCores: cores,
      availableMemoryBytes: (isLocal ? available : Int64(Double(available) * memoryShare)) / Int64(nodes),
      freeDiskBytes: try HostInfo.freeDiskBytes(at: "models") / Int64(nodes))
  }
}
