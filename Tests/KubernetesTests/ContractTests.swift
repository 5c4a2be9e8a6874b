import Executor
import Foundation
import KubernetesRuntime
import Testing

/// What every runtime must do (`RuntimeContractTests`), held against pods of the real server on a real cluster.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)"))
struct ContractTests {
  struct Bench: Sendable {
    let namespace = TestCluster.newNamespace()
    let runtime: KubernetesRuntime
    /// What another program sees that opens the same cluster.
    let another: KubernetesRuntime
    let deployment = DeploymentID("shop")!

    init() throws {
      runtime = try TestCluster.open(namespace)
      another = try TestCluster.open(namespace)
    }

    func settings(_ models: [String]) -> NodeSettings {
      NodeSettings(
        repository: "/models", models: models, workers: 1, threadsPerWorker: 1,
        environment: ["SETTING": "one $(TWO) $$", "OMP_NUM_THREADS": "1"], memoryBytes: 200 << 20,
        instanceType: TestCluster.realType)
    }

    func node(_ index: Int, _ models: [String] = ["model0"]) -> DesiredNode {
      DesiredNode(NodeID(index: index), settings(models))
    }

    @discardableResult
    func up(_ node: DesiredNode) async throws -> ObservedReplica {
      try await runtime.apply(.start(node), to: deployment)
      return try await reached(node.replica) { $0.phase.isReady }
    }

    /// Waits until a replica is as wanted; two minutes are far longer than any of them takes.
    func reached(_ replica: ReplicaID, _ isReached: (ObservedReplica) -> Bool) async throws -> ObservedReplica {
      var last: ObservedReplica?
      for _ in 0..<1200 {
        last = try await runtime.observeOrEmpty(deployment).replica(replica)
        if let last, isReached(last) { return last }
        try await Task.sleep(for: .milliseconds(100))
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
        #expect(error?.remedy.isEmpty == false)
        return error?.kind
      }
    }

    func pod(of replica: ReplicaID) async throws -> String {
      let handle = try await runtime.observe(deployment).replica(replica)?.handle ?? ""
      return String(handle.dropFirst("pod ".count))
    }

    /// Ends the server's process from outside, as the kernel would.
    func crash(_ replica: ReplicaID) async throws {
      let (socket, id) = try await TestCluster.container(of: try await pod(of: replica), in: namespace)
      try await TestCluster.run("/usr/bin/ctr", ["-a", socket, "-n", "k8s.io", "tasks", "kill", "-s", "9", id])
    }

    /// Lets the server's process say a line on standard error.
    func say(_ text: String, _ replica: ReplicaID) async throws {
      let (socket, id) = try await TestCluster.container(of: try await pod(of: replica), in: namespace)
      let tasks = try await TestCluster.run("/usr/bin/ctr", ["-a", socket, "-n", "k8s.io", "tasks", "ls"])
      let line = tasks.split(separator: "\n").first { $0.hasPrefix(id) }
      let process = try #require(line?.split(separator: " ").dropFirst().first)
      let file = try #require(FileHandle(forWritingAtPath: "/proc/\(process)/fd/2"))
      try file.write(contentsOf: Data((text + "\n").utf8))
      try file.close()
    }

    /// The program's own objects are gone at once, and the pods of a Deployment with it.
    func isClean() async throws -> Bool {
      // A ReplicaSet goes a moment after its Deployment.
      for _ in 0..<100 {
        if try await TestCluster.left(in: namespace).isEmpty { return true }
        try await Task.sleep(for: .milliseconds(100))
      }
      return false
    }

    func end() async {
      try? await runtime.stop(deployment)
      await TestCluster.remove(namespace)
      await runtime.shutdown()
      await another.shutdown()
    }
  }

  private func withBench(_ body: (Bench) async throws -> Void) async throws {
    let bench = try Bench()
    do {
      try await body(bench)
    } catch {
      await bench.end()
      throw error
    }
    await bench.end()
  }

