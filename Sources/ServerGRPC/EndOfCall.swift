import GRPCCore

/// Runs the body, and calls `onEnd` once the call has ended: at once where that was before.
func withEndOfCall<Value, Failure: Error>(
  _ cancellation: ServerContext.RPCCancellationHandle, onEnd: @escaping @Sendable () -> Void,
  _ body: () async throws(Failure) -> Value
) async throws(Failure) -> Value {
  if cancellation.isCancelled { onEnd() }
  return try await withRPCCancellationHandler(operation: body) {
    // Of a call that has ended already, the library tells while it holds the lock that `isCancelled` takes.
    Task { onEnd() }
  }
}
