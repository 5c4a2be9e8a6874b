import Dispatch
import Foundation
import ServerContract

/// Nodes as processes of this machine.
public enum LocalProcess: NodeRuntime {
  public static let name = "local"
  /// How many of the last log lines an error quotes.
  static let quotedLines = 12

  private enum Event: Sendable {
    case ready(ReadyLine)
    case ended(ExitStatus)
    case timedOut
    case cancelled
  }

  /// Starts the server and waits for its ready line.
  ///
  /// Unless it is to be kept, its standard input is a pipe that this process holds open: it is told to stop when
  /// that pipe ends, so it goes with the planner even where that is killed.
  ///
  /// - Throws: `ExecutorError`, the end of the log quoted; `CancellationError`. The server is then gone.
  public static func launch(_ launch: ServerLaunch) async throws -> RunningServer {
    try Task.checkCancellation()
    try Spawn.checkExecutable(launch.binary)
    let event = OneShot<Event>()
    let (child, reader) = try start(launch) { line in
      if let ready = try? JSONDecoder().decode(ReadyLine.self, from: Data(line.utf8)), ready.ready {
        event.settle(.ready(ready))
      }
    }
    child.onExit { status in
      // What it said before it ended comes first.
      Task {
        await reader.finished()
        event.settle(.ended(status))
      }
    }
    let limit = DispatchTime.now() + launch.readyTimeoutSeconds
    DispatchQueue.global().asyncAfter(deadline: limit) { event.settle(.timedOut) }
    let first = await withTaskCancellationHandler {
      await event.value()
    } onCancel: {
      event.settle(.cancelled)
    }
    func tail() -> [String] { LogTail.read(launch.logFile, last: quotedLines) }
    switch first {
    case .ready(let line):
      return RunningServer(launch: launch, child: child, ready: line)
    case .ended(let status):
      if child.stopRequested { throw CancellationError() }
      throw ExecutorError.endedBeforeReady(
        binary: launch.binary, status: status, logTail: tail(), logFile: launch.logFile)
    case .timedOut:
      await child.stop(grace: .seconds(2))
      throw ExecutorError.notReadyInTime(
        binary: launch.binary, seconds: launch.readyTimeoutSeconds, logTail: tail(), logFile: launch.logFile)
    case .cancelled:
      await child.stop(grace: .seconds(5))
      throw CancellationError()
    }
  }

  private static func start(
    _ launch: ServerLaunch, onLine: @escaping @Sendable (String) -> Void
  ) throws(ExecutorError) -> (Child, LineReader) {
    let log = open(launch.logFile, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
    guard log >= 0 else { throw .logFile(path: launch.logFile, reason: systemMessage(errno)) }
    defer { close(log) }
    let output = try Pipe.make()
    defer { close(output.write) }
    let input: Pipe
    do {
      input = launch.isKept ? Pipe(read: open("/dev/null", O_RDONLY | O_CLOEXEC), write: -1) : try Pipe.make()
    } catch {
      close(output.read)
      throw error
    }
    defer { close(input.read) }
    let spawn = Spawn(
      binary: launch.binary, arguments: launch.arguments, environment: launch.environment, input: input.read,
      output: output.write, error: log, newSession: launch.isKept)
    do {
      // Registered even where it is to be kept: until it is ready, an interrupt ends it.
      let child = try Children.shared.start(spawn, input: launch.isKept ? nil : input.write)
      return (child, LineReader(descriptor: output.read, onLine: onLine))
    } catch {
      close(output.read)
      if input.write >= 0 { close(input.write) }
      throw error
    }
  }
}

/// A ready server process of this machine.
public final class RunningServer: RunningNode {
  public let launch: ServerLaunch
  public let port: Int
  public let models: Int
  public var pid: Int32 { child.pid }
  public var address: NodeAddress { NodeAddress(host: launch.host, port: port) }
  public var isRunning: Bool { child.isRunning }
  /// nil while it runs.
  public var exitStatus: ExitStatus? { child.status }

  private let child: Child

  init(launch: ServerLaunch, child: Child, ready: ReadyLine) {
    self.launch = launch
    self.child = child
    port = ready.port
    models = ready.models
    if launch.isKept { Children.shared.forget(child) }
  }

  /// Memory that belongs to this process alone, bytes: what a node has to have for it.
  ///
  /// - Throws: `ExecutorError.host` where the process is gone.
  public func memoryBytes() throws -> Int64 {
    try ProcessMemory.privateBytes(pid: child.pid)
  }

  public func logs(last count: Int = 20) -> [String] { LogTail.read(launch.logFile, last: count) }

  /// SIGTERM, on which the server answers what it has accepted; SIGKILL to its group after `grace`.
  public func stop(grace: Duration = .seconds(30)) async {
    await child.stop(grace: grace)
  }

  public func waitUntilEnd() async throws {
    let event = OneShot<ExitStatus?>()
    child.onExit { event.settle($0) }
    let status = await withTaskCancellationHandler {
      await event.value()
    } onCancel: {
      event.settle(nil)
    }
    guard let status else { throw CancellationError() }
    if child.stopRequested { return }
    throw ExecutorError.crashed(
      pid: child.pid, status: status, logTail: logs(last: LocalProcess.quotedLines), logFile: launch.logFile)
  }
}
