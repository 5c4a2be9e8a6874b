import PlannerCore
import Simulator

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
    /// The plan is not feasible, for the reason that it gives: it has no node, here or elsewhere.
    case noPlan(String)

    public var description: String {
      switch self {
      case .plannedForAnotherMachine(let model, let cores):
        "the plan was made for another machine (\(model ?? "unknown"), \(cores ?? 0) cores)"
      case .thisMachineIsNo(let type): "this machine is no \(type)"
      case .noPlan(let reason): "the plan is not feasible (\(reason))"
      }
    }
  }

  /// What stops the slice from holding more models.
  public enum Limit: String, Sendable {
    /// Those of one planned node; where there is none, those of the workload.
    case nodesModels = "one node's models"
    case memory
    case disk = "disk space"
    case processor
  }

  public var cause: Cause
  public var models: Int
  /// Models of the planned node; where there is none, of the workload.
  public var of: Int
  public var limit: Limit

  public init(cause: Cause, models: Int, of: Int, limit: Limit) {
    self.cause = cause
    self.models = models
    self.of = of
    self.limit = limit
  }

  public var description: String {
    if case .noPlan = cause {
      let limit = limit == .nodesModels ? "" : " (\(self.limit.rawValue) sets the limit)"
      return "\(cause); \(models) of the workload's \(of) models run here\(limit), with this machine's profile: this "
        + "shows what this machine does with them, and confirms no plan"
    }
    return "\(cause); \(models) of a node's \(of) models run here (\(limit.rawValue) sets the limit), with this "
      + "machine's profile: this does not confirm the plan's own latency"
  }
}

/// Why nothing of a plan, or of the workload of one that is not feasible, runs on a machine.
public enum SliceError: Error, Hashable, Sendable, CustomStringConvertible {
  case tooFewCores(needed: Int, free: Int)
  case tooLittleMemory(models: Int, neededBytes: Int64, freeBytes: Int64)
  case noFigure(SliceReason.Cause, FigureQuery)
  case notEvenOne(SliceReason.Cause, architecture: String)

  public var description: String {
    switch self {
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

  /// Whether the plan itself has nothing that could run anywhere.
  public var hasNoPlan: Bool {
    switch self {
    case .noFigure(.noPlan, _), .notEvenOne(.noPlan, _): true
    default: false
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
  /// profile. Of a plan that is not feasible a slice of the workload runs.
  public static func choose(from plan: Plan, on machine: MachineAtHand, figures: Figures) throws(SliceError) -> Slice {
    guard let node = plan.nodes.first else { return try ofWorkload(plan, on: machine, figures: figures) }
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

  /// As many models of a workload as the machine at hand holds and keeps up with, where no plan says how many of them
  /// share a node.
  private static func ofWorkload(
    _ plan: Plan, on machine: MachineAtHand, figures: Figures
  ) throws(SliceError) -> Slice {
    let cause = SliceReason.Cause.noPlan(plan.bindingReason.sentence)
    let group = plan.workload.groups[0]
    let fit = try fit(group, wanted: group.models, preferring: nil, on: machine, figures: figures, because: cause)
    let spec = fit.figures.spec(models: fit.reason.models, ofGroup: group.name, on: .local)
    // No node was planned whose figures this one could keep: it is predicted by itself.
    let prediction = NodeSimulation.predict(
      spec, plan.workload, fit.figures.nodeFigures, seed: plan.seed, effort: .search)
    guard let prediction else { throw .notEvenOne(cause, architecture: group.architecture) }
    return slice(
      fit, spec, latency: PlannedLatency(p99: prediction.latencySeconds.p99), utilization: prediction.utilization)
  }

  /// Plans a node's models for the machine at hand: the split and precision that its profile found fastest, filled up
  /// to what memory, disk and processor take. The planned precision goes first where it was measured.
  public static func plan(
    of planned: NodeGroup, workload: Workload, on machine: MachineAtHand, figures: Figures,
    because cause: SliceReason.Cause
  ) throws(SliceError) -> Slice {
    let group = workload.groups[0]
    let fit = try fit(
      group, wanted: planned.spec.modelCount, preferring: planned.precision, on: machine, figures: figures,
      because: cause)
    return slice(
      fit, fit.figures.spec(models: fit.reason.models, ofGroup: group.name, on: .local),
      latency: planned.latencySeconds, utilization: planned.utilization)
  }

  /// How many models fit a machine, and the figures that they run with.
  private struct Fit {
    var figures: ServingFigures
    var reason: SliceReason
  }

  private static func fit(
    _ group: ModelGroup, wanted: Int, preferring precision: Precision?, on machine: MachineAtHand, figures: Figures,
    because cause: SliceReason.Cause
  ) throws(SliceError) -> Fit {
    let found = figures.fastest(
      group.query.exactly, preferring: precision, on: machine.host, cores: machine.servingCores,
      memoryBytes: machine.availableMemoryBytes)
    guard let found else { throw .noFigure(cause, group.query) }
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
    return Fit(figures: found, reason: SliceReason(cause: cause, models: models, of: wanted, limit: limit.what))
  }

  private static func slice(
    _ fit: Fit, _ spec: NodeSpec, latency: PlannedLatency, utilization: Double
  ) -> Slice {
    let node = NodeGroup(
      spec: spec, count: 1, fewestModels: spec.modelCount, figures: fit.figures.nodeFigures, costPerHour: 0,
      provenance: fit.figures.provenance, executable: true, latencySeconds: latency, utilization: utilization)
    return Slice(node: node, reason: fit.reason)
  }

  /// The whole part of a count that may be infinite.
  private static func whole(_ count: Double) -> Int { count < 1e9 ? Int(max(0, count)) : 1_000_000_000 }
}
