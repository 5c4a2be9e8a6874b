import PlannerCore
import Simulator

/// Groups that share nodes, and the nodes that they share.
struct Pool {
  /// Places of the groups in the workload, ascending.
  var groups: [Int]
  /// How all of its nodes run; nil where they were chosen one by one.
  var way: NodeWay?
  /// Kinds of nodes, the dearest first; one where they all run alike.
  var nodes: [NodeGroup]
  /// What the plan says of the groups, in their order.
  var planned: [PlannedGroup]
  /// Price of the nodes, billionths of a dollar an hour.
  var cost: Int64
  /// What stops the pool from doing with one node less.
  var limit: Obstacle
}

/// Finds how many nodes of one way a set of groups needs.
///
/// The copies are spread over all nodes; memory and load say how many it takes at least, and the fullest devices of
/// each group are simulated until that many keep every group's target.
extension MixSizing {
  private var workload: Workload { problem.workload }
  /// More nodes of one kind are damage.
  private static let mostNodes = 100_000
  /// How often a model's work is divided beyond what it alone asks for.
  private static let mostDivisions = 8

  /// A pool before its nodes are counted.
  private struct Draft {
    var groups: [Int]
    /// The workload with these groups alone.
    var demand: Workload
    var way: NodeWay
    var choices: [NodeWay.Choice]
    var planned: [PlannedGroup]
    /// Copies of each group's models, over all nodes.
    var totals: [Int]
    /// Fewest devices that copies of one model need.
    var fewestDevices: Int
  }

  // MARK: Bounds

  /// Fewest nodes that memory, and a load below what each group alone would allow, leave possible.
  func fewestNodes(_ groups: [Int], _ way: NodeWay) -> Int? {
    guard let draft = draft(groups, way) else { return nil }
    return leastNodes(draft)
  }

  private func draft(_ groups: [Int], _ way: NodeWay) -> Draft? {
    let choices = groups.compactMap { way.choices[$0] }
    guard choices.count == groups.count else { return nil }
    var (planned, totals, fewest): ([PlannedGroup], [Int], Int) = ([], [], 1)
    for (index, choice) in zip(groups, choices) {
      let group = workload.groups[index]
      let rates = group.popularity == .uniform ? [group.ratePerModelPerSecond] : group.rates()
      let hottest = rates.max() ?? 0
      let own = PlannedGroup(
        name: group.name, models: group.models, replicas: [group.leastReplicas, group.leastReplicas],
        targetP99Seconds: group.targetP99Seconds, p99Seconds: nil,
        mostRatePerReplica: hottest > choice.mostRate ? choice.mostRate : nil)
      let copies = rates.map { own.copies(atRate: $0, least: group.leastReplicas) }
      planned.append(own)
      totals.append(copies.reduce(0, +) * (group.popularity == .uniform ? group.models : 1))
      fewest = max(fewest, copies.max() ?? 1)
    }
    return Draft(
      groups: groups,
      demand: Workload(name: workload.name, groups: groups.map { workload.groups[$0] }, source: workload.source),
      way: way, choices: choices, planned: planned, totals: totals, fewestDevices: fewest)
  }

  private func leastNodes(_ draft: Draft) -> Int {
    let devices = draft.way.server.devices
    func whole(_ count: Double) -> Int { count < Double(Self.mostNodes) ? Int(count.rounded(.up)) : Self.mostNodes + 1 }
    let use = use(draft)
    let least = max((draft.fewestDevices + devices - 1) / devices, whole(max(use.memory, use.host)))
    return max(1, least, whole(use.compute / 0.995))
  }

  // MARK: Sizing

