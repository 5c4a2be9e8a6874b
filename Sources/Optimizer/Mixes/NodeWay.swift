import PlannerCore
import Simulator

/// One way to run nodes of one type: a split into devices and workers, with the figures of each group that has some.
struct NodeWay {
  var type: InstanceType
  var server: ServerSettings
  /// By group of the workload; nil where no figure says, or where requests cannot keep their target.
  var choices: [Choice?]

  /// A group's models in the variant that this way would run them in.
  struct Choice {
    var candidate: Candidate
    /// Most requests a second on one device with nothing else, as far as short simulations tell; above 0.
    var mostRate: Double

    var memoryBytes: Int64 { candidate.memoryPerModelBytes }
    var hostBytes: Int64 { candidate.hostMemory?.perModelBytes.high ?? 0 }
    var busySeconds: Double { candidate.service.meanBusySeconds }
  }

  var isLocal: Bool { type.name == LocalMachine.name }

  /// Memory of one device that models may take, where all these groups live on the node, bytes.
  func deviceBytes(_ groups: [Int]) -> Int64 {
    let capacity = groups.compactMap { choices[$0]?.candidate.memoryCapacityBytes }.min() ?? 0
    return max(0, capacity) / Int64(server.devices)
  }

  /// Memory of the host that models on devices may keep, where all these groups live on the node, bytes; nil where
  /// models live in the host's memory.
  func hostBytes(_ groups: [Int]) -> Int64? {
    let hosts = groups.compactMap { choices[$0]?.candidate.hostMemory?.capacityBytes }
    return hosts.min().map { max(0, $0) }
  }
}

/// What stops a group from being run on a type, as `Binding` and `Reason` say it.
struct Obstacle {
  var binding: Binding
  var reason: Reason
}

/// The ways to run a workload's groups on one type, and why groups have none.
struct TypeWays {
  var type: InstanceType
  var ways: [NodeWay]
  /// By group: why no way runs it; nil where one does.
  var obstacles: [Obstacle?]
  /// Every candidate of each group, superseded ones included: what a lower bound may not deny.
  var candidates: [[Candidate]]
}

/// Finds out by simulation what nodes of many kinds of models take.
struct MixSizing {
  let problem: OptimizationProblem
  var oracle: LatencyOracle

  init(_ problem: OptimizationProblem, shouldStop: @escaping @Sendable () -> Bool) {
    self.problem = problem
    oracle = LatencyOracle(problem, shouldStop: shouldStop)
  }
}

/// For each group, how many requests a second a device takes within the group's target.
extension MixSizing {
  /// Steps of utilization that are told apart.
  private static let steps = 32

  /// The ways to run nodes of a type.
  mutating func ways(_ type: InstanceType) -> TypeWays {
    let groups = problem.workload.groups
    var candidates: [[Candidate]] = []
    var obstacles: [Obstacle?] = []
    var servers: [ServerSettings] = []
    var choices: [[NodeWay.Choice]] = []
    for group in groups.indices {
      let prospects = problem.prospects(type, group: group)
      candidates.append(prospects.candidates)
      var (found, obstacle): ([NodeWay.Choice], Obstacle?) = ([], nil)
      for candidate in prospects.candidates where !candidate.isSuperseded {
        switch choice(candidate, groups[group]) {
        case .success(let choice):
          found.append(choice)
          if !servers.contains(candidate.figures.server) { servers.append(candidate.figures.server) }
        case .failure(let problem): obstacle = obstacle ?? problem.obstacle
        }
      }
      let missing =
        prospects.missing ?? .nothingKnown(architecture: groups[group].architecture, instanceFamily: type.familyName)
      obstacles.append(found.isEmpty ? obstacle ?? Obstacle(binding: .noFigure, reason: .noFigure(missing)) : nil)
      choices.append(found)
    }
    let ways = servers.map { server in
      NodeWay(
        type: type, server: server,
        choices: choices.enumerated().map { best($1.filter { $0.candidate.figures.server == server }, groups[$0]) })
    }
    return TypeWays(type: type, ways: ways, obstacles: obstacles, candidates: candidates)
  }

  private struct Unfit: Error { var obstacle: Obstacle }

