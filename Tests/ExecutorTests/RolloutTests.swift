import Executor
import PlannerCore
import Testing

/// Rollouts on a runtime that fails on request.
@Suite struct RolloutTests {
  private static let deployment = ReconcilerTests.deployment

  private func rollout(_ runtime: FakeRuntime, surplus: Int = 0) -> Rollout {
    var rollout = Rollout(runtime)
    rollout.surplusAllowed = surplus
    rollout.pause = .zero
    return rollout
  }

  @Test func anOperationThatIsRefusedIsTriedAgain() async throws {
    for operation in [FakeRuntime.Operation.check, .observe, .start, .stop] {
      let runtime = FakeRuntime()
      let (old, new) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(0, ["a"], 1))
      try await rollout(runtime).run(ReconcilerTests.desired(old))
      let broken = RuntimeError(.unavailable, "the connection broke", remedy: "try again")
      runtime.withWorld { $0.refuse[operation] = [broken, broken] }
      try await rollout(runtime, surplus: 1).run(ReconcilerTests.desired(new))
      // What never comes back is told.
      runtime.withWorld { $0.refuse[operation] = Array(repeating: broken, count: 50) }
      let error = await #expect(throws: RuntimeError.self) {
        try await rollout(runtime, surplus: 1).run(ReconcilerTests.desired(old))
      }
      #expect(error == broken, "\(operation)")
    }
  }

  @Test func aReplyThatIsLostDoesNothingTwice() async throws {
    let runtime = FakeRuntime()
    runtime.withWorld { $0.loseReply = [.start: 2, .stop: 1] }
    let (a, b) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(1, ["b"]))
    try await rollout(runtime).run(ReconcilerTests.desired(a, b))
    #expect(runtime.withWorld { $0.history.map(\.change) } == [.start(a), .start(b)])
    try await rollout(runtime).run(ReconcilerTests.desired(a))
    #expect(runtime.withWorld { $0.history.map(\.change) }.last == .stop(b.replica))
    #expect(runtime.withWorld { $0.history.count } == 3)
  }

  @Test func whatCannotBeTriedAgainIsToldAtOnce() async throws {
    let runtime = FakeRuntime()
    runtime.withWorld { $0.capacity = 1 }
    let (a, b) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(1, ["b"]))
    // Before anything is changed.
    let full = await #expect(throws: RuntimeError.self) {
      try await rollout(runtime).run(ReconcilerTests.desired(a, b))
    }
    #expect(full?.kind == .noCapacity && runtime.withWorld { $0.history.isEmpty })
    runtime.withWorld { world in
      world.capacity = nil
      world.refuse[.start] = [RuntimeError(.conflict, "another thing bears its name", remedy: "rename it")]
    }
    let conflict = await #expect(throws: RuntimeError.self) {
      try await rollout(runtime).run(ReconcilerTests.desired(a))
    }
    #expect(conflict?.kind == .conflict && runtime.withWorld { $0.calls[.start] } == 1)
  }

  @Test func aNodeThatFailsEndsTheRolloutAndTheOldGoesOn() async throws {
    let runtime = FakeRuntime()
    let (old, new) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(0, ["a"], 1))
    try await rollout(runtime).run(ReconcilerTests.desired(old))
    let problem = NodeProblem(.outOfMemory, "it took more memory than it may", remedy: "plan it again")
    runtime.withWorld { $0.breaks[new.id] = problem }
    var patient = rollout(runtime, surplus: 1)
    patient.restarts = 2
    let error = await #expect(throws: RuntimeError.self) { try await patient.run(ReconcilerTests.desired(new)) }
    #expect(error == RuntimeError(problem))
    #expect(runtime.withWorld { $0.history.count { $0.change == .start(new) } } == 3)
    #expect(try await runtime.observe(Self.deployment).replica(old.replica)?.phase.isReady == true)
    // Once the cause is gone, the next run goes on from there.
    runtime.withWorld { $0.breaks = [:] }
    let after = try await patient.run(ReconcilerTests.desired(new))
    #expect(after.replicas.map(\.id) == [new.replica])
  }

  @Test func whatIsNeverReadyIsNamedWhenTheTimeIsOver() async throws {
    let runtime = FakeRuntime()
    let (a, b) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(1, ["b"]))
    runtime.withWorld { $0.stuck = [a.id, b.id] }
    var hurried = rollout(runtime)
    hurried.timeLimit = .milliseconds(20)
    let error = await #expect(throws: RuntimeError.self) { try await hurried.run(ReconcilerTests.desired(a, b)) }
    #expect(
      error?.kind == .notReady && error?.message.contains("2 of 2 nodes are not ready, the first: node-0") == true)
  }

  /// A rollout may take as long as it gets on, and no longer.
  @Test func aRolloutThatGetsNoFurtherEnds() async throws {
    let runtime = FakeRuntime()
    let (a, b) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(1, ["b"]))
    runtime.withWorld { $0.stuck = [a.id, b.id] }
    var patient = rollout(runtime)
    patient.stallLimit = .milliseconds(20)
    let error = await #expect(throws: RuntimeError.self) { try await patient.run(ReconcilerTests.desired(a, b)) }
    #expect(error?.kind == .notReady && error?.message.hasPrefix("nothing has changed for 0.02 s: 2 of 2") == true)
    runtime.withWorld { $0.stuck = [] }
    patient.stallLimit = .seconds(600)
    try await patient.run(ReconcilerTests.desired(a, b))
  }

  @Test func aCancelledRolloutIsTakenUpByTheNext() async throws {
    let runtime = FakeRuntime()
    let (a, b) = (ReconcilerTests.node(0, ["a"]), ReconcilerTests.node(1, ["b"]))
    runtime.withWorld { $0.stuck = [b.id] }
    let task = Task { try await rollout(runtime).run(ReconcilerTests.desired(a, b)) }
    while runtime.withWorld({ $0.history.count }) < 2 { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    runtime.withWorld { $0.stuck = [] }
    try await rollout(runtime).run(ReconcilerTests.desired(a, b))
    #expect(runtime.withWorld { $0.history.count } == 2)
  }

  /// How a fleet changes in the tests of what holds for any change.
  enum Step: CaseIterable, Sendable {
    /// Nodes keep their models and get other settings; one node of surplus.
    case inPlace
    /// Models move between nodes; as many nodes of surplus as the new fleet has.
    case doubled
    /// Models move between nodes, and there is little surplus or none.
    case tight
  }

  /// Any fleet to any other, over a connection that breaks in one of ten calls: it gets there and never has more nodes
  /// than it may; with enough surplus no model that both fleets have is ever without a ready replica.
  @Test(arguments: Step.allCases, 0..<30 as Range<UInt64>)
  func anyFleetBecomesAnyOther(_ step: Step, seed: UInt64) async throws {
    var random = RandomStream(seed: seed, stream: "rollouts")
    func fleet(_ revision: Int, from old: DesiredDeployment?) -> DesiredDeployment {
      let count = step == .inPlace ? old?.nodes.count : nil
      let nodes = (0..<(count ?? 1 + random.integer(below: 6))).map { index in
        let models = (0..<(1 + random.integer(below: 4))).map { _ in "m\(random.integer(below: 6))" }
        let kept = step == .inPlace ? old?.nodes[index].settings.models : nil
        return ReconcilerTests.node(
          index, kept ?? Array(Set(models)).sorted(), random.uniform() < 0.5 ? 0 : revision)
      }
      return DesiredDeployment(Self.deployment, nodes: nodes)
    }
    let runtime = FakeRuntime(.init(seed: seed))
    let (readyAfter, goneAfter) = (random.integer(below: 4), random.integer(below: 3))
    runtime.withWorld { world in
      world.readyAfter = readyAfter
      world.goneAfter = goneAfter
    }
    var before = fleet(1, from: nil)
    try await rollout(runtime).run(before)
    for revision in 2..<5 {
      let after = fleet(revision, from: before)
      let surplus =
        switch step {
        case .inPlace: 1
        case .doubled: after.nodes.count
        case .tight: random.integer(below: 3)
        }
      let begun = runtime.withWorld { world in
        world.failureRate = 0.1
        return world.history.count
      }
      var rollout = rollout(runtime, surplus: surplus)
      rollout.patience = 1000
      let settled = try await rollout.run(after)
      #expect(settled.replicas.map(\.id) == after.nodes.map(\.replica).sorted())
      let both = step == .tight ? [] : models(before).intersection(models(after))
      for moment in runtime.withWorld({ $0.history }).dropFirst(begun) {
        #expect(moment.nodes <= max(before.nodes.count, after.nodes.count) + surplus)
        for model in both { #expect(moment.answered[model, default: 0] >= 1, "\(model) after \(moment.change)") }
      }
      before = after
    }
  }

  private func models(_ deployment: DesiredDeployment) -> Set<String> {
    Set(deployment.nodes.flatMap(\.settings.models))
  }
}
