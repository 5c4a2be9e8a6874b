import PlannerCore

/// What a plan would be if the host memory that nobody has measured were as little as it may be.
extension Search {
  /// The cheapest fleet with the low end of host memory.
  ///
  /// - Parameter cost: of the planned fleet, dollars an hour; nil where there is none.
  /// - Returns: nil where it is no cheaper than that.
  mutating func atLowHostMemory(_ results: [TypeResult], below cost: Double?) -> LowHostMemory? {
    var relieved = results
    var ranges: [(type: String, host: HostMemory)] = []
    for index in results.indices {
      let options = results[index].options
      guard let host = options.first(where: { isHeldBack($0.candidate) })?.candidate.hostMemory else { continue }
      ranges.append((results[index].type.name, host))
      var evaluated: [EvaluatedCandidate] = []
      for option in options { evaluated.append(sizing.evaluate(atLowEnd(option.candidate))) }
      relieved[index].options = ranked(evaluated)
    }
    guard !ranges.isEmpty, let fleet = cloudFleet(relieved, executableOnly: false),
      fleet.costPerHour < cost ?? .infinity,
      let range = ranges.first(where: { held in fleet.nodes.contains { $0.instanceType == held.type } })
    else { return nil }
    return LowHostMemory(
      perModelBytes: range.host.perModelBytes, costPerHour: fleet.costPerHour,
      nodes: fleet.nodes.map { .init(instanceType: $0.instanceType, count: $0.count) },
      provenance: range.host.provenance)
  }

  /// Host memory allows fewer models than the devices do, and might allow more.
  private func isHeldBack(_ candidate: Candidate) -> Bool {
    guard let host = candidate.hostMemory, host.perModelBytes.low < host.perModelBytes.high else { return false }
    if case .hostMemory = candidate.shortage { return true }
    return candidate.modelsByHostMemory < candidate.modelsPerDeviceByMemory * candidate.devices
  }

  private func atLowEnd(_ candidate: Candidate) -> Candidate {
    var candidate = candidate
    guard var host = candidate.figures.hostMemory else { return candidate }
    host.perModelBytes.high = host.perModelBytes.low
    candidate.figures.hostMemory = host
    if case .hostMemory = candidate.shortage, host.capacityBytes >= host.perModelBytes.low {
      candidate.figures.shortage = nil
    }
    return candidate
  }
}
