import PlannerCore
import Simulator

/// What stops a node from taking one more model.
enum Constraint: String {
  case memory
  /// Its workers could not keep up.
  case compute
  case latency
  /// There are no more models.
  case count
}

/// A candidate with the number of models that it takes.
struct EvaluatedCandidate {
  var candidate: Candidate
  /// Most models of one node; 0 where not even one keeps the target.
  var models: Int
  var limit: Constraint
  /// The limit in a sentence.
  var reason: String
  /// One queue with one model: what the type can do at its best; nil where that was not simulated.
  var best: NodePrediction?
}

/// Finds how many models each candidate takes: the least of memory, of what its workers keep up with, and of what
/// the simulated p99 allows.
struct NodeSizing {
  let problem: OptimizationProblem
  var oracle: LatencyOracle

  private var workload: Workload { problem.workload }

  init(_ problem: OptimizationProblem) {
    self.problem = problem
    oracle = LatencyOracle(problem)
  }

  mutating func evaluate(_ candidate: Candidate) -> EvaluatedCandidate {
    let memory = candidate.modelsPerQueueByMemory
    if memory == 0 { return hopeless(candidate, .memory, memoryReason(candidate)) }
    if candidate.p99FloorSeconds > workload.targetP99Seconds {
      return hopeless(
        candidate, .latency,
        "\(candidate.figureText), is above the target of \(Text.target(workload.targetP99Seconds)) before any queueing")
    }
    // The simulator refuses loads within half a percent of capacity.
    let compute = candidate.modelsPerQueueByCompute(
      ratePerModelPerSecond: workload.ratePerModelPerSecond, meanSeconds: candidate.service.computeSeconds.mean,
      belowUtilization: 0.995)
    if compute == 0 { return hopeless(candidate, .compute, computeReason(candidate, models: 1)) }
    let needed = (workload.models + candidate.devices - 1) / candidate.devices
    let cap = min(memory, compute, needed)
    let perQueue = oracle.mostModels(candidate, upTo: cap)
    if perQueue == 0 {
      var result = hopeless(candidate, .latency, "")
      result.best = oracle.predict(candidate, modelsPerQueue: 1)
      result.reason = latencyReason(candidate, atOne: result.best)
      return result
    }
    let limit: Constraint = perQueue < cap ? .latency : cap == needed ? .count : cap == memory ? .memory : .compute
    return EvaluatedCandidate(
      candidate: candidate, models: min(perQueue * candidate.devices, workload.models), limit: limit,
      reason: reason(candidate, limit, perQueue: perQueue), best: nil)
  }

  private func hopeless(_ candidate: Candidate, _ limit: Constraint, _ reason: String) -> EvaluatedCandidate {
    EvaluatedCandidate(candidate: candidate, models: 0, limit: limit, reason: reason, best: nil)
  }

  // MARK: - Sentences

  private mutating func reason(_ candidate: Candidate, _ limit: Constraint, perQueue: Int) -> String {
    switch limit {
    case .memory: return memoryReason(candidate)
    case .compute: return computeReason(candidate, models: perQueue + 1)
    case .count: return "one node takes all \(Text.models(workload.models))"
    case .latency:
      let next = oracle.predict(candidate, modelsPerQueue: perQueue + 1)
      let text = next.map { "p99 \(Text.interval($0.latencySeconds.p99))" } ?? "no steady state"
      return "latency: with \(Text.models(perQueue + 1)) on each \(place(candidate)) the simulated node shows \(text), "
        + "beyond the target of \(Text.target(workload.targetP99Seconds))"
    }
  }

  /// What a queue stands for: `Inferentia2 core`, `A10G`, or the whole node.
  private func place(_ candidate: Candidate) -> String {
    guard let accelerator = candidate.type.accelerator else { return "node" }
    let name =
      accelerator.name.hasPrefix("inferentia")
      ? accelerator.name.prefix(1).uppercased() + accelerator.name.dropFirst() : accelerator.name.uppercased()
    return candidate.devices == accelerator.count ? name : "\(name) core"
  }

  private func memoryReason(_ candidate: Candidate) -> String {
    if let shortage = candidate.hostMemoryShortage { return shortage }
    let share = max(0, candidate.memoryCapacityBytes) / Int64(candidate.devices)
    let size = "\(Text.mebibytes(candidate.memoryPerModelBytes)) (\(candidate.memoryProvenance.kind.rawValue))"
    let room = "the \(Text.mebibytes(share)) of each \(place(candidate))"
    let count = candidate.modelsPerQueueByMemory
    if count == 0 { return "memory: a model of \(size) does not fit \(room)" }
    return "memory: \(Text.models(count)) of \(size) \(count == 1 ? "fills" : "fill") \(room)"
  }

  private func computeReason(_ candidate: Candidate, models: Int) -> String {
    "compute: \(Text.models(models)) with \(Text.decimal(workload.ratePerModelPerSecond, 2)) requests a second each "
      + "keep \(Text.count(candidate.workers, "worker")) of each \(place(candidate)) busy all the time, at "
      + "\(Text.milliseconds(candidate.service.computeSeconds.mean)) a request"
  }

  private func latencyReason(_ candidate: Candidate, atOne: NodePrediction?) -> String {
    let target = Text.target(workload.targetP99Seconds)
    guard let atOne else { return "\(candidate.figureText): a single model has no steady state" }
    return "\(candidate.figureText), with HTTP, tokenizer and queueing: p99 \(Text.interval(atOne.latencySeconds.p99)) "
      + "with a single model on each \(place(candidate)), beyond the target of \(target)"
  }
}
