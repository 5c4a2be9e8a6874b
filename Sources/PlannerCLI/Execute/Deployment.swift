import Foundation
import PlannerCore
import Simulator

/// What of a plan this machine runs: one node, whole or as a slice.
struct Deployment {
  var node: NodeGroup
  var models: Int
  /// nil where the plan's own node runs here in full.
  var sliceReason: String?

  var scope: String { sliceReason == nil ? "full" : "slice" }

  /// The machine at hand.
  struct Machine {
    var host: HostFingerprint
    /// Cores that servers may compute on.
    var servingCores: Int
    var availableMemoryBytes: Int64
    var freeDiskBytes: Int64
    /// Profiles to plan a slice with, newest first.
    var profiles: [Profile]
  }

  /// Utilization up to which a slice is filled: a server that is overloaded says nothing of the plan.
  static let fullestUtilization = 0.6

  /// Chooses the plan's node to run here.
  ///
  /// A node of the local machine, planned from a profile of this very processor, runs as planned. Of any other
  /// node a slice runs: its models, as many as this machine holds and keeps up with, on this machine's engine and
  /// profile.
  /// - Throws: `Failure`.
  static func choose(from plan: Plan, machine: Machine) throws -> Deployment {
    guard let node = plan.nodes.first else {
      throw Failure(.noFeasiblePlan, "the plan has no node to deploy: \(plan.bindingReason)")
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

  private static func whole(_ node: NodeGroup, _ machine: Machine) throws -> Deployment {
    let cores = node.workers * node.threadsPerWorker
    guard cores <= machine.servingCores else {
      throw Failure(
        .unavailable,
        "the plan needs \(cores) cores for its workers; \(machine.servingCores) are free beside the load generator's")
    }
    let models = node.modelsPerNode.last ?? 1
    let needed = Int64(models) * node.memoryPerModelBytes
    guard needed <= machine.availableMemoryBytes else {
      throw Failure(
        .unavailable,
        "\(models) models need \(needed >> 20) MiB and \(machine.availableMemoryBytes >> 20) MiB are free; "
          + "stop what holds the memory, or plan again with: planner optimize --fit")
    }
    return Deployment(node: node, models: models, sliceReason: nil)
  }

  private static func slice(
    of planned: NodeGroup, workload: Workload, cause: String, _ machine: Machine
  ) throws -> Deployment {
    guard let (profile, model, cell) = bestCell(for: planned.precision, workload, machine) else {
      throw Failure(
        .unavailable,
        "\(cause), and no profile of this machine covers \(workload.architecture) at \(workload.tokens) tokens; measure it "
          + "with: planner profile --case \(ProfileCaseArgument.describe(workload))")
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
    let limits: [(count: Int, what: String)] = [
      (wanted, "one node's models"),
      (Int((machine.availableMemoryBytes - profile.serverMemoryBytes) / max(1, model.memoryPerModelBytes)), "memory"),
      (Int(machine.freeDiskBytes * 8 / 10 / max(1, model.fileBytes)), "disk space"),
      (
        Int(fullestUtilization * Double(cell.workers) / (workload.ratePerModelPerSecond * cell.computeSeconds.mean)),
        "processor"
      ),
    ]
    let models = limits.map(\.count).min() ?? 0
    guard models >= 1, let limit = limits.first(where: { $0.count == models }) else {
      throw Failure(.unavailable, "\(cause), and not even one \(workload.architecture) fits this machine at that rate")
    }
    node.modelsPerNode = [models, models]
    return Deployment(
      node: node, models: models,
      sliceReason:
        "\(cause); \(models) of a node's \(wanted) models run here (\(limit.what) sets the limit), with this "
        + "machine's profile: this does not confirm the plan's own latency")
  }

  /// The cell of this processor that serves the workload fastest: the planned precision where it was measured.
  private static func bestCell(
    for precision: Precision, _ workload: Workload, _ machine: Machine
  ) -> (Profile, ModelProfile, ServedCell)? {
    for profile in machine.profiles where profile.host.isSameProcessor(as: machine.host) {
      let models = profile.models.filter { $0.isMeasured(for: workload) }
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

extension ModelProfile {
  /// Measured for these models, served at this length.
  fileprivate func isMeasured(for workload: Workload) -> Bool {
    architecture == workload.architecture && (workload.vocabulary == nil || vocabulary == workload.vocabulary)
      && served.contains { $0.tokens == workload.tokens && $0.input == workload.input }
  }
}