  private mutating func choice(_ candidate: Candidate, _ group: ModelGroup) -> Result<NodeWay.Choice, Unfit> {
    func unfit(_ binding: Binding, _ reason: Reason) -> Result<NodeWay.Choice, Unfit> {
      .failure(Unfit(obstacle: Obstacle(binding: binding, reason: reason)))
    }
    if !candidate.hasRoom {
      return unfit(candidate.noRoomBinding, candidate.memoryReason)
    }
    let target = group.targetP99Seconds
    if candidate.p99FloorSeconds > target {
      return unfit(.latency, .passAboveTarget(candidate.label, targetSeconds: target))
    }
    let rate = mostRate(candidate, group)
    if rate == 0 {
      return unfit(
        .latency,
        .oneModelAboveTarget(
          candidate.label,
          p99Seconds: oracle.predict(load(candidate, group, step: 1), isFinal: false)?.latencySeconds.p99,
          place: candidate.place, targetSeconds: target))
    }
    return .success(NodeWay.Choice(candidate: candidate, mostRate: fewerCopies(candidate, group, than: rate)))
  }

  /// Where the most asked model needs copies, the steps of `mostRate` may ask for one more than its target does.
  private mutating func fewerCopies(_ candidate: Candidate, _ group: ModelGroup, than rate: Double) -> Double {
    let hottest = group.hottestRate
    var rate = rate
    while hottest > rate {
      let copies = (hottest / rate).rounded(.up) - 1
      let single = DeviceLoad(
        oneOf: Int(min(copies, 1e6)), of: group, modelRatePerSecond: hottest, times: candidate.service.times,
        workers: candidate.workers)
      guard single.offeredUtilization < 0.995,
        let p99 = oracle.predict(single, isFinal: true)?.latencySeconds.p99, p99.high <= group.targetP99Seconds
      else { break }
      // The rounding of a quotient does not bring the copy back.
      rate = hottest / copies * (1 + 1e-12)
    }
    return rate
  }

  /// Fewest devices for the group alone first; at equal numbers the more exact variant.
  private func best(_ choices: [NodeWay.Choice], _ group: ModelGroup) -> NodeWay.Choice? {
    func devices(_ choice: NodeWay.Choice) -> Double {
      let memory = Double(group.models) / Double(max(1, choice.candidate.modelsPerDeviceByMemory))
      let host =
        Double(group.models) / Double(choice.candidate.modelsByHostMemory) * Double(choice.candidate.devices)
      return max(memory, max(host, group.totalRatePerSecond / choice.mostRate))
    }
    return choices.enumerated().min { a, b in
      (devices(a.element).rounded(.up), -a.element.candidate.precision.bytesPerWeight, a.element.busySeconds, a.offset)
        < (
          devices(b.element).rounded(.up), -b.element.candidate.precision.bytesPerWeight, b.element.busySeconds,
          b.offset
        )
    }?.element
  }

  /// Load of one device, in steps of its capacity.
  private func load(_ candidate: Candidate, _ group: ModelGroup, step: Int) -> DeviceLoad {
    let utilization = 0.995 * Double(step) / Double(Self.steps)
    let rate = utilization * Double(candidate.workers) / candidate.service.meanBusySeconds * 0.9999
    // Requests of many models at once come by chance; where they do not, it matters how many share the load.
    let models = group.arrivals == .poisson ? 1 : max(1, Int((rate / group.ratePerModelPerSecond).rounded()))
    return DeviceLoad(
      models: models, of: group, ratePerModelPerSecond: rate / Double(models), times: candidate.service.times,
      workers: candidate.workers)
  }

  /// Latency grows with load, so halving finds the last step that keeps the target.
  private mutating func mostRate(_ candidate: Candidate, _ group: ModelGroup) -> Double {
    func holds(_ step: Int) -> Bool {
      guard let p99 = oracle.predict(load(candidate, group, step: step), isFinal: false)?.latencySeconds.p99 else {
        return false
      }
      return p99.high <= group.targetP99Seconds
    }
    var (low, high) = (0, Self.steps + 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if middle <= Self.steps, holds(middle) { low = middle } else { high = middle }
    }
    if low > 0 { return load(candidate, group, step: low).ratePerSecond }
    // A model that is asked seldom may do where a step of the load is too much.
    let most = group.hottestRate
    let single = DeviceLoad(
      models: 1, of: group, ratePerModelPerSecond: most, times: candidate.service.times, workers: candidate.workers)
    guard most < load(candidate, group, step: 1).ratePerSecond,
      let p99 = oracle.predict(single, isFinal: false)?.latencySeconds.p99, p99.high <= group.targetP99Seconds
    else { return 0 }
    return most
  }
}

extension ModelGroup {
  /// Requests a second to the model that is asked most.
  ///
  /// Complexity: O(models).
  var hottestRate: Double { rates().max() ?? ratePerModelPerSecond }
}
