import PlannerCore
import Simulator

/// Finds a fleet for workloads whose models are not all alike: several groups, models that are asked more often than
/// others, copies of a model.
///
/// 1. Prices of resources give a bound for every fleet, and say which types are worth a look.
/// 2. The simulator says how many requests of each group a device of those takes.
/// 3. Groups that are alike share nodes from the start. Each pool of groups gets the cheapest nodes of one kind; pools
///    are merged while that makes the fleet cheaper. All groups together are tried, too.
/// 4. Long simulations have the last word on the nodes that are left.
struct MixSearch {
  let problem: OptimizationProblem
  var sizing: MixSizing
  let progress: ((String) -> Void)?
  var workload: Workload { problem.workload }
  /// Candidates of every type considered, by group.
  private(set) var candidates: [(type: InstanceType, byGroup: [[Candidate]])] = []
  /// What was found out of the types that are worth a look.
  private(set) var known: [TypeWays] = []
  /// Pools with all groups, by type.
  private(set) var wholes: [String: Pool] = [:]
  let shouldStop: @Sendable () -> Bool
  /// What was found since then means nothing.
  var wasStopped = false

  /// Types that are simulated.
  private static let mostTypes = 12

  init(_ problem: OptimizationProblem, shouldStop: @escaping @Sendable () -> Bool, progress: ((String) -> Void)?) {
    self.problem = problem
    self.progress = progress
    self.shouldStop = shouldStop
    sizing = MixSizing(problem, shouldStop: shouldStop)
  }

  // MARK: The plan

  mutating func plan() -> Plan {
    let types = problem.consideredTypes
    candidates = types.map { type in
      (type, workload.groups.indices.map { problem.prospects(type, group: $0).candidates })
    }
    let cloud = candidates.filter { $0.type.name != LocalMachine.name }
    let bound = DualBound(problem, cloud).found()
    let local = localFleet()
    let fleet = local ?? cloudFleet(bound, executableOnly: false)
    let answer = verdict(fleet, bound)
    let executable = executablePlan(fleet, bound)
    let chosen = answer.isFeasible ? fleet : nil
    let isLocal = local != nil
    let cluster = problem.catalog.clusterCostPerHour
    var plan = Plan(
      seed: problem.seed, feasible: answer.isFeasible, costPerHour: chosen?.costPerHour,
      lowerBoundPerHour: isLocal ? 0 : bound.map { $0.costPerHour + cluster },
      models: workload.groups.reduce(0) { $0 + $1.models }, budgetPerHour: problem.budgetPerHour, workload: workload,
      latencySeconds: chosen.map { PlannedLatency(p99: $0.slowest) }, nodes: chosen?.nodes ?? [],
      binding: answer.obstacle.binding, bindingReason: answer.obstacle.reason, bestExecutable: executable.plan,
      bestExecutableReason: executable.reason, alternatives: alternatives(fleet), guidance: [],
      catalog: problem.catalog.provenance, clusterCostPerHour: cluster,
      groups: chosen?.planned ?? unplannedGroups)
    if !isLocal, let bound { plan.certificate = Certificate(method: .dualPrices, prices: bound.prices) }
    return plan
  }

  /// Groups of a workload for which there is no fleet.
  private var unplannedGroups: [PlannedGroup] {
    workload.groups.map {
      PlannedGroup(
        name: $0.name, models: $0.models, replicas: [$0.leastReplicas, $0.leastReplicas],
        targetP99Seconds: $0.targetP99Seconds, p99Seconds: nil)
    }
  }

  // MARK: Fleets

  /// Pools that together hold every group.
  struct Fleet {
    /// In the order of the plan's nodes: the dearest first.
    var pools: [Pool]
    var costPerHour: Double

    var nodes: [NodeGroup] { pools.flatMap(\.nodes) }
    var slowest: Estimate {
      nodes.map(\.latencySeconds.p99).max { $0.estimate < $1.estimate } ?? Estimate(estimate: 0, low: 0, high: 0)
    }
    var parts: [Reason.FleetPart] { nodes.map { .init(count: $0.count, instanceType: $0.instanceType) } }
    /// What the plan says of each group, in the workload's order.
    var planned: [PlannedGroup] {
      pools.flatMap { zip($0.groups, $0.planned) }.sorted { $0.0 < $1.0 }.map(\.1)
    }
    /// What stops the dearest nodes from being fewer.
    var limit: Obstacle {
      guard nodes.count == 1, nodes[0].count == 1 else { return pools[0].limit }
      let models = planned.reduce(0) { $0 + $1.models }
      return Obstacle(
        binding: .count,
        reason: pools[0].way?.isLocal == true
          ? .machineAtHandTakesAll(models: models)
          : .oneTypeTakesAll(instanceType: nodes[0].instanceType, models: models))
    }

    init(_ pools: [Pool], clusterCost: Int64) {
      self.pools = pools.sorted { a, b in
        (-a.cost, a.nodes[0].instanceType, a.groups[0]) < (-b.cost, b.nodes[0].instanceType, b.groups[0])
      }
      costPerHour = NodePattern.dollars(pools.reduce(clusterCost) { $0 + $1.cost })
    }
  }

