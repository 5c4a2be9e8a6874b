import PlannerCore

extension Search {
  /// As many of the workload's models as the local machine takes; infeasible where these are too few.
  ///
  /// The plan's `models` are those that fit; its reason says how many were asked for and what stopped it.
  mutating func fit() -> Plan {
    guard let local = problem.local else { preconditionFailure("validated before") }
    let result = evaluate(local.instanceType)
    let best = result.options.enumerated().min { a, b in rank(a) < rank(b) }?.element
    guard let option = best, option.models >= problem.leastFittedModels else { return nothingFits(result) }
    let candidate = option.candidate
    let spec = candidate.spec(models: option.models, of: workload)
    guard let prediction = sizing.oracle.predict(spec, candidate.nodeFigures) else { return nothingFits(result) }
    let node = candidate.planNode(spec, count: 1, models: option.models, prediction: prediction)
    let latency = node.latencySeconds
    var fitted = workload
    fitted.models = option.models
    let reason: Reason =
      option.limit == .count
      ? .allThatWereAskedFor(models: workload.models)
      : .fitted(models: option.models, of: workload.models, option.reason)
    return Plan(
      seed: problem.seed, feasible: true, costPerHour: 0, lowerBoundPerHour: 0, models: option.models,
      budgetPerHour: problem.budgetPerHour, workload: fitted, latencySeconds: latency, nodes: [node],
      binding: option.limit, bindingReason: reason,
      bestExecutable: ExecutablePlan(costPerHour: 0, latencySeconds: latency, nodes: [node]),
      bestExecutableReason: nil,
      alternatives: [
        Alternative(
          instanceType: candidate.type.name, feasible: true, nodes: 1, modelsPerNode: option.models,
          precision: candidate.precision, costPerHour: 0, p99Seconds: latency.p99, utilization: prediction.utilization,
          binding: option.limit, reason: reason, provenance: candidate.provenance)
      ],
      guidance: [], catalog: problem.catalog.provenance,
      clusterCostPerHour: problem.catalog.clusterCostPerHour)
  }

  /// Most models first; then the more exact variant, the lower load, the order of the profile.
  private func rank(_ option: (offset: Int, element: EvaluatedCandidate)) -> (Int, Int, Double, Int) {
    let candidate = option.element.candidate
    let load = candidate.service.computeSeconds.mean / Double(candidate.workers)
    return (-option.element.models, -candidate.precision.bytesPerWeight, load, option.offset)
  }

  private mutating func nothingFits(_ result: TypeResult) -> Plan {
    let alternative = alternative(result)
    return Plan(
      seed: problem.seed, feasible: false, costPerHour: nil, lowerBoundPerHour: nil, models: workload.models,
      budgetPerHour: problem.budgetPerHour, workload: workload, latencySeconds: nil, nodes: [],
      binding: alternative.binding, bindingReason: alternative.reason, bestExecutable: nil,
      bestExecutableReason: alternative.reason, alternatives: [alternative], guidance: [],
      catalog: problem.catalog.provenance,
      clusterCostPerHour: problem.catalog.clusterCostPerHour)
  }
}
