import Executor
import PlannerCore
import Proof
import Reporting

/// Which nodes of a plan are deployed: all of them, or the first few.
struct DeployedNodes {
  let excerpt: Excerpt
  /// Nodes that the plan has.
  let planned: Int

  /// - Parameter count: how many of the plan's nodes; nil takes all.
  /// - Throws: `Failure` where the plan has none, or none that this program's engine runs; `ProofError`.
  init(of plan: Plan, count: Int?) throws {
    guard plan.feasible, !plan.nodes.isEmpty else {
      throw Failure(
        .noFeasiblePlan, "the plan is not feasible (\(plan.bindingReason.sentence)): there is nothing to deploy")
    }
    planned = plan.nodes.reduce(0) { $0 + $1.count }
    if let count, count > planned {
      throw Failure(.usage, "--nodes \(count): the plan has \(planned) nodes; ask for no more than these")
    }
    excerpt = try Excerpt(of: plan, firstNodes: count ?? planned)
    if let node = excerpt.nodes.first(where: { !$0.executable }) {
      throw Failure(
        .unavailable,
        "this program's engine does not run on the devices of \(node.instanceType); plan for types that it runs on "
          + "with planner optimize --instances")
    }
  }

  private var count: Int { excerpt.nodes.count }

  /// CPUs that a node's workers compute on.
  private static func cores(_ node: NodeGroup) -> Int { node.devices * node.workers * node.threadsPerWorker }

  /// CPUs of this machine for each node.
  ///
  /// - Parameters:
  ///   - availableBytes: memory of this machine that is free, with what goes when these nodes come.
  ///   - cpus: how many CPUs may compute.
  /// - Throws: `Failure` with the numbers where the nodes are more than this machine.
  func split(availableBytes: Int64, cpus: Int) throws -> [CPUSplit] {
    let fitting = Self.fitting(excerpt.nodes, availableBytes: availableBytes, cpus: cpus)
    guard fitting == count else {
      let cores = excerpt.nodes.reduce(0) { $0 + Self.cores($1) }
      throw Failure(
        .unavailable,
        "\(Format.count(count, "node", "nodes")) of the plan compute on \(Format.count(cores, "CPU", "CPUs")) and need "
          + "\(Format.count(excerpt.memoryBytes >> 20)) MiB; this machine has \(cpus) and "
          + "\(Format.count(availableBytes >> 20)) MiB are free; "
          + (fitting > 0
            ? "deploy as many as fit with --nodes \(fitting)"
            : "not one of them fits: prove a slice of it with planner execute, or deploy it to a cluster"))
    }
    return try CPUSplit.sideBySide(cores: excerpt.nodes.map(Self.cores), reserved: 0)
  }

  /// How many of the first nodes fit.
  static func fitting(_ nodes: [NodeGroup], availableBytes: Int64, cpus: Int) -> Int {
    var (bytes, cores) = (Int64(0), 0)
    for (index, node) in nodes.enumerated() {
      bytes += node.memoryNeededBytes
      cores += max(1, Self.cores(node))
      if bytes > availableBytes || cores > cpus { return index }
    }
    return nodes.count
  }

  /// What the user should know of how these nodes differ from the plan's.
  func remarks(onThisMachine: Bool) -> [String] {
    var remarks: [String] = []
    if count < planned {
      remarks.append("\(count) of the plan's \(planned) nodes; the models of the others are not served")
    }
    let types = excerpt.nodes.map(\.instanceType).filter { $0 != LocalMachine.name }
    if onThisMachine, let first = types.first {
      remarks.append("the nodes were planned for \(first): on this machine they may be slower or faster than planned")
    }
    return remarks
  }
}
