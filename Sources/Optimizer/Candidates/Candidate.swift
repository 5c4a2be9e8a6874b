import PlannerCore
import Simulator

/// One way to run the models on one instance type, with the figures that it is planned with.
@dynamicMemberLookup
struct Candidate {
  var type: InstanceType
  var figures: ServingFigures

  subscript<Value>(dynamicMember path: KeyPath<ServingFigures, Value>) -> Value { figures[keyPath: path] }
  subscript<Value>(dynamicMember path: KeyPath<ServerSettings, Value>) -> Value { figures.server[keyPath: path] }

  var precision: Precision { figures.variant.precision }

  /// Most models on one device whose requests the workers can keep up with, going by `meanSeconds` a request.
  func modelsPerDeviceByCompute(
    ratePerModelPerSecond rate: Double, meanSeconds: Double, belowUtilization utilization: Double
  ) -> Int {
    let models = utilization * Double(figures.server.workers) / (rate * meanSeconds)
    guard models < 1e9 else { return 1_000_000_000 }
    let whole = Int(models)
    // Strictly below: a device at its capacity has no steady state.
    return Double(whole) == models ? max(0, whole - 1) : whole
  }

  /// Most models of the node that no lower bound may deny it: memory and utilization below 1, no queueing; 0 where
  /// the service time alone is above the target.
  func relaxedModels(_ workload: Workload) -> Int {
    guard figures.p99FloorSeconds <= workload.targetP99Seconds, figures.meanFloorSeconds > 0 else { return 0 }
    let compute = modelsPerDeviceByCompute(
      ratePerModelPerSecond: workload.ratePerModelPerSecond, meanSeconds: figures.meanFloorSeconds,
      belowUtilization: 1)
    return min(
      min(figures.modelsPerDeviceByMemory, compute) * figures.server.devices, figures.modelsByHostMemory)
  }

  /// Models on the fullest device of a node with so many.
  func perDevice(_ models: Int) -> Int { (models + figures.server.devices - 1) / figures.server.devices }

  /// Whether the node has memory for a single model.
  var hasRoom: Bool { figures.modelsPerDeviceByMemory > 0 && figures.modelsByHostMemory > 0 }

  /// Memory of one model as reasons name it.
  var modelMemory: Reason.ModelMemory {
    Reason.ModelMemory(bytes: figures.memoryPerModelBytes, kind: figures.memoryProvenance.kind)
  }

  /// What one model keeps of the host's memory, as reasons name it.
  func keptMemory(_ host: HostMemory) -> Reason.ModelMemory {
    Reason.ModelMemory(bytes: host.perModelBytes.high, kind: host.provenance.kind)
  }

  /// What the node has too little of for even one model.
  var noRoomBinding: Binding {
    switch figures.shortage {
    case .pods: .pods
    case .cpu: .compute
    case .hostMemory, nil: .memory
    }
  }

  /// What fills the node's memory: the host's, where that takes fewer models than the devices'.
  var memoryReason: Reason {
    if let shortage = figures.shortage { return .noRoom(shortage) }
    let onDevices = figures.modelsPerDeviceByMemory * figures.server.devices
    if let host = figures.hostMemory, host.mostModels < onDevices {
      return .hostMemory(models: host.mostModels, keptMemory(host), roomBytes: max(0, host.capacityBytes))
    }
    return .memory(
      models: figures.modelsPerDeviceByMemory, modelMemory,
      roomBytes: max(0, figures.memoryCapacityBytes) / Int64(figures.server.devices), place: place)
  }

  /// What a device stands for: `Inferentia2 core`, `A10G`, or the whole node.
  var place: Reason.Place {
    guard let accelerator = type.accelerator else { return .node }
    return figures.server.devices == accelerator.count ? .accelerator(accelerator.name) : .core(of: accelerator.name)
  }
}

extension Candidate {
  /// A node of this candidate with so many models of the workload's group.
  func spec(models: Int, of workload: Workload) -> NodeSpec {
    figures.spec(models: models, ofGroup: workload.groups[0].name, on: MachineRef(type.name))
  }

  /// A node of this candidate with so many models on every device.
  func spec(modelsPerDevice models: Int, of workload: Workload) -> NodeSpec {
    spec(models: models * figures.server.devices, of: workload)
  }

  /// `count` nodes of a plan that run this candidate and hold so many models together, with what was predicted for the
  /// fullest of them.
  func planNode(_ spec: NodeSpec, count: Int, models: Int, prediction: NodePrediction) -> NodeGroup {
    NodeGroup(
      spec: spec, count: count, fewestModels: models / count, totals: [models], figures: figures.nodeFigures,
      costPerHour: type.costPerHour, provenance: figures.provenance, executable: figures.executable,
      latencySeconds: PlannedLatency(p99: prediction.latencySeconds.p99), utilization: prediction.utilization)
  }
}

/// What can be said of one instance type: ways to run the models, or why there is no figure.
struct Prospects {
  var type: InstanceType
  var candidates: [Candidate]
  /// Why there is no candidate; nil where there is one.
  var missing: NoFigure?
}

extension OptimizationProblem {
  /// Ways to run the models of one group of the workload on a type, as the figures know them.
  func prospects(_ type: InstanceType, group: Int = 0) -> Prospects {
    let query = workload.groups[group].query
    do throws(NoFigure) {
      let found: [ServingFigures]
      if type.name == LocalMachine.name, let local {
        found = try figures.serving(query, on: local)
      } else {
        found = try figures.serving(query, on: type)
      }
      return Prospects(type: type, candidates: found.map { Candidate(type: type, figures: $0) })
    } catch {
      return Prospects(type: type, candidates: [], missing: error)
    }
  }
}
