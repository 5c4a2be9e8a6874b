import PlannerCore
import Simulator

/// Finds the cheapest fleet that keeps a workload's target.
///
/// 1. Each instance type becomes candidates: a variant, a split into devices and workers, and the figures for it.
/// 2. The simulator says how many models a node of each takes at the target.
/// 3. An exact cover picks the nodes; the same cover over what no bound can deny gives the lower bound.
public enum Optimizer {
  /// - Parameter progress: told what is being looked at; nothing of it is part of the result.
  /// - Throws: where the problem itself is wrong; a problem without a feasible plan gives a plan that says so.
  public static func optimize(
    _ problem: OptimizationProblem, progress: ((String) -> Void)? = nil
  ) throws(OptimizerError) -> Plan {
    try problem.validate()
    var search = Search(problem, progress: progress)
    return problem.fitModels ? search.fit() : search.plan()
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

  init(_ problem: OptimizationProblem, progress: ((String) -> Void)?) {
    self.problem = problem
    self.progress = progress
    sizing = NodeSizing(problem)
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
  private func ranked(_ options: [EvaluatedCandidate]) -> [EvaluatedCandidate] {
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
    if !verdict.feasible { fleet = nil }
    let executable = executablePlan(cloud, local)
    return Plan(
      seed: problem.seed, feasible: verdict.feasible, costPerHour: fleet?.costPerHour,
      lowerBoundPerHour: isLocal ? 0 : lowerBound, models: workload.models, budgetPerHour: problem.budgetPerHour,
      workload: workload, latencySeconds: fleet.map { $0.latency }, nodes: fleet?.nodes ?? [],
      binding: verdict.binding, bindingReason: verdict.reason, bestExecutable: executable.plan,
      bestExecutableReason: executable.reason, alternatives: alternatives, guidance: guidance,
      catalog: problem.catalog.provenance)
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

  private mutating func cloudFleet(_ results: [TypeResult], executableOnly: Bool) -> Fleet? {
    let options = results.compactMap { result in
      result.options.first { $0.models > 0 && (!executableOnly || $0.candidate.executable) }
    }
    let patterns = options.map {
      NodePattern(cost: NodePattern.nanodollars($0.candidate.type.costPerHour), models: $0.models)
    }
    guard let cover = FleetCover.cheapest(models: workload.models, patterns: patterns) else { return nil }
    let shares = FleetCover.shares(models: workload.models, patterns: patterns, counts: cover.counts)
    var nodes: [NodeGroup] = []
    var dearest: (cost: Int64, option: EvaluatedCandidate)?
    for (index, count) in cover.counts.enumerated() where count > 0 {
      guard let node = node(options[index], count: count, models: shares[index]) else { return nil }
      nodes.append(node)
      let cost = patterns[index].cost * Int64(count)
      if cost > dearest?.cost ?? -1 { dearest = (cost, options[index]) }
    }
    // The dearest kind first.
    nodes.sort { a, b in
      (-a.costPerHour * Double(a.count), a.instanceType) < (-b.costPerHour * Double(b.count), b.instanceType)
    }
    guard let dearest, let latency = worst(nodes) else { return nil }
    let isSingle = nodes.count == 1 && nodes[0].count == 1
    return Fleet(
      nodes: nodes,
      costPerHour: NodePattern.dollars(cover.cost + clusterCost),
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
    guard let prediction = sizing.oracle.predict(candidate, modelsPerDevice: candidate.perDevice(most)) else { return nil }
    return candidate.planNode(count: count, modelsPerNode: [models / count, most], prediction: prediction)
  }

  /// The worst node's p99, never pooled.
  private func worst(_ nodes: [NodeGroup]) -> PlannedLatency? {
    nodes.map(\.latencySeconds).max { $0.p99.estimate < $1.p99.estimate }
  }

  /// The same cover over capacities that rest on memory and utilization below 1 alone: nothing that was simulated
  /// enters, and no fleet of the types with a figure costs less.
  private func lowerBound(_ results: [TypeResult]) -> Double? {
    let patterns = results.map {
      NodePattern(cost: NodePattern.nanodollars($0.type.costPerHour), models: $0.relaxedModels)
    }
    return FleetCover.cheapest(models: workload.models, patterns: patterns).map {
      NodePattern.dollars($0.cost + clusterCost)
    }
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
