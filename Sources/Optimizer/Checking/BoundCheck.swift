import PlannerCore

/// Derives the lower bound again.
///
/// For each type that the plan lists: the most models that any evidence lets one node take, going by memory and by
/// utilization below 1, and none where the service time alone breaks the target. The cheapest set of such nodes that
/// takes all models is found by growing the reachable number of models cost by cost, which is another method than
/// the search's.
struct BoundCheck {
  let plan: Plan
  let evidence: PlanEvidence

  func check(_ report: inout CheckReport) {
    let isLocal = !plan.nodes.isEmpty && plan.nodes.allSatisfy { $0.instanceType == "local" }
    for row in plan.alternatives where row.instanceType != "local" {
      report.require(
        evidence.catalog[row.instanceType] != nil, .catalog, "alternatives",
        "'\(row.instanceType)' is not in the catalogue")
    }
    guard let claimed = plan.lowerBoundPerHour else {
      report.require(plan.gap == nil, .arithmetic, "gap", "is given without a lower bound")
      report.require(!plan.feasible, .lowerBound, "lowerBoundPerHour", "is missing though the plan is feasible")
      if !isLocal, plan.models >= 1 {
        report.require(
          capacities().isEmpty, .lowerBound, "lowerBoundPerHour",
          "is missing, which says that no type can take a model")
      }
      return
    }
    if let cost = plan.costPerHour {
      report.require(
        claimed <= cost + 1e-9, .lowerBound, "lowerBoundPerHour", "is \(claimed), above the cost of \(cost)")
      let gap = claimed > 0 ? cost / claimed - 1 : nil
      let isRight = gap.map { expected in plan.gap.map { agree($0, expected) } ?? false } ?? (plan.gap == nil)
      report.require(isRight, .arithmetic, "gap", "is not cost over lower bound less 1")
    }
    let nodesAreListed = plan.nodes.allSatisfy { node in
      plan.alternatives.contains { $0.instanceType == node.instanceType }
    }
    report.require(nodesAreListed, .lowerBound, "alternatives", "do not list every type of the plan's nodes")
    if isLocal {
      report.require(claimed == 0, .lowerBound, "lowerBoundPerHour", "is \(claimed) for a machine that costs nothing")
      return
    }
    guard plan.models >= 1, let derived = cheapestCover() else {
      report.require(false, .lowerBound, "lowerBoundPerHour", "is \(claimed), but no type can take a model")
      return
    }
    report.require(
      claimed <= derived + 1e-6, .lowerBound, "lowerBoundPerHour", "is \(claimed); only \(derived) can be proven")
    // A bound that is too low is still one; but that there is no plan rests on it.
    report.require(
      plan.feasible ? claimed >= 0 : claimed >= derived - 1e-6, .lowerBound, "lowerBoundPerHour",
      "is \(claimed); \(derived) can be proven")
  }

  /// (billionths of a dollar an hour, models) of the types that can take any.
  private func capacities() -> [(cost: Int, models: Int)] {
    plan.alternatives.compactMap { row in
      guard let type = evidence.catalog[row.instanceType] else { return nil }
      let rest = evidence.rest(of: type)
      guard rest.pods >= 1, rest.milliCPU >= 1 else { return nil }
      let models = (publishedCapacities(type) + profiledCapacities(type)).max() ?? 0
      return models > 0 ? (Int((type.costPerHour * 1e9).rounded()), models) : nil
    }
  }

  /// The fleet of the low end of host memory takes all models, by the same reasoning.
  func checkLowHostMemory(_ report: inout CheckReport) {
    guard let low = plan.atLowHostMemory else { return }
    var models = 0
    for part in low.nodes {
      guard let type = evidence.catalog[part.instanceType], (1...1_000_000).contains(part.count) else { continue }
      let each = (publishedCapacities(type, hostEnd: \.low) + profiledCapacities(type)).max() ?? 0
      models += part.count * min(each, 1_000_000)
    }
    report.require(
      models >= plan.models, .coverage, "atLowHostMemory.nodes",
      "take \(models) models at most, \(plan.models) are planned for")
    report.require(
      low.provenance.kind == .estimated, .evidence, "atLowHostMemory.provenance",
      "is \(low.provenance.kind.rawValue); nobody has measured host memory of models on devices")
  }

