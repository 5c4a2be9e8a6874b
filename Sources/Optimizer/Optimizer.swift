import PlannerCore
import Simulator

/// Finds the cheapest fleet that keeps a workload's target.
///
/// 1. Each instance type becomes candidates: a variant, a split into devices and workers, and the figures for it.
/// 2. The simulator says how many models a node of each takes at the target.
/// 3. An exact cover picks the nodes; the same cover over what no bound can deny gives the lower bound.
public enum Optimizer {
  /// - Parameters:
  ///   - shouldStop: asked before each simulation; the search ends soon after it says so, with `.stopped`.
  ///   - progress: told what is being looked at; nothing of it is part of the result.
  /// - Throws: where the problem itself is wrong; a problem without a feasible plan gives a plan that says so.
  public static func optimize(
    _ problem: OptimizationProblem, shouldStop: @escaping @Sendable () -> Bool = { false },
    progress: ((String) -> Void)? = nil
  ) throws(OptimizerError) -> Plan {
    try problem.validate()
    if !problem.workload.isFlat { return try mixed(problem, shouldStop, progress) }
    var search = Search(problem, shouldStop: shouldStop, progress: progress)
    let plan = problem.fitModels ? search.fit() : search.plan()
    // What a search found that was stopped would carry no proof.
    if search.sizing.oracle.wasStopped { throw .stopped }
    // A model that is asked too often for any one device may do with several copies.
    let isTooHot = !plan.feasible && (plan.binding == .latency || plan.binding == .compute)
    guard isTooHot, !problem.fitModels else { return plan }
    let copied = try mixed(problem, shouldStop, progress)
    return copied.feasible || copied.binding == .budget ? copied : plan
  }

  private static func mixed(
    _ problem: OptimizationProblem, _ shouldStop: @escaping @Sendable () -> Bool, _ progress: ((String) -> Void)?
  ) throws(OptimizerError) -> Plan {
    var search = MixSearch(problem, shouldStop: shouldStop, progress: progress)
    let plan = search.plan()
    if search.wasStopped || search.sizing.oracle.wasStopped { throw .stopped }
    return plan
  }
}

/// One run of the optimizer.
struct Search {
  let problem: OptimizationProblem
  var sizing: NodeSizing
  let progress: ((String) -> Void)?

  var workload: Workload { problem.workload }
  /// Price of the cluster that a fleet runs on, billionths of a dollar an hour.
  var clusterCost: Int64 { NodePattern.nanodollars(problem.catalog.clusterCostPerHour) }

  init(_ problem: OptimizationProblem, shouldStop: @escaping @Sendable () -> Bool, progress: ((String) -> Void)?) {
    self.problem = problem
    self.progress = progress
    sizing = NodeSizing(problem, shouldStop: shouldStop)
  }

  /// One instance type with everything that was found out about it.
  struct TypeResult {
    var type: InstanceType
    /// Candidates to plan with, best first; those that are superseded are not among them.
    var options: [EvaluatedCandidate]
    /// Most models of a node that no lower bound may deny; 0 without a figure.
    var relaxedModels: Int
    /// Why there is no option; nil where the figures speak.
    var missing: NoFigure?

    var missingReason: Reason {
      .noFigure(missing ?? .nothingKnown(architecture: "these models", instanceFamily: type.familyName))
    }
  }

  mutating func evaluate(_ type: InstanceType) -> TypeResult {
    let prospects = problem.prospects(type)
    if !prospects.candidates.isEmpty { progress?("simulating \(type.name)") }
    let evaluated = prospects.candidates.filter { !$0.isSuperseded }.map { sizing.evaluate($0) }
    return TypeResult(
      type: type, options: ranked(evaluated),
      relaxedModels: prospects.candidates.map { $0.relaxedModels(workload) }.max() ?? 0, missing: prospects.missing)
  }

  /// Fewest nodes first; at equal numbers the more exact variant, then the shorter service time.
  func ranked(_ options: [EvaluatedCandidate]) -> [EvaluatedCandidate] {
    func nodes(_ option: EvaluatedCandidate) -> Int {
      option.models > 0 ? (workload.models + option.models - 1) / option.models : Int.max
    }
    func seconds(_ option: EvaluatedCandidate) -> Double { option.candidate.service.computeSeconds.quantile(0.99) }
    return options.enumerated().sorted { a, b in
      (nodes(a.element), -a.element.candidate.precision.bytesPerWeight, seconds(a.element), a.offset)
        < (nodes(b.element), -b.element.candidate.precision.bytesPerWeight, seconds(b.element), b.offset)
    }.map(\.element)
  }

  // MARK: - Fleet

  mutating func plan() -> Plan {
    let results = problem.consideredTypes.map { evaluate($0) }
    let cloud = results.filter { $0.type.name != LocalMachine.name }
    let local = results.first { $0.type.name == LocalMachine.name }
    let lowerBound = self.lowerBound(cloud)
    let alternatives = results.map { alternative($0) }.sorted(by: Self.isListedBefore)
    let guidance = guidanceRows(results)

    // The machine at hand is free, so it is the answer wherever it takes everything.
    var fleet = local.flatMap { localFleet($0, executableOnly: false) } ?? cloudFleet(cloud, executableOnly: false)
    let isLocal = fleet?.isLocal ?? false
    let verdict = self.verdict(fleet, results)
    let low = isLocal ? nil : atLowHostMemory(cloud, below: fleet?.costPerHour)
    if !verdict.feasible { fleet = nil }
    let executable = executablePlan(cloud, local)
    return Plan(
      seed: problem.seed, feasible: verdict.feasible, costPerHour: fleet?.costPerHour,
      lowerBoundPerHour: isLocal ? 0 : lowerBound, models: workload.models, budgetPerHour: problem.budgetPerHour,
      workload: workload, latencySeconds: fleet.map { $0.latency }, nodes: fleet?.nodes ?? [],
      binding: verdict.binding, bindingReason: verdict.reason, bestExecutable: executable.plan,
      bestExecutableReason: executable.reason, alternatives: alternatives, guidance: guidance,
      catalog: problem.catalog.provenance,
      clusterCostPerHour: problem.catalog.clusterCostPerHour, atLowHostMemory: low)
  }

