import LoadTest
import Optimizer
import PlannerCore
import Proof
import Simulator
import Testing

/// Runs of several groups and nodes.
@Suite struct MixTests {
  private static let slow = Variant(architecture: "bert-mini", precision: .fp32, vocabulary: 300)

  /// Group "fast" with 2 ms a pass, "slow" with 10 ms, and "rare" of the same models as "slow", asked seldom.
  private static func demand(_ targets: [Double] = [0.01, 0.02, 0.05]) -> Workload {
    func group(_ name: String, _ architecture: String, _ models: Int, rate: Double, _ target: Double) -> ModelGroup {
      ModelGroup(
        name: name, architecture: architecture, vocabulary: 300, models: models, requests: RequestMix(tokens: 16),
        ratePerModelPerSecond: rate, targetP99Seconds: target)
    }
    // Of the first group's models one is asked three times as often as the other.
    var fast = group("fast", "bert-tiny", 2, rate: 10, targets[0])
    fast.popularity = .shares([3, 1])
    return Workload(
      name: "mix",
      groups: [
        fast, group("slow", "bert-mini", 2, rate: 10, targets[1]),
        group("rare", "bert-base", 1, rate: 0.2, targets[2]),
      ], source: "a test")
  }

  /// Two nodes; model 0 of "fast" has a copy on each.
  private static func excerpt(
    _ targets: [Double] = [0.01, 0.02, 0.05], nodes: Int = 2
  ) throws -> Excerpt {
    let fast = Variant(architecture: "bert-tiny", precision: .fp32, vocabulary: 300)
    let rare = Variant(architecture: "bert-base", precision: .fp32, vocabulary: 300)
    var first = Samples.node("local", models: 2, host: Samples.host())
    first.spec.models = [.init(group: "fast", variant: fast, count: 2)]
    var second = Samples.node("local", models: 4, host: Samples.host())
    second.spec.models = [
      .init(group: "fast", variant: fast, count: 1), .init(group: "slow", variant: slow, count: 2),
      .init(group: "rare", variant: rare, count: 1),
    ]
    func entry(_ variant: Variant, _ compute: Double) -> NodeFigures.Entry {
      .init(
        variant: variant, service: Samples.service(compute: compute), memoryPerModelBytes: 10 << 20,
        memoryProvenance: Samples.measured)
    }
    first.figures.entries = [entry(fast, 0.002)]
    second.figures.entries = [entry(fast, 0.002), entry(slow, 0.010), entry(rare, 0.020)]
    (first.totals, second.totals) = ([2], [1, 2, 1])
    let demand = demand(targets)
    let groups = demand.groups.map { group in
      PlannedGroup(
        name: group.name, models: group.models, replicas: [1, 2], targetP99Seconds: group.targetP99Seconds,
        p99Seconds: nil, mostRatePerReplica: 10)
    }
    return try Excerpt(
      demand: demand, groups: groups, kinds: [first, second], count: nodes, scope: .full, reason: nil)
  }

  @Test func copiesLieWhereThePlanPlacesThem() throws {
    let copies: [RunLayout.Copy] = [
      .init(group: 0, model: 0, replica: 0, replicas: 2, node: 0), .init(group: 0, model: 1, node: 0),
      .init(group: 0, model: 0, replica: 1, replicas: 2, node: 1),
      .init(group: 1, model: 0, node: 1, share: 1), .init(group: 1, model: 1, node: 1, share: 1),
      .init(group: 2, model: 0, node: 1, share: 2),
    ]
    #expect(try Self.excerpt().layout.copies == copies)
    // One of two nodes: its copies, and of the model on both every other request.
    let one = try Self.excerpt(nodes: 1)
    #expect(one.layout.copies == Array(copies[..<2]) && one.nodes.count == 1)
    #expect(abs(one.ratePerSecond - 12.5) < 1e-9)
    let error = #expect(throws: ProofError.self) { try Self.excerpt(nodes: 3) }
    #expect(error?.kind == .usage && error?.description.contains("the plan has 2 nodes, and 3 are to run") == true)
  }

