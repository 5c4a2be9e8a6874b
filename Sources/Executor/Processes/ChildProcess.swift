import Foundation

/// Runs programs to their end.
///
/// Whatever was started through this module and not explicitly kept can be ended with `stopAll`.
public enum ChildProcess {
  /// Runs `binary` and waits for its end and for the last of its output.
  ///
  /// Its standard input is a pipe that nothing is written to and that is closed when this process ends, however
  /// it ends: a child that wants to go with its parent reads it. Cancelling the task sends SIGTERM, then SIGKILL to
  /// the child's whole group after `grace`.
  ///
  /// - Parameters:
  ///   - environment: on top of this process's own.
  ///   - onStandardOutput: is given each line, on a thread of its own; nil discards the output.
  ///   - onStandardError: the same for standard error.
  /// - Throws: `ExecutorError`; `CancellationError` once the child is gone.
  @discardableResult
  public static func run(
    _ binary: String, arguments: [String] = [], environment: [String: String] = [:], grace: Duration = .seconds(5),
    onStandardOutput: (@Sendable (String) -> Void)? = nil, onStandardError: (@Sendable (String) -> Void)? = nil
  ) async throws -> ExitStatus {
    try Task.checkCancellation()
    let pipes = try StandardPipes.make()
    let child: Child
    do {
      child = try Children.shared.start(
        Spawn(
          binary: binary, arguments: arguments, environment: environment, input: pipes.input.read,
          output: pipes.output.write, error: pipes.error.write), input: pipes.input.write)
    } catch {
      pipes.closeAll()
      throw error
    }
    pipes.closeChildEnds()
    let output = LineReader(descriptor: pipes.output.read) { onStandardOutput?($0) }
    let errors = LineReader(descriptor: pipes.error.read) { onStandardError?($0) }
    let status = await withTaskCancellationHandler {
      await child.exitStatus()
    } onCancel: {
      child.beginStop(grace: grace)
    }
    await output.finished()
    await errors.finished()
    try Task.checkCancellation()
    if child.stopRequested { throw CancellationError() }
    return status
  }

  /// Ends every child that is alive: SIGTERM to all, SIGKILL to what is left after `grace`. Returns when they are gone.
  public static func stopAll(grace: Duration = .seconds(10)) async {
    await Children.shared.stopAll(grace: grace)
  }

  /// Process ids of the children that are alive and not kept, ascending.
  public static var alive: [Int32] { Children.shared.alive.map(\.pid) }
}

/// The three pipes of a child whose output is read.
private struct StandardPipes {
  var input: Pipe
  var output: Pipe
  var error: Pipe

  static func make() throws(ExecutorError) -> StandardPipes {
    StandardPipes(input: try .make(), output: try .make(), error: try .make())
  }

  func closeChildEnds() {
    for descriptor in [input.read, output.write, error.write] { close(descriptor) }
  }

  func closeAll() {
    closeChildEnds()
    for descriptor in [input.write, output.read, error.read] { close(descriptor) }
  }
}
