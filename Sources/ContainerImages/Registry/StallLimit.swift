import APIClient
import Synchronization

/// Ends a transfer that does not move: no longer than any one wait may be, however long all of it takes.
struct StallLimit: Sendable {
  let seconds: Double

  /// Says that something moved.
  final class Pulse: Sendable {
    private let last = Mutex(ContinuousClock.now)
    func beat() { last.withLock { $0 = .now } }
    fileprivate var age: Duration { .now - last.withLock { $0 } }
  }

  /// - Throws: `APIError.timedOut` where nothing moved for so long; what `work` throws.
  func run<Value: Sendable>(_ work: @escaping @Sendable (Pulse) async throws -> Value) async throws -> Value {
    let pulse = Pulse()
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await work(pulse) }
      group.addTask {
        while true {
          try await Task.sleep(for: .seconds(seconds / 4))
          if pulse.age > .seconds(seconds) { throw APIError.timedOut(seconds: seconds) }
        }
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let value = first else { throw CancellationError() }
      return value
    }
  }
}

/// Adds up what several transfers at once have done.
final class ProgressTally: Sendable {
  private let done = Mutex(0)
  private let total: Int
  private let report: @Sendable (TransferProgress) -> Void

  init(total: Int, _ report: @escaping @Sendable (TransferProgress) -> Void) {
    self.total = total
    self.report = report
  }

  /// - Parameter bytes: negative where a try is given up and what it did is done again.
  func add(_ bytes: Int) {
    let now = done.withLock { done in
      done += bytes
      return done
    }
    report(TransferProgress(doneBytes: now, totalBytes: total))
  }
}

/// Works on several things at once, no more than `limit`.
func concurrently<Item: Sendable>(
  _ items: [Item], limit: Int, _ work: @escaping @Sendable (Item) async throws -> Void
) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    for (index, item) in items.enumerated() {
      if index >= limit { try await group.next() }
      group.addTask { try await work(item) }
    }
    try await group.waitForAll()
  }
}
