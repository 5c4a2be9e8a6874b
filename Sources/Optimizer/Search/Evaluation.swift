import PlannerCore
import Simulator

/// A candidate with the number of models that it takes.
struct EvaluatedCandidate {
  var candidate: Candidate
  /// Most models of one node; 0 where not even one keeps the target.
  var models: Int
  /// What stops the node from taking one more.
  var limit: Binding
  var reason: Reason
  /// One device with one model: what the type can do at its best; nil where that was not simulated.
  var best: NodePrediction?
}

/// Finds how many models each candidate takes: the least of memory, of what its workers keep up with, and of what
/// the simulated p99 allows.
struct NodeSizing {
  let problem: OptimizationProblem
  var oracle: LatencyOracle

  private var workload: Workload { problem.workload }

  init(_ problem: OptimizationProblem, shouldStop: @escaping @Sendable () -> Bool) {
    self.problem = problem
    oracle = LatencyOracle(problem, shouldStop: shouldStop)
  }

  mutating func evaluate(_ candidate: Candidate) -> EvaluatedCandidate {
    let memory = candidate.modelsPerDeviceByMemory
    if memory == 0 { return takesNone(candidate, candidate.noRoomBinding, candidate.memoryReason) }
    if candidate.p99FloorSeconds > workload.targetP99Seconds {
      return takesNone(
        candidate, .latency, .passAboveTarget(candidate.label, targetSeconds: workload.targetP99Seconds))
    }
    // The simulator refuses loads within half a percent of capacity.
    let compute = candidate.modelsPerDeviceByCompute(
      ratePerModelPerSecond: workload.ratePerModelPerSecond, meanSeconds: candidate.service.computeSeconds.mean,
      belowUtilization: 0.995)
    if compute == 0 { return takesNone(candidate, .compute, computeReason(candidate, models: 1)) }
    let needed = candidate.perDevice(workload.models)
    let byHost = min(candidate.modelsByHostMemory, workload.models)
    let cap = min(memory, compute, needed, candidate.perDevice(byHost))
    let perDevice = oracle.mostModels(candidate, upTo: cap)
    if perDevice == 0 {
      let best = oracle.predict(candidate, modelsPerDevice: 1)
      var result = takesNone(
        candidate, .latency,
        .oneModelAboveTarget(
          candidate.label, p99Seconds: best?.latencySeconds.p99, place: candidate.place,
          targetSeconds: workload.targetP99Seconds))
      result.best = best
      return result
    }
    let models = min(perDevice * candidate.devices, byHost)
    let isFull = cap == memory || models == byHost
    let limit: Binding =
      perDevice < cap ? .latency : models == workload.models ? .count : isFull ? .memory : .compute
    return EvaluatedCandidate(
      candidate: candidate, models: models, limit: limit,
      reason: reason(candidate, limit, perDevice: perDevice), best: nil)
  }

  private func takesNone(_ candidate: Candidate, _ limit: Binding, _ reason: Reason) -> EvaluatedCandidate {
    EvaluatedCandidate(candidate: candidate, models: 0, limit: limit, reason: reason, best: nil)
  }

  // MARK: - Reasons

  private mutating func reason(_ candidate: Candidate, _ limit: Binding, perDevice: Int) -> Reason {
    switch limit {
    case .memory: return candidate.memoryReason
    case .compute: return computeReason(candidate, models: perDevice + 1)
    case .latency:
      let next = oracle.predict(candidate, modelsPerDevice: perDevice + 1)
      return .latency(
        models: perDevice + 1, place: candidate.place, p99Seconds: next?.latencySeconds.p99,
        targetSeconds: workload.targetP99Seconds)
    case .count, .budget, .pods, .noFigure, .notTried: return .oneNodeTakesAll(models: workload.models)
    }
  }

  private func computeReason(_ candidate: Candidate, models: Int) -> Reason {
    .compute(
      models: models, ratePerModelPerSecond: workload.ratePerModelPerSecond, workers: candidate.workers,
      place: candidate.place, meanSeconds: candidate.service.computeSeconds.mean)
  }
}
