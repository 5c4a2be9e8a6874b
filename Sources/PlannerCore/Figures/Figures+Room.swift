/// What a node has for models, and what one model takes of it.
struct NodeRoom {
  var perModel: MemoryEstimate
  /// Memory that models live in, over all devices, bytes.
  var capacityBytes: Int64
  var provenance: Provenance
  /// The host's part where models live on devices; nil where they live in the host's memory.
  var hostMemory: HostMemory?
  var shortage: RoomShortage?
}

extension Figures {
  /// The room of a node of which nothing was measured.
  ///
  /// Where models live on devices, the host needs memory, too: for the server with the device's runtime, for what each
  /// model keeps, and for one more copy of a model while it loads.
  func room(for variant: Variant, weightBytes weights: Int64, on type: InstanceType) -> NodeRoom {
    let perModel = MemoryEstimate(weightBytes: weights, variant.precision)
    let (available, agents) = (hostMemoryBytes(of: type), agentsText(type))
    guard let accelerator = type.accelerator else {
      let place = "; of \(NumberText.mebibytes(type.allocatableMemoryBytes)) for pods, 2048 MiB are kept for the server"
      return NodeRoom(
        perModel: perModel, capacityBytes: available - MemoryEstimate.serverAllowanceBytes,
        provenance: Provenance(.estimated, source: perModel.provenance.source + place + agents),
        shortage: shortage(of: type))
    }
    let rule = hostMemory.first { $0.instanceFamilies.contains(type.familyName) } ?? .ofUnknown
    let kept = HostMemory.Range(
      low: rule.low.bytes(weightBytes: weights), high: rule.high.bytes(weightBytes: weights))
    let fixed = rule.processBytes + perModel.bytes
    let method =
      "\(NumberText.mebibytes(kept.low)) to \(NumberText.mebibytes(kept.high)) a model, sized on the upper end; of "
      + "\(NumberText.mebibytes(type.allocatableMemoryBytes)) for pods, \(NumberText.mebibytes(rule.processBytes)) are "
      + "kept for the server with the device's runtime and \(NumberText.mebibytes(perModel.bytes)) for a model while "
      + "it loads\(agents). \(rule.source)"
    let needed = fixed + kept.high
    return NodeRoom(
      perModel: perModel, capacityBytes: accelerator.memoryBytes * Int64(accelerator.count),
      provenance: perModel.provenance,
      hostMemory: HostMemory(
        perModelBytes: kept, capacityBytes: available - fixed, provenance: Provenance(.estimated, source: method)),
      shortage: shortage(of: type)
        ?? (needed > available ? .hostMemory(neededBytes: needed, availableBytes: available) : nil))
  }

  /// Memory of the host beside the node's agents, bytes; below 0 where these alone do not fit.
  func hostMemoryBytes(of type: InstanceType) -> Int64 { catalog.room(on: type)[.memory] ?? 0 }

  /// Pods or processor that a node of that type lacks for its agents and the one pod of the server.
  func shortage(of type: InstanceType) -> RoomShortage? {
    let room = catalog.room(on: type)
    if (room[.pods] ?? 0) < 1 {
      let agents = catalog.agents(on: type).reduce(0) { $0 + $1.pods }
      return .pods(agents: agents, most: type.maxPods)
    }
    if (room[.cpu] ?? 0) < 1 {
      let asked = catalog.agents(on: type).reduce(0) { $0 + $1.milliCPU }
      return .cpu(agentsMilliCPU: asked, availableMilliCPU: type.allocatableMilliCPU)
    }
    return nil
  }

  /// `, and 618 MiB for the node's agents (aws-node, kube-proxy)`; empty where there are none.
  func agentsText(_ type: InstanceType) -> String {
    let agents = catalog.agents(on: type)
    guard !agents.isEmpty else { return "" }
    let mebibytes = agents.reduce(0) { $0 + $1.memoryMiB }
    return ", and \(mebibytes) MiB for the node's agents (\(agents.map(\.name).joined(separator: ", ")))"
  }
}
