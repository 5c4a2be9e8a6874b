import PlannerCore
import Simulator
import Testing

@Suite struct NodePredictionTests {
  static func constant(_ seconds: Double) -> QuantileTable {
    QuantileTable(probabilities: [0, 1], seconds: [seconds, seconds], sampleCount: 1)!
  }

  /// A node with its demand and its figures.
  struct Node {
    var spec: NodeSpec
    var demand: Workload
    var figures: NodeFigures

    func predict(effort: SimulationEffort, seed: UInt64 = 1) -> NodePrediction? {
      NodeSimulation.predict(spec, demand, figures, seed: seed, effort: effort)
    }
  }

  static func node(
    models: Int, rate: Double, compute: Double = 0.004, overhead: Double = 0.0005, drift: Double = 0, devices: Int = 1,
    workers: Int = 1
  ) -> Node {
    let provenance = Provenance(.estimated, source: "test")
    let variant = Variant(architecture: "bert-tiny", precision: .fp32)
    return Node(
      spec: NodeSpec(
        machine: .local, server: ServerSettings(devices: devices, workers: workers, threadsPerWorker: 1),
        models: [ModelShare(group: "g", variant: variant, count: models)]),
      demand: Workload(
        name: "g", architecture: "bert-tiny", models: models, tokens: 32, ratePerModelPerSecond: rate,
        targetP99Seconds: 0.01, source: "test"),
      figures: NodeFigures(
        entries: [
          .init(
            variant: variant,
            service: ServiceModel(
              computeSeconds: constant(compute), overheadSeconds: constant(overhead), betweenRunCV: drift,
              computeProvenance: provenance, overheadProvenance: provenance),
            memoryPerModelBytes: 1, memoryProvenance: provenance)
        ], memoryCapacityBytes: 1 << 30))
  }

