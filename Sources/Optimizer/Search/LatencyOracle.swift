import PlannerCore
import Simulator

/// Answers "does this node keep its targets?" by simulation, and remembers the answers.
///
/// A question is all that a simulation is given, so that types with the same device share answers, and nothing that
/// an answer depends on can be left out of it.
struct LatencyOracle: Sendable {
  let demand: Workload
  let seed: UInt64
  private let shouldStop: @Sendable () -> Bool
  /// Answers since then are nil, and mean nothing.
  private(set) var wasStopped = false
  /// Answers so far, for looking up only; they are never iterated.
  private var known: [Question: NodePrediction?] = [:]

  private struct Question: Hashable {
    var load: DeviceLoad
    var isFinal: Bool
  }

  init(_ problem: OptimizationProblem, shouldStop: @escaping @Sendable () -> Bool) {
    self.shouldStop = shouldStop
    demand = problem.workload
    seed = problem.seed
  }

  /// The fullest device of a node.
  ///
  /// - Returns: nil where the offered load reaches the capacity.
  mutating func predict(_ spec: NodeSpec, _ figures: NodeFigures, isFinal: Bool = true) -> NodePrediction? {
    predict(DeviceLoad(spec, demand, figures), isFinal: isFinal)
  }

  /// The latency on one device with that load.
  ///
  /// - Returns: nil where the offered load reaches the capacity.
  mutating func predict(_ load: DeviceLoad, isFinal: Bool) -> NodePrediction? {
    let question = Question(load: load, isFinal: isFinal)
    if let answer = known[question] { return answer }
    if wasStopped || shouldStop() {
      wasStopped = true
      return nil
    }
    let answer = NodeSimulation.predict(question.load, seed: seed, effort: isFinal ? .final : .search)
    known[question] = .some(answer)
    return answer
  }

  /// The upper end of p99's interval is within the target of every group of the node.
  mutating func isFeasible(_ spec: NodeSpec, _ figures: NodeFigures, isFinal: Bool = true) -> Bool {
    guard let prediction = predict(spec, figures, isFinal: isFinal) else { return false }
    return spec.models.allSatisfy { share in
      demand[group: share.group].map { prediction.latencySeconds.p99.high <= $0.targetP99Seconds } ?? false
    }
  }

  /// One device of the candidate with `models` models.
  mutating func predict(_ candidate: Candidate, modelsPerDevice models: Int) -> NodePrediction? {
    predict(candidate.spec(modelsPerDevice: models, of: demand), candidate.nodeFigures)
  }

  private mutating func holds(_ candidate: Candidate, modelsPerDevice models: Int, isFinal: Bool) -> Bool {
    isFeasible(candidate.spec(modelsPerDevice: models, of: demand), candidate.nodeFigures, isFinal: isFinal)
  }

  /// The most models on one device, up to `cap`, that keep the target.
  ///
  /// Latency grows with the number of models, so halving finds the place; it looks with short simulations first and
  /// then walks to where the long ones, whose figures are printed, agree. The result was itself simulated.
  /// Complexity: O(log cap) simulations.
  mutating func mostModels(_ candidate: Candidate, upTo cap: Int) -> Int {
    guard cap >= 1, candidate.service.computeSeconds.quantile(0.99) <= demand.targetP99Seconds else { return 0 }
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
