import Executor
import LoadTest
import Optimizer
import PlannerCore
import Proof
import Synchronization
import Testing

/// The whole of a run, on a runtime that fails on request and with answers that are made up.
@Suite struct ProofRunTests {
  private static let deployment = DeploymentID("ten")!

  private func order(
    isCalibrated: Bool = true, isKept: Bool = false, rate: Double = 5, seconds: Double = 20
  ) throws -> ProofRun.Order {
    let node = Samples.node("local", host: Samples.host())
    let choice = Slice(node: node, reason: nil)
    let plan = Samples.plan([node], workload: Samples.workload(rate: rate))
    return ProofRun.Order(
      name: "ten", startedAt: "2026-01-01T00:00:00Z",
      plan: plan, excerpt: try Excerpt(of: plan, slices: [choice]), deployment: Self.deployment,
      settings: [node.settings(repository: "models", models: (0..<10).map { "model\($0)" }, warmTokens: [16])],
      host: Samples.host(), durationSeconds: seconds, seed: 3, isCalibrated: isCalibrated, isKept: isKept)
  }

  private final class Seen: Sendable {
    private let names = Mutex<[String]>([])
    var events: [String] { names.withLock { $0 } }
    func add(_ event: ProofRun.Event) {
      let name =
        switch event {
        case .starting(let settings): "starting \(settings.map { "\($0.models.count)" }.joined(separator: ", "))"
        case .warned(let text): "warned \(text)"
        case .calibrating: "calibrating"
        case .calibrated: "calibrated"
        case .notCalibrated: "not calibrated"
        case .predicted: "predicted"
        case .loading(let seconds, let warmup): "loading \(Int(seconds)) after \(Int(warmup))"
        case .progress: "progress"
        case .kept(_, let handle): "kept \(handle)"
        }
      names.withLock { $0.append(name) }
    }
  }

  private func run(
    _ order: ProofRun.Order, on runtime: FakeRuntime, _ sender: FakeSender, _ seen: Seen = Seen()
  ) async throws -> ProofRun.Outcome {
    try await ProofRun(on: runtime, sender: { _ in sender }, report: { seen.add($0) }).run(order)
  }

  private func isEmpty(_ runtime: FakeRuntime) async throws -> Bool {
    // Its lock is given back as well.
    try await runtime.lock(Self.deployment, purpose: "a look").release()
    return try await runtime.deployments().isEmpty
  }

  @Test func stepsComeInOrderAndNothingIsLeft() async throws {
    let (runtime, sender, seen) = (FakeRuntime(), FakeSender(), Seen())
    let outcome = try await run(try order(), on: runtime, sender, seen)
    #expect(
      seen.events == ["starting 10", "calibrating", "calibrated", "predicted", "loading 20 after 3"])
    #expect(outcome.record.ran.runtime == "fake" && outcome.record.comparison.calibration != nil)
    #expect(outcome.record.load.requests == outcome.result.counts && outcome.result.counts.areComplete)
    // Settling, calibrating, and the run on the schedule that was predicted.
    #expect(sender.calls.schedules.count == 3)
    // Of the models and of the server, as the fake says that it was asked for.
    #expect(outcome.record.figures.measured.memoryBytes == 200 << 20)
    #expect(try await isEmpty(runtime))
  }

  @Test func withoutCalibrationTheProfileStands() async throws {
    let (runtime, sender, seen) = (FakeRuntime(), FakeSender(), Seen())
    let outcome = try await run(try order(isCalibrated: false), on: runtime, sender, seen)
    #expect(seen.events == ["starting 10", "predicted", "loading 20 after 3"])
    #expect(outcome.record.comparison.calibration == nil && sender.calls.schedules.count == 1)
    let few = Seen()
    let rare = try await run(try order(rate: 0.1, seconds: 60), on: runtime, FakeSender(), few)
    #expect(few.events.contains("not calibrated") && rare.record.comparison.calibration == nil)
  }

  @Test func aSlowMachineIsPredictedSlow() async throws {
    let sender = FakeSender(times: { _ in (0.004, 0.001) })
    let calibrated = try await run(try order(), on: FakeRuntime(), sender)
    let bare = try await run(try order(isCalibrated: false), on: FakeRuntime(), sender)
    #expect(bare.record.comparison.prediction.errorP50 < -0.4)
    #expect(abs(calibrated.record.comparison.prediction.errorP50) < 0.1)
    let profileOnly = try #require(calibrated.record.comparison.calibration?.profileOnly)
    #expect(profileOnly.errorP50 == bare.record.comparison.prediction.errorP50)
  }

  @Test func aKeptNodeStays() async throws {
    let (runtime, seen) = (FakeRuntime(), Seen())
    _ = try await run(try order(isKept: true), on: runtime, FakeSender(), seen)
    #expect(seen.events.last?.hasPrefix("kept fake ") == true)
    #expect(try await runtime.observe(Self.deployment).replicas.count == 1)
    #expect(try await !isEmpty(runtime))
  }

  @Test(arguments: [false, true])
  func whateverFailsLeavesNothing(isKept: Bool) async throws {
    struct Trouble: Error {}
    for call in 0..<3 {
      let runtime = FakeRuntime()
      await #expect(throws: Trouble.self) {
        try await run(try order(isKept: isKept), on: runtime, FakeSender(failure: (call, Trouble())))
      }
      #expect(try await isEmpty(runtime))
    }
    let broken = FakeRuntime()
    let problem = NodeProblem(.notReady, "it ended", remedy: "read its log")
    broken.withWorld { $0.breaks[NodeID(index: 0)] = problem }
    let error = await #expect(throws: RuntimeError.self) {
      try await run(try order(isKept: isKept), on: broken, FakeSender())
    }
    #expect(error == RuntimeError(problem))
    #expect(try await isEmpty(broken))
  }

  @Test func anInterruptLeavesNothing() async throws {
    let runtime = FakeRuntime()
    runtime.withWorld { $0.stuck = [NodeID(index: 0)] }
    let task = Task { try await run(try order(), on: runtime, FakeSender()) }
    while runtime.withWorld({ $0.history.isEmpty }) { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await isEmpty(runtime))
  }

  @Test func aRunWithoutARequestIsRefused() async throws {
    let runtime = FakeRuntime()
    let error = await #expect(throws: ProofError.self) {
      try await run(try order(rate: 0.0001, seconds: 0.5), on: runtime, FakeSender())
    }
    #expect(error?.kind == .usage && error?.description.contains("--duration") == true)
    #expect(try await isEmpty(runtime))
  }

  @Test func anotherRunAtWorkIsLeftAlone() async throws {
    let runtime = FakeRuntime()
    let lock = try await runtime.lock(Self.deployment, purpose: "another run")
    let error = await #expect(throws: RuntimeError.self) { try await run(try order(), on: runtime, FakeSender()) }
    #expect(error?.kind == .conflict && runtime.withWorld { $0.history.isEmpty })
    await lock.release()
  }
}