  @Test func idleNodeTakesComputePlusOverhead() throws {
    let prediction = try #require(
      Self.node(models: 2, rate: 0.01).predict(effort: .search))
    #expect(abs(prediction.latencySeconds.p50.estimate - 0.0045) < 1e-9)
    #expect(prediction.groups.map(\.name) == ["g"])
    #expect(prediction.groups[0].latencySeconds == prediction.latencySeconds)
  }

  /// A proxy adds what was measured of it to what is no waiting and no compute, and takes no worker.
  @Test func aProxyIsPartOfThePrediction() throws {
    for rate in [0.01, 3.0] {
      var node = Self.node(models: 50, rate: rate)
      let direct = try #require(node.predict(effort: .search))
      node.demand.isProxied = true
      let proxied = try #require(node.predict(effort: .search))
      let (p50, p99) = (ProxyDelay.p50Seconds, ProxyDelay.p99Seconds)
      #expect(0 < p50 && p50 <= p99 && p99 < 0.01)
      let added = proxied.latencySeconds.p50.estimate - direct.latencySeconds.p50.estimate
      #expect(abs(added - p50) < 0.5 * p50, "\(added)")
      #expect(proxied.latencySeconds.p99.estimate > direct.latencySeconds.p99.estimate)
      #expect(abs(proxied.utilization - direct.utilization) < 0.02)
    }
    #expect(!ProxyDelay.provenance.source.isEmpty && ProxyDelay.provenance.kind == .estimated)
  }

  /// What keeps a worker busy between passes, and what wakes it, are part of the prediction.
  @Test func everyTimeOfTheServiceModelCounts() throws {
    let bare = try #require(Self.node(models: 50, rate: 3).predict(effort: .search))
    func p50(_ change: (inout ServiceModel) throws -> Void) throws -> Double {
      var node = Self.node(models: 50, rate: 3)
      try change(&node.figures.entries[0].service)
      return try #require(node.predict(effort: .search)).latencySeconds.p50.estimate
    }
    let plain = bare.latencySeconds.p50.estimate
    #expect(try p50 { $0.dispatchGapSeconds = 0.001 } > plain * 1.05)
    #expect(try p50 { $0.wakeUpSeconds = 0.001 } > plain * 1.05)
    #expect(try p50 { $0.overheadSeconds = Self.constant(0.002) } > plain * 1.05)
    #expect(try p50 { $0.computeTraceSeconds = Array(repeating: 0.005, count: 1000) } > plain * 1.05)
  }

  @Test func theSummaryCountsEveryRequest() throws {
    let prediction = try #require(Self.node(models: 50, rate: 3).predict(effort: .search))
    let summary = prediction.summary
    #expect(summary.latencySeconds == prediction.latencySeconds)
    // 8 runs of 4,000 requests.
    #expect(abs(Double(summary.requests.arrived) / 32_000 - 1) < 0.05)
    #expect(abs(summary.simulatedSeconds - 32_000 / 150) < 1)
    let theory = ClosedForms.meanWaitMG1(arrivalRate: 150, serviceMean: 0.004, squaredCV: 0)
    #expect(abs(try #require(summary.waitSeconds).mean.estimate - theory) < 0.15 * theory)
  }

  @Test func meanFollowsPollaczekKhinchine() throws {
    let prediction = try #require(
      Self.node(models: 50, rate: 3).predict(effort: .final))
    let theory = ClosedForms.meanWaitMG1(arrivalRate: 150, serviceMean: 0.004, squaredCV: 0) + 0.0045
    #expect(abs(prediction.latencySeconds.mean.estimate - theory) < 0.02 * theory)
    #expect(abs(prediction.utilization - 0.6) < 0.01)
  }

  @Test func overloadHasNoSteadyState() {
    #expect(Self.node(models: 100, rate: 3).predict(effort: .search) == nil)
  }

  @Test func queuesShareNothing() throws {
    // Two queues with one worker wait longer than one queue with two, and as long as half the node.
    let split = try #require(
      Self.node(models: 100, rate: 3, devices: 2).predict(effort: .final))
    let half = try #require(Self.node(models: 50, rate: 3).predict(effort: .final))
    let shared = try #require(
      Self.node(models: 100, rate: 3, workers: 2).predict(effort: .final))
    #expect(split.latencySeconds.p99 == half.latencySeconds.p99)
    #expect(shared.latencySeconds.p99.estimate < split.latencySeconds.p99.estimate)
    #expect(abs(split.throughputPerSecond - 300) < 6)
  }

  /// One request in fifty is held up for 20 ms, half of them on the way in, and with each of those the ten that come
  /// meanwhile: nearly a tenth of all wait long, where independent delays would give a fiftieth.
  @Test func aHeldUpFrontEndHoldsWhoeverComesMeanwhile() throws {
    var load = Self.node(models: 1, rate: 500, compute: 0.0001)
    load.figures.entries[0].service.overheadSeconds = try #require(
      QuantileTable(probabilities: [0, 0.98, 0.9801, 1], seconds: [0.0002, 0.0002, 0.02, 0.02], sampleCount: 1))
    let prediction = try #require(load.predict(effort: .search))
    #expect(prediction.latencySeconds.p95.estimate > 0.005)
    #expect(prediction.latencySeconds.p50.estimate < 0.0005)
  }

  @Test func driftWidensTheInterval() throws {
    let steady = try #require(Self.node(models: 50, rate: 3).predict(effort: .search))
    let drifting = try #require(
      Self.node(models: 50, rate: 3, drift: 0.05).predict(effort: .search))
    func width(_ prediction: NodePrediction) -> Double {
      prediction.latencySeconds.p50.high - prediction.latencySeconds.p50.low
    }
    #expect(width(drifting) > 2 * width(steady))
  }

  @Test func givenScheduleIsFollowed() throws {
    // Three requests at once on one worker: 1, 2 and 3 service times.
    let requests = (0..<3).map { ScheduledRequest(due: Nanoseconds(1_000_000), model: $0) }
    let schedule = Schedule(requests: requests, durationSeconds: 1, models: 3)
    let node = Self.node(models: 3, rate: 1)
    let prediction = try #require(
      NodeSimulation.predict(
        node.spec, node.demand, node.figures, schedule: schedule, seed: 1, replications: 2))
    #expect(abs(prediction.latencySeconds.mean.estimate - 0.0085) < 1e-8)
    #expect(abs(prediction.latencySeconds.p50.estimate - 0.0085) < 1e-8)
    #expect(prediction.latencySeconds.p50.low == prediction.latencySeconds.p50.high)
  }
}
