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
    arrivals: ((Double) -> ArrivalProcess) = { .poisson(ratePerSecond: $0) }
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
