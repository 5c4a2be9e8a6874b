import PlannerCore

/// What the plan says about each type, and about why it is as it is.
extension Search {
  /// What one type alone would give.
  mutating func alternative(_ result: TypeResult) -> Alternative {
    let name = result.type.name
    guard let option = result.options.first else {
      return Alternative(instanceType: name, feasible: nil, binding: .noFigure, reason: result.missingReason)
    }
    let candidate = option.candidate
    guard option.models > 0 else {
      return Alternative(
        instanceType: name, feasible: false, precision: candidate.precision,
        p99Seconds: option.best?.latencySeconds.p99, utilization: option.best?.utilization,
        binding: option.limit, reason: option.reason, provenance: candidate.provenance)
    }
    let isLocal = name == LocalMachine.name
    let nodes = isLocal ? 1 : (workload.models + option.models - 1) / option.models
    let perNode = min(option.models, (workload.models + nodes - 1) / nodes)
    let prediction = sizing.oracle.predict(candidate, modelsPerDevice: candidate.perDevice(perNode))
    let cost = isLocal ? 0 : self.cost(of: nodes, at: candidate.type.costPerHour)
    var feasible = true
    var binding = nodes == 1 ? .count : option.limit
    var reason = nodes == 1 ? .oneNodeTakesAll(models: workload.models) : option.reason
    if isLocal, option.models < workload.models {
      feasible = false
      binding = option.limit
      reason = localShortage(option)
    } else if let budget = problem.budgetPerHour, cost > budget {
      feasible = false
      binding = .budget
      reason = .nodesAboveBudget(nodes: nodes, costPerHour: cost, budgetPerHour: budget, option.reason)
    }
    return Alternative(
      instanceType: name, feasible: feasible, nodes: nodes, modelsPerNode: perNode, precision: candidate.precision,
      costPerHour: cost, p99Seconds: prediction?.latencySeconds.p99, utilization: prediction?.utilization,
      binding: binding, reason: reason, provenance: candidate.provenance)
  }

  private func localShortage(_ option: EvaluatedCandidate) -> Reason {
    .machineAtHandTakes(models: option.models, of: workload.models, option.reason)
  }

  /// Price of a fleet of one type, the cluster included, dollars an hour.
  func cost(of nodes: Int, at pricePerHour: Double) -> Double {
    NodePattern.dollars(NodePattern.nanodollars(pricePerHour) * Int64(nodes) + clusterCost)
  }

  /// Feasible types first, then those that are not, then those without a figure; by cost, then by name.
  static func isListedBefore(_ a: Alternative, _ b: Alternative) -> Bool {
    func rank(_ row: Alternative) -> (Int, Double, String) {
      (row.feasible == true ? 0 : row.feasible == false ? 1 : 2, row.costPerHour ?? .infinity, row.instanceType)
    }
    return rank(a) < rank(b)
  }

  struct Answer {
    var feasible: Bool
    var binding: Binding
    var reason: Reason
  }

  func verdict(_ fleet: Fleet?, _ results: [TypeResult]) -> Answer {
    guard let fleet else { return infeasible(results) }
    if let budget = problem.budgetPerHour, fleet.costPerHour > budget {
      return Answer(
        feasible: false, binding: .budget,
        reason: .fleetAboveBudget(
          fleet.parts, costPerHour: fleet.costPerHour, budgetPerHour: budget, fleet.reason))
    }
    return Answer(feasible: true, binding: fleet.limit, reason: fleet.reason)
  }

  /// No type takes a single model, or only the local machine takes some: says which comes nearest.
  private func infeasible(_ results: [TypeResult]) -> Answer {
    if let local = results.first(where: { $0.type.name == LocalMachine.name })?.options.first, local.models > 0 {
      return Answer(feasible: false, binding: local.limit, reason: localShortage(local))
    }
    let tried = results.flatMap(\.options)
    func p99(_ option: EvaluatedCandidate) -> Double {
      option.best?.latencySeconds.p99.estimate ?? option.candidate.p99FloorSeconds
    }
    // Latency first: more money buys memory and workers, but no shorter pass.
    for limit in [Binding.latency, .compute, .memory, .pods] {
      let nearest = tried.filter { $0.limit == limit }.enumerated()
        .min { (p99($0.element), $0.offset) < (p99($1.element), $1.offset) }
      guard let option = nearest?.element else { continue }
      return Answer(
        feasible: false, binding: limit,
        reason: .nearest(
          instanceType: option.candidate.type.name, targetSeconds: workload.targetP99Seconds, option.reason,
          typesWithoutFigure: results.count(where: \.options.isEmpty)))
    }
    return Answer(
      feasible: false, binding: .noFigure,
      reason: results.count == 1
        ? results[0].missingReason
        : .noTypeHasFigure(types: results.count, architecture: workload.architecture, size: workload.tokens))
  }
}
