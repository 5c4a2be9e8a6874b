import PlannerCore

/// What a plan of many kinds says about each type, and about why it is as it is.
extension MixSearch {
  struct Answer {
    var isFeasible: Bool
    var obstacle: Obstacle
  }

  func verdict(_ fleet: Fleet?, _ bound: DualBound.Found?) -> Answer {
    guard let fleet else { return Answer(isFeasible: false, obstacle: nearest()) }
    if let budget = problem.budgetPerHour, fleet.costPerHour > budget {
      return Answer(
        isFeasible: false,
        obstacle: Obstacle(
          binding: .budget,
          reason: .fleetAboveBudget(
            fleet.parts, costPerHour: fleet.costPerHour, budgetPerHour: budget, fleet.limit.reason)))
    }
    return Answer(isFeasible: true, obstacle: fleet.limit)
  }

  /// Why there is no fleet: a group of which nothing is known, else one that no type takes, with the type that comes
  /// nearest to it.
  private func nearest() -> Obstacle {
    let groups = workload.groups.indices
    if let index = groups.first(where: { group in candidates.allSatisfy { $0.byGroup[group].isEmpty } }) {
      let group = workload.groups[index]
      let size = group.requests.tokens
      return Obstacle(
        binding: .noFigure,
        reason: .ofGroup(
          group.name, .noTypeHasFigure(types: candidates.count, architecture: group.architecture, size: size)))
    }
    for index in groups {
      if let obstacle = tooSlowOrLarge(index) ?? tooSlowUnderLoad(index) { return obstacle }
    }
    // Each group has a type, and the machine at hand is too small for all of them.
    let obstacles = known.flatMap(\.ways).compactMap { sizing.localObstacle(Array(groups), $0) }
    let order: [Binding] = [.latency, .compute, .memory]
    return order.lazy.compactMap { binding in obstacles.first { $0.binding == binding } }.first
      ?? Obstacle(binding: .memory, reason: .mixDoesNotFit(groups: workload.groups.count, models: models))
  }

  /// A group of which every type either has no room for a single model or takes longer than the target for a pass.
  private func tooSlowOrLarge(_ group: Int) -> Obstacle? {
    let target = workload.groups[group].targetP99Seconds
    let all = candidates.flatMap { $0.byGroup[group] }
    if all.contains(where: { $0.hasRoom && $0.p99FloorSeconds <= target }) { return nil }
    let fastest = all.enumerated().min {
      ($0.element.p99FloorSeconds, $0.offset) < ($1.element.p99FloorSeconds, $1.offset)
    }
    guard let candidate = fastest?.element else { return nil }
    let isLate = candidate.p99FloorSeconds > target
    return nearest(
      to: group, candidate.type, isLate ? .latency : candidate.noRoomBinding,
      isLate ? .passAboveTarget(candidate.label, targetSeconds: target) : candidate.memoryReason)
  }

  /// A group that no type takes once requests queue.
  private func tooSlowUnderLoad(_ group: Int) -> Obstacle? {
    if known.contains(where: { $0.ways.contains { $0.choices[group] != nil } }) { return nil }
    for binding in [Binding.latency, .compute, .memory, .pods] {
      for type in known {
        guard let obstacle = type.obstacles[group], obstacle.binding == binding else { continue }
        return nearest(to: group, type.type, binding, obstacle.reason)
      }
    }
    return nil
  }

  private func nearest(to group: Int, _ type: InstanceType, _ binding: Binding, _ reason: Reason) -> Obstacle {
    Obstacle(
      binding: binding,
      reason: .ofGroup(
        workload.groups[group].name,
        .nearest(
          instanceType: type.name, targetSeconds: workload.groups[group].targetP99Seconds, reason,
          typesWithoutFigure: candidates.count { $0.byGroup[group].isEmpty })))
  }

  private var models: Int { workload.groups.reduce(0) { $0 + $1.models } }

  /// What each type alone would give: those that were tried with all groups, and why others were not.
  func alternatives(_ fleet: Fleet?) -> [Alternative] {
    candidates.map { alternative($0.type, $0.byGroup) }.sorted(by: Search.isListedBefore)
  }

  private func alternative(_ type: InstanceType, _ byGroup: [[Candidate]]) -> Alternative {
    if let pool = wholes[type.name] {
      let node = pool.nodes[0]
      let cost = NodePattern.dollars(
        pool.cost + (type.name == LocalMachine.name ? 0 : NodePattern.nanodollars(problem.catalog.clusterCostPerHour)))
      let isDear = problem.budgetPerHour.map { cost > $0 } ?? false
      return Alternative(
        instanceType: type.name, feasible: !isDear, nodes: node.count,
        modelsPerNode: node.modelsPerNode[1], costPerHour: cost,
        p99Seconds: node.latencySeconds.p99, utilization: node.utilization,
        binding: isDear ? .budget : pool.limit.binding, reason: pool.limit.reason, provenance: node.provenance)
    }
    for (index, group) in workload.groups.enumerated() {
      guard let first = byGroup[index].first else {
        let missing = problem.prospects(type, group: index).missing
        return Alternative(
          instanceType: type.name, feasible: nil, binding: .noFigure,
          reason: .ofGroup(
            group.name,
            .noFigure(missing ?? .nothingKnown(architecture: group.architecture, instanceFamily: type.familyName))))
      }
      if byGroup[index].allSatisfy({ $0.p99FloorSeconds > group.targetP99Seconds }) {
        return Alternative(
          instanceType: type.name, feasible: false, binding: .latency,
          reason: .ofGroup(group.name, .passAboveTarget(first.label, targetSeconds: group.targetP99Seconds)),
          provenance: first.provenance)
      }
      if byGroup[index].allSatisfy({ !$0.hasRoom }) {
        return Alternative(
          instanceType: type.name, feasible: false, binding: first.noRoomBinding,
          reason: .ofGroup(group.name, first.memoryReason), provenance: first.provenance)
      }
    }
    let obstacle = known.first { $0.type.name == type.name }?.obstacles.lazy.compactMap { $0 }.first
    if let obstacle {
      return Alternative(instanceType: type.name, feasible: false, binding: obstacle.binding, reason: obstacle.reason)
    }
    return Alternative(instanceType: type.name, feasible: nil, binding: .notTried, reason: .notTriedAlone)
  }
}
