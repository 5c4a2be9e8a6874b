import Executor
import Optimizer
import PlannerCore

/// What of a plan runs here: some of its nodes, as they are planned or as slices of them.
public struct Excerpt: Sendable {
  /// What these nodes are asked, as a part of it: the plan's workload, or as much of it as slices hold.
  public var demand: Workload
  /// Each is one machine, with the figures that it is predicted from and as many models as it has.
  public private(set) var nodes: [NodeGroup]
  /// The nodes' devices with the copies that they hold; each names its node, by its place in `nodes`, as its kind.
  public let devices: [Placement.Device]
  public let layout: RunLayout
  public var scope: RunScope
  /// Why it is not the plan's own nodes in full; nil where it is.
  public var reason: String?

  /// The first nodes of a plan, as they are planned.
  ///
  /// - Throws: `ProofError` where the plan has fewer, or its nodes do not hold its models.
  public init(of plan: Plan, firstNodes count: Int) throws(ProofError) {
    try self.init(
      demand: plan.workload, groups: plan.groups, kinds: plan.nodes, count: count, scope: .full, reason: nil)
  }

  /// The first node of each kind of a plan, as it is planned and asked as in the whole.
  ///
  /// - Parameter reason: why it is not all of them.
  /// - Throws: `ProofError` where the plan's nodes do not hold its models.
  public init(of plan: Plan, oneOfEachKindSince reason: String) throws(ProofError) {
    try self.init(
      demand: plan.workload, groups: plan.groups, kinds: plan.nodes, places: plan.nodes.indices.map { ($0, 0) },
      scope: .slice, reason: reason)
  }

  /// Nodes that each hold as many models of one group as they can, of each group the next ones.
  ///
  /// - Throws: `ProofError`, never for nodes that `Slice` has chosen of the plan.
  public init(of plan: Plan, slices: [Slice]) throws(ProofError) {
    var demand = plan.workload
    demand.groups = plan.workload.groups.compactMap { group in
      let models = slices.filter { $0.node.spec.models[0].group == group.name }.reduce(0) { $0 + $1.models }
      return models > 0 ? group.cut(to: models) : nil
    }
    let reasons = slices.compactMap { $0.reason?.description }
    try self.init(
      demand: demand, groups: Self.planned(demand), kinds: slices.map(\.node), count: slices.count,
      scope: reasons.isEmpty ? .full : .slice, reason: Self.joined(reasons))
  }

  /// Nodes with many kinds of models, of each as much as its part of this machine holds.
  ///
  /// - Throws: `ProofError`, never for nodes that `MixSlice` has chosen of the plan.
  public init(of plan: Plan, slices: [MixSlice]) throws(ProofError) {
    var demand = plan.workload
    demand.groups = plan.workload.groups.enumerated().compactMap { index, group in
      group.asked(of: slices.flatMap(\.copies).filter { $0.group == index })
    }
    try self.init(
      demand: demand, groups: Self.planned(demand), kinds: slices.map(\.node), count: slices.count, scope: .slice,
      reason: Self.joined(slices.map(\.reason.description)))
  }

  /// One copy of each model.
  private static func planned(_ demand: Workload) -> [PlannedGroup] {
    demand.groups.map {
      PlannedGroup(
        name: $0.name, models: $0.models, replicas: [1, 1], targetP99Seconds: $0.targetP99Seconds, p99Seconds: nil)
    }
  }

  /// Each reason once; nil where there is none.
  private static func joined(_ reasons: [String]) -> String? {
    let different = reasons.indices.filter { !reasons[..<$0].contains(reasons[$0]) }.map { reasons[$0] }
    return different.isEmpty ? nil : different.joined(separator: "; ")
  }

  /// The first nodes of so many kinds, with the copies that the placement gives them.
  public init(
    demand: Workload, groups: [PlannedGroup], kinds: [NodeGroup], count: Int, scope: RunScope, reason: String?
  ) throws(ProofError) {
    let all = kinds.indices.flatMap { kind in (0..<kinds[kind].count).map { (kind: kind, node: $0) } }
    guard count <= all.count else {
      throw ProofError(.usage, "the plan has \(all.count) nodes, and \(count) are to run; ask for fewer with --nodes")
    }
    try self.init(
      demand: demand, groups: groups, kinds: kinds, places: Array(all.prefix(count)), scope: scope, reason: reason)
  }

