import Executor
import PlannerCore
import Synchronization
import Testing

/// Whom clients are led to, as it follows from what is ready.
@Suite struct RoutingTableTests {
  private func node(_ index: Int, _ models: [String], _ revision: Int = 0) -> DesiredNode {
    ReconcilerTests.node(index, models, revision)
  }

  private func ready(_ port: Int) -> ReplicaPhase { .ready(NodeAddress(host: "127.0.0.1", port: port)) }

  private func ports(_ table: RoutingTable, _ model: String) -> [Int] {
    table.shares(of: model).flatMap { Array(repeating: $0.target.address.port, count: $0.weight) }
  }

  @Test func everyModelIsAnsweredByItsCopies() {
    let nodes = [node(0, ["a", "b"]), node(1, ["b", "c"]), node(2, ["b", "c"])]
    let table = RoutingTable(
      ReconcilerTests.observed((nodes[0], ready(1)), (nodes[1], ready(2)), (nodes[2], ready(3))), wanted: nodes)
    #expect(ports(table, "a") == [1] && ports(table, "b") == [1, 2, 3] && ports(table, "c") == [2, 3])
    #expect(ports(table, "d") == [] && !table.models.contains { $0.name == "d" })
    #expect(table.models.map(\.name) == ["a", "b", "c"] && table.pools.count == 3)
  }

  /// Two copies on one node get two turns.
  @Test func turnsAreThoseOfCopies() {
    let nodes = [node(0, ["a", "b", "a"]), node(1, ["b", "a"])]
    let table = RoutingTable(ReconcilerTests.observed((nodes[0], ready(1)), (nodes[1], ready(2))))
    #expect(ports(table, "a") == [1, 1, 2] && ports(table, "b") == [1, 2])
  }

  @Test func aModelThatMovesIsLedToItsNewReplicaBeforeTheOldGoes() {
    let (old, new) = (node(0, ["a", "b"]), node(0, ["a", "c"], 1))
    let before = ReconcilerTests.observed((old, ready(1)), (new, .starting(nil)))
    #expect(ports(RoutingTable(before, wanted: [new]), "a") == [1])
    let both = ReconcilerTests.observed((old, ready(1)), (new, ready(2)))
    let table = RoutingTable(both, wanted: [new], leaving: [old.replica])
    #expect(ports(table, "a") == [2] && ports(table, "c") == [2])
    // What no longer is wanted goes with its last replica.
    #expect(!table.models.contains { $0.name == "b" })
    let stopping = ReconcilerTests.observed((old, .stopping), (new, ready(2)))
    #expect(RoutingTable(stopping, wanted: [new]) == table)
  }

  /// Clients of a model that nobody answers for at the moment are to come again; an unknown name is their error.
  @Test func whatNobodyAnswersForIsKnown() {
    let (a, b) = (node(0, ["a"]), node(1, ["b"]))
    for phase in [ReplicaPhase.pending, .starting(nil), ReconcilerTests.failed] {
      let table = RoutingTable(ReconcilerTests.observed((a, ready(1)), (b, phase)))
      #expect(table.models.map(\.name) == ["a", "b"] && ports(table, "b") == [] && ports(table, "c") == [])
    }
    let table = RoutingTable(ReconcilerTests.observed((a, ready(1))), wanted: [a, b])
    #expect(table.models.map(\.pool) == [0, nil])
  }

  @Test func aWholeRepositoryAnswersForWhatNoListHas() {
    let (all, some) = (node(0, []), node(1, ["a"]))
    let table = RoutingTable(ReconcilerTests.observed((all, ready(1)), (some, ready(2))))
    #expect(ports(table, "a") == [2] && ports(table, "b") == [1])
  }

  // MARK: Rollouts

  /// Notes whom clients are led to, and refuses where it is told to.
  private final class Recorder: TrafficRouter {
    private let runtime: FakeRuntime
    private let led = Mutex<[(after: Int, table: RoutingTable)]>([])
    private let refusals: Mutex<Int>

    init(_ runtime: FakeRuntime, refusals: Int = 0) {
      self.runtime = runtime
      self.refusals = Mutex(refusals)
    }

    var tables: [(after: Int, table: RoutingTable)] { led.withLock { $0 } }

    func lead(by table: RoutingTable) async throws {
      let isRefused = refusals.withLock { left in
        defer { left = max(0, left - 1) }
        return left > 0
      }
      if isRefused { throw RuntimeError(.unavailable, "it does not listen", remedy: "try again") }
      let steps = runtime.withWorld { $0.history.count }
      led.withLock { $0.append((steps, table)) }
    }
  }

  /// Any fleet to any other: nobody is led to a replica at the moment that it goes, and a model that both fleets have
  /// is led to somebody all the time, where there are surplus nodes enough.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func nobodyIsLedToWhatGoes(seed: UInt64) async throws {
    var random = RandomStream(seed: seed, stream: "routers")
    func fleet(_ revision: Int) -> DesiredDeployment {
      DesiredDeployment(
        ReconcilerTests.deployment,
        nodes: (0..<(1 + random.integer(below: 5))).map { index in
          let models = Set((0..<(1 + random.integer(below: 4))).map { _ in "m\(random.integer(below: 6))" })
          return node(index, models.sorted(), random.uniform() < 0.4 ? 0 : revision)
        })
    }
    let runtime = FakeRuntime(.init(seed: seed))
    let goneAfter = random.integer(below: 3)
    runtime.withWorld { $0.goneAfter = goneAfter }
    let recorder = Recorder(runtime, refusals: random.integer(below: 3))
    var before = fleet(1)
    for revision in 2..<5 {
      let after = fleet(revision)
      var rollout = Rollout(runtime)
      rollout.router = recorder
      rollout.pause = .zero
      rollout.surplusAllowed = after.nodes.count
      let begun = recorder.tables.count
      let settled = try await rollout.run(after)
      #expect(recorder.tables.last?.table == RoutingTable(settled))
      let both = revision == 2 ? [] : Self.models(before).intersection(Self.models(after))
      for (_, table) in recorder.tables.dropFirst(begun) {
        for model in both { #expect(!table.shares(of: model).isEmpty, "\(model)") }
      }
      before = after
    }
    for (step, moment) in runtime.withWorld({ $0.history }).enumerated() {
      guard case .stop(let replica) = moment.change else { continue }
      let table = try #require(recorder.tables.last { $0.after <= step }).table
      #expect(!table.targets.contains { $0.replica == replica }, "\(replica) at step \(step)")
    }
  }

  private static func models(_ deployment: DesiredDeployment) -> Set<String> {
    Set(deployment.nodes.flatMap(\.settings.models))
  }

  /// Nothing goes while the proxy cannot be told.
  @Test func aProxyThatCannotBeToldKeepsTheOld() async throws {
    let runtime = FakeRuntime()
    let (old, new) = (node(0, ["a"]), node(0, ["a"], 1))
    _ = try await Rollout(runtime).run(ReconcilerTests.desired(old))
    var rollout = Rollout(runtime)
    rollout.surplusAllowed = 1
    rollout.pause = .zero
    rollout.router = Recorder(runtime, refusals: 1000)
    await #expect(throws: RuntimeError.self) { try await rollout.run(ReconcilerTests.desired(new)) }
    #expect(runtime.withWorld { $0.history.map(\.change) } == [.start(old), .start(new)])
  }
}
