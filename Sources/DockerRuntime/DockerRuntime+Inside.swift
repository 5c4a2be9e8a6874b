import APIClient
import Executor
import Foundation
import ServerContract

/// What goes on inside a container: its log, commands beside the server, its memory.
extension DockerRuntime {
  public func logs(
    of replica: ReplicaID, in deployment: DeploymentID, last: Int, follow: Bool
  ) async throws -> AsyncThrowingStream<String, any Error> {
    let container = try await require(replica, deployment)
    // The server's own line that it is ready is no part of the log, and is counted as one by the engine.
    let more = follow ? 0 : (container.restarts ?? 0) + 2
    let query = [
      ("stderr", "1"), ("stdout", "0"), ("tail", "\(max(0, last) + (last > 0 ? more : 0))"),
      ("follow", follow ? "1" : "0"),
    ]
    let (stream, feed) = AsyncThrowingStream<String, any Error>.makeStream()
    if !follow, last <= 0 {
      feed.finish()
      return stream
    }
    var asked = try engine.request("GET", APIRequest.path("containers", container.id, "logs"), query)
    // podman answers a reader that follows with the first line that is written, and not before.
    if follow { asked.timeLimit = .seconds(30 * 86_400) }
    let task = Task { [asked] in
      do {
        let answer = try await self.engine.stream(asked, "logs of \(container.name)")
        if follow {
          try await self.read(answer) { _, line in feed.yield(line) }
        } else {
          var lines: [String] = []
          try await self.read(answer) { _, line in lines = lines.suffix(max(0, last - 1)) + [line] }
          for line in lines { feed.yield(line) }
        }
        feed.finish()
      } catch {
        feed.finish(throwing: error)
      }
    }
    feed.onTermination = { _ in task.cancel() }
    return stream
  }

  public func exec(
    _ command: [String], on replica: ReplicaID, in deployment: DeploymentID,
    output: @escaping @Sendable (String) -> Void
  ) async throws -> ExitStatus {
    struct Creation: Encodable {
      var AttachStdout = true
      var AttachStderr = true
      var Cmd: [String]
    }
    struct Start: Encodable {
      var Detach = false
      var Tty = false
    }
    let container = try await require(replica, deployment)
    guard container.state.status == "running" else { throw Self.doesNotRun(replica) }
    let answer = try await engine.send(
      engine.request(
        "POST", APIRequest.path("containers", container.id, "exec"), json: Creation(Cmd: command)))
    if answer.status == 409 { throw Self.doesNotRun(replica) }
    let id = try engine.decode(EngineMessage.Identifier.self, answer, "exec in \(container.name)").id
    do {
      let run = try await engine.stream(
        engine.request("POST", APIRequest.path("exec", id, "start"), json: Start()), "exec in \(container.name)")
      try await read(run) { _, line in output(line) }
    } catch let error as RuntimeError where error.kind == .notReady || error.kind == .notFound {
      // An engine may refuse to start what the image does not have.
      output(error.message)
      return .exited(127)
    }
    // The output may end a moment before the command does.
    for _ in 0..<100 {
      let found = try await engine.read(EngineMessage.Execution.self, APIRequest.path("exec", id, "json"))
      guard let found else { break }
      if !found.isRunning { return .exited(found.exitCode ?? 0) }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw RuntimeError(
      .unavailable, "the container engine does not say how the command ended", remedy: "run it again")
  }

  /// Private pages of the server where this machine sees its processes, as the local runtime counts them; else what the
  /// engine counts.
  public func memoryBytes(of replica: ReplicaID, in deployment: DeploymentID) async throws -> Int64 {
    let container = try await require(replica, deployment)
    guard container.state.status == "running" else { throw Self.doesNotRun(replica) }
    if let pid = container.state.pid, isProcess(pid, of: container.id),
      let bytes = ProcessMemory(pid: pid).privateBytes
    {
      return bytes
    }
    let usage = try await engine.read(
      EngineMessage.Usage.self, APIRequest.path("containers", container.id, "stats"),
      [("stream", "0"), ("one-shot", "1")])
    guard let bytes = usage?.bytes else { throw Self.doesNotRun(replica) }
    return bytes
  }

  /// Whether a process of this machine is that of a container: the engine may run in a machine of its own, where ids
  /// mean others.
  private func isProcess(_ pid: Int32, of container: String) -> Bool {
    guard engine.address.isLocal, pid > 0,
      let groups = try? String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8)
    else { return false }
    return groups.contains(container)
  }

  private static func doesNotRun(_ replica: ReplicaID) -> RuntimeError {
    RuntimeError(.notReady, "node '\(replica)' does not run", remedy: "deploy it again")
  }

  private func require(_ replica: ReplicaID, _ deployment: DeploymentID) async throws -> EngineMessage.Container {
    let found = try await container(ContainerPlan.name(of: replica, in: deployment))
    if let found, let labels = ReplicaLabels(found.labels), labels.replica == replica, labels.deployment == deployment {
      return found
    }
    let others = try await listed(["\(ReplicaLabels.deploymentKey)=\(deployment)"])
    throw others.isEmpty ? RuntimeError.notFound(deployment) : RuntimeError.notFound(replica, in: deployment)
  }

  // MARK: What a container prints

  /// The last lines of a log.
  func tail(of id: String, last: Int) async throws -> [String] {
    var lines: [String] = []
    let query = [("stderr", "1"), ("stdout", "0"), ("tail", "\(last + 4)")]
    let answer = try await engine.stream(
      engine.request("GET", APIRequest.path("containers", id, "logs"), query), "logs")
    try await read(answer) { _, line in lines.append(line) }
    return Array(lines.suffix(last))
  }

  /// The line by which a server says that it is ready.
  ///
  /// - Parameter since: leaves out what was printed before.
  func readyLine(of id: String, since: EngineTime?) async throws -> ReadyLine? {
    var query = [("stdout", "1"), ("stderr", "0"), ("tail", "all")]
    if let since { query.append(("since", since.text)) }
    let answer = try await engine.stream(
      engine.request("GET", APIRequest.path("containers", id, "logs"), query), "logs")
    var ready: ReadyLine?
    try await read(answer) { _, line in if let found = ReadyLine.parse(line) { ready = found } }
    return ready
  }

  /// Hands out each line of an output that the engine sends in frames.
  private func read(
    _ answer: APIStream, _ body: (OutputFrames.Source, String) -> Void
  ) async throws {
    var frames = OutputFrames()
    var (output, errors) = (LineSplitter(), LineSplitter())
    do {
      for try await part in answer.parts {
        try frames.take(part.readableBytesView) { source, bytes in
          if source == .errors {
            errors.take(bytes) { body(source, $0) }
          } else {
            output.take(bytes) { body(source, $0) }
          }
        }
      }
    } catch let error as APIError {
      throw EngineClient.unreachable(error, engine.address)
    } catch is OutputFrames.Malformed {
      throw RuntimeError(
        .unavailable, "the container engine sent output that is none", remedy: "check that it speaks the Docker API")
    }
    output.finish { body(.output, $0) }
    errors.finish { body(.errors, $0) }
  }
}