  /// The pool with the fewest nodes of this way that keep every target, at most `most` of them.
  ///
  /// A model gets copies where a device with nothing else cannot carry it. Where that is not enough, because other
  /// models live on its device, or because the long simulation is less kind, the most work of one model is divided
  /// further.
  ///
  /// - Parameter isFinal: whether long simulations have the last word, whose figures are printed.
  /// - Returns: nil where there is none.
  mutating func pool(_ groups: [Int], _ way: NodeWay, upTo most: Int, isFinal: Bool) -> Pool? {
    if let pool = pool(groups, as: way, upTo: most, isFinal: isFinal) { return pool }
    // Whoever names a limit has a fleet already, and asks for a cheaper one.
    guard most >= Self.mostNodes else { return nil }
    var divided = way
    for _ in 0..<Self.mostDivisions {
      guard divide(&divided, groups) else { return nil }
      if let pool = pool(groups, as: divided, upTo: most, isFinal: isFinal) { return pool }
    }
    return nil
  }

  /// Gives the models of one group another copy: of the group in which one copy has the most work.
  ///
  /// - Returns: false where there is no device for it.
  private func divide(_ way: inout NodeWay, _ groups: [Int]) -> Bool {
    let devices = (way.isLocal ? localNodes(way) : Self.mostNodes) * way.server.devices
    var most: (work: Double, group: Int, rate: Double)?
    for index in groups {
      guard let choice = way.choices[index] else { return false }
      let group = workload.groups[index]
      let hottest = group.hottestRate
      let copies = max(group.leastReplicas, Int(min((hottest / choice.mostRate).rounded(.up), 1e9)), 1)
      let work = hottest * choice.busySeconds / Double(copies)
      if copies < devices, work > most?.work ?? 0 {
        // The rounding of a quotient does not ask for one copy more.
        most = (work, index, hottest / Double(copies + 1) * (1 + 1e-12))
      }
    }
    guard let most else { return false }
    way.choices[most.group]?.mostRate = most.rate
    return true
  }

  private mutating func pool(_ groups: [Int], as way: NodeWay, upTo most: Int, isFinal: Bool) -> Pool? {
    guard let draft = draft(groups, way) else { return nil }
    // Nodes beyond the number of copies would be empty.
    let most = min(most, way.isLocal ? localNodes(way) : Self.mostNodes, draft.totals.reduce(0, +))
    let least = leastNodes(draft)
    guard least <= most else { return nil }
    // As many as each group would need if its part of the load were all that counts.
    let shares = zip(draft.groups, draft.choices).reduce(0.0) {
      $0 + workload.groups[$1.0].totalRatePerSecond / $1.1.mostRate
    }
    let guess = min(most, max(least, Int(min(1e6, shares / Double(way.server.devices)).rounded(.up))))
    var (low, high) = (least - 1, guess)
    var step = max(1, guess / 16)
    while !holds(draft, nodes: high, isFinal: false) {
      low = high
      guard high < most else {
        // The short simulations, whose intervals are wider, have no last word.
        guard isFinal, holds(draft, nodes: most, isFinal: true) else { return nil }
        break
      }
      high = min(most, high + step)
      step *= 2
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if holds(draft, nodes: middle, isFinal: false) { high = middle } else { low = middle }
    }
    // The short simulations may have been lucky, too.
    var nodes = high
    while isFinal, !holds(draft, nodes: nodes, isFinal: true) {
      nodes += 1
      if nodes > most { return nil }
    }
    return finished(draft, nodes: nodes, least: least, isFinal: isFinal)
  }

  /// Nodes of the machine at hand: servers that share its cores.
  private func localNodes(_ way: NodeWay) -> Int {
    max(1, (problem.local?.cores ?? 1) / max(1, way.server.workers * way.server.threadsPerWorker))
  }

  private mutating func holds(_ draft: Draft, nodes: Int, isFinal: Bool) -> Bool {
    let kind = kind(draft, nodes: nodes)
    guard let devices = placed(draft, on: kind), fits(devices, draft, nodes: nodes) else { return false }
    for device in fullest(devices, of: kind) {
      let load = DeviceLoad(device, of: kind, draft.demand)
      guard let prediction = oracle.predict(load, isFinal: isFinal) else { return false }
      for group in prediction.groups {
        let target = draft.planned[device.contents[group.stream].share].targetP99Seconds
        if group.latencySeconds.p99.high > target { return false }
      }
    }
    return true
  }

