import PlannerCore

extension PlanEvidence {
  /// What the agents of a node leave of it.
  struct Rest {
    var milliCPU: Int
    var memoryBytes: Int64
    var pods: Int
  }

  /// What pods may use of a node of that type, less each agent that runs on it.
  func rest(of type: InstanceType) -> Rest {
    var rest = Rest(
      milliCPU: type.allocatableMilliCPU, memoryBytes: type.allocatableMemoryBytes, pods: type.maxPods)
    for agent in catalog.nodeAgents {
      if let names = agent.accelerators, !names.contains(type.accelerator?.name ?? "") { continue }
      rest.milliCPU -= agent.milliCPU
      rest.memoryBytes -= Int64(agent.memoryMiB) * 1_048_576
      rest.pods -= agent.pods
    }
    return rest
  }

  /// Host memory that one model keeps at most and that the server takes without one, bytes: as published for the
  /// type's family, else 1.5 × the weights and 2 GiB.
  ///
  /// - Parameter end: the upper end, or the lower one, which is nothing where nothing is published.
  func hostDemand(
    of type: InstanceType, weightBytes: Int64, end: KeyPath<HostMemoryRule, HostMemoryRule.Share> = \.high
  ) -> (perModel: Int64, process: Int64) {
    for rule in hostMemory where rule.instanceFamilies.contains(type.familyName) {
      let share = (rule[keyPath: end].weightFactor * Double(weightBytes)).rounded(.up)
      return (Int64(share) + rule[keyPath: end].fixedBytes, rule.processBytes)
    }
    return (end == \.high ? Int64((1.5 * Double(weightBytes)).rounded(.up)) : 0, 2 << 30)
  }
}

/// Whether a node has room for what a plan puts on it, beside what the cluster itself runs there.
struct RoomCheck {
  let evidence: PlanEvidence

  /// The agents and the one pod of the server fit the node.
  func check(_ type: InstanceType, at field: String, _ report: inout CheckReport) {
    let rest = evidence.rest(of: type)
    report.require(
      rest.pods >= 1, .room, field, "a \(type.name) has \(type.maxPods) pods, and its agents leave none for the server")
    report.require(
      rest.milliCPU >= 1, .room, field,
      "a \(type.name) has \(type.allocatableMilliCPU)m of CPU, and its agents ask for all of it")
  }

  /// Models on devices keep a part of the host's memory, beside the server and one model while it loads.
  func checkHostMemory(
    _ node: NodeGroup, _ type: InstanceType, weightBytes: Int64, at field: String, _ report: inout CheckReport
  ) {
    guard let host = node.hostMemory else {
      report.require(false, .memory, "\(field).hostMemory", "is missing for models that live on devices")
      return
    }
    let demand = evidence.hostDemand(of: type, weightBytes: weightBytes)
    report.require(
      host.perModelBytes.high >= demand.perModel - 1, .evidence, "\(field).hostMemory.perModelBytes",
      "is up to \(host.perModelBytes.high), below the upper end of what is known, \(demand.perModel)")
    let capacity = evidence.rest(of: type).memoryBytes - demand.process - node.memoryPerModelBytes
    report.require(
      host.capacityBytes <= capacity, .memory, "\(field).hostMemory.capacityBytes",
      "is \(host.capacityBytes); agents, server and a model while it loads leave \(capacity)")
    let models = Int64(node.modelsPerNode.max() ?? 0)
    let (kept, overflow) = models.multipliedReportingOverflow(by: max(0, host.perModelBytes.high))
    report.require(
      !overflow && kept <= host.capacityBytes, .memory, "\(field).hostMemory",
      "\(models) models that keep \(host.perModelBytes.high) bytes each do not fit \(host.capacityBytes)")
  }
}