  /// Answers each copy after its own time: `compute` seconds of its place in the layout.
  private struct CopySender: LoadSender {
    var compute: [Double]
    var outcome: @Sendable (RoutedSchedule, Int) -> LoadOutcome = { _, _ in .completed }

    func send(
      _ load: RoutedSchedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
    ) async throws -> LoadResult {
      let samples = load.schedule.requests.enumerated().map { index, request in
        var sample = LoadSample(
          dueSeconds: request.due.seconds, model: request.model, size: request.size, target: load.nodes[index])
        let compute = compute[request.model]
        sample.outcome = outcome(load, index)
        sample.latencySeconds = compute + 0.0005
        sample.timings = .init(queueSeconds: 0, computeSeconds: compute, totalSeconds: compute, ahead: 0)
        return sample
      }
      return LoadResult(
        samples: samples, fromSeconds: warmupSeconds, durationSeconds: load.schedule.durationSeconds,
        timeoutSeconds: 10)
    }
  }

  @Test func memoryWorkersAndRatesAreTheNodesTogether() throws {
    let excerpt = try Self.excerpt()
    #expect(excerpt.workers == 4 && abs(excerpt.ratePerSecond - 40.2) < 1e-9)
    // Two and four models of 10 MiB, and twice the server's own 100.
    #expect(excerpt.memoryBytes == Int64(6 * 10 + 2 * 100) << 20)
    #expect(excerpt.nodes[1].settings(repository: "x", models: ["a"], warmTokens: [16]).memoryBytes == 140 << 20)
  }

