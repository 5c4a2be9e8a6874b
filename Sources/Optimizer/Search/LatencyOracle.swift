import PlannerCore
import Simulator

/// Answers "does this device keep the target?" by simulation, and remembers the answers: types with the same device
/// share them.
struct LatencyOracle {
  let ratePerModelPerSecond: Double
  let arrivals: Workload.ArrivalKind
  let targetSeconds: Double
  let seed: UInt64
  /// For looking up only; never iterated.
  private var known: [Question: NodePrediction?] = [:]

  private struct Question: Hashable {
    var compute: QuantileTable
    var overhead: QuantileTable
    var betweenRunCV: Double
    var workers: Int
    var models: Int
    var isFinal: Bool
  }

  init(_ problem: OptimizationProblem) {
    ratePerModelPerSecond = problem.workload.ratePerModelPerSecond
    arrivals = problem.workload.arrivals
    targetSeconds = problem.workload.targetP99Seconds
    seed = problem.seed
  }

  /// One device of the candidate with `models` models.
  ///
  /// - Returns: nil where the offered load reaches the capacity.
  mutating func predict(_ candidate: Candidate, modelsPerDevice models: Int, isFinal: Bool = true) -> NodePrediction? {
    let service = candidate.service
    let question = Question(
      compute: service.computeSeconds, overhead: service.overheadSeconds, betweenRunCV: service.betweenRunCV,
      workers: candidate.workers, models: models, isFinal: isFinal)
    if let answer = known[question] { return answer }
    let load = NodeLoad(
      service: service, devices: 1, workers: candidate.workers, models: models,
      ratePerModelPerSecond: ratePerModelPerSecond, arrivals: arrivals)
    let answer = NodeSimulation.predict(load, seed: seed, effort: isFinal ? .final : .search)
    known[question] = .some(answer)
    return answer
  }

  /// The upper end of p99's interval is within the target.
  mutating func holds(_ candidate: Candidate, modelsPerDevice models: Int, isFinal: Bool) -> Bool {
    guard let prediction = predict(candidate, modelsPerDevice: models, isFinal: isFinal) else { return false }
    return prediction.latencySeconds.p99.high <= targetSeconds
  }

  /// The most models on one device, up to `cap`, that keep the target.
  ///
  /// Latency grows with the number of models, so halving finds the place; it looks with short simulations first and
  /// then walks to where the long ones, whose figures are printed, agree. The result was itself simulated.
  /// Complexity: O(log cap) simulations.
  mutating func mostModels(_ candidate: Candidate, upTo cap: Int) -> Int {
    guard cap >= 1, candidate.service.computeSeconds.quantile(0.99) <= targetSeconds else { return 0 }
    if holds(candidate, modelsPerDevice: cap, isFinal: true) { return cap }
    let guess = boundary(candidate, low: 0, high: cap, isFinal: false)
    if guess > 0, !holds(candidate, modelsPerDevice: guess, isFinal: true) {
      // Down in growing steps to one that holds, then back up between.
      var high = guess
      var step = 1
      while high - step > 0, !holds(candidate, modelsPerDevice: high - step, isFinal: true) {
        high -= step
        step *= 2
      }
      return boundary(candidate, low: max(0, high - step), high: high, isFinal: true)
    }
    var low = guess
    var step = 1
    while low + step < cap, holds(candidate, modelsPerDevice: low + step, isFinal: true) {
      low += step
      step *= 2
    }
    return boundary(candidate, low: low, high: min(cap, low + step), isFinal: true)
  }

  /// Between `low`, which holds or is 0, and `high`, which does not hold.
  private mutating func boundary(_ candidate: Candidate, low: Int, high: Int, isFinal: Bool) -> Int {
    var (low, high) = (low, high)
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if holds(candidate, modelsPerDevice: middle, isFinal: isFinal) { low = middle } else { high = middle }
    }
    return low
  }
}
