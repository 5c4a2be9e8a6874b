import ClusterSupport
import Executor
import Foundation
import TestSupport
import Testing

/// What every runtime must do, held against each of them. A new runtime is a new case of `Kind`. One test after the
/// other: they share the engine.
@Suite(.serialized) struct RuntimeContractTests {
  enum Kind: String, CaseIterable, Sendable {
    case fake, local, localKept, docker, kubernetes

    /// All of them, but the ones that need what does not run here.
    static let here = allCases.filter { kind in
      switch kind {
      case .fake, .local, .localKept: true
      case .docker: TestEngine.address != nil
      case .kubernetes: TestCluster.isUp
      }
    }
  }

  /// Says in a test's own words that containers were left out.
  @Test(.enabled(if: TestEngine.address != nil, "\(TestEngine.missing)")) func containersAreHeldToItToo() {
    #expect(Kind.here.contains(.docker))
  }

  /// Says in a test's own words that pods were left out.
  @Test(.enabled(if: TestCluster.isUp, "\(TestCluster.howTo)")) func podsAreHeldToItToo() {
    #expect(Kind.here.contains(.kubernetes))
  }

  /// A runtime with nothing in it, and what the tests need to know of its kind.
  struct Bench: Sendable {
    let runtime: any Runtime
    /// What another program sees that opens the same runtime.
    let another: any Runtime
    let deployment = DeploymentID("shop")!
    /// Node that answers once it was started, with `setting` in its environment; `models`, of which there are a, b and
    /// c, also tell settings apart.
    let settings: @Sendable (_ models: [String]) -> NodeSettings
    /// Node that fails before it is ready.
    let broken: NodeSettings
    let crash: @Sendable (ReplicaID) async throws -> Void
    let say: @Sendable (String, ReplicaID) async throws -> Void
    /// Nothing is left of what was started.
    let isClean: @Sendable () async throws -> Bool
    /// Prints a variable of the environment where a node runs.
    var printenv = ["printenv"]
    /// Between two looks at what is waited for.
    var pause: Duration = .milliseconds(10)

    /// Value of the variable SETTING: text, and nothing that anybody would put something else in the place of.
    static let setting = "one $(TWO) $$ two"

    func node(_ index: Int, _ models: [String] = ["a"]) -> DesiredNode {
      DesiredNode(NodeID(index: index), settings(models))
    }

    /// Starts a node and waits until it is ready.
    @discardableResult
    func up(_ node: DesiredNode) async throws -> ObservedReplica {
      try await runtime.apply(.start(node), to: deployment)
      return try await reached(node.replica) { $0.phase.isReady }
    }

    /// Waits until a replica is as wanted; two minutes are far longer than any of them takes.
    func reached(
      _ replica: ReplicaID, by runtime: (any Runtime)? = nil, _ isReached: (ObservedReplica) -> Bool
    ) async throws -> ObservedReplica {
      let end = ContinuousClock.now + .seconds(120)
      var last: ObservedReplica?
      while ContinuousClock.now < end {
        last = try await (runtime ?? self.runtime).observeOrEmpty(deployment).replica(replica)
        if let last, isReached(last) { return last }
        try await Task.sleep(for: pause)
      }
      Issue.record("\(replica) did not get there within two minutes: \(String(describing: last?.phase))")
      throw CancellationError()
    }

    func kind(_ body: () async throws -> some Any) async -> RuntimeError.Kind? {
      do {
        _ = try await body()
        return nil
      } catch {
        let error = error as? RuntimeError
        // Each tells what to do.
        #expect(error?.remedy.isEmpty == false && error?.description.contains("; ") == true)
        return error?.kind
      }
    }
  }

  static func bench(_ kind: Kind) async throws -> Bench {
    switch kind {
    case .fake: fakeBench()
    case .local: try localBench(.planner)
    case .localKept: try localBench(.independent)
    case .docker: try await DockerBench.make()
    case .kubernetes: try KubernetesBench.make()
    }
  }

