import PlannerCore

/// The machine that a plan is to run on, as it is now.
public struct MachineAtHand: Sendable {
  public var host: HostFingerprint
  /// Cores that servers may compute on.
  public var servingCores: Int
  /// Memory that server and models may take, bytes.
  public var availableMemoryBytes: Int64
  public var freeDiskBytes: Int64

  public init(host: HostFingerprint, servingCores: Int, availableMemoryBytes: Int64, freeDiskBytes: Int64) {
    self.host = host
    self.servingCores = servingCores
    self.availableMemoryBytes = availableMemoryBytes
    self.freeDiskBytes = freeDiskBytes
  }
}

/// Why a machine runs less than a plan's node.
public struct SliceReason: Hashable, Sendable, CustomStringConvertible {
  /// Why the node itself does not run here.
  public enum Cause: Hashable, Sendable, CustomStringConvertible {
    case plannedForAnotherMachine(cpuModel: String?, cores: Int?)
    case thisMachineIsNo(instanceType: String)

    public var description: String {
      switch self {
      case .plannedForAnotherMachine(let model, let cores):
        "the plan was made for another machine (\(model ?? "unknown"), \(cores ?? 0) cores)"
      case .thisMachineIsNo(let type): "this machine is no \(type)"
      }
    }
  }

  /// What stops the slice from holding more models.
  public enum Limit: String, Sendable {
    case nodesModels = "one node's models"
    case memory
    case disk = "disk space"
    case processor
  }

  public var cause: Cause
  public var models: Int
  /// Models of the planned node.
  public var of: Int
  public var limit: Limit

  public init(cause: Cause, models: Int, of: Int, limit: Limit) {
    self.cause = cause
    self.models = models
    self.of = of
    self.limit = limit
  }

  public var description: String {
    "\(cause); \(models) of a node's \(of) models run here (\(limit.rawValue) sets the limit), with this "
      + "machine's profile: this does not confirm the plan's own latency"
  }
}

/// Why nothing of a plan runs on a machine.
public enum SliceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The plan is not feasible.
  case noNode(Reason)
  case tooFewCores(needed: Int, free: Int)
  case tooLittleMemory(models: Int, neededBytes: Int64, freeBytes: Int64)
  case noFigure(SliceReason.Cause, FigureQuery)
  case notEvenOne(SliceReason.Cause, architecture: String)

  public var description: String {
    switch self {
    case .noNode(let reason): "the plan has no node to deploy: \(reason)"
    case .tooFewCores(let needed, let free):
      "the plan needs \(needed) cores for its workers; \(free) are free beside the load generator's"
    case .tooLittleMemory(let models, let needed, let free):
      "\(models) models need \(needed >> 20) MiB and \(free >> 20) MiB are free; "
        + "stop what holds the memory, or plan again with: planner optimize --fit"
    case .noFigure(let cause, let query):
      "\(cause), and no profile of this machine covers \(query.architecture) at \(query.size) tokens; measure it "
        + "with: planner profile --case \(query.profileCase)"
    case .notEvenOne(let cause, let architecture):
      "\(cause), and not even one \(architecture) fits this machine at that rate"
    }
  }
}

/// What of a plan one machine runs: a node, whole or as a slice.
public struct Slice: Sendable {
  /// The node as it runs here, with one machine and its own figures.
  public var node: NodeGroup
  /// Why the node is not the plan's own in full; nil where it is.
  public var reason: SliceReason?

  /// Models of the node.
  public var models: Int { node.spec.modelCount }

  /// Utilization up to which a slice is filled: a server that is overloaded says nothing of the plan.
  public static let fullestUtilization = 0.6
  /// Share of the free disk that a slice's models may take.
  public static let fullestDisk = 0.8

  public init(node: NodeGroup, reason: SliceReason?) {
    self.node = node
    self.reason = reason
  }

  /// Chooses what of the plan runs here.
  ///
  /// A node of the local machine, planned from a profile of this very processor, runs as planned. Of any other
  /// node a slice runs: its models, as many as this machine holds and keeps up with, on this machine's engine and
  /// profile.
  public static func choose(from plan: Plan, on machine: MachineAtHand, figures: Figures) throws(SliceError) -> Slice {
    guard let node = plan.nodes.first else { throw .noNode(plan.bindingReason) }
    if node.spec.machine.isLocal, let host = node.host, host.isSameProcessor(as: machine.host) {
      return try whole(node, on: machine)
    }
    let cause: SliceReason.Cause =
      node.spec.machine.isLocal
      ? .plannedForAnotherMachine(cpuModel: node.host?.cpuModel, cores: node.host?.cores)
      : .thisMachineIsNo(instanceType: node.instanceType)
    return try self.plan(of: node, workload: plan.workload, on: machine, figures: figures, because: cause)
  }

  private static func whole(_ node: NodeGroup, on machine: MachineAtHand) throws(SliceError) -> Slice {
    let cores = node.workers * node.threadsPerWorker
    guard cores <= machine.servingCores else { throw .tooFewCores(needed: cores, free: machine.servingCores) }
    let models = node.spec.modelCount
    let needed = Int64(models) * node.memoryPerModelBytes
    guard needed <= machine.availableMemoryBytes else {
      throw .tooLittleMemory(models: models, neededBytes: needed, freeBytes: machine.availableMemoryBytes)
    }
    return Slice(node: node, reason: nil)
  }

  /// Plans a node's models for the machine at hand: the split and precision that its profile found fastest, filled up
  /// to what memory, disk and processor take. The planned precision goes first where it was measured.
  public static func plan(
    of planned: NodeGroup, workload: Workload, on machine: MachineAtHand, figures: Figures,
    because cause: SliceReason.Cause
  ) throws(SliceError) -> Slice {
    let group = workload.groups[0]
    let found = figures.fastest(
      group.query.exactly, preferring: planned.precision, on: machine.host, cores: machine.servingCores,
      memoryBytes: machine.availableMemoryBytes)
    guard let found else { throw .noFigure(cause, group.query) }
    let wanted = planned.spec.modelCount
    let busySeconds = group.ratePerModelPerSecond * found.meanFloorSeconds
    let limits: [(count: Int, what: SliceReason.Limit)] = [
      (wanted, .nodesModels),
      (found.modelsPerDeviceByMemory, .memory),
      (whole(fullestDisk * Double(machine.freeDiskBytes) / Double(max(1, found.fileBytes ?? 1))), .disk),
      (whole(fullestUtilization * Double(found.server.workers) / busySeconds), .processor),
    ]
    let models = limits.map(\.count).min() ?? 0
    guard models >= 1, let limit = limits.first(where: { $0.count == models }) else {
      throw .notEvenOne(cause, architecture: group.architecture)
    }
    let node = NodeGroup(
      spec: found.spec(models: models, ofGroup: group.name, on: .local), count: 1, fewestModels: models,
      figures: found.nodeFigures, costPerHour: 0,
      provenance: found.provenance, executable: true, latencySeconds: planned.latencySeconds,
      utilization: planned.utilization)
    return Slice(node: node, reason: SliceReason(cause: cause, models: models, of: wanted, limit: limit.what))
  }

  /// The whole part of a count that may be infinite.
  private static func whole(_ count: Double) -> Int { count < 1e9 ? Int(max(0, count)) : 1_000_000_000 }
}