  @Test func nothingIsThereAtFirst() async throws {
    try await withBench { bench in
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
  }

  @Test func aNodeComesUpOnceHoweverOftenItIsStarted() async throws {
    try await withBench { bench in
      let node = bench.node(0)
      try await bench.runtime.check(DesiredDeployment(bench.deployment, nodes: [node]))
      try await bench.runtime.apply(.start(node), to: bench.deployment)
      #expect(try await bench.runtime.observe(bench.deployment).replicas.map(\.id) == [node.replica])
      let first = try await bench.up(node)
      #expect(first.settings == node.settings && first.address != nil && first.problem == nil)
      let again = try await bench.up(node)
      #expect(again == first)
      #expect(try await bench.runtime.observe(bench.deployment).replicas.count == 1)
      #expect(try await bench.runtime.deployments() == [bench.deployment])
      #expect(try await bench.runtime.memoryBytes(of: node.replica, in: bench.deployment) > 10 << 20)
      try await bench.runtime.stop(bench.deployment)
      #expect(try await bench.isClean())
    }
  }

  @Test func otherSettingsAreAnotherReplicaBesideTheOld() async throws {
    try await withBench { bench in
      let (old, new) = (bench.node(0), bench.node(0, ["model0", "model1"]))
      let before = try await bench.up(old)
      try await bench.up(new)
      #expect(try await bench.runtime.observe(bench.deployment).replicas.count == 2)
      #expect(try await bench.runtime.observe(bench.deployment).replica(old.replica) == before)
      // The node's Service leads to the old replica until that goes, and to the new one from then on.
      func slot() async throws -> String {
        try await TestCluster.kubectl(
          "-n", bench.namespace, "get", "service", "shop-0", "-o", "jsonpath={.spec.selector.planner/slot}")
      }
      #expect(try await slot() == "shop-0")
      try await bench.runtime.apply(.stop(old.replica), to: bench.deployment)
      try await bench.runtime.apply(.stop(old.replica), to: bench.deployment)
      #expect(try await slot() == "shop-0-\(new.replica.revision)")
      let left = try await bench.runtime.observe(bench.deployment)
      #expect(left.replicas.map(\.id) == [new.replica] && left.replicas[0].phase.isReady)
      try await bench.runtime.stop(bench.deployment)
      try await bench.runtime.stop(bench.deployment)
      #expect(await bench.kind { try await bench.runtime.observe(bench.deployment) } == .notFound)
      #expect(try await bench.isClean())
    }
  }

  @Test func anotherProgramSeesAndStopsIt() async throws {
    try await withBench { bench in
      let (node, second) = (bench.node(0), bench.node(1))
      try await bench.up(node)
      #expect(try await bench.another.deployments() == [bench.deployment])
      let seen = try await bench.another.observe(bench.deployment)
      #expect(try await bench.runtime.observe(bench.deployment) == seen)
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
  }

  @Test func aNodeThatFailsSaysWhyAndWhatToDo() async throws {
    try await withBench { bench in
      let node = DesiredNode(NodeID("broken")!, bench.settings(["no such model"]))
      try await bench.runtime.apply(.start(node), to: bench.deployment)
      let found = try await bench.reached(node.replica) { $0.problem != nil }
      let problem = try #require(found.problem)
      #expect(
        problem.kind == .notReady && !problem.remedy.isEmpty && "\(problem)".contains("no such model"), "\(problem)")
      let memory = await bench.kind { try await bench.runtime.memoryBytes(of: node.replica, in: bench.deployment) }
      #expect(memory == .notReady)
      try await bench.runtime.apply(.start(node), to: bench.deployment)
      _ = try await bench.reached(node.replica) { $0.problem != nil }
      try await bench.runtime.apply(.stop(node.replica), to: bench.deployment)
      #expect(try await bench.isClean())
    }
  }

  @Test func aCrashIsSignalledAndEndsTheWorkThatNeedsTheNode() async throws {
    try await withBench { bench in
      let node = bench.node(0)
      try await bench.up(node)
      #expect(try await bench.runtime.whileRunning(bench.deployment) { 42 } == 42)
      let error = await #expect(throws: RuntimeError.self) {
        try await bench.runtime.whileRunning(bench.deployment) {
          try await bench.crash(node.replica)
          try await Task.sleep(for: .seconds(600))
        }
      }
      #expect(
        error?.kind == .notReady && error?.message.contains("ended unexpectedly") == true, "\(error?.message ?? "")")
      // The cluster starts it again by itself.
      _ = try await bench.reached(node.replica) { $0.phase.isReady }
      try await bench.runtime.stop(bench.deployment)
      #expect(try await bench.isClean())
    }
  }

  @Test func logsAreReadAndFollowedToTheEnd() async throws {
    try await withBench { bench in
      let node = bench.node(0)
      try await bench.up(node)
      try await bench.say("sooner", node.replica)
      var lines: [String] = []
      for _ in 0..<100 where lines.last != "sooner" {
        lines = []
        for try await line in try await bench.runtime.logs(
          of: node.replica, in: bench.deployment, last: 5, follow: false)
        {
          lines.append(line)
        }
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
  }

  @Test func commandsRunInTheNodesEnvironment() async throws {
    try await withBench { bench in
      let node = bench.node(0)
      try await bench.up(node)
      let (lines, feed) = AsyncStream.makeStream(of: String.self)
      let status = try await bench.another.exec(
        ["/bin/busybox", "printenv", "SETTING"], on: node.replica, in: bench.deployment
      ) { feed.yield($0) }
      feed.finish()
      #expect(status.isSuccess)
      var printed: [String] = []
      for await line in lines { printed.append(line) }
      #expect(printed == ["one $(TWO) $$"])
      let failed = try await bench.runtime.exec(
        ["/bin/busybox", "printenv", "OTHER"], on: node.replica, in: bench.deployment
      ) { _ in }
      #expect(failed == .exited(1))
      #expect(
        await bench.kind {
          try await bench.runtime.exec(["/no/such/program"], on: node.replica, in: bench.deployment) { _ in }
        } == .unavailable)
      // Nothing of it goes through a shell, and nothing may be written.
      let literal = try await bench.runtime.exec(
        ["/bin/busybox", "touch", "/x; $(id)"], on: node.replica, in: bench.deployment
      ) { #expect($0.contains("Read-only") && $0.contains("$(id)")) }
      #expect(literal == .exited(1))
    }
  }

  @Test func oneRunAtATimeChangesADeployment() async throws {
    try await withBench { bench in
      let lock = try await bench.runtime.lock(bench.deployment, purpose: "the first run")
      #expect(await bench.kind { try await bench.another.lock(bench.deployment, purpose: "another") } == .conflict)
      let other = try await bench.another.lock(DeploymentID("other")!, purpose: "another")
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
  }

  @Test func aRolloutReplacesWhatChangedAndLeavesTheRest() async throws {
    try await withBench { bench in
      var rollout = Rollout(bench.runtime)
      let first = DesiredDeployment(bench.deployment, nodes: [bench.node(0), bench.node(1, ["model1"])])
      let before = try await rollout.run(first)
      #expect(before.replicas.map(\.id.node) == [NodeID(index: 0), NodeID(index: 1)])
      rollout.surplusAllowed = 1
      let second = DesiredDeployment(bench.deployment, nodes: [bench.node(0), bench.node(1, ["model1", "model0"])])
      let after = try await rollout.run(second)
      #expect(after.replica(first.nodes[0].replica) == before.replica(first.nodes[0].replica))
      #expect(after.replicas.map(\.id) == second.nodes.map(\.replica))
      #expect(try await rollout.run(second) == after)
      try await bench.runtime.stop(bench.deployment)
      #expect(try await bench.isClean())
    }
  }
}
