import PlannerCore
import Simulator
import Testing

/// What must hold for every simulation, whatever its parameters.
@Suite struct SimulationLawTests {
  static func scenario(seed: UInt64) -> Scenario {
    var random = RandomStream(seed: seed, stream: "scenario")
    let models = (0..<1 + random.integer(below: 3)).map { index in
      ScenarioModel(
        name: "m\(index)", count: 1 + random.integer(below: 4),
        arrivals: [
          .poisson(ratePerSecond: 20 + 60 * random.uniform()), .deterministic(ratePerSecond: 30),
          .gamma(ratePerSecond: 40, cv: 2),
        ][random.integer(below: 3)],
        service: [.exponential(mean: 0.01), .deterministic(mean: 0.008), .lognormal(mean: 0.012, cv: 0.5)][
          random.integer(below: 3)],
        priority: random.integer(below: 3), deadlineSeconds: random.integer(below: 2) == 0 ? nil : 0.05,
        networkDelay: random.integer(below: 2) == 0 ? nil : .exponential(mean: 0.001))
    }
    let batch =
      random.integer(below: 2) == 0
      ? BatchPolicy.single : BatchPolicy(max: 4, wait: Nanoseconds(2_000_000), batchCostFactor: 0.4)
    let node = ScenarioNode(
      name: "n", count: 1 + random.integer(below: 3), workers: 1 + random.integer(below: 3),
      queueCapacity: random.integer(below: 2) == 0 ? nil : 5, batch: batch)
    return Scenario(
      seed: seed, durationSeconds: 30, warmupSeconds: 2, replications: 2, models: models, nodes: [node],
      placement: random.integer(below: 2) == 0 ? .spread : .all,
      routing: RoutingPolicy.allCases[random.integer(below: RoutingPolicy.allCases.count)])
  }

  /// Requests in flight are counted where they lie at the end, so a request that the simulation loses is missing.
  @Test(arguments: 0..<40)
  func requestsAreConserved(_ seed: UInt64) throws {
    let summary = Self.scenario(seed: seed).simulate()
    let counts = summary.requests
    #expect(counts.arrived > 0)
    #expect(counts.completed + counts.rejected + counts.timedOut + counts.inFlight == counts.arrived)
    #expect(counts.cancelled == nil)
    #expect(summary.utilization >= 0 && summary.utilization <= 1)
    let latency = try #require(summary.latencySeconds)
    for estimate in [latency.mean, latency.p50, latency.p90, latency.p95, latency.p99] {
      #expect(estimate.low <= estimate.estimate && estimate.estimate <= estimate.high)
    }
    #expect(latency.p50.estimate <= latency.p90.estimate && latency.p90.estimate <= latency.p99.estimate)
  }

  /// Requests are conserved also where clients leave and ask again: each try is a request.
  @Test(arguments: 0..<40)
  func requestsOfImpatientClientsAreConserved(_ seed: UInt64) throws {
    var scenario = Self.scenario(seed: seed)
    var random = RandomStream(seed: seed, stream: "impatience")
    if random.integer(below: 2) == 0 {
      scenario.nodes[0].residency = ResidencyPolicy(budgetBytes: 20, maxWaiting: 5)
      for index in scenario.models.indices {
        scenario.models[index].memoryBytes = 10
        scenario.models[index].load = .exponential(mean: 0.02)
      }
    }
    if random.integer(below: 2) == 0 { scenario.nodes[0].expiry = .atDeadline }
    scenario.models[0].patience = .exponential(mean: 0.03)
    for index in scenario.models.indices where random.integer(below: 2) == 0 {
      scenario.models[index].retries = ClientRetries(max: 3, backoffSeconds: 0.02)
    }
    let counts = scenario.simulate().requests
    let cancelled = try #require(counts.cancelled)
    #expect(cancelled > 0)
    #expect(counts.completed + counts.rejected + counts.timedOut + cancelled + counts.inFlight == counts.arrived)
  }

