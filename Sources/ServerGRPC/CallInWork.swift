import GRPCCore
import PlannerCore
import Serving
import Synchronization

/// One call while it is in work: tells its task when the client has gone.
///
/// gRPC's library tells of a call's end in one word, whether the client has reset it or closed the connection, its
/// deadline has passed, or the server was told to stop; and it tells the call's handler, not its task.
final class CallInWork: Sendable {
  /// A client with a deadline resets its call when it passes, which is when the library's own clock ends it: what comes
  /// so shortly before the deadline, or after it, counts as the deadline, which ends the wait in the queue by itself.
  static let deadlineTolerance = Nanoseconds(20_000_000)

  /// A task may be cancelled from anywhere as long as it runs, which the lock sees to.
  private struct RunningTask: @unchecked Sendable {
    let task: UnsafeCurrentTask
  }

  private let cancellation: ServerContext.RPCCancellationHandle
  private let state: ServerState
  private let deadline: Nanoseconds?
  private let task = Mutex<RunningTask?>(nil)

  /// - Parameter deadline: on the monotonic clock; nil for none.
  init(_ cancellation: ServerContext.RPCCancellationHandle, state: ServerState, deadline: Nanoseconds?) {
    self.cancellation = cancellation
    self.state = state
    self.deadline = deadline
  }

  /// Whether a call that has ended did so because nobody waits for it any more: not for its deadline, and not because
  /// the server was told to stop, which answers what is under way.
  var isAbandoned: Bool {
    guard cancellation.isCancelled, !state.isDraining else { return false }
    guard let deadline else { return true }
    return WorkerPool.monotonicNow() + Self.deadlineTolerance < deadline
  }

  /// Runs the body in this task, which is cancelled when the client goes.
  func whileClientWaits<Value: Sendable>(
    _ body: () async throws(InferenceError) -> Value
  ) async throws(InferenceError) -> Value {
    let result = await withUnsafeCurrentTask { current -> Result<Value, InferenceError> in
      let running = current.map { RunningTask(task: $0) }
      task.withLock { $0 = running }
      defer { task.withLock { $0 = nil } }
      return await withEndOfCall(cancellation, onEnd: { self.cancelIfAbandoned() }) {
        do throws(InferenceError) {
          return .success(try await body())
        } catch {
          return .failure(error)
        }
      }
    }
    return try result.get()
  }

  private func cancelIfAbandoned() {
    guard isAbandoned else { return }
    task.withLock { $0?.task.cancel() }
  }
}