  private func isAllowed(_ precision: Precision) -> Bool {
    plan.workload.groups[0].precisions?.contains(precision) ?? true
  }

  /// - Parameter hostEnd: the end of what is known of host memory that counts.
  private func publishedCapacities(
    _ type: InstanceType, hostEnd: KeyPath<HostMemoryRule, HostMemoryRule.Share> = \.high
  ) -> [Int] {
    let workload = plan.workload
    return evidence.figures.compactMap { figure in
      guard figure.architecture == workload.architecture, figure.batch == 1, figure.tokens >= workload.tokens,
        isAllowed(figure.precision), figure.instanceFamilies.contains(type.familyName),
        let split = PublishedSplit(figure, on: type, evidence.catalog),
        let weights = evidence.weightBytes(workload, figure.precision),
        let mean = figure.seconds["mean"] ?? figure.seconds["p50"]
      else { return nil }
      for key in ["p50", "p90", "p95", "p99"] {
        if let seconds = figure.seconds[key], seconds > workload.targetP99Seconds { return nil }
      }
      let perModel = Int64(((1.15 * Double(weights) + 41_943_040) * 1.25).rounded(.up))
      let demand = evidence.hostDemand(of: type, weightBytes: weights, end: hostEnd)
      let host = evidence.rest(of: type).memoryBytes
      let memory = type.accelerator.map { Int64($0.count) * $0.memoryBytes } ?? host - (2 << 30)
      let models = capacity(
        memoryBytes: memory, perModelBytes: perModel, devices: split.devices, workers: split.workers,
        meanSeconds: mean * split.factor)
      guard type.accelerator != nil, demand.perModel > 0 else { return models }
      return min(models, Int(max(0, host - demand.process - perModel) / demand.perModel))
    }
  }

  private func profiledCapacities(_ type: InstanceType) -> [Int] {
    guard type.accelerator == nil else { return [] }
    var result: [Int] = []
    for profile in evidence.profiles where profile.host.instanceType == type.name && !profile.host.isThrottled {
      for model in profile.models where plan.workload.isServed(by: model) && isAllowed(model.precision) {
        for cell in model.served where cell.tokens >= plan.workload.tokens {
          if cell.workers * cell.threads > type.vcpus || cell.workers < 1 { continue }
          if cell.computeSeconds.quantile(0.99) > plan.workload.targetP99Seconds { continue }
          result.append(
            capacity(
              memoryBytes: evidence.rest(of: type).memoryBytes - profile.serverMemoryBytes,
              perModelBytes: model.memoryPerModelBytes, devices: 1, workers: cell.workers,
              meanSeconds: cell.computeSeconds.mean))
        }
      }
    }
    return result
  }

  private func capacity(
    memoryBytes: Int64, perModelBytes: Int64, devices: Int, workers: Int, meanSeconds: Double
  ) -> Int {
    guard perModelBytes > 0, memoryBytes > 0, meanSeconds > 0 else { return 0 }
    var models = memoryBytes / Int64(devices) / perModelBytes
    let load = plan.workload.ratePerModelPerSecond * meanSeconds
    let busy = Double(workers) / load
    if busy < 1e9 { models = min(models, Int64(busy.rounded(.up)) - 1) }
    return Int(max(0, models)) * devices
  }

  /// Cheapest cost to have room for all models, by a forward sweep over the room that is already there.
  private func cheapestCover() -> Double? {
    let kinds = capacities()
    guard !kinds.isEmpty else { return nil }
    let unreached = Int.max
    var cheapest = [Int](repeating: unreached, count: plan.models + 1)
    cheapest[0] = 0
    for room in 0..<plan.models where cheapest[room] != unreached {
      for kind in kinds {
        let next = min(plan.models, room + kind.models)
        cheapest[next] = min(cheapest[next], cheapest[room] + kind.cost)
      }
    }
    return Double(cheapest[plan.models]) / 1e9 + evidence.catalog.clusterCostPerHour
  }
}
