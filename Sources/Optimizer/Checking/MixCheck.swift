import PlannerCore
import Simulator

/// Verifies plans whose models are not all alike: where each copy lives, memory of every device and host, copies of
/// each model, each group's latency on the devices that are worst for it.
struct MixCheck {
  let plan: Plan
  let evidence: PlanEvidence
  let seed: UInt64

  /// Nodes of one list: the plan's own, or those of its executable fleet.
  struct Fleet {
    var nodes: [NodeGroup]
    var field: String
    var placement: Placement
  }

  func check(_ report: inout CheckReport) {
    let models = plan.workload.groups.reduce(0) { $0 + $1.models }
    report.require(plan.models == models, .coverage, "models", "is \(plan.models), the groups have \(models)")
    guard plan.feasible, !plan.nodes.isEmpty else { return }
    guard let placement = plan.placement else {
      report.require(
        false, .coverage, "nodes", "do not hold as many copies of each group as its models and replicas make")
      return
    }
    check(Fleet(nodes: plan.nodes, field: "nodes", placement: placement), &report)
  }

  private func check(_ fleet: Fleet, _ report: inout CheckReport) {
    for (index, node) in fleet.nodes.enumerated() {
      let field = "\(fleet.field)[\(index)]"
      let devices = fleet.placement.devices.filter { $0.kind == index }
      checkCounts(node, devices, at: field, &report)
      checkMemory(node, devices, at: field, &report)
      checkEvidence(node, at: field, &report)
      checkLatency(node, devices, at: field, &report)
    }
    for (index, group) in plan.workload.groups.enumerated() { checkCopies(index, group, fleet, &report) }
  }

  // MARK: Places

  /// The counts that the node states are those of the places.
  private func checkCounts(
    _ node: NodeGroup, _ devices: [Placement.Device], at field: String, _ report: inout CheckReport
  ) {
    var perNode = [Int](repeating: 0, count: node.count)
    var totals = [Int](repeating: 0, count: node.totals.count)
    var most = [[Int]](repeating: [Int](repeating: 0, count: node.totals.count), count: node.count)
    for device in devices {
      for content in device.contents {
        perNode[device.node] += content.copies.count
        totals[content.share] += content.copies.count
        most[device.node][content.share] += content.copies.count
      }
    }
    report.require(
      perNode.min() == node.modelsPerNode.first && perNode.max() == node.modelsPerNode.last, .coverage,
      "\(field).modelsPerNode",
      "is \(node.modelsPerNode); the places make \(perNode.min() ?? 0) to \(perNode.max() ?? 0)")
    report.require(totals == node.totals, .coverage, "\(field).placed", "totals are not those of the places")
    for (share, held) in node.spec.models.enumerated() {
      let fullest = most.map { $0[share] }.max() ?? 0
      report.require(
        fullest == held.count, .coverage, "\(field).placed",
        "'\(held.group)' has \(held.count) models on the fullest node, the places make \(fullest)")
      let group = plan.workload[group: held.group]
      let isAsked =
        group.map { group in
          held.variant.architecture == group.architecture && held.variant.vocabulary == group.vocabulary
            && group.precisions.map { $0.contains(held.variant.precision) } ?? true
        } ?? false
      report.require(isAsked, .evidence, "\(field).placed", "'\(held.group)' is another variant than is asked for")
      report.require(
        node.figures.entries[share].variant == held.variant, .evidence, "\(field).placed",
        "'\(held.group)' has figures of another variant")
    }
  }

  /// Every model has as many copies as its rate and the workload want, each on a device of its own.
  private func checkCopies(_ index: Int, _ group: ModelGroup, _ fleet: Fleet, _ report: inout CheckReport) {
    let field = "groups: \(group.name)"
    guard index < plan.groups.count else { return }
    let planned = plan.groups[index]
    var fewest = Int.max
    var most = 0
    var isSound = true
    for (rate, hosts) in zip(group.rates(), fleet.placement.hosts(ofGroup: index, models: group.models)) {
      var needed = group.leastReplicas
      if let limit = planned.mostRatePerReplica, limit > 0 { needed = max(needed, Int((rate / limit).rounded(.up))) }
      isSound = isSound && hosts.count == needed && Set(hosts).count == hosts.count
      fewest = min(fewest, hosts.count)
      most = max(most, hosts.count)
    }
    report.require(isSound, .coverage, field, "some model has too few or too many copies, or two on one device")
    report.require(
      planned.replicas == [fewest, most], .coverage, field,
      "replicas are \(planned.replicas), the places make [\(fewest), \(most)]")
    guard let worst = worstClaimed(group.name, fleet.nodes), let stated = planned.p99Seconds else {
      report.require(false, .latency, field, "p99Seconds is missing")
      return
    }
    report.require(
      agree(stated.estimate, worst.estimate), .latency, field, "p99Seconds is not the worst node's, \(worst.estimate)")
    report.require(
      stated.high <= group.targetP99Seconds, .latency, field,
      "p99 reaches up to \(stated.high), beyond the target of \(group.targetP99Seconds)")
  }

  private func worstClaimed(_ group: String, _ nodes: [NodeGroup]) -> Estimate? {
    var worst: Estimate?
    for node in nodes {
      for (share, held) in node.spec.models.enumerated() where held.group == group {
        let own = node.shareP99Seconds.isEmpty ? node.latencySeconds.p99 : node.shareP99Seconds[share]
        if own.estimate > worst?.estimate ?? -1 { worst = own }
      }
    }
    return worst
  }

  // MARK: Memory

