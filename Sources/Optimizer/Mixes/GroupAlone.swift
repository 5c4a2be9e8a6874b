import PlannerCore
import Simulator

/// Nodes for one group alone: what shared nodes have to be cheaper than.
extension MixSearch {
  /// The group's own nodes where they cost less than `limit`.
  ///
  /// Where the group's models are all alike, the nodes are an exact cover of them, as for a workload of that group
  /// alone, and may be of several types. Else they are a pool.
  mutating func alone(_ group: Int, _ ways: [NodeWay], below limit: Int64, executableOnly: Bool) -> Pool? {
    let pool = cheapest([group], ways, below: limit)
    guard workload.groups[group].isFlat else { return pool }
    return cover(group, below: pool?.cost ?? limit, executableOnly: executableOnly) ?? pool
  }

  /// Least that a group's own nodes cost, as far as memory and load say, billionths of a dollar an hour.
  func leastCostAlone(_ group: Int, _ ways: [NodeWay]) -> Int64 {
    guard workload.groups[group].isFlat else {
      return ways.compactMap { way in
        sizing.fewestNodes([group], way).map { NodePattern.nanodollars(way.type.costPerHour) * Int64($0) }
      }.min() ?? .max
    }
    let models = Double(workload.groups[group].models)
    let each = rooms(group, executableOnly: false).map(\.pricePerModel).min() ?? .infinity
    let least = each * models
    return least < 9e18 ? Int64(least) : .max
  }

  /// A type, and most models of a group that one node of it has room for and keeps up with.
  private struct Room {
    var type: InstanceType
    var models: Int
    var cost: Int64 { NodePattern.nanodollars(type.costPerHour) }
    /// Billionths of a dollar an hour.
    var pricePerModel: Double { Double(cost) / Double(models) }
  }

  private func rooms(_ group: Int, executableOnly: Bool) -> [Room] {
    let alone = workload.only(workload.groups[group])
    return candidates.compactMap { entry in
      guard entry.type.name != LocalMachine.name else { return nil }
      let own = entry.byGroup[group].filter { !executableOnly || $0.executable }
      let most = own.map { $0.relaxedModels(alone) }.max() ?? 0
      return most > 0 ? Room(type: entry.type, models: most) : nil
    }
  }

  /// The exact cover of a group whose models are all alike, where it costs less than `limit`.
  private mutating func cover(_ group: Int, below limit: Int64, executableOnly: Bool) -> Pool? {
    let rooms = rooms(group, executableOnly: executableOnly)
    guard let each = rooms.map(\.pricePerModel).min() else { return nil }
    // A type helps only where one node of it, and the rest at the best price there is, stay below the limit.
    let models = workload.groups[group].models
    let types = rooms.filter {
      Double($0.cost) + Double(max(0, models - $0.models)) * each < Double(limit) * (1 - 1e-12)
    }.map(\.type)
    guard !types.isEmpty else { return nil }
    var problem = problem
    problem.workload = workload.only(workload.groups[group])
    problem.local = nil
    problem.budgetPerHour = nil
    problem.instanceNames = types.map(\.name)
    var search = Search(problem, shouldStop: shouldStop, progress: nil)
    let fleet = search.cloudFleet(types.map { search.evaluate($0) }, executableOnly: executableOnly)
    wasStopped = wasStopped || search.sizing.oracle.wasStopped
    guard let fleet else { return nil }
    let cost = fleet.nodes.reduce(Int64(0)) { $0 + NodePattern.nanodollars($1.costPerHour) * Int64($1.count) }
    guard cost < limit else { return nil }
    let own = workload.groups[group]
    return Pool(
      groups: [group], way: nil, nodes: fleet.nodes,
      planned: [
        PlannedGroup(
          name: own.name, models: own.models, replicas: [1, 1], targetP99Seconds: own.targetP99Seconds,
          p99Seconds: fleet.latency.p99)
      ],
      cost: cost, limit: Obstacle(binding: fleet.limit, reason: fleet.reason))
  }

  /// Pools of several groups whose groups cost less on nodes of their own are taken apart.
  mutating func takenApart(_ pools: [Pool], _ ways: [NodeWay], executableOnly: Bool) -> [Pool] {
    pools.flatMap { pool -> [Pool] in
      guard pool.groups.count > 1 else { return [pool] }
      let least = pool.groups.reduce(Int64(0)) { sum, group in
        sum.addingReportingOverflow(leastCostAlone(group, ways)).partialValue
      }
      guard least >= 0, least < pool.cost else { return [pool] }
      var parts: [Pool] = []
      var left = pool.cost
      for group in pool.groups {
        guard let part = alone(group, ways, below: left, executableOnly: executableOnly),
          let sure = final(part, executableOnly: executableOnly), sure.cost < left
        else { return [pool] }
        left -= sure.cost
        parts.append(sure)
      }
      return parts
    }
  }

  /// The pool as long simulations see it.
  mutating func final(_ pool: Pool, executableOnly: Bool) -> Pool? {
    guard let way = pool.way else { return pool }
    progress?("simulating \(pool.nodes[0].count) × \(pool.nodes[0].instanceType)")
    return sizing.pool(pool.groups, way, upTo: .max, isFinal: true)
  }
}