  private var everyGroup: [Int] { Array(workload.groups.indices) }

  /// The machine at hand, where it takes everything: it is free.
  private mutating func localFleet() -> Fleet? {
    guard let type = problem.consideredTypes.first(where: { $0.name == LocalMachine.name }) else { return nil }
    progress?("simulating \(type.name)")
    let ways = sizing.ways(type)
    known.append(ways)
    let pools = ways.ways.compactMap { sizing.pool(everyGroup, $0, upTo: .max, isFinal: true) }
    guard
      let best = pools.min(by: { a, b in
        (a.nodes[0].count, a.nodes[0].utilization) < (b.nodes[0].count, b.nodes[0].utilization)
      })
    else { return nil }
    wholes[type.name] = best
    return Fleet([best], clusterCost: 0)
  }

  private mutating func cloudFleet(_ bound: DualBound.Found?, executableOnly: Bool) -> Fleet? {
    guard bound != nil else { return nil }
    for type in promising(executableOnly: executableOnly) where !known.contains(where: { $0.type.name == type.name }) {
      progress?("simulating \(type.name)")
      known.append(sizing.ways(type))
    }
    let ways = known.filter { $0.type.name != LocalMachine.name }.flatMap(\.ways).filter { way in
      !executableOnly || way.choices.allSatisfy { $0?.candidate.executable ?? true }
    }
    guard everyGroup.allSatisfy({ group in ways.contains { $0.choices[group] != nil } }) else { return nil }
    progress?("choosing nodes for \(workload.groups.count) groups")
    guard let pools = merged(alike(), ways, executableOnly: executableOnly) else { return nil }
    var best = pools
    if pools.count > 1, let whole = cheapest(everyGroup, ways, below: cost(pools)) { best = [whole] }
    var sure: [Pool] = []
    for pool in best {
      guard let pool = final(pool, executableOnly: executableOnly) else { return nil }
      sure.append(pool)
    }
    if !executableOnly, sure.count == 1, sure[0].nodes.count == 1 { wholes[sure[0].nodes[0].instanceType] = sure[0] }
    let final = takenApart(sure, ways, executableOnly: executableOnly)
    return Fleet(final, clusterCost: NodePattern.nanodollars(problem.catalog.clusterCostPerHour))
  }

  private func cost(_ pools: [Pool]) -> Int64 { pools.reduce(0) { $0 + $1.cost } }

  /// Types that are simulated: for each group its cheapest ones by price of what a model takes at least, and those that
  /// are cheap for all groups.
  private func promising(executableOnly: Bool) -> [InstanceType] {
    let cloud = candidates.filter { $0.type.name != LocalMachine.name }
    func price(_ entry: (type: InstanceType, byGroup: [[Candidate]]), _ group: Int) -> Double {
      let group = (index: group, group: workload.groups[group])
      return entry.byGroup[group.index].filter { !executableOnly || $0.executable }.compactMap { candidate in
        guard candidate.p99FloorSeconds <= group.group.targetP99Seconds else { return nil }
        return candidate.leastPricePerHour(group.group)
      }.min() ?? .infinity
    }
    var scores: [(index: Int, ratio: Double, covered: Int)] = []
    var isChosen = [Bool](repeating: false, count: cloud.count)
    let prices = cloud.map { entry in workload.groups.indices.map { price(entry, $0) } }
    let least = workload.groups.indices.map { group in prices.map { $0[group] }.min() ?? .infinity }
    for (index, own) in prices.enumerated() {
      let ratios = zip(own, least).filter { $0.0.isFinite }.map { $0.0 / $0.1 }
      guard !ratios.isEmpty else { continue }
      scores.append((index, ratios.reduce(0, +) / Double(ratios.count), ratios.count))
    }
    for group in workload.groups.indices {
      let order = prices.indices.filter { prices[$0][group].isFinite }.sorted {
        (prices[$0][group], cloud[$0].type.costPerHour) < (prices[$1][group], cloud[$1].type.costPerHour)
      }
      for index in order.prefix(2) { isChosen[index] = true }
    }
    let ranked = scores.sorted {
      (-$0.covered, $0.ratio, cloud[$0.index].type.costPerHour, $0.index)
        < (-$1.covered, $1.ratio, cloud[$1.index].type.costPerHour, $1.index)
    }
    for score in ranked where isChosen.count(where: { $0 }) < Self.mostTypes { isChosen[score.index] = true }
    return cloud.indices.filter { isChosen[$0] }.map { cloud[$0].type }
  }

  /// Groups that are alike to a node: the same figures and target.
  private func alike() -> [[Int]] {
    struct Key: Hashable {
      var query: FigureQuery
      var target: Double
      var arrivals: ArrivalProcess
    }
    var sets: [(key: Key, groups: [Int])] = []
    for (index, group) in workload.groups.enumerated() {
      let key = Key(query: group.query, target: group.targetP99Seconds, arrivals: group.arrivals)
      if let place = sets.firstIndex(where: { $0.key == key }) {
        sets[place].groups.append(index)
      } else {
        sets.append((key, [index]))
      }
    }
    return sets.map(\.groups)
  }