  private func checkMemory(
    _ node: NodeGroup, _ devices: [Placement.Device], at field: String, _ report: inout CheckReport
  ) {
    let room = node.memoryCapacityBytes / Int64(node.devices)
    var fullest = 0.0
    var kept = [Double](repeating: 0, count: node.count)
    for device in devices {
      var bytes = 0.0
      for content in device.contents {
        let entry = node.figures.entries[content.share]
        bytes += Double(content.copies.count) * Double(entry.memoryPerModelBytes)
        kept[device.node] += Double(content.copies.count) * Double(entry.hostMemory?.perModelBytes.high ?? 0)
      }
      fullest = max(fullest, bytes)
    }
    report.require(
      fullest <= Double(room), .memory, field, "models of \(fullest) bytes in a queue that has \(room)")
    let host = node.figures.entries.compactMap { $0.hostMemory?.capacityBytes }.min()
    guard let host else { return }
    report.require(
      (kept.max() ?? 0) <= Double(host), .memory, "\(field).hostMemory",
      "models keep \(kept.max() ?? 0) bytes of a host that has \(host)")
  }

  /// Every share's figures, as a node of its own would be held to them.
  private func checkEvidence(_ node: NodeGroup, at field: String, _ report: inout CheckReport) {
    for (share, held) in node.spec.models.enumerated() {
      guard let group = plan.workload[group: held.group] else { continue }
      var alone = node
      alone.spec.models = [held]
      alone.figures.entries = [node.figures.entries[share]]
      alone.totals = [node.totals[share]]
      alone.shareP99Seconds = []
      let workload = plan.workload.only(group)
      EvidenceCheck(workload: workload, evidence: evidence).check(alone, at: "\(field).placed[\(share)]", &report)
      checkSizes(node.figures.entries[share].service.sizes ?? [], of: group, at: "\(field).placed[\(share)]", &report)
    }
  }

  private func checkSizes(
    _ sizes: [SizeFactor], of group: ModelGroup, at field: String, _ report: inout CheckReport
  ) {
    guard !sizes.isEmpty else { return }
    let share = sizes.reduce(0) { $0 + $1.share }
    let isSound =
      agree(share, 1) && sizes.allSatisfy { $0.factor > 0 && $0.factor <= 1 && $0.share >= 0 }
      && zip(sizes, sizes.dropFirst()).allSatisfy { $0.upTo < $1.upTo && $0.factor <= $1.factor + 1e-9 }
      && sizes.last?.upTo == group.requests.sizes.largest
    report.require(isSound, .evidence, "\(field).service.sizes", "are not the sizes of the group's requests")
  }

  // MARK: Latency

  /// Simulates again the devices that are worst for each share.
  private func checkLatency(
    _ node: NodeGroup, _ devices: [Placement.Device], at field: String, _ report: inout CheckReport
  ) {
    func work(_ device: Placement.Device) -> Double {
      var sum = 0.0
      for content in device.contents {
        let service = node.figures.entries[content.share].service
        let factor = (service.sizes ?? []).isEmpty ? 1 : (service.sizes ?? []).reduce(0) { $0 + $1.share * $1.factor }
        let each = service.computeSeconds.mean * factor + (service.dispatchGapSeconds ?? 0)
        for copy in content.copies { sum += copy.modelRatePerSecond / Double(copy.replicas) * each }
      }
      return sum
    }
    let works = devices.map(work)
    let offered = (works.max() ?? 0) / Double(node.workers)
    // A worker that has to be woken is busy for so much longer, at the most with every request.
    let rates = devices.map { $0.contents.flatMap(\.copies).reduce(0.0) { $0 + $1.ratePerSecond } }
    let wake = node.figures.entries.compactMap(\.service.wakeUpSeconds).max() ?? 0
    let waking = (rates.max() ?? 0) * wake / Double(node.workers)
    let slack = 0.02 + 0.05 * offered
    report.require(
      node.utilization >= offered - slack && node.utilization <= offered + waking + slack, .latency,
      "\(field).utilization",
      "is \(node.utilization); rate × service time gives \(offered)")
    var simulated: [Int: NodePrediction] = [:]
    for (share, held) in node.spec.models.enumerated() {
      let holders = devices.indices.filter { devices[$0].contents.contains { $0.share == share } }
      guard let worst = holders.max(by: { (works[$0], -$0) < (works[$1], -$1) }),
        let again = simulated[worst]
          ?? NodeSimulation.predict(devices[worst], of: node, plan.workload, seed: seed, effort: .final),
        let place = devices[worst].contents.firstIndex(where: { $0.share == share }),
        let found = again.groups.first(where: { $0.stream == place })
      else {
        report.require(false, .latency, field, "the load of '\(held.group)' reaches the capacity, or it has none")
        continue
      }
      simulated[worst] = again
      let claimed = node.shareP99Seconds.isEmpty ? node.latencySeconds.p99 : node.shareP99Seconds[share]
      let p99 = found.latencySeconds.p99
      report.require(
        claimed.estimate >= p99.low * 0.98 && claimed.estimate <= p99.high * 1.02, .latency,
        "\(field).placed[\(share)].p99Seconds",
        "is \(claimed.estimate); simulated again it is \(p99.low) to \(p99.high)")
      let target = plan.workload[group: held.group]?.targetP99Seconds ?? 0
      report.require(
        p99.estimate <= target * 1.02, .latency, "\(field).placed[\(share)].p99Seconds",
        "is \(p99.estimate) when simulated again, beyond the target of \(target)")
    }
  }
}
