import PlannerCore
import Simulator
import Testing

/// The simulator against closed forms: theory lies inside the 99.9 % interval of 24 seeded replications, and
/// that interval is narrow enough for the test to have power.
@Suite struct QueueingTheoryTests {
  static let replications = 24
  /// 99.9 % point of Student's t with 23 degrees of freedom, two-sided.
  static let t999 = 3.768

  struct Interval {
    var mean: Double
    var half: Double

    init(_ values: [Double]) {
      mean = values.reduce(0, +) / Double(values.count)
      let center = mean
      let variance = values.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(values.count - 1)
      half = t999 * (variance / Double(values.count)).squareRoot()
    }

    func check(_ theory: Double, relativeHalfWidth: Double, _ what: Comment) {
      #expect(abs(theory - mean) <= half, what)
      #expect(half <= relativeHalfWidth * theory, what)
    }
  }

  /// One replication a seed, of a single node.
  static func summaries(
    service: TimeDistribution, rate: Double, workers: Int, duration: Double = 1_000,
    arrivals: ((Double) -> Arrivals) = { .poisson(ratePerSecond: $0) }
  ) -> [SimulationSummary] {
    (0..<replications).map { seed in
      Scenario(
        seed: UInt64(seed), durationSeconds: duration, warmupSeconds: duration / 20,
        models: [ScenarioModel(name: "m", count: 1, arrivals: arrivals(rate), service: service)],
        nodes: [ScenarioNode(name: "n", count: 1, workers: workers)]
      ).simulate()
    }
  }

