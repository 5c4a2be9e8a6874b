import Executor
import Foundation
import ServerContract
import TestSupport
import Testing

/// What keeps a deployment of this machine up when nobody looks: a process of its own, limits, short logs.
@Suite struct LocalSupervisorTests {
  private let deployment = DeploymentID("parents")!

  private static let program = """
    if [ "$GREEDY" = yes ]; then echo hungry >&2; hog=x; while :; do hog=$hog$hog; done; fi
    echo "arguments: $*" >&2
    echo '{"ready":true,"port":4242,"models":1,"pid":'$$'}'
    trap 'exit 0' TERM
    while :; do
      if [ -e "$PLANNER_REPLICA.fill" ]; then
        rm "$PLANNER_REPLICA.fill"
        head -c 11000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo full >&2
      fi
      sleep 0.02
    done
    """

  /// A deployment of one node, and what supervises it.
  private struct Place {
    let scratch: Scratch
    let runtime: LocalRuntime
    let node: DesiredNode
    let program: String

    func supervise(_ deployment: DeploymentID) async throws {
      let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      try await LocalSupervisor(runtime, deployment).ensure(
        program: (own as NSString).deletingLastPathComponent + "/ExecutorTestParent",
        arguments: ["supervise", program, scratch.path])
    }
  }

  private func place(
    _ environment: [String: String] = [:], memoryBytes: Int64? = nil, isLimited: Bool = false
  ) throws -> Place {
    let scratch = try Scratch()
    let program = try scratch.program(Self.program)
    return Place(
      scratch: scratch,
      runtime: LocalRuntime(
        binary: program, stateFolder: scratch.path + "/state", logFolder: scratch.path, lifetime: .independent,
        isLimited: isLimited),
      node: DesiredNode(
        NodeID(index: 0),
        NodeSettings(
          repository: scratch.path, workers: 1, threadsPerWorker: 1, environment: environment,
          memoryBytes: memoryBytes)), program: program)
  }

  private func pid(_ place: Place) async throws -> Int32 {
    let found = try await place.runtime.observe(deployment).replica(place.node.replica)
    return found?.handle.split(separator: " ").last.flatMap { Int32($0) } ?? 0
  }

  private func supervisor(_ place: Place) async throws -> Int32? {
    let note = try await place.runtime.notes(on: deployment).first { $0.hasSuffix("when they end by themselves") }
    return note?.split(separator: " ").dropFirst().first.flatMap { Int32($0) }
  }

