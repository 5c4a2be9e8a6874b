import DockerRuntime
import Executor
import Foundation
import TestSupport
import Testing

/// What is the container runtime's own, against a real engine.
@Suite(.serialized, .enabled(if: TestEngine.address != nil, "\(TestEngine.missing)")) struct DockerRuntimeTests {
  private func settings(_ path: String, _ environment: [String: String] = [:]) -> NodeSettings {
    NodeSettings(
      repository: path, models: ["a", "b"], workers: 1, threadsPerWorker: 1, environment: environment,
      memoryBytes: 1 << 20)
  }

  private func printed(
    _ command: [String], _ bench: RuntimeContractTests.Bench, _ replica: ReplicaID
  ) async throws -> String {
    let (lines, feed) = AsyncStream.makeStream(of: String.self)
    _ = try await bench.runtime.exec(command, on: replica, in: bench.deployment) { feed.yield($0) }
    feed.finish()
    return await lines.reduce(into: [String]()) { $0.append($1) }.joined(separator: "\n")
  }

  @Test func aNodeMayDoNoMoreThanItMust() async throws {
    let bench = try await DockerBench.make()
    let node = DesiredNode(NodeID(index: 0), settings("/tmp"))
    try await bench.up(node)
    let status = try await printed(["cat", "/proc/1/status"], bench, node.replica)
    func field(_ name: String) -> String {
      let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
      return line.dropFirst(name.count + 1).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
    #expect(field("Uid") == "65532 65532 65532 65532" && field("Gid") == "65532 65532 65532 65532")
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd"] { #expect(UInt64(field(set), radix: 16) == 0, "\(set)") }
    #expect(field("NoNewPrivs") == "1" && field("Seccomp") == "2")
    // Its models and its root cannot be written, its list of models is there.
    for place in ["/models/x", "/usr/x", "/etc/x"] {
      let status = try await bench.runtime.exec(["touch", place], on: node.replica, in: bench.deployment) { _ in }
      #expect(!status.isSuccess, "\(place)")
    }
    #expect(try await printed(["cat", "/var/planner/models.txt"], bench, node.replica) == "a\nb")
    let command = try await printed(["cat", "/proc/1/cmdline"], bench, node.replica)
    #expect(command.contains("--repository\0/models\0--host\00.0.0.0\0--port\08080\0"), "\(command)")
    let found = try await bench.runtime.observe(bench.deployment).replicas[0]
    #expect(found.address?.host == "127.0.0.1")
    try await bench.runtime.stop(bench.deployment)
    #expect(try await bench.isClean())
  }

  @Test func lackOfMemoryIsSaidWithTheLimit() async throws {
    let bench = try await DockerBench.make()
    let node = DesiredNode(NodeID(index: 0), settings("/tmp", ["GREEDY": "yes"]))
    try await bench.runtime.apply(.start(node), to: bench.deployment)
    let found = try await bench.reached(node.replica) { $0.problem != nil }
    let problem = try #require(found.problem)
    #expect(problem.kind == .outOfMemory && problem.message.contains("257 MiB"), "\(problem)")
    #expect(problem.remedy.contains("hungry"))
    try await bench.runtime.stop(bench.deployment)
    #expect(try await bench.isClean())
  }

  @Test func aNodeThatEndsIsStartedAgainByTheEngine() async throws {
    let bench = try await DockerBench.make(restarts: true)
    let node = bench.node(0)
    let first = try await bench.up(node)
    try await bench.crash(node.replica)
    // Its old line that it was ready does not count for its new life.
    var lives = 0
    for _ in 0..<3000 where lives < 2 {
      var lines = 0
      for try await line in try await bench.runtime.logs(
        of: node.replica, in: bench.deployment, last: 50, follow: false)
      where line.hasPrefix("started ") { lines += 1 }
      lives = lines
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(lives == 2)
    let again = try await bench.reached(node.replica) { $0.phase.isReady }
    #expect(again.address == first.address)
    // One that never comes up is a failure in the end.
    let broken = DesiredNode(NodeID("broken")!, bench.broken)
    try await bench.runtime.apply(.start(broken), to: bench.deployment)
    let failed = try await bench.reached(broken.replica) { if case .failed = $0.phase { true } else { false } }
    #expect(failed.problem?.message.contains("started again") == true, "\(String(describing: failed.problem))")
    #expect(failed.problem?.remedy.contains("no such model") == true)
    try await bench.runtime.stop(bench.deployment)
    #expect(try await bench.isClean())
  }

  @Test func aStrangersContainerIsLeftAlone() async throws {
    let bench = try await DockerBench.make()
    let node = bench.node(0)
    // A container that bears the name, made by somebody else.
    let name = "planner-\(bench.deployment)-\(node.replica)"
    let body = #"{"Image":"\#(try await DockerBench.image().id)"}"#
    try TestEngine.ask(
      "containers/create?name=\(name)", ["-X", "POST", "-H", "content-type: application/json", "-d", body])
    let kind = await bench.kind { try await bench.runtime.apply(.start(node), to: bench.deployment) }
    #expect(kind == .conflict)
    try await bench.runtime.apply(.stop(node.replica), to: bench.deployment)
    try await bench.runtime.stop(bench.deployment)
    let other = try TestEngine.ask("containers/\(name)/json")
    #expect(other.contains(name))
    try TestEngine.ask("containers/\(name)?force=1", ["-X", "DELETE"])
    #expect(try await bench.isClean())
  }

  @Test func aMissingImageIsSaidWithARemedy() async throws {
    let engine = try await DockerBench.engine()
    let error = await #expect(throws: RuntimeError.self) {
      try await engine.provide(ImageSource("localhost:1/no/such-image:1"))
    }
    #expect(error?.message.contains("localhost:1/no/such-image:1") == true && error?.remedy.contains("--image") == true)
    let runtime = DockerRuntime(engine, .init(lockFolder: NSTemporaryDirectory()))
    let desired = DesiredDeployment(DeploymentID("shop")!, settings: [settings("/tmp")])
    let none = await #expect(throws: RuntimeError.self) { try await runtime.check(desired) }
    #expect(none?.remedy.contains("planner image build") == true)
    var gone = desired
    gone.nodes[0].settings.image = "sha256:" + String(repeating: "0", count: 64)
    let missing = await #expect(throws: RuntimeError.self) { try await runtime.check(gone) }
    #expect(missing?.message.contains("cannot be had") == true)
  }

  @Test func whatDoesNotFitIsRefusedBeforeItIsStarted() async throws {
    let bench = try await DockerBench.make()
    func refused(_ change: (inout NodeSettings) -> Void) async -> RuntimeError? {
      var settings = settings("/tmp")
      change(&settings)
      return await #expect(throws: RuntimeError.self) {
        try await bench.runtime.check(DesiredDeployment(bench.deployment, settings: [settings]))
      }
    }
    let large = await refused { $0.memoryBytes = 1 << 50 }
    #expect(large?.kind == .noCapacity && large?.message.contains("1073741824 MiB") == true)
    let wide = await refused { $0.workers = 4096 }
    #expect(wide?.kind == .noCapacity && wide?.message.contains("4096 threads") == true)
    #expect(await refused { $0.repository = "models" }?.message.contains("no full path") == true)
    #expect(await refused { $0.repository = "/no/such/folder" }?.message.contains("/no/such/folder") == true)
    #expect(await refused { $0.environment = ["A=B": "x"] }?.message.contains("environment") == true)
    #expect(await refused { $0.models = ["a\n--host"] }?.message.contains("control character") == true)
    let closed = try Scratch()
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: closed.path)
    #expect(await refused { $0.repository = closed.path }?.remedy.contains("chmod") == true)
    #expect(try await bench.isClean())
  }

  /// Each cycle leaves what there was before; a kill between two steps would too, since every step is one call.
  @Test func twoHundredCyclesLeaveNothing() async throws {
    let bench = try await DockerBench.make()
    for index in 0..<200 {
      let node = bench.node(index % 7, ["m\(index)"])
      try await bench.runtime.apply(.start(node), to: bench.deployment)
      if index % 2 == 0 {
        try await bench.runtime.apply(.stop(node.replica), to: bench.deployment)
      } else {
        try await bench.runtime.stop(bench.deployment)
      }
    }
    #expect(try await bench.isClean())
  }
}