  @Test func eachGroupIsCalibratedAgainstItsOwnProfile() async throws {
    // "fast" takes twice its profile's time, "slow" as long as there, "rare" is asked too seldom to tell.
    let sender = CopySender(compute: [0.004, 0.004, 0.004, 0.010, 0.010, 0.020])
    let nodes = NodesUnderLoad(sender: sender, excerpt: try Self.excerpt())
    let found = try #require(
      try await nodes.calibrate(runSeconds: 30, seed: 3, progress: { _, _ in }))
    func mean(_ node: Int, _ entry: Int) -> Double { found.figures[node].entries[entry].service.computeSeconds.mean }
    #expect(abs(mean(0, 0) - 0.004) < 1e-4 && abs(mean(1, 0) - 0.004) < 1e-4)
    #expect(abs(mean(1, 1) - 0.010) < 3e-4)
    // About half of all requests are of each group: together the machine looks half as slow again.
    #expect(abs(found.speed.computeFactor - 1.5) < 0.05)
    #expect(abs(mean(1, 2) - 0.020 * found.speed.computeFactor) < 1e-6)
    #expect((1100...1300).contains(found.requests))
  }

  private func record(_ sender: CopySender, targets: [Double] = [0.01, 0.02, 0.05]) async throws -> RunRecord {
    let excerpt = try Self.excerpt(targets)
    let nodes = NodesUnderLoad(sender: sender, excerpt: excerpt)
    let schedule = nodes.schedule(seconds: 60, seed: 5)
    let result = try await nodes.load(schedule, .measuring, { _, _ in })
    let own = Samples.node("local", host: Samples.host())
    var prediction = try #require(
      NodeSimulation.predict(
        own.spec, Samples.workload(rate: 5), own.figures, seed: 1,
        effort: SimulationEffort(replications: 2, requestsPerReplication: 500)))
    let group = prediction.groups[0]
    prediction.groups = zip(["fast", "slow"], [0.0025, 0.0126]).map { name, p99 in
      var own = group
      own.name = name
      own.latencySeconds.p99 = Estimate(estimate: p99, low: p99, high: p99)
      return own
    }
    return RunComparison(
      name: "mix", startedAt: "2026-01-01T00:00:00Z", runtime: "fake", host: Samples.host(),
      plan: Samples.plan(excerpt.nodes, workload: excerpt.demand), excerpt: excerpt, prediction: prediction,
      calibration: nil, result: result, measuredMemoryBytes: [120 << 20, 140 << 20]
    ).record()
  }

  private static let asProfiled = [0.002, 0.002, 0.002, 0.010, 0.010, 0.020]

  @Test func eachGroupStandsBesideItsOwnTarget() async throws {
    let record = try await record(CopySender(compute: Self.asProfiled), targets: [0.01, 0.005, 0.05])
    let groups = record.parts.groups
    #expect(groups.map(\.name) == ["fast", "slow", "rare"] && groups.map(\.models) == [2, 2, 1])
    #expect(groups.map(\.sent).reduce(0, +) == record.load.requests.sent)
    #expect(groups.map(\.targetP99Seconds) == [0.01, 0.005, 0.05])
    #expect(abs((groups[0].measuredP99Seconds ?? 0) - 0.0025) < 1e-9)
    #expect(abs((groups[1].measuredP50Seconds ?? 0) - 0.0105) < 1e-9)
    #expect(abs((groups[0].errorP99 ?? 9) - 0) < 1e-9 && abs((groups[1].errorP99 ?? 9) - 0.2) < 1e-9)
    // Too few requests for a prediction of the third.
    #expect(groups[2].predictedP99Seconds == nil && groups[2].errorP99 == nil)
    #expect(groups[0].verdict == .pass && groups[1].verdict == .fail && groups[2].verdict == .undecided)
    #expect(record.verdict.outcome == .fail && record.verdict.valid && record.conclusion == .missed)
    #expect(record.verdict.reason == "1 of 3 groups missed their targets: slow")
    #expect(record.asked.targetP99Seconds == 0.005 && record.ran.models == 6)
    // The copies of the model on both nodes are asked in turn, and each node's own requests count for it.
    let nodes = record.parts.nodes
    #expect(nodes.map(\.models) == [2, 4] && nodes.map(\.memoryBytes) == [120 << 20, 140 << 20])
    #expect(nodes.map(\.sent).reduce(0, +) == record.load.requests.sent)
    #expect(abs(nodes[0].measuredUtilization - Double(nodes[0].sent) * 0.002 / 120) < 1e-3)
    #expect(record.figures.measured.memoryBytes == 260 << 20)
  }

  @Test func allGroupsHaveToKeepTheirTargets() async throws {
    // The rare group's few requests decide nothing: neither does the run.
    let open = try await record(CopySender(compute: Self.asProfiled))
    #expect(open.verdict.outcome == .undecided && open.verdict.valid && open.conclusion == .open)
    #expect(open.verdict.reason.contains("rare") && !open.verdict.reason.contains("slow"))
    // Failed requests of one group leave the whole run without a verdict.
    let failed = try await record(
      CopySender(compute: Self.asProfiled) { load, index in
        load.schedule.requests[index].model == 3 && index > 1000 ? .failed : .completed
      })
    #expect(!failed.verdict.valid && failed.verdict.invalidReason?.hasPrefix("slow: ") == true)
    #expect(failed.conclusion == .open && failed.parts.groups[0].valid && !failed.parts.groups[1].valid)
  }

  @Test func slicesOfAPlanAreCountedThroughItsNodes() throws {
    let node = Samples.node("c7i.large", models: 4, host: Samples.host())
    let plan = Samples.plan([node], workload: Samples.workload())
    let reason = SliceReason(cause: .thisMachineIsNo(instanceType: "c7i.large"), models: 4, of: 50, limit: .memory)
    let slice = Slice(node: node, reason: reason)
    let excerpt = try Excerpt(of: plan, slices: [slice, slice])
    #expect(excerpt.demand.models == 8 && excerpt.layout.copies.map(\.model) == Array(0..<8))
    #expect(excerpt.layout.copies.map(\.node) == [0, 0, 0, 0, 1, 1, 1, 1])
    #expect(excerpt.scope == .slice && excerpt.reason == reason.description)
    #expect(try Excerpt(of: plan, slices: [Slice(node: node, reason: nil)]).reason == nil)
  }
}
