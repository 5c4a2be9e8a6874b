import Executor
import Foundation

/// How far a replica is, from what the engine says of its container. A pure function.
package struct ContainerPhase {
  /// So often a container that never became ready is started again before that is called a failure.
  static let mostRestarts = 3

  var container: EngineMessage.Container
  /// The server said, since it was last started, that it is ready.
  var isReady: Bool
  /// This program has asked it to end.
  var isStopping: Bool
  /// Host by which published ports are reached.
  var host: String
  /// Last lines of the log; only read where something is wrong.
  var tail: [String]
  /// How long the container has been running, seconds; nil where the engine does not say.
  var runningSeconds: Double?
  var readyTimeoutSeconds: Double

  private var state: EngineMessage.Container.State { container.state }
  private var restarts: Int { container.restarts ?? 0 }
  private var name: String { container.name.hasPrefix("/") ? String(container.name.dropFirst()) : container.name }

  init(
    container: EngineMessage.Container, isReady: Bool, isStopping: Bool, host: String, tail: [String],
    runningSeconds: Double?, readyTimeoutSeconds: Double
  ) {
    self.container = container
    self.isReady = isReady
    self.isStopping = isStopping
    self.host = host
    self.tail = tail
    self.runningSeconds = runningSeconds
    self.readyTimeoutSeconds = readyTimeoutSeconds
  }

  /// - Parameter inspected: what the engine answers to `GET /containers/NAME/json`.
  /// - Throws: `DecodingError`.
  package init(
    inspected: String, isReady: Bool = false, isStopping: Bool = false, tail: [String] = [],
    runningSeconds: Double? = nil
  ) throws {
    let container = try JSONDecoder().decode(EngineMessage.Container.self, from: Data(inspected.utf8))
    self.init(
      container: container, isReady: isReady, isStopping: isStopping, host: "127.0.0.1", tail: tail,
      runningSeconds: runningSeconds, readyTimeoutSeconds: 600)
  }

  /// Whether the end of the log is needed to tell.
  static func needsLog(_ container: EngineMessage.Container) -> Bool {
    ["exited", "dead", "stopped", "restarting"].contains(container.state.status) || (container.restarts ?? 0) > 0
  }

  package var phase: ReplicaPhase {
    switch state.status {
    case "created", "initialized", "configured":
      if isStopping { return .stopping }
      // The engine tried, and said why it could not.
      return state.error?.isEmpty == false ? .failed(ended) : .pending
    case "removing", "stopping":
      return .stopping
    case "running":
      if isStopping { return .stopping }
      return running
    case "paused":
      return .starting(NodeProblem(.notReady, "the container \(name) is paused", remedy: "docker unpause \(name)"))
    case "restarting":
      return isStopping ? .stopping : again
    // Between the end and the next start, as podman says it.
    case "stopped" where ["always", "unless-stopped"].contains(container.host?.restart?.name):
      return isStopping ? .stopping : again
    default:
      return isStopping ? .stopping : .failed(ended)
    }
  }

  private var running: ReplicaPhase {
    if isReady {
      guard let port = container.published(ContainerPlan.port) else {
        return .failed(
          NodeProblem(.notReady, "the container \(name) publishes no port", remedy: "deploy it again"))
      }
      return .ready(NodeAddress(host: host, port: port))
    }
    if restarts > 0 { return again }
    if let runningSeconds, runningSeconds > readyTimeoutSeconds {
      return .failed(
        NodeProblem(
          .notReady, "the container \(name) was not ready after \(Int(readyTimeoutSeconds)) s", remedy: logEnd))
    }
    return .starting(nil)
  }

  /// The engine starts it again by itself.
  private var again: ReplicaPhase {
    let times = restarts == 1 ? "once" : "\(restarts) times"
    let soFar = restarts > 0 ? ", \(times) so far" : ""
    let problem =
      state.status == "running"
      ? NodeProblem(
        .notReady, "the container \(name) ended, was started again \(times), and is not ready", remedy: logEnd)
      : NodeProblem(ended.kind, "\(ended.message); it is started again\(soFar)", remedy: ended.remedy)
    return restarts >= Self.mostRestarts ? .failed(problem) : .starting(problem)
  }

  /// Why the container is not running, or did not run before it was started again.
  private var ended: NodeProblem {
    let code = state.exitCode ?? 0
    let limit = container.host?.memoryBytes ?? 0
    // Not every engine is told whom the kernel ended for lack of memory; nobody else kills a container out of the blue.
    if state.wasOutOfMemory == true || code == 137 {
      return NodeProblem(
        .outOfMemory,
        "the container \(name) was "
          + (state.wasOutOfMemory == true ? "ended for lack of memory" : "killed, most likely for lack of memory")
          + (limit > 0 ? ": it may have \(limit >> 20) MiB" : ""),
        remedy: "plan fewer models a node, or profile their memory again; \(logEnd)")
    }
    if let error = state.error, !error.isEmpty {
      return NodeProblem(
        code == 126 || code == 127 ? .image : .notReady,
        "the container \(name) could not be started: \(EngineText.plain(error))",
        remedy: "check that the image is one of planner image build")
    }
    if !isReady, code == 126 || code == 127 {
      return NodeProblem(
        .image, "the container \(name) ended with exit code \(code): the image has no server that can be run",
        remedy: "check that the image is one of planner image build, for this machine's processor; \(logEnd)")
    }
    // A shell's way to say that a signal ended what it ran.
    let status: ExitStatus = code > 128 && code < 160 ? .signalled(code - 128) : .exited(code)
    return NodeProblem(
      isReady ? .crashed : .notReady,
      "the container \(name) ended \(isReady ? "unexpectedly" : "before it was ready") (\(status))", remedy: logEnd)
  }

  private var logEnd: String {
    tail.isEmpty
      ? "its log is empty"
      : "the end of its log:\n  " + tail.map { EngineText.plain($0) }.joined(separator: "\n  ")
  }
}
