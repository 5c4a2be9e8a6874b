import LoadTest
import Optimizer
import PlannerCore
import Proof
import Simulator
import Testing

@Suite struct RunComparisonTests {
  private static let schedule = Schedule.make(
    models: 10, ratePerModelPerSecond: 30, arrivals: .poisson, durationSeconds: 23, seed: 1)

  private static let routed = RoutedSchedule(schedule: schedule, nodes: schedule.requests.map { _ in 0 })

  private func prediction() throws -> NodePrediction {
    let node = Samples.node("local", host: Samples.host())
    return try #require(
      NodeSimulation.predict(
        node.spec, Samples.workload(rate: 30), node.figures, schedule: Self.schedule, warmupSeconds: 3, seed: 1,
        replications: 4))
  }

  private func comparison(
    _ sender: FakeSender, target: Double = 0.010, p99: Estimate? = nil, calibrated: Bool = false,
    choice: Slice? = nil
  ) async throws -> RunComparison {
    var prediction = try prediction()
    if let p99 { prediction.latencySeconds.p99 = p99 }
    var workload = Samples.workload(rate: 30)
    workload.targetP99Seconds = target
    let node = Samples.node("local", host: Samples.host())
    let plan = Samples.plan([node], workload: workload)
    return RunComparison(
      name: "ten", startedAt: "2026-01-01T00:00:00Z", runtime: "fake", host: Samples.host(), plan: plan,
      excerpt: try Excerpt(of: plan, slices: [choice ?? Slice(node: node, reason: nil)]), prediction: prediction,
      calibration: calibrated
        ? .init(
          speed: MachineSpeed(computeFactor: 1.5, overheadFactor: 1), requests: 1200, seconds: 30,
          profiled: prediction)
        : nil,
      result: try await sender.send(Self.routed, warmupSeconds: 3) { _ in }, measuredMemoryBytes: [210 << 20])
  }

  /// All requests take 2.5 ms, so that every figure can be worked out by hand.
  @Test func figuresAndErrorsAreWorkedOut() async throws {
    let record = try await comparison(
      FakeSender(), p99: Estimate(estimate: 0.003, low: 0.0024, high: 0.0026), calibrated: true
    ).record()
    let (measured, predicted) = (record.figures.measured, record.figures.predicted)
    #expect(abs(measured.p50Seconds - 0.0025) < 1e-9 && abs(measured.p99Seconds - 0.0025) < 1e-9)
    #expect(measured.memoryBytes == 210 << 20)
    // Ten models of 10 MiB beside the server's own 100.
    #expect(predicted.memoryBytes == 200 << 20 && predicted.p99Seconds == 0.003)
    #expect(abs(record.comparison.prediction.errorP99 - 0.2) < 1e-9)
    let sent = Self.schedule.requests.filter { $0.due.seconds >= 3 }.count
    #expect(record.load.durationSeconds == 20 && record.load.requests.sent == sent)
    #expect(record.load.requests.completed == sent && record.load.requests.areComplete)
    #expect(abs(measured.throughputPerSecond - Double(sent) / 20) < 0.1)
    // 2 ms of two workers each, over 20 s.
    #expect(abs(record.figures.measuredUtilization - Double(sent) * 0.002 / 40) < 1e-3)
    #expect(record.figures.measuredCurve.probabilities == record.figures.predictedCurve.probabilities)
    let calibration = try #require(record.comparison.calibration)
    #expect(calibration.requests == 1200 && calibration.durationSeconds == 30)
    #expect(abs(calibration.profileOnly.errorP99 - 0.2) < 1e-9 && calibration.profileOnly.p99Seconds == 0.003)
    #expect(record.ran.scope == .full && record.ran.runtime == "fake" && record.asked.name == "ten")
  }

  @Test func withinTheIntervalMeansBothQuantilesEndsIncluded() async throws {
    func within(_ low: Double, _ high: Double) async throws -> Bool {
      var comparison = try await comparison(FakeSender())
      comparison.prediction.latencySeconds.p50 = Estimate(estimate: 0.0025, low: 0.002, high: 0.003)
      comparison.prediction.latencySeconds.p99 = Estimate(estimate: 0.0025, low: low, high: high)
      return comparison.record().comparison.prediction.withinInterval
    }
    let exact = try await comparison(FakeSender()).record().figures.measured.p99Seconds
    #expect(try await within(0.002, 0.003))
    #expect(try await within(exact, exact))
    #expect(try await !within(0.0026, 0.003))
    #expect(try await !within(0.002, 0.0024))
    var p50Outside = try await comparison(FakeSender())
    p50Outside.prediction.latencySeconds.p50 = Estimate(estimate: 0.001, low: 0.0009, high: 0.0011)
    p50Outside.prediction.latencySeconds.p99 = Estimate(estimate: 0.0025, low: 0.002, high: 0.003)
    #expect(!p50Outside.record().comparison.prediction.withinInterval)
  }

  @Test func theVerdictDecidesWhatTheRunAmountsTo() async throws {
    let kept = try await comparison(FakeSender()).record()
    #expect(kept.verdict.outcome == .pass && kept.verdict.valid && kept.conclusion == .kept)
    let missed = try await comparison(FakeSender(), target: 0.001).record()
    #expect(missed.verdict.outcome == .fail && missed.verdict.valid && missed.conclusion == .missed)
    // One of fifty takes 20 ms: p99 lies right at the jump.
    let close = try await comparison(
      FakeSender(times: { $0.isMultiple(of: 100) ? (0.02, 0) : (0.002, 0) })
    ).record()
    #expect(close.verdict.outcome == .undecided && close.verdict.valid && close.conclusion == .open)
  }

  @Test func aRunWithFailedRequestsDoesNotCountWhateverItsFigures() async throws {
    let record = try await comparison(FakeSender(outcome: { $0 == 2000 ? .failed : .completed })).record()
    #expect(!record.verdict.valid && record.conclusion == .open && record.load.requests.failed == 1)
    #expect(record.verdict.invalidReason?.contains("1 of") == true && record.load.requests.areComplete)
    // Even where the verdict that is written down were a pass.
    var claimed = record
    claimed.verdict.outcome = .pass
    #expect(claimed.conclusion == .open)
  }

  @Test func requestsThatAreTurnedAwayCountAgainstTheTarget() async throws {
    let record = try await comparison(
      FakeSender(outcome: { $0.isMultiple(of: 20) ? .rejected : .completed })
    ).record()
    #expect(record.conclusion == .missed && record.load.requests.rejected > 100)
    // JSON has no infinity for what was never answered: the client's limit stands there.
    #expect(record.figures.measured.p99Seconds == 10)
  }

  @Test func aSliceSaysSo() async throws {
    let reason = SliceReason(cause: .thisMachineIsNo(instanceType: "inf2.xlarge"), models: 10, of: 50, limit: .memory)
    let slice = Slice(node: Samples.node("local", host: Samples.host()), reason: reason)
    let record = try await comparison(FakeSender(), choice: slice).record()
    #expect(record.ran.scope == .slice && record.ran.scopeReason == reason.description)
    #expect(reason.description.hasPrefix("this machine is no inf2.xlarge; 10 of a node's 50 models run here"))
  }

  /// One node of each kind runs of a fleet that has no place: as it is planned, and asked as in the whole.
  @Test func oneNodeOfEachKindIsASlice() throws {
    var node = Samples.node("c7g.4xlarge", models: 5)
    node.count = 2
    node.totals = [10]
    let plan = Samples.plan([node])
    let slice = try Excerpt(of: plan, oneOfEachKindSince: "there is no place for 2 nodes")
    #expect(slice.nodes.count == 1 && slice.layout.copies.count == 5 && slice.demand.models == 10)
    #expect(slice.scope == .slice && slice.reason == "there is no place for 2 nodes")
    let whole = try Excerpt(of: plan, firstNodes: 2)
    #expect(whole.copies(onNode: 0) == slice.copies(onNode: 0) && whole.scope == .full)
    #expect(slice.ratePerSecond == whole.ratePerSecond / 2)
  }

  @Test func theNodeIsRenderedOnceForEveryRuntime() {
    let node = Samples.node("local", host: Samples.host())
    let names = (0..<10).map { "model\($0)" }
    let settings = node.settings(repository: "models/x", models: names, warmTokens: [16])
    #expect(settings.repository == "models/x" && settings.models == names && settings.warmTokens == [16])
    #expect(settings.workers == 2 && settings.threadsPerWorker == 1)
    #expect(settings.environment == node.environment && settings.memoryBytes == 200 << 20)
    #expect(settings.instanceType == nil)
    // Where no server was measured, the room that plans keep for one is asked for.
    var unmeasured = node
    unmeasured.serverMemoryBytes = nil
    let kept = unmeasured.settings(repository: "models/x", models: names, warmTokens: [16]).memoryBytes
    #expect(kept == (100 << 20) + MemoryEstimate.serverAllowanceBytes)
  }
}