  /// Clients that ask again keep a server beyond its capacity busy with work that is for no one: answers become fewer
  /// than without retries, and tries more.
  @Test func retriesAddLoadWhereThereIsTooMuch() throws {
    func counts(retries: ClientRetries?) throws -> (counts: RequestCounts, cancelled: Int) {
      let counts = Scenario(
        seed: 4, durationSeconds: 300, warmupSeconds: 20,
        models: [
          ScenarioModel(
            name: "m", count: 1, arrivals: .poisson(ratePerSecond: 130), service: .deterministic(mean: 0.01),
            patience: .deterministic(mean: 0.05), retries: retries)
        ], nodes: [ScenarioNode(name: "n", count: 1, workers: 1)]
      ).simulate().requests
      return (counts, try #require(counts.cancelled))
    }
    let once = try counts(retries: nil)
    let again = try counts(retries: ClientRetries(max: 5, backoffSeconds: 0.05))
    #expect(Double(again.counts.arrived) > 1.5 * Double(once.counts.arrived))
    #expect(again.cancelled > 2 * once.cancelled)
    #expect(again.counts.completed < once.counts.completed)
  }

  /// Every try after the first waits the pause of its number: one request, turned away each time.
  @Test func aClientPausesTwiceAsLongEachTime() {
    let scenario = Scenario(
      seed: 1, durationSeconds: 100, warmupSeconds: 0,
      models: [
        ScenarioModel(name: "busy", count: 1, arrivals: .trace([0]), service: .deterministic(mean: 90)),
        ScenarioModel(
          name: "m", count: 1, arrivals: .trace([1]), service: .deterministic(mean: 1),
          retries: ClientRetries(max: 3, backoffSeconds: 2)),
      ], nodes: [ScenarioNode(name: "n", count: 1, workers: 1, queueCapacity: 0)])
    let rejections = scenario.decisions().compactMap { decision in
      if case .reject = decision.what { decision.time.seconds } else { nil }
    }
    #expect(rejections.map { ($0 * 1e6).rounded() } == [1e6, 3e6, 7e6, 15e6])
    #expect(scenario.simulate().requests.arrived == 5)
  }

  @Test(arguments: 0..<8)
  func sameSeedSameResult(_ seed: UInt64) {
    let scenario = Self.scenario(seed: seed)
    #expect(scenario.simulate().latencySeconds == scenario.simulate().latencySeconds)
    var other = scenario
    other.seed = seed + 1000
    #expect(scenario.simulate().latencySeconds != other.simulate().latencySeconds)
  }

  /// Little's law: mean number waiting = rate · mean wait; checked through the utilization form of it,
  /// busy workers = completed rate · mean service.
  @Test func busyWorkersAreRateTimesService() throws {
    let scenario = Scenario(
      seed: 5, durationSeconds: 2_000, warmupSeconds: 100,
      models: [
        ScenarioModel(name: "m", count: 3, arrivals: .poisson(ratePerSecond: 40), service: .gamma(mean: 0.02, cv: 0.7))
      ], nodes: [ScenarioNode(name: "n", count: 1, workers: 4)])
    let summary = scenario.simulate()
    let rate = Double(summary.requests.completed) / 1_900
    #expect(abs(summary.utilization * 4 - rate * 0.02) < 0.02 * rate * 0.02)
    let latency = try #require(summary.latencySeconds).mean.estimate
    let wait = try #require(summary.waitSeconds).mean.estimate
    #expect(abs(latency - wait - 0.02) < 0.0004)
  }

  @Test func higherPriorityWaitsLess() throws {
    func latency(priority: Int) throws -> Double {
      let models = [
        ScenarioModel(name: "a", count: 1, arrivals: .poisson(ratePerSecond: 40), service: .exponential(mean: 0.01)),
        ScenarioModel(
          name: "b", count: 1, arrivals: .poisson(ratePerSecond: 40), service: .exponential(mean: 0.01),
          priority: priority, deadlineSeconds: nil),
      ]
      return try #require(
        Scenario(
          seed: 1, durationSeconds: 500, warmupSeconds: 20, models: models,
          nodes: [ScenarioNode(name: "n", count: 1, workers: 1)]
        ).simulate().latencySeconds
      ).p99.estimate
    }
    // One class waits much longer, so the pooled tail grows; the pooled mean would not change.
    #expect(try latency(priority: 1) > 1.3 * latency(priority: 0))
  }

