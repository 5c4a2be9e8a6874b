import Synchronization

/// A value that is settled once, by the first of its callers, and awaited by one task.
final class OneShot<Value: Sendable>: Sendable {
  private enum State: Sendable {
    case open
    case awaited(CheckedContinuation<Value, Never>)
    case settled(Value)
  }

  private let state = Mutex(State.open)

  /// Only the first call counts.
  func settle(_ value: Value) {
    let waiter: CheckedContinuation<Value, Never>? = state.withLock { state in
      switch state {
      case .open:
        state = .settled(value)
        return nil
      case .awaited(let continuation):
        state = .settled(value)
        return continuation
      case .settled:
        return nil
      }
    }
    waiter?.resume(returning: value)
  }

  /// May be awaited by one task at a time. Cancellation is no concern of this type: settle it from a handler.
  func value() async -> Value {
    await withCheckedContinuation { continuation in
      let ready: Value? = state.withLock { state in
        switch state {
        case .open:
          state = .awaited(continuation)
          return nil
        case .awaited:
          preconditionFailure("a OneShot is awaited by one task")
        case .settled(let value):
          return value
        }
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }
}