  private static func fakeBench() -> Bench {
    let runtime = FakeRuntime()
    let (broken, deployment) = (NodeID("broken")!, DeploymentID("shop")!)
    runtime.withWorld { world in
      world.breaks[broken] = NodeProblem(.notReady, "no such model", remedy: "name another model")
    }
    return Bench(
      runtime: runtime, another: FakeRuntime(sharing: runtime),
      settings: {
        NodeSettings(
          repository: "models", models: $0, workers: 1, threadsPerWorker: 1, environment: ["SETTING": Bench.setting])
      },
      broken: NodeSettings(repository: "none", workers: 1, threadsPerWorker: 1),
      crash: { runtime.crash($0, in: deployment) }, say: { runtime.say($0, as: $1, in: deployment) },
      isClean: { true })
  }

  /// A program that stands in for `model-server`: its log, its end and its failure are steered by files.
  private static let program = """
    if [ "$BROKEN" = yes ]; then echo 'no such model' >&2; exit 3; fi
    echo "started $$" >&2
    echo '{"ready":true,"port":4242,"models":1,"pid":'$$'}'
    trap 'exit 0' TERM
    while :; do
      if [ -e "$PLANNER_REPLICA.crash" ]; then rm "$PLANNER_REPLICA.crash"; echo crashed >&2; exit 7; fi
      if [ -e "$PLANNER_REPLICA.say" ]; then cat "$PLANNER_REPLICA.say" >&2; rm "$PLANNER_REPLICA.say"; fi
      sleep 0.02
    done
    """

  private static func localBench(_ lifetime: LocalRuntime.Lifetime) throws -> Bench {
    let scratch = try Scratch()
    let (program, path) = (try scratch.program(program), scratch.path)
    let state = path + "/state"
    func open() -> LocalRuntime {
      LocalRuntime(binary: program, stateFolder: state, logFolder: path + "/logs", lifetime: lifetime)
    }
    return Bench(
      runtime: open(), another: open(),
      settings: {
        NodeSettings(
          repository: path, models: $0, workers: 1, threadsPerWorker: 1, environment: ["SETTING": Bench.setting])
      },
      broken: NodeSettings(repository: path, workers: 1, threadsPerWorker: 1, environment: ["BROKEN": "yes"]),
      crash: { try "".write(toFile: "\(state)/shop/\($0).json.crash", atomically: true, encoding: .utf8) },
      say: { try ($0 + "\n").write(toFile: "\(state)/shop/\($1).json.say", atomically: true, encoding: .utf8) },
      isClean: { [scratch] in
        // The scratch folder lives as long as the bench.
        _ = scratch
        return ((try? FileManager.default.contentsOfDirectory(atPath: state)) ?? []).isEmpty
      })
  }

  @Test(arguments: Kind.here)
  func nothingIsThereAtFirst(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let replica = bench.node(0).replica
    #expect(try await bench.runtime.deployments().isEmpty)
    #expect(try await bench.runtime.observeOrEmpty(bench.deployment).replicas.isEmpty)
    #expect(await bench.kind { try await bench.runtime.observe(bench.deployment) } == .notFound)
    let logs = await bench.kind {
      try await bench.runtime.logs(of: replica, in: bench.deployment, last: 1, follow: false)
    }
    #expect(logs == .notFound)
    let exec = await bench.kind {
      try await bench.runtime.exec(["true"], on: replica, in: bench.deployment) { _ in }
    }
    #expect(exec == .notFound)
    let memory = await bench.kind { try await bench.runtime.memoryBytes(of: replica, in: bench.deployment) }
    #expect(memory == .notFound)
    try await bench.runtime.stop(bench.deployment)
    try await bench.runtime.apply(.stop(replica), to: bench.deployment)
    #expect(try await bench.isClean())
  }

  @Test(arguments: Kind.here)
  func aNodeComesUpOnceHoweverOftenItIsStarted(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let node = bench.node(0)
    try await bench.runtime.check(DesiredDeployment(bench.deployment, nodes: [node]))
    try await bench.runtime.apply(.start(node), to: bench.deployment)
    // A start is seen at once, ready or not.
    #expect(try await bench.runtime.observe(bench.deployment).replicas.map(\.id) == [node.replica])
    let first = try await bench.up(node)
    #expect(first.settings == node.settings && first.address != nil && !first.handle.isEmpty && first.problem == nil)
    let again = try await bench.up(node)
    #expect(again == first)
    #expect(try await bench.runtime.observe(bench.deployment).replicas.count == 1)
    #expect(try await bench.runtime.deployments() == [bench.deployment])
    #expect(try await bench.runtime.memoryBytes(of: node.replica, in: bench.deployment) > 0)
    try await bench.runtime.stop(bench.deployment)
    #expect(try await bench.isClean())
  }