  /// The cheapest pool of these groups over all ways, cheaper than `limit`.
  mutating func cheapest(_ groups: [Int], _ ways: [NodeWay], below limit: Int64) -> Pool? {
    var best: Pool?
    let ranked = ways.enumerated().compactMap { index, way in
      sizing.fewestNodes(groups, way).map {
        (
          index: index,
          cost: NodePattern.nanodollars(way.type.costPerHour).multipliedReportingOverflow(by: Int64($0)).partialValue
        )
      }
    }.sorted { ($0.cost, $0.index) < ($1.cost, $1.index) }
    for entry in ranked {
      let most = best?.cost ?? limit
      guard entry.cost < most else { break }
      let each = NodePattern.nanodollars(ways[entry.index].type.costPerHour)
      let nodes = each > 0 ? (most - 1) / each : Int64.max
      if let pool = sizing.pool(groups, ways[entry.index], upTo: Int(min(nodes, 1_000_000_000)), isFinal: false),
        pool.cost < most
      {
        best = pool
      }
    }
    return best
  }

  /// Pools of these groups, merged two by two while that makes them cheaper: first where most may be saved.
  private mutating func merged(_ sets: [[Int]], _ ways: [NodeWay], executableOnly: Bool) -> [Pool]? {
    var pools: [Pool] = []
    for groups in sets {
      let pool =
        groups.count == 1
        ? alone(groups[0], ways, below: .max, executableOnly: executableOnly) : cheapest(groups, ways, below: .max)
      guard let pool else { return nil }
      pools.append(pool)
    }
    var refused = Set<[[Int]]>()
    while pools.count > 1 {
      var offers: [(saving: Int64, a: Int, b: Int)] = []
      for a in pools.indices {
        for b in pools.indices where b > a && !refused.contains([pools[a].groups, pools[b].groups]) {
          let saving = possibleSaving(pools[a], pools[b], ways)
          if saving > 0 { offers.append((saving, a, b)) }
        }
      }
      guard let offer = offers.min(by: { (-$0.saving, $0.a, $0.b) < (-$1.saving, $1.a, $1.b) }) else { break }
      let (a, b) = (pools[offer.a], pools[offer.b])
      if let both = cheapest((a.groups + b.groups).sorted(), ways, below: a.cost + b.cost) {
        pools.remove(at: offer.b)
        pools[offer.a] = both
      } else {
        refused.insert([a.groups, b.groups])
      }
    }
    return pools
  }

  /// What two pools would save together at the most, billionths of a dollar an hour.
  private func possibleSaving(_ a: Pool, _ b: Pool, _ ways: [NodeWay]) -> Int64 {
    let groups = (a.groups + b.groups).sorted()
    let least = ways.compactMap { way in
      sizing.fewestNodes(groups, way).map { NodePattern.nanodollars(way.type.costPerHour) * Int64($0) }
    }.min()
    return least.map { a.cost + b.cost - $0 } ?? 0
  }

  /// The cheapest fleet of nodes that the engine runs, or why there is none.
  private mutating func executablePlan(
    _ fleet: Fleet?, _ bound: DualBound.Found?
  ) -> (plan: ExecutablePlan?, reason: Reason?) {
    let isReady = fleet?.nodes.allSatisfy(\.executable) ?? false
    guard let fleet = isReady ? fleet : cloudFleet(bound, executableOnly: true) else {
      let group = workload.groups.indices.first { group in
        !candidates.contains { $0.byGroup[group].contains(where: \.executable) }
      }
      let missing = workload.groups[group ?? 0]
      return (
        nil,
        group == nil
          ? .noProfiledTypeKeepsTargets
          : .ofGroup(missing.name, .noProfile(architecture: missing.architecture, size: missing.requests.tokens))
      )
    }
    if let budget = problem.budgetPerHour, fleet.costPerHour > budget {
      return (nil, .executableFleetAboveBudget(fleet.parts, costPerHour: fleet.costPerHour, budgetPerHour: budget))
    }
    return (
      ExecutablePlan(
        costPerHour: fleet.costPerHour, latencySeconds: PlannedLatency(p99: fleet.slowest), nodes: fleet.nodes), nil
    )
  }
}

extension Candidate {
  /// What one model of a group costs at least, dollars an hour: the larger of its parts of memory and of workers' time.
  func leastPricePerHour(_ group: ModelGroup) -> Double? {
    guard hasRoom else { return nil }
    let memory = Double(figures.memoryPerModelBytes) / Double(figures.memoryCapacityBytes)
    let host = figures.hostMemory.map { Double($0.perModelBytes.high) / Double($0.capacityBytes) } ?? 0
    let workers = Double(figures.server.devices * figures.server.workers)
    let load = group.ratePerModelPerSecond * figures.meanFloorSeconds / workers
    return type.costPerHour * max(max(memory, host) * Double(group.leastReplicas), load)
  }
}
