import DockerRuntime
import Executor
import Testing

/// What the engine says of a container, in a user's words.
@Suite struct ContainerPhaseTests {
  private func inspected(
    _ status: String, exit: Int = 0, isOutOfMemory: Bool = false, error: String = "", restarts: Int = 0,
    port: String? = "4711"
  ) -> String {
    let ports = port.map { #""8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"\#($0)"}]"# } ?? #""8080/tcp":null"#
    return #"""
      {"Id":"1","Name":"/planner-shop-node-0","RestartCount":\#(restarts),"HostConfig":{"Memory":\#(300 << 20)},
       "State":{"Status":"\#(status)","ExitCode":\#(exit),"OOMKilled":\#(isOutOfMemory),"Error":"\#(error)"},
       "NetworkSettings":{"Ports":{\#(ports)}}}
      """#
  }

  private func problem(_ phase: ReplicaPhase) -> NodeProblem? {
    switch phase {
    case .failed(let problem): problem
    case .starting(let problem): problem
    default: nil
    }
  }

  @Test func lifeGoesFromCreatedToReady() throws {
    #expect(try ContainerPhase(inspected: inspected("created")).phase == .pending)
    #expect(try ContainerPhase(inspected: inspected("running"), runningSeconds: 5).phase == .starting(nil))
    #expect(
      try ContainerPhase(inspected: inspected("running"), isReady: true).phase
        == .ready(NodeAddress(host: "127.0.0.1", port: 4711)))
    for status in ["running", "exited", "created", "restarting"] {
      #expect(try ContainerPhase(inspected: inspected(status), isStopping: true).phase == .stopping, "\(status)")
    }
    #expect(try ContainerPhase(inspected: inspected("removing")).phase == .stopping)
    let paused = try #require(problem(try ContainerPhase(inspected: inspected("paused")).phase))
    #expect(paused.remedy.contains("unpause"))
  }

  @Test func endsAreTold() throws {
    func ended(_ text: String, isReady: Bool = false, tail: [String] = ["last words"]) throws -> NodeProblem {
      guard case .failed(let problem) = try ContainerPhase(inspected: text, isReady: isReady, tail: tail).phase else {
        throw CancellationError()
      }
      return problem
    }
    let memory = try ended(inspected("exited", exit: 137, isOutOfMemory: true))
    #expect(memory.kind == .outOfMemory && memory.message.contains("300 MiB") && memory.remedy.contains("last words"))
    let crashed = try ended(inspected("exited", exit: 7), isReady: true)
    #expect(crashed.kind == .crashed && crashed.message.hasSuffix("ended unexpectedly (exit code 7)"))
    let early = try ended(inspected("exited", exit: 3))
    #expect(early.kind == .notReady && early.message.hasSuffix("ended before it was ready (exit code 3)"))
    #expect(try ended(inspected("exited", exit: 139), isReady: true).message.contains("signal 11"))
    #expect(try ended(inspected("exited", exit: 127)).kind == .image)
    #expect(try ended(inspected("created", exit: 127, error: "no such file"), tail: []).kind == .image)
    #expect(try ended(inspected("dead"), tail: []).remedy.contains("its log is empty"))
    // What a program wrote steers no terminal.
    #expect(!"\(try ended(inspected("exited", exit: 3), tail: ["\u{1B}[2Jx"]))".contains("\u{1B}"))
  }

  @Test func oneThatIsStartedAgainAndAgainFails() throws {
    let once = try ContainerPhase(inspected: inspected("restarting", exit: 3, restarts: 1)).phase
    #expect(problem(once)?.message.contains("started again, once so far") == true)
    guard case .starting = once else { throw CancellationError() }
    guard case .failed = try ContainerPhase(inspected: inspected("running", exit: 3, restarts: 3)).phase else {
      throw CancellationError()
    }
    #expect(try ContainerPhase(inspected: inspected("running", restarts: 9), isReady: true).phase.isReady)
    guard case .failed(let late) = try ContainerPhase(inspected: inspected("running"), runningSeconds: 601).phase else {
      throw CancellationError()
    }
    #expect(late.message.contains("was not ready after 600 s"))
    guard case .failed = try ContainerPhase(inspected: inspected("running", port: nil), isReady: true).phase else {
      throw CancellationError()
    }
    #expect(throws: (any Error).self) { try ContainerPhase(inspected: "{}") }
  }
}