  @Test(arguments: Kind.here)
  func otherSettingsAreAnotherReplicaBesideTheOld(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let (old, new) = (bench.node(0, ["a"]), bench.node(0, ["a", "b"]))
    let before = try await bench.up(old)
    try await bench.up(new)
    #expect(try await bench.runtime.observe(bench.deployment).replicas.count == 2)
    #expect(try await bench.runtime.observe(bench.deployment).replica(old.replica) == before)
    try await bench.runtime.apply(.stop(old.replica), to: bench.deployment)
    try await bench.runtime.apply(.stop(old.replica), to: bench.deployment)
    let left = try await bench.runtime.observe(bench.deployment)
    #expect(left.replicas.map(\.id) == [new.replica] && left.replicas[0].phase.isReady)
    try await bench.runtime.stop(bench.deployment)
    try await bench.runtime.stop(bench.deployment)
    #expect(await bench.kind { try await bench.runtime.observe(bench.deployment) } == .notFound)
    #expect(try await bench.isClean())
  }

  @Test(arguments: Kind.here)
  func anotherProgramSeesAndStopsIt(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let (node, second) = (bench.node(0), bench.node(1))
    try await bench.up(node)
    #expect(try await bench.another.deployments() == [bench.deployment])
    let seen = try await bench.another.observe(bench.deployment)
    #expect(try await bench.runtime.observe(bench.deployment) == seen)
    // Starting it from there is no second one, and a new one is seen from here.
    try await bench.another.apply(.start(node), to: bench.deployment)
    #expect(try await bench.another.observe(bench.deployment).replicas.map(\.handle) == seen.replicas.map(\.handle))
    try await bench.another.apply(.start(second), to: bench.deployment)
    _ = try await bench.reached(second.replica) { $0.phase.isReady }
    try await bench.runtime.apply(.stop(second.replica), to: bench.deployment)
    #expect(try await bench.another.memoryBytes(of: node.replica, in: bench.deployment) > 0)
    try await bench.another.stop(bench.deployment)
    #expect(await bench.kind { try await bench.runtime.observe(bench.deployment) } == .notFound)
    #expect(try await bench.runtime.deployments().isEmpty)
    #expect(try await bench.isClean())
  }

  @Test(arguments: Kind.here)
  func aNodeThatFailsSaysWhyAndWhatToDo(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let node = DesiredNode(NodeID("broken")!, bench.broken)
    try await bench.runtime.apply(.start(node), to: bench.deployment)
    let found = try await bench.reached(node.replica) { $0.problem != nil }
    let problem = try #require(found.problem)
    #expect(problem.kind == .notReady && !problem.remedy.isEmpty && "\(problem)".contains("no such model"))
    let memory = await bench.kind { try await bench.runtime.memoryBytes(of: node.replica, in: bench.deployment) }
    #expect(memory == .notReady)
    // It is started anew when it is asked for again, and goes like any other.
    try await bench.runtime.apply(.start(node), to: bench.deployment)
    _ = try await bench.reached(node.replica) { $0.problem != nil }
    try await bench.runtime.apply(.stop(node.replica), to: bench.deployment)
    #expect(try await bench.isClean())
  }