  @Test func mm1MeansAndTail() throws {
    let runs = Self.summaries(service: .exponential(mean: 0.010), rate: 70, workers: 1)
    let latencies = try runs.map { try #require($0.latencySeconds) }
    Interval(latencies.map(\.mean.estimate)).check(
      ClosedForms.meanWaitMG1(arrivalRate: 70, serviceMean: 0.010, squaredCV: 1) + 0.010, relativeHalfWidth: 0.03,
      "mean")
    Interval(latencies.map(\.p99.estimate)).check(
      ClosedForms.latencyQuantileMM1(0.99, arrivalRate: 70, serviceMean: 0.010), relativeHalfWidth: 0.05, "p99")
    Interval(latencies.map(\.p50.estimate)).check(
      ClosedForms.latencyQuantileMM1(0.50, arrivalRate: 70, serviceMean: 0.010), relativeHalfWidth: 0.03, "p50")
    Interval(runs.map(\.utilization)).check(0.7, relativeHalfWidth: 0.02, "utilization")
  }

  @Test func md1MeanWait() throws {
    let runs = Self.summaries(service: .deterministic(mean: 0.010), rate: 70, workers: 1)
    let waits = try runs.map { try #require($0.waitSeconds).mean.estimate }
    Interval(waits).check(
      ClosedForms.meanWaitMG1(arrivalRate: 70, serviceMean: 0.010, squaredCV: 0), relativeHalfWidth: 0.04, "mean wait")
  }

  @Test(arguments: [
    (TimeDistribution.lognormal(mean: 0.010, cv: 0.8), 0.64), (.gamma(mean: 0.010, cv: 0.5), 0.25),
    (.gamma(mean: 0.010, cv: 1.4), 1.96), (.hyperexponential(mean: 0.010, cv: 1.5), 2.25),
  ])
  func mg1MeanWait(_ service: TimeDistribution, _ squaredCV: Double) throws {
    let runs = Self.summaries(service: service, rate: 60, workers: 1, duration: 2_000)
    let waits = try runs.map { try #require($0.waitSeconds).mean.estimate }
    Interval(waits).check(
      ClosedForms.meanWaitMG1(arrivalRate: 60, serviceMean: 0.010, squaredCV: squaredCV), relativeHalfWidth: 0.10,
      "\(service)")
  }

  @Test(arguments: [2, 4, 16])
  func mmcMeanWait(_ workers: Int) throws {
    let rate = 80.0 * Double(workers)
    let runs = Self.summaries(service: .exponential(mean: 0.010), rate: rate, workers: workers, duration: 600)
    let waits = try runs.map { try #require($0.waitSeconds).mean.estimate }
    Interval(waits).check(
      ClosedForms.meanWaitMMc(workers: workers, arrivalRate: rate, serviceMean: 0.010), relativeHalfWidth: 0.12,
      "\(workers) workers")
  }

  @Test(arguments: [2, 8])
  func mmcTail(_ workers: Int) throws {
    let rate = 80.0 * Double(workers)
    let runs = Self.summaries(service: .exponential(mean: 0.010), rate: rate, workers: workers, duration: 800)
    let latencies = try runs.map { try #require($0.latencySeconds) }
    Interval(latencies.map(\.p99.estimate)).check(
      ClosedForms.latencyQuantileMMc(0.99, workers: workers, arrivalRate: rate, serviceMean: 0.010),
      relativeHalfWidth: 0.08, "p99 of \(workers) workers")
    Interval(latencies.map(\.p50.estimate)).check(
      ClosedForms.latencyQuantileMMc(0.50, workers: workers, arrivalRate: rate, serviceMean: 0.010),
      relativeHalfWidth: 0.04, "p50 of \(workers) workers")
  }

  /// Several kinds of models at one worker, as one replication a seed.
  static func mixed(
    _ kinds: [(rate: Double, service: TimeDistribution, priority: Int)], duration: Double
  ) -> [SimulationSummary] {
    (0..<replications).map { seed in
      Scenario(
        seed: UInt64(seed), durationSeconds: duration, warmupSeconds: duration / 20,
        models: kinds.enumerated().map { index, kind in
          ScenarioModel(
            name: "m\(index)", count: 1, arrivals: .poisson(ratePerSecond: kind.rate), service: kind.service,
            priority: kind.priority)
        }, nodes: [ScenarioNode(name: "n", count: 1, workers: 1)]
      ).simulate()
    }
  }

  /// Three classes with service times of different lengths, so that the order in which they are served changes the
  /// mean wait over all requests: by a factor of more than two between the two orders.
  @Test(arguments: [true, false])
  func prioritiesFollowCobham(_ shortFirst: Bool) throws {
    let kinds: [(rate: Double, service: TimeDistribution, squaredCV: Double)] = [
      (60, .deterministic(mean: 0.002), 0), (20, .exponential(mean: 0.010), 1), (8, .gamma(mean: 0.050, cv: 0.5), 0.25),
    ]
    let ordered = shortFirst ? kinds : kinds.reversed()
    let runs = Self.mixed(
      ordered.enumerated().map { ($1.rate, $1.service, 10 - $0) }, duration: 1_500)
    let waits = ClosedForms.meanWaitsMG1(priorities: ordered.map { ($0.rate, $0.service.mean, $0.squaredCV) })
    let theory = zip(ordered, waits).reduce(0) { $0 + $1.0.rate * $1.1 } / 88
    Interval(try runs.map { try #require($0.waitSeconds).mean.estimate }).check(
      theory, relativeHalfWidth: 0.08, "short first: \(shortFirst)")
  }

  /// Requests of mixed classes without priorities wait as M/G/1 with the mixture of their service times, and two kinds
  /// of exponential service have the tail of M/H₂/1.
  @Test func mixturesFollowPollaczekKhinchine() throws {
    let runs = Self.mixed(
      [(60, .exponential(mean: 0.004), 0), (10, .exponential(mean: 0.040), 0)], duration: 2_500)
    let mean = (60 * 0.004 + 10 * 0.040) / 70
    let second = (60 * 2 * 0.004 * 0.004 + 10 * 2 * 0.040 * 0.040) / 70
    Interval(try runs.map { try #require($0.waitSeconds).mean.estimate }).check(
      ClosedForms.meanWaitMG1(arrivalRate: 70, serviceMean: mean, squaredCV: second / (mean * mean) - 1),
      relativeHalfWidth: 0.08, "mean wait")
    let latencies = try runs.map { try #require($0.latencySeconds) }
    for (probability, estimate) in [(0.5, \LatencyEstimates.p50), (0.9, \.p90), (0.99, \.p99)] {
      Interval(latencies.map { $0[keyPath: estimate].estimate }).check(
        ClosedForms.latencyQuantileMH21(probability, (60, 0.004), (10, 0.040)), relativeHalfWidth: 0.12,
        "quantile \(probability)")
    }
  }

  /// Erlang's A: more requests than two workers can serve, with clients that leave.
  @Test func impatientClientsFollowErlangA() throws {
    let (rate, service, patience) = (240.0, 0.010, 0.030)
    let runs = (0..<Self.replications).map { seed in
      Scenario(
        seed: UInt64(seed), durationSeconds: 400, warmupSeconds: 20,
        models: [
          ScenarioModel(
            name: "m", count: 1, arrivals: .poisson(ratePerSecond: rate), service: .exponential(mean: service),
            patience: .exponential(mean: patience))
        ], nodes: [ScenarioNode(name: "n", count: 1, workers: 2)]
      ).simulate()
    }
    let theory = ClosedForms.impatientMMc(
      workers: 2, arrivalRate: rate, serviceMean: service, patienceMean: patience)
    Interval(runs.map(\.utilization)).check(theory.busy / 2, relativeHalfWidth: 0.01, "busy workers")
    // Of those in service, the share whose service ends before their patience has an answer.
    let answered = theory.busy / service * patience / (patience + service) / rate
    let left = try runs.map { Double(try #require($0.requests.cancelled)) / Double($0.requests.arrived) }
    Interval(left).check(1 - answered, relativeHalfWidth: 0.02, "share that leaves")
    for run in runs {
      let counts = run.requests
      #expect(counts.completed + (counts.cancelled ?? 0) + counts.inFlight == counts.arrived)
    }
  }

  /// The program's own 95 % intervals, from batches of one run, hold the truth about as often as they say.
  @Test func batchIntervalsCover() throws {
    let runs = Self.summaries(service: .exponential(mean: 0.010), rate: 60, workers: 1)
    let meanTruth = ClosedForms.meanWaitMG1(arrivalRate: 60, serviceMean: 0.010, squaredCV: 1) + 0.010
    let tailTruth = ClosedForms.latencyQuantileMM1(0.99, arrivalRate: 60, serviceMean: 0.010)
    var meanHits = 0
    var tailHits = 0
    for run in runs {
      let latency = try #require(run.latencySeconds)
      if latency.mean.low <= meanTruth, meanTruth <= latency.mean.high { meanHits += 1 }
      if latency.p99.low <= tailTruth, tailTruth <= latency.p99.high { tailHits += 1 }
      #expect(latency.mean.high - latency.mean.low < 0.2 * meanTruth)
      #expect(latency.p99.high - latency.p99.low < 0.55 * tailTruth)
    }
    // At 95 % coverage, fewer than 19 hits of 24 has a chance of 0.2 %.
    #expect(meanHits >= 19)
    #expect(tailHits >= 19)
  }
}