  /// Nodes with what they cost and show.
  struct Fleet {
    var nodes: [NodeGroup]
    var costPerHour: Double
    var latency: PlannedLatency
    var isLocal: Bool
    /// What stops the kind of node that costs most from taking more.
    var limit: Binding
    var reason: Reason

    var parts: [Reason.FleetPart] { nodes.map { .init(count: $0.count, instanceType: $0.instanceType) } }
  }

  mutating func cloudFleet(_ results: [TypeResult], executableOnly: Bool) -> Fleet? {
    let options = results.compactMap { result in
      result.options.first { $0.models > 0 && (!executableOnly || $0.candidate.executable) }
    }
    let instance = packing(options.map { ($0.candidate.type, $0.models) })
    guard let packed = CoverSolver().solve(instance) else { return nil }
    var nodes: [NodeGroup] = []
    var dearest: (cost: Int64, option: EvaluatedCandidate)?
    for option in options {
      let bins = packed.bins.filter { $0.type == option.candidate.type.name }
      let count = bins.reduce(0) { $0 + $1.count }
      guard count > 0 else { continue }
      let models = bins.reduce(0) { sum, bin in sum + bin.count * bin.items.reduce(0) { $0 + $1.count } }
      guard let node = node(option, count: count, models: models) else { return nil }
      nodes.append(node)
      let cost = NodePattern.nanodollars(option.candidate.type.costPerHour) * Int64(count)
      if cost > dearest?.cost ?? -1 { dearest = (cost, option) }
    }
    // The dearest kind first.
    nodes.sort { a, b in
      (-a.costPerHour * Double(a.count), a.instanceType) < (-b.costPerHour * Double(b.count), b.instanceType)
    }
    guard let dearest, let latency = worst(nodes) else { return nil }
    let isSingle = nodes.count == 1 && nodes[0].count == 1
    return Fleet(
      nodes: nodes,
      costPerHour: NodePattern.dollars(NodePattern.nanodollars(packed.cost) + clusterCost),
      latency: latency, isLocal: false, limit: isSingle ? .count : dearest.option.limit,
      reason: isSingle
        ? .oneTypeTakesAll(instanceType: nodes[0].instanceType, models: workload.models)
        : dearest.option.reason)
  }

  private mutating func localFleet(_ result: TypeResult, executableOnly: Bool) -> Fleet? {
    guard let option = result.options.first, option.models >= workload.models,
      let node = node(option, count: 1, models: workload.models), let latency = worst([node])
    else { return nil }
    return Fleet(
      nodes: [node], costPerHour: 0, latency: latency, isLocal: true, limit: .count,
      reason: .machineAtHandTakesAll(models: workload.models))
  }

  /// - Parameter models: of all `count` nodes together.
  private mutating func node(_ option: EvaluatedCandidate, count: Int, models: Int) -> NodeGroup? {
    let candidate = option.candidate
    let most = (models + count - 1) / count
    let spec = candidate.spec(models: most, of: workload)
    guard let prediction = sizing.oracle.predict(spec, candidate.nodeFigures) else { return nil }
    return candidate.planNode(spec, count: count, models: models, prediction: prediction)
  }

  /// The worst node's p99, never pooled.
  private func worst(_ nodes: [NodeGroup]) -> PlannedLatency? {
    nodes.map(\.latencySeconds).max { $0.p99.estimate < $1.p99.estimate }
  }

  /// Price below which no fleet of the types with a figure lies, dollars an hour: a cover over capacities that rest on
  /// memory and utilization below 1 alone, into which nothing enters that was simulated.
  private func lowerBound(_ results: [TypeResult]) -> Double? {
    CoverSolver().solve(packing(results.map { ($0.type, $0.relaxedModels) })).map {
      NodePattern.dollars(NodePattern.nanodollars($0.lowerBound) + clusterCost)
    }
  }

  /// The workload's models as items, and types with so many models' room as bins.
  private func packing(_ types: [(type: InstanceType, models: Int)]) -> PackingInstance {
    PackingInstance(
      resources: ["models"],
      types: types.map {
        .init(name: $0.type.name, cost: $0.type.costPerHour, capacity: ["models": Double($0.models)])
      },
      items: [.init(name: workload.groups[0].name, count: workload.models, options: [.init(demand: ["models": 1])])])
  }

  private mutating func executablePlan(
    _ cloud: [TypeResult], _ local: TypeResult?
  ) -> (plan: ExecutablePlan?, reason: Reason?) {
    let fleet = local.flatMap { localFleet($0, executableOnly: true) } ?? cloudFleet(cloud, executableOnly: true)
    if let fleet {
      if let budget = problem.budgetPerHour, fleet.costPerHour > budget {
        return (
          nil,
          .executableFleetAboveBudget(fleet.parts, costPerHour: fleet.costPerHour, budgetPerHour: budget)
        )
      }
      return (ExecutablePlan(costPerHour: fleet.costPerHour, latencySeconds: fleet.latency, nodes: fleet.nodes), nil)
    }
    for result in cloud + [local].compactMap({ $0 }) {
      guard let measured = result.options.first(where: \.candidate.executable) else { continue }
      return (nil, .noProfiledTypeKeepsTarget(instanceType: result.type.name, measured.reason))
    }
    return (nil, .noProfile(architecture: workload.architecture, size: workload.tokens))
  }
}