  /// Nodes of the draft before anything is predicted for them.
  private func kind(_ draft: Draft, nodes: Int) -> NodeGroup {
    let total = draft.totals.reduce(0, +)
    let unknown = Estimate(estimate: 0, low: 0, high: 0)
    let first = draft.choices[0].candidate
    let provenance = draft.choices.map(\.candidate.provenance).max { $0.kind.doubt < $1.kind.doubt }
    return NodeGroup(
      spec: NodeSpec(
        machine: MachineRef(draft.way.type.name), server: draft.way.server,
        models: zip(draft.planned, zip(draft.choices, draft.totals)).map {
          ModelShare(group: $0.name, variant: $1.0.candidate.figures.variant, count: ($1.1 - 1) / nodes + 1)
        }),
      count: nodes, fewestModels: total / nodes, totals: draft.totals,
      figures: NodeFigures(
        entries: draft.choices.map { $0.candidate.figures.nodeEntry },
        memoryCapacityBytes: draft.way.deviceBytes(draft.groups) * Int64(draft.way.server.devices), host: first.host,
        serverMemoryBytes: first.serverMemoryBytes),
      costPerHour: draft.way.type.costPerHour, provenance: provenance ?? first.provenance,
      executable: draft.choices.allSatisfy(\.candidate.executable), latencySeconds: PlannedLatency(p99: unknown),
      shareP99Seconds: draft.choices.count > 1 ? draft.choices.map { _ in unknown } : [], utilization: 0)
  }

  private func placed(_ draft: Draft, on kind: NodeGroup) -> [Placement.Device]? {
    Placement(nodes: [kind], workload: draft.demand, groups: draft.planned)?.devices
  }

  /// Every device and every host has the memory of what lives there.
  private func fits(_ devices: [Placement.Device], _ draft: Draft, nodes: Int) -> Bool {
    let room = draft.way.deviceBytes(draft.groups)
    let host = draft.way.hostBytes(draft.groups)
    var kept = [Int64](repeating: 0, count: nodes)
    var bytesOfMachine: Int64 = 0
    for device in devices {
      var bytes: Int64 = 0
      for content in device.contents {
        bytes += Int64(content.copies.count) * draft.choices[content.share].memoryBytes
        kept[device.node] += Int64(content.copies.count) * draft.choices[content.share].hostBytes
      }
      if bytes > room { return false }
      bytesOfMachine += bytes
    }
    if draft.way.isLocal, bytesOfMachine + Int64(nodes - 1) * (draft.choices[0].candidate.serverMemoryBytes ?? 0) > room
    {
      return false
    }
    return host.map { limit in kept.allSatisfy { $0 <= limit } } ?? true
  }

  /// For each group, the device with the most work among those that hold it.
  private func fullest(_ devices: [Placement.Device], of node: NodeGroup) -> [Placement.Device] {
    let work = devices.map { $0.busyWorkers(of: node) }
    var chosen: [Int] = []
    for share in node.spec.models.indices {
      let holders = devices.indices.filter { devices[$0].contents.contains { $0.share == share } }
      if let most = holders.max(by: { (work[$0], -$0) < (work[$1], -$1) }), !chosen.contains(most) {
        chosen.append(most)
      }
    }
    return chosen.sorted().map { devices[$0] }
  }

  /// The pool with what is predicted for its nodes.
  private mutating func finished(_ draft: Draft, nodes: Int, least: Int, isFinal: Bool) -> Pool? {
    var node = kind(draft, nodes: nodes)
    guard let devices = placed(draft, on: node) else { return nil }
    var worst = [Estimate?](repeating: nil, count: draft.groups.count)
    var utilization = 0.0
    for device in fullest(devices, of: node) {
      let load = DeviceLoad(device, of: node, draft.demand)
      guard let prediction = oracle.predict(load, isFinal: isFinal) else { return nil }
      utilization = max(utilization, prediction.utilization)
      for group in prediction.groups {
        let share = device.contents[group.stream].share
        let p99 = group.latencySeconds.p99
        if p99.estimate > worst[share]?.estimate ?? -1 { worst[share] = p99 }
      }
    }
    let all = worst.compactMap { $0 }
    guard all.count == worst.count, let slowest = all.max(by: { $0.estimate < $1.estimate }) else { return nil }
    node.latencySeconds = PlannedLatency(p99: slowest)
    if draft.groups.count > 1 { node.shareP99Seconds = all }
    node.utilization = utilization
    var planned = draft.planned
    for index in planned.indices {
      let copies = devices.flatMap { $0.contents.filter { $0.share == index }.flatMap(\.copies) }.map(\.replicas)
      planned[index].replicas = [copies.min() ?? 1, copies.max() ?? 1]
      planned[index].p99Seconds = all[index]
    }
    return Pool(
      groups: draft.groups, way: draft.way, nodes: [node], planned: planned,
      cost: NodePattern.nanodollars(draft.way.type.costPerHour) * Int64(nodes),
      limit: limit(draft, nodes: nodes, least: least))
  }

