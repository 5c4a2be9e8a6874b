import Executor
import Foundation
import Testing

/// What is the local runtime's own: processes, their ids, and what a planner that was killed leaves.
@Suite struct LocalRuntimeTests {
  private let deployment = DeploymentID("parents")!

  private func open(
    _ scratch: Scratch, _ program: String, lifetime: LocalRuntime.Lifetime = .planner, readyTimeoutSeconds: Double = 60
  ) -> LocalRuntime {
    LocalRuntime(
      binary: program, stateFolder: scratch.path + "/state", logFolder: scratch.path, lifetime: lifetime,
      readyTimeoutSeconds: readyTimeoutSeconds, grace: .seconds(60))
  }

  private func node(_ scratch: Scratch) -> DesiredNode {
    DesiredNode(NodeID(index: 0), NodeSettings(repository: scratch.path, workers: 1, threadsPerWorker: 1))
  }

  private func pid(_ handle: String) throws -> Int32 {
    try #require(handle.split(separator: " ").last.flatMap { Int32($0) })
  }

  @Test func aServerThatIsNotReadyInTimeIsStoppedAndSaidSo() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo waiting >&2\necho $$ > \(scratch.path)/pid\nwhile :; do sleep 0.1; done\n")
    let runtime = open(scratch, program, readyTimeoutSeconds: 3)
    let error = await #expect(throws: RuntimeError.self) {
      try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: [node(scratch)]))
    }
    #expect(
      error?.description.hasPrefix("\(program) was not ready after 3.0 s and was stopped; the end of its log") == true)
    let server = try await scratch.number(in: "pid")
    try await eventually { !exists(server) }
    try await runtime.stop(deployment)
  }

  @Test func eachNodeGetsItsOwnCPUsAndOneThatWantsMoreIsRefused() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo \"arguments: $*\" >&2\n" + FakeServer.obedient)
    let splits = try CPUSplit.sideBySide(allowed: [0, 1, 2, 3], quota: nil, cores: [1, 2], reserved: 1)
    func runtime() -> LocalRuntime {
      LocalRuntime(
        binary: program, stateFolder: scratch.path + "/state", logFolder: scratch.path, lifetime: .planner,
        cpus: [NodeID(index: 0): splits[0], NodeID(index: 1): splits[1]])
    }
    func node(_ index: Int, workers: Int) -> DesiredNode {
      DesiredNode(
        NodeID(index: index), NodeSettings(repository: scratch.path, workers: workers, threadsPerWorker: 1))
    }
    let nodes = [node(0, workers: 1), node(1, workers: 2), node(2, workers: 9)]
    let own = runtime()
    _ = try await Rollout(own).run(DesiredDeployment(deployment, nodes: nodes))
    var said: [String] = []
    for node in nodes {
      for try await line in try await own.logs(of: node.replica, in: deployment, last: 10, follow: false) {
        said.append(line)
      }
    }
    try await own.stop(deployment)
    let arguments = said.filter { $0.hasPrefix("arguments") }
    #expect(arguments.count == 3)
    #expect(arguments[0].contains("--pin-workers 0 --io-cpus 3"))
    #expect(arguments[1].contains("--pin-workers 1,2 --io-cpus 3"))
    // A node without CPUs of its own leaves them to the system.
    #expect(!arguments[2].contains("-workers 9 --threads 1 --pin") && !arguments[2].contains("--io-cpus"))

    let wide = DesiredDeployment(deployment, nodes: [node(0, workers: 1), node(1, workers: 3)])
    let error = await #expect(throws: RuntimeError.self) { try await runtime().check(wide) }
    #expect(error?.kind == .noCapacity)
    #expect(error?.description.contains("node-1 computes on 3 threads and has 2 CPUs for them") == true)
  }

  @Test func nodesThatNeedMoreMemoryThanIsFreeAreRefusedWithNumbers() async throws {
    let scratch = try Scratch()
    let runtime = open(scratch, try scratch.program(FakeServer.obedient))
    let available = try HostInfo.availableMemoryBytes()
    // Each of them fits by itself.
    let nodes = (0..<3).map { index in
      DesiredNode(
        NodeID(index: index),
        NodeSettings(
          repository: scratch.path, workers: 1, threadsPerWorker: 1, memoryBytes: available / 2))
    }
    try await runtime.check(DesiredDeployment(deployment, nodes: [nodes[0]]))
    let error = await #expect(throws: RuntimeError.self) {
      try await runtime.check(DesiredDeployment(deployment, nodes: nodes))
    }
    #expect(error?.kind == .noCapacity)
    #expect(error?.description.contains("the nodes need \((3 * (available / 2)) >> 20) MiB and") == true)
  }

  @Test func whatAServerStartedGoesWithItAlsoFromAnotherProgram() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("sleep 1000 &\necho $! > \(scratch.path)/child\n" + FakeServer.stubborn)
    let runtime = open(scratch, program)
    let found = try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: [node(scratch)]))
    let server = try pid(found.replicas[0].handle)
    let child = try await scratch.number(in: "child")
    #expect(exists(server) && exists(child))
    let other = LocalRuntime(
      binary: program, stateFolder: scratch.path + "/state", logFolder: scratch.path, lifetime: .planner,
      grace: .milliseconds(200))
    try await other.stop(deployment)
    try await eventually { !exists(server) && !exists(child) }
    #expect(try await runtime.deployments().isEmpty)
  }

  @Test func aProcessThatWasGivenTheSameIdIsLeftAlone() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("\(FakeServer.ready)\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n")
    let runtime = open(scratch, program, lifetime: .independent)
    let found = try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: [node(scratch)]))
    let server = try pid(found.replicas[0].handle)
    // The kernel counts starts in hundredths of a second.
    try await Task.sleep(for: .milliseconds(100))
    // A stranger takes the place that the record names: same id, another start.
    let stranger = Process()
    stranger.executableURL = URL(fileURLWithPath: "/bin/sleep")
    stranger.arguments = ["1000"]
    try stranger.run()
    defer {
      kill(stranger.processIdentifier, SIGKILL)
      stranger.waitUntilExit()
    }
    let file = "\(scratch.path)/state/parents/\(found.replicas[0].id).json"
    let record = try String(contentsOfFile: file, encoding: .utf8)
    try record.replacingOccurrences(of: "\"pid\" : \(server)", with: "\"pid\" : \(stranger.processIdentifier)")
      .write(toFile: file, atomically: true, encoding: .utf8)
    let other = open(scratch, program, lifetime: .independent)
    let seen = try await other.observe(deployment)
    #expect(seen.replicas[0].problem?.message.contains("has ended") == true)
    try await other.stop(deployment)
    #expect(exists(stranger.processIdentifier))
    // The server itself was still found, by what it carries.
    try await eventually { !exists(server) }
  }

  @Test func aServerWhoseIdWasNeverRecordedIsFoundByWhatItCarries() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("\(FakeServer.ready)\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n")
    let runtime = open(scratch, program, lifetime: .independent)
    let wanted = DesiredDeployment(deployment, nodes: [node(scratch)])
    let found = try await Rollout(runtime).run(wanted)
    // As the planner left it that was killed between the start and the record.
    let file = "\(scratch.path)/state/parents/\(found.replicas[0].id).json"
    var record = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: file))) as? [String: Any])
    #expect(record["kind"] as? String == "local-replica")
    record["process"] = nil
    try JSONSerialization.data(withJSONObject: record).write(to: URL(fileURLWithPath: file))
    let other = open(scratch, program, lifetime: .independent)
    #expect(try await Rollout(other).run(wanted).replicas[0].handle == found.replicas[0].handle)
    try await other.stop(deployment)
    #expect(!exists(try pid(found.replicas[0].handle)))
  }

  @Test func anEndThatWasCutOffIsBroughtToItsEnd() async throws {
    let scratch = try Scratch()
    let runtime = open(scratch, try scratch.program(FakeServer.stubborn), lifetime: .independent)
    let node = node(scratch)
    let desired = DesiredDeployment(deployment, nodes: [node])
    let first = try await Rollout(runtime).run(desired).replicas[0].handle
    // As a planner leaves it that is killed while it waits for the end of a server.
    let file = "\(scratch.path)/state/parents/\(node.replica).json"
    var record = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: file))) as? [String: Any])
    record["isStopping"] = true
    record["stopper"] = ["pid": 1, "startTicks": 0, "boot": ""]
    try JSONSerialization.data(withJSONObject: record).write(to: URL(fileURLWithPath: file))
    // What shall be there comes back, what shall not goes.
    let again = try await Rollout(runtime).run(desired).replicas[0].handle
    #expect(again != first)
    let old = try pid(first)
    try await eventually { !exists(old) }
    record["process"] = nil
    try JSONSerialization.data(withJSONObject: record).write(to: URL(fileURLWithPath: file))
    _ = try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: []))
    #expect(try await runtime.deployments().isEmpty)
    #expect(!FileManager.default.fileExists(atPath: scratch.path + "/state/parents"))
  }

  @Test func aPlannerThatIsKilledLeavesNoDeployment() async throws {
    let scratch = try Scratch()
    let program = try scratch.program(FakeServer.obedient)
    let parent = try Parent(["deploy", program, scratch.path])
    let server = try pid(parent.line())
    let runtime = open(scratch, program)
    #expect(try await runtime.deployments() == [deployment])
    kill(parent.process.processIdentifier, SIGKILL)
    try await eventually { !exists(server) }
    parent.process.waitUntilExit()
    #expect(try await runtime.deployments().isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/state").isEmpty)
  }

  @Test func aKeptDeploymentOutlivesItsPlannerAndIsStoppedFromHere() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("\(FakeServer.ready)\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n")
    let parent = try Parent(["deploy-kept", program, scratch.path])
    let server = try pid(parent.line())
    kill(parent.process.processIdentifier, SIGKILL)
    parent.process.waitUntilExit()
    let runtime = open(scratch, program, lifetime: .independent)
    #expect(try await runtime.deployments() == [deployment])
    #expect(try await runtime.observe(deployment).replicas.map(\.phase.isReady) == [true])
    // The next run goes on from there.
    let taken = try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: [node(scratch)]))
    #expect(try pid(taken.replicas[0].handle) == server)
    try await runtime.stop(deployment)
    #expect(!exists(server))
  }

  @Test func whatDoesNotFitIsRefusedBeforeItIsStarted() async throws {
    let scratch = try Scratch()
    let runtime = open(scratch, try scratch.program(FakeServer.obedient))
    var large = node(scratch)
    large.settings.memoryBytes = 1 << 60
    let error = await #expect(throws: RuntimeError.self) {
      try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: [large]))
    }
    #expect(error?.kind == .noCapacity && error?.message.contains("MiB are free") == true)
    #expect(try await runtime.deployments().isEmpty)
    let missing = open(scratch, "/nonexistent/model-server")
    let absent = await #expect(throws: RuntimeError.self) {
      try await missing.check(DesiredDeployment(deployment, nodes: [node(scratch)]))
    }
    #expect(absent?.kind == .unavailable)
  }

  @Test func aStrangersFileIsNotTaken() async throws {
    let scratch = try Scratch()
    let runtime = open(scratch, try scratch.program(FakeServer.obedient))
    _ = try scratch.write("{\"kind\": \"other\", \"schemaVersion\": 1}", to: "state/parents/mine.json")
    let error = await #expect(throws: RuntimeError.self) { try await runtime.observe(deployment) }
    #expect(error?.kind == .conflict)
    await #expect(throws: RuntimeError.self) { try await runtime.stop(deployment) }
    #expect(FileManager.default.fileExists(atPath: scratch.path + "/state/parents/mine.json"))
  }
}
