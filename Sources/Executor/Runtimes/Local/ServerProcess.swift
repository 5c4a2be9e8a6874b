import Dispatch
import Foundation
import ServerContract

/// Single server processes that the caller supervises itself, for measurements of this machine. Nodes of a plan are
/// `LocalRuntime`'s.
public enum ServerProcess {
  /// How many of the last log lines an error quotes.
  static let quotedLines = 12

  private enum Event: Sendable {
    case ready(ReadyLine)
    case ended(ExitStatus)
    case timedOut
    case cancelled
  }

  /// Starts the server and waits for its ready line. `ServerLaunch.isKept` says whether it goes with this process.
  ///
  /// - Throws: `ExecutorError`, the end of the log quoted; `CancellationError`. The server is then gone.
  public static func launch(_ launch: ServerLaunch) async throws -> RunningServer {
    try Task.checkCancellation()
    try Spawn.checkExecutable(launch.binary)
    let event = OneShot<Event>()
    let (child, reader) = try start(launch) { line in
      if let ready = ReadyLine.parse(line) { event.settle(.ready(ready)) }
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
    let output = try Pipe.make()
    defer { close(output.write) }
    do {
      let child = try launch.start(output: output.write)
      return (child, LineReader(descriptor: output.read, onLine: onLine))
    } catch {
      close(output.read)
      throw error
    }
  }
}

/// A ready server process of this machine.
public final class RunningServer: Sendable {
  public let launch: ServerLaunch
  public let port: Int
  /// Number of models that it holds.
  public let models: Int
  public var pid: Int32 { child.pid }
  public var address: NodeAddress { NodeAddress(host: launch.host, port: port) }
  public var isRunning: Bool { child.isRunning }
  /// How it ended; nil while it runs.
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

  /// The last lines that it logged.
  public func logs(last count: Int = 20) -> [String] { LogTail.read(launch.logFile, last: count) }

  /// SIGTERM, on which the server answers what it has accepted; SIGKILL to its group after `grace`.
  public func stop(grace: Duration = .seconds(30)) async {
    await child.stop(grace: grace)
  }

  /// Returns when the server was stopped on request; throws when it ended by itself, or `CancellationError`.
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
      pid: child.pid, status: status, logTail: logs(last: ServerProcess.quotedLines), logFile: launch.logFile)
  }

  /// Runs `body`, and gives it up with the server's error as soon as the server ends by itself.
  public func whileRunning<Result: Sendable>(
    _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await self.waitUntilEnd()
        return nil
      }
      defer { group.cancelAll() }
      while let first = try await group.next() {
        if let first { return first }
        // Stopped on request: the body decides what it makes of that.
      }
      throw CancellationError()
    }
  }
}
