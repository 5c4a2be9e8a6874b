import PlannerCore

/// What the plan says about each type, and about why it is as it is.
extension Search {
  /// What one type alone would give.
  mutating func alternative(_ result: TypeResult) -> Alternative {
    let name = result.type.name
    guard let option = result.options.first else {
      return Alternative(instanceType: name, feasible: nil, binding: "noFigure", reason: result.missing)
    }
    let candidate = option.candidate
    guard option.models > 0 else {
      return Alternative(
        instanceType: name, feasible: false, precision: candidate.precision,
        p99Seconds: option.best?.latencySeconds.p99, utilization: option.best?.utilization,
        binding: option.limit.rawValue, reason: option.reason, provenance: candidate.provenance)
    }
    let isLocal = name == LocalMachine.name
    let nodes = isLocal ? 1 : (workload.models + option.models - 1) / option.models
    let perNode = min(option.models, (workload.models + nodes - 1) / nodes)
    let prediction = sizing.oracle.predict(
      candidate, modelsPerQueue: (perNode + candidate.devices - 1) / candidate.devices)
    let cost = isLocal ? 0 : Self.cost(of: nodes, at: candidate.type.costPerHour)
    var feasible = true
    var binding = nodes == 1 ? Constraint.count.rawValue : option.limit.rawValue
    var reason = nodes == 1 ? "one node takes all \(Text.models(workload.models))" : option.reason
    if isLocal, option.models < workload.models {
      feasible = false
      binding = option.limit.rawValue
      reason = localShortage(option)
    } else if let budget = problem.budgetPerHour, cost > budget {
      feasible = false
      binding = "budget"
      reason =
        "\(Text.nodes(nodes)) cost \(Text.dollars(cost)) an hour, above the budget of \(Text.dollars(budget)); "
        + option.reason
    }
    return Alternative(
      instanceType: name, feasible: feasible, nodes: nodes, modelsPerNode: perNode, precision: candidate.precision,
      costPerHour: cost, p99Seconds: prediction?.latencySeconds.p99, utilization: prediction?.utilization,
      binding: binding, reason: reason, provenance: candidate.provenance)
  }

  private func localShortage(_ option: EvaluatedCandidate) -> String {
    "the machine at hand takes \(option.models) of \(Text.models(workload.models)); \(option.reason)"
  }

  /// Of a fleet of one type, the EKS cluster included.
  static func cost(of nodes: Int, at pricePerHour: Double) -> Double {
    NodePattern.dollars(
      NodePattern.nanodollars(pricePerHour) * Int64(nodes) + NodePattern.nanodollars(Plan.clusterCostPerHour))
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
    var binding: String
    var reason: String
  }

  func verdict(_ fleet: Fleet?, _ results: [TypeResult]) -> Answer {
    guard let fleet else { return infeasible(results) }
    if let budget = problem.budgetPerHour, fleet.costPerHour > budget {
      return Answer(
        feasible: false, binding: "budget",
        reason: "the cheapest fleet that keeps the target, \(Self.describe(fleet.nodes)), costs "
          + "\(Text.dollars(fleet.costPerHour)) an hour, above the budget of \(Text.dollars(budget)); \(fleet.reason)")
    }
    return Answer(feasible: true, binding: fleet.limit.rawValue, reason: fleet.reason)
  }

  /// No type takes a single model, or only the local machine takes some: says which comes nearest.
  private func infeasible(_ results: [TypeResult]) -> Answer {
    if let local = results.first(where: { $0.type.name == LocalMachine.name })?.options.first, local.models > 0 {
      return Answer(feasible: false, binding: local.limit.rawValue, reason: localShortage(local))
    }
    let silent = results.filter(\.options.isEmpty).count
    let note = silent == 0 ? "" : "; \(Text.count(silent, "further type")) without a figure could not be considered"
    let tried = results.flatMap(\.options)
    func p99(_ option: EvaluatedCandidate) -> Double {
      option.best?.latencySeconds.p99.estimate ?? option.candidate.p99FloorSeconds
    }
    // Latency first: more money buys memory and workers, but no shorter pass.
    for limit in [Constraint.latency, .compute, .memory] {
      let nearest = tried.filter { $0.limit == limit }.enumerated()
        .min { (p99($0.element), $0.offset) < (p99($1.element), $1.offset) }
      guard let option = nearest?.element else { continue }
      return Answer(
        feasible: false, binding: limit.rawValue,
        reason: "no type considered keeps p99 within \(Text.target(workload.targetP99Seconds)); nearest is "
          + "\(option.candidate.type.name): \(option.reason)\(note)")
    }
    return Answer(
      feasible: false, binding: "noFigure",
      reason: results.count == 1
        ? results[0].missing
        : "none of the \(results.count) types considered has a latency of \(workload.architecture) at "
          + "\(workload.tokens) tokens; profile one of them")
  }
}