  @Test(arguments: Kind.here)
  func aCrashIsSignalledAndEndsTheWorkThatNeedsTheNode(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let node = bench.node(0)
    try await bench.up(node)
    #expect(try await bench.runtime.whileRunning(bench.deployment) { 42 } == 42)
    let error = await #expect(throws: RuntimeError.self) {
      try await bench.runtime.whileRunning(bench.deployment) {
        try await bench.crash(node.replica)
        try await Task.sleep(for: .seconds(600))
      }
    }
    #expect(error?.kind == .notReady && error?.message.contains("ended unexpectedly") == true)
    try await bench.up(node)
    try await bench.runtime.stop(bench.deployment)
    #expect(try await bench.isClean())
  }

  /// Logs of nodes are read, and followed to their end. Left out for containers: nobody learns when an engine has begun
  /// to follow, since podman answers with the first line that is written.
  @Test(arguments: Kind.here.filter { $0 != .docker })
  func logsAreReadAndFollowedToTheEnd(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let node = bench.node(0)
    try await bench.up(node)
    try await bench.say("sooner", node.replica)
    var lines: [String] = []
    // A node may take a moment to say it.
    for _ in 0..<1000 where lines.last != "sooner" {
      try await Task.sleep(for: bench.pause)
      lines = []
      for try await line in try await bench.runtime.logs(
        of: node.replica, in: bench.deployment, last: 5, follow: false)
      { lines.append(line) }
    }
    #expect(lines.last == "sooner" && lines.count <= 5)
    let stream = try await bench.another.logs(of: node.replica, in: bench.deployment, last: 0, follow: true)
    try await bench.say("later", node.replica)
    var followed: [String] = []
    var stopping: Task<Void, any Error>?
    for try await line in stream {
      followed.append(line)
      // The end of the node ends the stream.
      if stopping == nil { stopping = Task { try await bench.runtime.stop(bench.deployment) } }
    }
    #expect(followed.first == "later")
    try await stopping?.value
  }

  @Test(arguments: Kind.here)
  func commandsRunInTheNodesEnvironment(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let node = bench.node(0)
    try await bench.up(node)
    let (lines, feed) = AsyncStream.makeStream(of: String.self)
    let status = try await bench.another.exec(bench.printenv + ["SETTING"], on: node.replica, in: bench.deployment) {
      feed.yield($0)
    }
    feed.finish()
    #expect(status.isSuccess)
    var printed: [String] = []
    for await line in lines { printed.append(line) }
    #expect(printed == [Bench.setting])
    let failed = try await bench.runtime.exec(bench.printenv + ["OTHER"], on: node.replica, in: bench.deployment) { _ in
    }
    #expect(!failed.isSuccess)
    try await bench.runtime.stop(bench.deployment)
  }

  @Test(arguments: Kind.here)
  func oneRunAtATimeChangesADeployment(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    let lock = try await bench.runtime.lock(bench.deployment, purpose: "the first run")
    #expect(await bench.kind { try await bench.another.lock(bench.deployment, purpose: "another") } == .conflict)
    let other = try await bench.another.lock(DeploymentID("other")!, purpose: "another")
    // The lock is not the deployment: what holds it may bring it up and take it down.
    try await bench.up(bench.node(0))
    try await bench.runtime.stop(bench.deployment)
    await lock.release()
    await lock.release()
    let second = try await bench.another.lock(bench.deployment, purpose: "the second run")
    await lock.release()
    #expect(await bench.kind { try await bench.runtime.lock(bench.deployment, purpose: "a third") } == .conflict)
    await second.release()
    await other.release()
    #expect(try await bench.isClean())
  }

  @Test(arguments: Kind.here)
  func aRolloutReplacesWhatChangedAndLeavesTheRest(_ kind: Kind) async throws {
    let bench = try await Self.bench(kind)
    var rollout = Rollout(bench.runtime)
    let first = DesiredDeployment(bench.deployment, nodes: [bench.node(0, ["a"]), bench.node(1, ["b"])])
    let before = try await rollout.run(first)
    #expect(before.replicas.map(\.id.node) == [NodeID(index: 0), NodeID(index: 1)])
    rollout.surplusAllowed = 1
    let second = DesiredDeployment(bench.deployment, nodes: [bench.node(0, ["a"]), bench.node(1, ["b", "c"])])
    let after = try await rollout.run(second)
    #expect(after.replica(first.nodes[0].replica) == before.replica(first.nodes[0].replica))
    #expect(after.replicas.map(\.id) == second.nodes.map(\.replica))
    // Nothing to do is nothing done.
    #expect(try await rollout.run(second) == after)
    try await bench.runtime.stop(bench.deployment)
    #expect(try await bench.isClean())
  }
}
