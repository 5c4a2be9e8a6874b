import PlannerCore
import Simulator
import Testing

@Suite struct NodePredictionTests {
  static func constant(_ seconds: Double) -> QuantileTable {
    QuantileTable(probabilities: [0, 1], seconds: [seconds, seconds], sampleCount: 1)!
  }

  static func load(
    models: Int, rate: Double, compute: Double = 0.004, overhead: Double = 0.0005, drift: Double = 0, devices: Int = 1,
    workers: Int = 1
  ) -> NodeLoad {
    let provenance = Provenance(.estimated, source: "test")
    return NodeLoad(
      service: ServiceModel(
        computeSeconds: constant(compute), overheadSeconds: constant(overhead), betweenRunCV: drift,
        computeProvenance: provenance, overheadProvenance: provenance),
      devices: devices, workers: workers, models: models, ratePerModelPerSecond: rate, arrivals: .poisson)
  }

  @Test func idleNodeTakesComputePlusOverhead() throws {
    let prediction = try #require(
      NodeSimulation.predict(Self.load(models: 2, rate: 0.01), seed: 1, effort: .search))
    #expect(abs(prediction.latencySeconds.p50.estimate - 0.0045) < 1e-9)
  }

  @Test func meanFollowsPollaczekKhinchine() throws {
    let prediction = try #require(
      NodeSimulation.predict(Self.load(models: 50, rate: 3), seed: 1, effort: .final))
    let theory = ClosedForms.meanWaitMG1(arrivalRate: 150, serviceMean: 0.004, squaredCV: 0) + 0.0045
    #expect(abs(prediction.latencySeconds.mean.estimate - theory) < 0.02 * theory)
    #expect(abs(prediction.utilization - 0.6) < 0.01)
  }

  @Test func overloadHasNoSteadyState() {
    #expect(NodeSimulation.predict(Self.load(models: 100, rate: 3), seed: 1, effort: .search) == nil)
  }

  @Test func queuesShareNothing() throws {
    // Two queues with one worker wait longer than one queue with two, and as long as half the node.
    let split = try #require(
      NodeSimulation.predict(Self.load(models: 100, rate: 3, devices: 2), seed: 1, effort: .final))
    let half = try #require(NodeSimulation.predict(Self.load(models: 50, rate: 3), seed: 1, effort: .final))
    let shared = try #require(
      NodeSimulation.predict(Self.load(models: 100, rate: 3, workers: 2), seed: 1, effort: .final))
    #expect(split.latencySeconds.p99 == half.latencySeconds.p99)
    #expect(shared.latencySeconds.p99.estimate < split.latencySeconds.p99.estimate)
    #expect(abs(split.throughputPerSecond - 300) < 6)
  }

  /// One request in fifty is held up for 20 ms, half of them on the way in, and with each of those the ten that come
  /// meanwhile: nearly a tenth of all wait long, where independent delays would give a fiftieth.
  @Test func aHeldUpFrontEndHoldsWhoeverComesMeanwhile() throws {
    var load = Self.load(models: 1, rate: 500, compute: 0.0001)
    load.service.overheadSeconds = try #require(
      QuantileTable(probabilities: [0, 0.98, 0.9801, 1], seconds: [0.0002, 0.0002, 0.02, 0.02], sampleCount: 1))
    let prediction = try #require(NodeSimulation.predict(load, seed: 1, effort: .search))
    #expect(prediction.latencySeconds.p95.estimate > 0.005)
    #expect(prediction.latencySeconds.p50.estimate < 0.0005)
  }

  @Test func driftWidensTheInterval() throws {
    let steady = try #require(NodeSimulation.predict(Self.load(models: 50, rate: 3), seed: 1, effort: .search))
    let drifting = try #require(
      NodeSimulation.predict(Self.load(models: 50, rate: 3, drift: 0.05), seed: 1, effort: .search))
    func width(_ prediction: NodePrediction) -> Double {
      prediction.latencySeconds.p50.high - prediction.latencySeconds.p50.low
    }
    #expect(width(drifting) > 2 * width(steady))
  }

  @Test func givenScheduleIsFollowed() throws {
    // Three requests at once on one worker: 1, 2 and 3 service times.
    let requests = (0..<3).map { ScheduledRequest(due: Nanoseconds(1_000_000), model: $0) }
    let schedule = Schedule(requests: requests, durationSeconds: 1, models: 3)
    let prediction = try #require(
      NodeSimulation.predict(Self.load(models: 3, rate: 1), schedule: schedule, seed: 1, replications: 2))
    #expect(abs(prediction.latencySeconds.mean.estimate - 0.0085) < 1e-8)
    #expect(abs(prediction.latencySeconds.p50.estimate - 0.0085) < 1e-8)
    #expect(prediction.latencySeconds.p50.low == prediction.latencySeconds.p50.high)
  }
}
