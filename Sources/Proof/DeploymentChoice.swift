import Executor
import PlannerCore

/// What of a plan a machine runs: one node, whole or as a slice.
public struct DeploymentChoice: Sendable {
  public var node: NodeGroup
  /// Models that the node holds.
  public var models: Int
  /// Why it is a slice; nil where the plan's own node runs in full.
  public var sliceReason: String?

  public var scope: RunScope { sliceReason == nil ? .full : .slice }

  public init(node: NodeGroup, models: Int, sliceReason: String?) {
    self.node = node
    self.models = models
    self.sliceReason = sliceReason
  }

  /// The machine at hand.
  public struct Machine: Sendable {
    public var host: HostFingerprint
    /// Cores that servers may compute on.
    public var servingCores: Int
    /// Memory that models may take, bytes.
    public var availableMemoryBytes: Int64
    /// Room for models on disk, bytes.
    public var freeDiskBytes: Int64
    /// Profiles to plan a slice with, newest first.
    public var profiles: [Profile]

    public init(
      host: HostFingerprint, servingCores: Int, availableMemoryBytes: Int64, freeDiskBytes: Int64, profiles: [Profile]
    ) {
      self.host = host
      self.servingCores = servingCores
      self.availableMemoryBytes = availableMemoryBytes
      self.freeDiskBytes = freeDiskBytes
      self.profiles = profiles
    }
  }

  /// Utilization up to which a slice is filled: a server that is overloaded says nothing of the plan.
  static let fullestUtilization = 0.6
  /// Share of the free disk that a slice's models may take.
  static let fullestDisk = 0.8

  /// Chooses the plan's node to run here.
  ///
  /// A node of the local machine, planned from a profile of this very processor, runs as planned. Of any other
  /// node a slice runs: its models, as many as this machine holds and keeps up with, on this machine's engine and
  /// profile.
  public static func choose(from plan: Plan, machine: Machine) throws(ProofError) -> DeploymentChoice {
    guard let node = plan.nodes.first else {
      throw ProofError(.noNode, "the plan has no node to deploy: \(plan.bindingReason)")
    }
    if node.instanceType == "local", let host = node.host, host.isSameProcessor(as: machine.host) {
      return try whole(node, machine)
    }
    let cause =
      node.instanceType == "local"
      ? "the plan was made for another machine (\(node.host?.cpuModel ?? "unknown"), \(node.host?.cores ?? 0) cores)"
      : "this machine is no \(node.instanceType)"
    return try slice(of: node, workload: plan.workload, cause: cause, machine)
  }

  private static func whole(_ node: NodeGroup, _ machine: Machine) throws(ProofError) -> DeploymentChoice {
    let cores = node.workers * node.threadsPerWorker
    guard cores <= machine.servingCores else {
      throw ProofError(
        .unavailable,
        "the plan needs \(cores) cores for its workers; \(machine.servingCores) are free beside the load generator's")
    }
    let models = node.modelsPerNode.last ?? 1
    let needed = Int64(models) * node.memoryPerModelBytes
    guard needed <= machine.availableMemoryBytes else {
      throw ProofError(
        .unavailable,
        "\(models) models need \(needed >> 20) MiB and \(machine.availableMemoryBytes >> 20) MiB are free; "
          + "stop what holds the memory, or plan again with: planner optimize --fit")
    }
    return DeploymentChoice(node: node, models: models, sliceReason: nil)
  }