  @Test func fullQueueRejectsAndDeadlineExpires() {
    func counts(queue: Int?, deadline: Double?) -> RequestCounts {
      Scenario(
        seed: 3, durationSeconds: 100, warmupSeconds: 0,
        models: [
          ScenarioModel(
            name: "m", count: 1, arrivals: .poisson(ratePerSecond: 200), service: .deterministic(mean: 0.01),
            deadlineSeconds: deadline)
        ], nodes: [ScenarioNode(name: "n", count: 1, workers: 1, queueCapacity: queue)]
      ).simulate().requests
    }
    let rejecting = counts(queue: 4, deadline: nil)
    #expect(rejecting.rejected > 9_000 && rejecting.timedOut == 0 && rejecting.inFlight <= 5)
    let expiring = counts(queue: nil, deadline: 0.05)
    #expect(expiring.timedOut > 9_000 && expiring.rejected == 0)
    let unbounded = counts(queue: nil, deadline: nil)
    #expect(unbounded.rejected == 0 && unbounded.timedOut == 0 && unbounded.inFlight > 9_000)
  }

  @Test func batchesOfOneModelShareAPass() throws {
    func p99(max: Int) throws -> Double {
      try #require(
        Scenario(
          seed: 3, durationSeconds: 200, warmupSeconds: 10,
          models: [
            ScenarioModel(
              name: "m", count: 2, arrivals: .poisson(ratePerSecond: 55), service: .deterministic(mean: 0.01))
          ],
          nodes: [
            ScenarioNode(
              name: "n", count: 1, workers: 1,
              batch: BatchPolicy(max: max, wait: Nanoseconds(1_000_000), batchCostFactor: 0.2))
          ]
        ).simulate().latencySeconds
      ).p99.estimate
    }
    // 110 requests of 10 ms a second do not fit one worker alone; in batches they do.
    #expect(try p99(max: 1) > 1)
    #expect(try p99(max: 8) < 0.2)
  }

  /// A model on a listed set of nodes: as many as all is all, one is spread, and two share its requests evenly.
  @Test func replicasShareAModelsRequests() throws {
    func summary(_ placement: ScenarioPlacement, routing: RoutingPolicy = .random) -> SimulationSummary {
      Scenario(
        seed: 9, durationSeconds: 600, warmupSeconds: 20,
        models: [
          ScenarioModel(
            name: "m", count: 1, arrivals: .poisson(ratePerSecond: 140), service: .exponential(mean: 0.01))
        ], nodes: [ScenarioNode(name: "n", count: 4, workers: 1)], placement: placement, routing: routing
      ).simulate()
    }
    for routing in RoutingPolicy.allCases {
      #expect(summary(.replicas(4), routing: routing).latencySeconds == summary(.all, routing: routing).latencySeconds)
    }
    #expect(summary(.replicas(1)).latencySeconds == summary(.spread).latencySeconds)
    // Two queues of 70 a second each, of four nodes: 35 % of the fleet.
    let two = summary(.replicas(2))
    #expect(abs(two.utilization - 0.35) < 0.01)
    let wait = try #require(two.waitSeconds).mean.estimate
    let theory = ClosedForms.meanWaitMG1(arrivalRate: 70, serviceMean: 0.01, squaredCV: 1)
    #expect(abs(wait - theory) < 0.15 * theory)
  }

  @Test func leastLoadedBeatsRandomRouting() throws {
    func wait(_ routing: RoutingPolicy) throws -> Double {
      try #require(
        Scenario(
          seed: 9, durationSeconds: 300, warmupSeconds: 10,
          models: [
            ScenarioModel(
              name: "m", count: 1, arrivals: .poisson(ratePerSecond: 300), service: .exponential(mean: 0.01))
          ], nodes: [ScenarioNode(name: "n", count: 4, workers: 1)], placement: .all, routing: routing
        ).simulate().waitSeconds
      ).mean.estimate
    }
    let random = try wait(.random)
    let two = try wait(.twoChoices)
    let least = try wait(.leastLoaded)
    #expect(least < two && two < random)
    // Random routing splits a Poisson stream into four M/M/1 queues at 75 %: mean wait 30 ms.
    #expect(abs(random - 0.030) < 0.004)
  }
}