  /// - Parameter places: nodes that run, by their kind and their number in it.
  private init(
    demand: Workload, groups: [PlannedGroup], kinds: [NodeGroup], places: [(kind: Int, node: Int)], scope: RunScope,
    reason: String?
  ) throws(ProofError) {
    guard let placement = Placement(nodes: kinds, workload: demand, groups: groups) else {
      throw ProofError(
        .usage, "the plan's nodes do not hold the copies of its models that its groups say; see: planner check")
    }
    var nodes: [NodeGroup] = []
    var devices: [Placement.Device] = []
    for (place, chosen) in places.enumerated() {
      let own = placement.devices.filter { $0.kind == chosen.kind && $0.node == chosen.node }
      devices += own.map { device in
        var device = device
        (device.kind, device.node) = (place, 0)
        return device
      }
      nodes.append(kinds[chosen.kind].alone(with: own))
    }
    self.demand = demand
    // A run asks nodes themselves.
    self.demand.isProxied = false
    self.nodes = nodes
    self.devices = devices
    layout = RunLayout(devices)
    self.scope = scope
    self.reason = reason
  }

  /// Copies of models that each node holds.
  public func copies(onNode node: Int) -> [RunLayout.Copy] { layout.copies.filter { $0.node == node } }

  /// Lengths at which a node's models are warmed: the longest requests of each of its groups.
  public func warmTokens(onNode node: Int) -> [Int] {
    let groups = Set(copies(onNode: node).map(\.group))
    return Set(groups.map { demand.groups[$0].requests.tokens }).sorted()
  }

  /// The variant that a copy is served in.
  public func variant(of copy: RunLayout.Copy) -> Variant { nodes[copy.node].spec.models[copy.share].variant }

  /// Requests a second that come here.
  public var ratePerSecond: Double {
    let rates = demand.groups.map { $0.rates() }
    return layout.copies.reduce(0) { $0 + rates[$1.group][$1.model] / Double($1.replicas) }
  }

  /// Forward passes at once, over all nodes.
  public var workers: Int { nodes.reduce(0) { $0 + $1.devices * $1.workers } }

  /// Memory of all servers with their models, as the figures say, bytes.
  public var memoryBytes: Int64 { nodes.reduce(0) { $0 + $1.memoryNeededBytes } }
}

extension ModelGroup {
  /// The first models of the group, one copy of each, asked as often as the group's models are in the mean.
  fileprivate func cut(to count: Int) -> ModelGroup {
    var group = self
    group.models = count
    group.leastReplicas = 1
    if case .shares(let shares) = popularity { group.popularity = .shares(Array(shares.prefix(count))) }
    return group
  }
}

extension ModelGroup {
  /// A group of models that are asked as these copies are; nil without any.
  fileprivate func asked(of copies: [Placement.Copy]) -> ModelGroup? {
    guard !copies.isEmpty else { return nil }
    let rates = copies.map(\.ratePerSecond)
    var group = self
    group.models = copies.count
    group.leastReplicas = 1
    group.ratePerModelPerSecond = rates.reduce(0, +) / Double(copies.count)
    group.popularity = rates.allSatisfy { $0 == rates[0] } ? .uniform : .shares(rates)
    group.modelNames = modelNames.map { names in copies.map { names[$0.model] } }
    return group
  }
}

extension NodeGroup {
  /// Memory of the models of one node, bytes.
  var modelBytes: Int64 {
    zip(spec.models, figures.entries).reduce(0) { $0 + Int64($1.0.count) * $1.1.memoryPerModelBytes }
  }

  /// Memory of one node's server with its models, bytes: as the figures say, and what plans keep for a server where
  /// none was measured.
  public var memoryNeededBytes: Int64 { modelBytes + (serverMemoryBytes ?? MemoryEstimate.serverAllowanceBytes) }

  /// One of these nodes, with the copies that its devices hold.
  fileprivate func alone(with devices: [Placement.Device]) -> NodeGroup {
    var node = self
    for share in spec.models.indices {
      let contents = devices.flatMap(\.contents).filter { $0.share == share }
      node.spec.models[share].count = contents.reduce(0) { $0 + $1.copies.count }
    }
    node.count = 1
    node.totals = node.spec.models.map(\.count)
    node.fewestModels = node.spec.modelCount
    return node
  }

  /// The node as a runtime is asked for it: the only place where a planned node becomes settings of a server.
  ///
  /// - Parameters:
  ///   - repository: where the models are.
  ///   - models: their names.
  ///   - warmTokens: lengths at which they are warmed.
  ///   - image: content of the server's image, where nodes are started from one.
  public func settings(
    repository: String, models: [String], warmTokens: [Int], image: String? = nil
  ) -> NodeSettings {
    NodeSettings(
      repository: repository, models: models, workers: workers, threadsPerWorker: threadsPerWorker,
      warmTokens: warmTokens, environment: environment, memoryBytes: memoryNeededBytes,
      instanceType: spec.machine.isLocal ? nil : instanceType, image: image)
  }
}