  private static func slice(
    of planned: NodeGroup, workload: Workload, cause: String, _ machine: Machine
  ) throws(ProofError) -> DeploymentChoice {
    guard let (profile, model, cell) = bestCell(for: planned.precision, workload, machine) else {
      let profiled = "\(workload.architecture):\(workload.tokens)" + (workload.vocabulary.map { ":\($0)" } ?? "")
      throw ProofError(
        .unavailable,
        "\(cause), and no profile of this machine covers \(workload.architecture) at \(workload.tokens) tokens; "
          + "measure it with: planner profile --case \(profiled)")
    }
    var node = planned
    node.instanceType = "local"
    node.count = 1
    node.precision = model.precision
    node.devices = 1
    node.workers = cell.workers
    node.threadsPerWorker = cell.threads
    node.costPerHour = 0
    node.provenance = profile.provenance
    node.executable = true
    node.memoryPerModelBytes = model.memoryPerModelBytes
    node.memoryCapacityBytes = machine.availableMemoryBytes
    node.memoryProvenance = profile.provenance
    node.environment = profile.settings.environment
    node.host = profile.host
    node.serverMemoryBytes = profile.serverMemoryBytes
    node.service = ServiceModel(
      computeSeconds: cell.computeSeconds, overheadSeconds: cell.overheadSeconds, betweenRunCV: cell.betweenRunCV,
      computeProvenance: profile.provenance, overheadProvenance: profile.provenance,
      dispatchGapSeconds: cell.dispatchGapSeconds, wakeUpSeconds: cell.wakeUpSeconds,
      computeTraceSeconds: cell.computeTraceSeconds)
    let wanted = planned.modelsPerNode.last ?? 1
    let capacity = Double(cell.workers) / (workload.ratePerModelPerSecond * cell.computeSeconds.mean)
    let limits: [(count: Int, what: String)] = [
      (wanted, "one node's models"),
      (Int((machine.availableMemoryBytes - profile.serverMemoryBytes) / max(1, model.memoryPerModelBytes)), "memory"),
      (whole(fullestDisk * Double(machine.freeDiskBytes) / Double(max(1, model.fileBytes))), "disk space"),
      (whole(fullestUtilization * capacity), "processor"),
    ]
    let models = limits.map(\.count).min() ?? 0
    guard models >= 1, let limit = limits.first(where: { $0.count == models }) else {
      throw ProofError(
        .unavailable, "\(cause), and not even one \(workload.architecture) fits this machine at that rate")
    }
    node.modelsPerNode = [models, models]
    return DeploymentChoice(
      node: node, models: models,
      sliceReason:
        "\(cause); \(models) of a node's \(wanted) models run here (\(limit.what) sets the limit), with this "
        + "machine's profile: this does not confirm the plan's own latency")
  }

  /// The whole part of a count that may be infinite.
  private static func whole(_ count: Double) -> Int { count < 1e9 ? Int(count) : 1_000_000_000 }

  /// The cell of this processor that serves the workload fastest: the planned precision where it was measured.
  private static func bestCell(
    for precision: Precision, _ workload: Workload, _ machine: Machine
  ) -> (Profile, ModelProfile, ServedCell)? {
    for profile in machine.profiles where profile.host.isSameProcessor(as: machine.host) {
      let models = profile.models.filter {
        $0.architecture == workload.architecture
          && (workload.vocabulary == nil || $0.vocabulary == workload.vocabulary)
      }
      let candidates = models.flatMap { model in
        model.served.filter {
          $0.tokens == workload.tokens && $0.input == workload.input && $0.workers * $0.threads <= machine.servingCores
        }.map { (model, $0) }
      }
      let planned = candidates.filter { $0.0.precision == precision }
      let best = (planned.isEmpty ? candidates : planned).min { $0.1.computeSeconds.mean < $1.1.computeSeconds.mean }
      if let best { return (profile, best.0, best.1) }
    }
    return nil
  }
}

extension DeploymentChoice {
  /// The node as a runtime is asked for it: the only place where a planned node becomes settings of a server.
  ///
  /// - Parameters:
  ///   - repository: where the models are.
  ///   - models: their names, the first ones of the repository.
  ///   - tokens: length at which they are warmed.
  public func settings(repository: String, models: [String], tokens: Int) -> NodeSettings {
    NodeSettings(
      repository: repository, models: models, workers: node.workers, threadsPerWorker: node.threadsPerWorker,
      warmTokens: [tokens], environment: node.environment,
      memoryBytes: Int64(models.count) * node.memoryPerModelBytes,
      instanceType: node.instanceType == "local" ? nil : node.instanceType)
  }
}