  /// Why the machine at hand does not take these groups together in this way.
  func localObstacle(_ groups: [Int], _ way: NodeWay) -> Obstacle? {
    guard let draft = draft(groups, way) else { return nil }
    let (use, nodes) = (use(draft), localNodes(way))
    let binding: Binding =
      use.bytes > way.deviceBytes(groups)
      ? .memory
      : use.compute > 0.995 * Double(nodes) || draft.fewestDevices > nodes * way.server.devices ? .compute : .latency
    return Obstacle(
      binding: binding,
      reason: binding == .latency
        ? .mixTooSlow(nodes: nodes, instanceType: way.type.name)
        : .mixDoesNotFit(groups: groups.count, models: draft.planned.reduce(0) { $0 + $1.models }))
  }

  /// Why one node less would not do.
  private func limit(_ draft: Draft, nodes: Int, least: Int) -> Obstacle {
    let type = draft.way.type.name
    if nodes > least, nodes > 1 {
      return Obstacle(binding: .latency, reason: .mixTooSlow(nodes: nodes - 1, instanceType: type))
    }
    let use = use(draft)
    let before = Double(nodes - 1)
    if nodes > 1 {
      if use.memory > before || use.host > before {
        let isHosts = use.memory <= before
        return Obstacle(
          binding: .memory,
          reason: .mixMemory(
            nodes: nodes - 1, instanceType: type, neededBytes: isHosts ? use.hostBytes : use.bytes, isHosts: isHosts))
      }
      let devices = draft.way.server.devices * (nodes - 1)
      if draft.fewestDevices > devices {
        return Obstacle(binding: .compute, reason: .mixReplicas(copies: draft.fewestDevices, devices: devices))
      }
    }
    let isMemory = max(use.memory, use.host) >= use.compute
    let binding: Binding = isMemory ? .memory : .compute
    let share = max(use.memory, use.host, use.compute) / Double(nodes)
    return Obstacle(
      binding: binding, reason: .mixFills(binding, share: share, nodes: nodes, instanceType: type))
  }

  /// What the copies take of a node's resources, in nodes.
  private func use(
    _ draft: Draft
  ) -> (memory: Double, host: Double, compute: Double, bytes: Int64, hostBytes: Int64) {
    var (bytes, kept, busy): (Int64, Int64, Double) = (0, 0, 0)
    for ((total, choice), group) in zip(zip(draft.totals, draft.choices), draft.groups) {
      bytes += Int64(total) * choice.memoryBytes
      kept += Int64(total) * choice.hostBytes
      busy += workload.groups[group].totalRatePerSecond * choice.busySeconds
    }
    let devices = draft.way.server.devices
    let room = draft.way.deviceBytes(draft.groups) * Int64(devices)
    let host = draft.way.hostBytes(draft.groups)
    return (
      Double(bytes) / Double(max(1, room)), host.map { Double(kept) / Double(max(1, $0)) } ?? 0,
      busy / Double(devices * draft.way.server.workers), bytes, kept
    )
  }
}

extension Provenance.Kind {
  /// How much less is known than of what was measured.
  var doubt: Int {
    switch self {
    case .measured: 0
    case .published: 1
    case .estimated: 2
    }
  }
}