  private func eventually(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<3000 {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("what was waited for did not come within a minute")
  }

  @Test func aNodeThatEndsIsStartedAgainAtItsPort() async throws {
    let place = try place()
    _ = try await Rollout(place.runtime).run(DesiredDeployment(deployment, nodes: [place.node]))
    #expect(try await place.runtime.notes(on: deployment)[0].hasPrefix("nothing starts its nodes again"))
    try await place.supervise(deployment)
    let supervisor = try #require(try await supervisor(place))
    // A second one is not started.
    try await place.supervise(deployment)
    #expect(try await self.supervisor(place) == supervisor)
    let first = try await pid(place)
    kill(first, SIGKILL)
    try await eventually {
      let found = try await place.runtime.observe(deployment).replica(place.node.replica)
      let now = try await pid(place)
      return now != first && now > 0 && found?.phase.isReady == true
    }
    var log: [String] = []
    for try await line in try await place.runtime.logs(
      of: place.node.replica, in: deployment, last: 9, follow: false)
    { log.append(line) }
    #expect(log.last?.contains("--port 4242") == true, "\(log)")
    #expect(try await place.runtime.notes(on: deployment).contains { $0.hasPrefix("node-0 was started again once") })
    // The end of the deployment is its end.
    try await place.runtime.stop(deployment)
    try await eventually { !exists(supervisor) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.scratch.path + "/state").isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.scratch.path).sorted() == ["program", "state"])
  }

  @Test func itsDeathIsSeenAndAnotherTakesItsPlace() async throws {
    let place = try place()
    _ = try await Rollout(place.runtime).run(DesiredDeployment(deployment, nodes: [place.node]))
    try await place.supervise(deployment)
    let first = try #require(try await supervisor(place))
    kill(first, SIGKILL)
    try await eventually { !exists(first) }
    #expect(try await place.runtime.notes(on: deployment)[0].contains("has ended itself"))
    try await place.supervise(deployment)
    let second = try #require(try await supervisor(place))
    #expect(second != first)
    kill(second, SIGKILL)
    try await eventually { !exists(second) }
    try await place.runtime.stop(deployment)
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.scratch.path + "/state").isEmpty)
  }

  /// The proxy in front of a deployment is started again like a node.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Tools.haproxy), "haproxy is not installed"))
  func theProxyIsKeptUp() async throws {
    let place = try place()
    var rollout = Rollout(place.runtime)
    rollout.router = try LocalProxy.make(
      for: deployment, on: place.runtime, at: NodeAddress(host: "127.0.0.1", port: 0))
    let desired = DesiredDeployment(deployment, nodes: [place.node])
    _ = try await rollout.run(desired)
    try await place.supervise(deployment)
    func process() async throws -> Int32? {
      let note = try await place.runtime.notes(on: deployment).first { $0.hasPrefix("one address for all models") }
      return note?.split(separator: " ").last.flatMap { Int32($0.dropLast()) }
    }
    let first = try #require(try await process())
    kill(first, SIGKILL)
    try await eventually {
      let now = try await process()
      return now != nil && now != first
    }
    // Nothing is left of it when whoever holds the deployment ends it; just now it may be held for the proxy.
    let second = try #require(try await process())
    let lock = try await place.runtime.lock(deployment, purpose: "test")
    try await place.runtime.stop(deployment)
    await lock.release()
    #expect(!exists(first) && !exists(second))
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.scratch.path + "/state").isEmpty)
  }

  @Test func whileSomebodyChangesTheDeploymentItIsLeftAlone() async throws {
    let place = try place()
    _ = try await Rollout(place.runtime).run(DesiredDeployment(deployment, nodes: [place.node]))
    try await place.supervise(deployment)
    let lock = try await place.runtime.lock(deployment, purpose: "a test")
    let first = try await pid(place)
    kill(first, SIGKILL)
    try await eventually { !exists(first) }
    // Longer than it takes to see that.
    try await Task.sleep(for: .seconds(3))
    #expect(try await pid(place) == first)
    await lock.release()
    try await eventually { try await pid(place) != first }
    try await place.runtime.stop(deployment)
  }

  @Test func pausesGrowToAMinute() {
    let pauses = (0..<12).map { LocalSupervisor.pauseSeconds(after: $0) }
    #expect(pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60])
    #expect(LocalSupervisor.pauseSeconds(after: .max) == 60)
  }

  @Test func aLongLogIsPutAsideUnderItsWriter() async throws {
    let place = try place()
    _ = try await Rollout(place.runtime).run(DesiredDeployment(deployment, nodes: [place.node]))
    try await place.supervise(deployment)
    let stream = try await place.runtime.logs(of: place.node.replica, in: deployment, last: 0, follow: true)
    let log = "\(place.scratch.path)/model-server-parents-\(place.node.replica).log"
    let fill = "\(place.scratch.path)/state/parents/\(place.node.replica).json.fill"
    for round in 1...3 {
      _ = FileManager.default.createFile(atPath: fill, contents: nil)
      try await eventually {
        let size = try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int ?? 0
        return !FileManager.default.fileExists(atPath: fill) && size < 11_000_000
          && FileManager.default.fileExists(atPath: "\(log).\(min(round, 2))")
      }
    }
    #expect(!FileManager.default.fileExists(atPath: log + ".3"))
    try await place.runtime.stop(deployment)
    // Who follows it is told no line twice.
    var full = 0
    for try await line in stream where line == "full" { full += 1 }
    #expect((1...3).contains(full))
    #expect(!FileManager.default.fileExists(atPath: log + ".1") && !FileManager.default.fileExists(atPath: log))
  }

  @Test func aNodeIsHeldToItsMemory() async throws {
    let place = try place(["GREEDY": "yes"], memoryBytes: 1 << 20, isLimited: true)
    try await place.runtime.apply(.start(place.node), to: deployment)
    let limits = try await place.runtime.notes(on: deployment).first { $0.hasPrefix("memory ") } ?? ""
    // What holds it is said; where nothing can, that is said, and nothing is to be seen here.
    if limits.contains("is not limited") {
      try await place.runtime.stop(deployment)
      return
    }
    #expect(limits.contains("control groups (version "))
    try await eventually { try await place.runtime.observe(deployment).replicas[0].problem != nil }
    let problem = try #require(try await place.runtime.observe(deployment).replicas[0].problem)
    #expect(problem.kind == .outOfMemory && problem.message.contains("257 MiB"), "\(problem)")
    #expect(problem.remedy.contains("hungry"))
    try await place.runtime.stop(deployment)
    let groups = try FileManager.default.subpathsOfDirectory(atPath: "/sys/fs/cgroup").filter {
      $0.hasSuffix("-parents-\(place.node.replica)")
    }
    #expect(groups.isEmpty, "\(groups)")
  }
}
