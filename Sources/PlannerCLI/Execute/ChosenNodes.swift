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
    guard !nodes.isEmpty else {
      throw Failure(
        .noFeasiblePlan, "the plan is not feasible (\(plan.bindingReason.sentence)), and a mix has no slice to run")
    }
    if nodes.allSatisfy({ place.isPlace(of: $0) }) {
      excerpt = try Excerpt(of: plan, firstNodes: count)
    } else {
      excerpt = try Excerpt(
        of: plan, slices: try nodes.map { try Self.slice(of: $0, plan, among: count, on: place, figures) })
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

  /// As much of a node as its share of this machine holds.
  private static func slice(
    of node: NodeGroup, _ plan: Plan, among count: Int, on place: Place, _ figures: Figures
  ) throws -> Slice {
    guard node.spec.models.count == 1, let group = plan.workload[group: node.spec.models[0].group] else {
      throw Failure(
        .unavailable,
        "a node of \(node.instanceType) holds models of several groups, and only nodes that were planned for this "
          + "machine run with several; plan it with: planner optimize --instances local")
    }
    guard count <= place.servingCores else {
      throw ExecutorError.tooFewCPUs(
        nodes: count, needed: count, free: place.servingCores, usable: place.host.usableCPUs)
    }
    var part = plan
    part.nodes = [node]
    part.workload.groups = [group]
    let machine = try place.machine(for: part, cores: place.servingCores / count, nodes: count)
    return try Slice.choose(from: part, on: machine, figures: figures)
  }
}

extension ChosenNodes.Place {
  fileprivate var servingCores: Int { max(1, host.usableCPUs - reservedCores) }

  /// A node that was planned for this very processor runs as it is planned.
  fileprivate func isPlace(of node: NodeGroup) -> Bool {
    node.spec.machine.isLocal && node.host?.isSameProcessor(as: host) == true
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
