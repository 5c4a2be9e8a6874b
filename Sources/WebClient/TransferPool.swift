import Foundation
import Synchronization

/// Threads that wait for transfers, each with a libcurl handle of its own: never the event loops' nor Swift's own.
///
/// Everything that changes is guarded by the condition.
package final class TransferPool: @unchecked Sendable {
  private typealias Job = @Sendable (Result<Transfer, RemoteError>) -> Void

  package let cancellation = Cancellation()
  private let limit: Int
  private let authorities: String?
  private let condition = NSCondition()
  private var jobs: [Job] = []
  private var idle = 0
  private var threads = 0
  private var isClosed = false

  /// - Parameter limit: threads at most; they start when there is work for them and end with `close`.
  package init(limit: Int, authorities: String? = nil) {
    self.limit = max(1, limit)
    self.authorities = authorities
  }

  /// Ends running transfers and fails waiting ones with `cancelled`.
  package func close() {
    cancellation.cancel()
    condition.lock()
    isClosed = true
    condition.broadcast()
    condition.unlock()
  }

  /// Runs work on one of the threads and waits for it.
  package func run<Value: Sendable>(
    _ work: @escaping @Sendable (Transfer) throws(RemoteError) -> Value
  ) throws(RemoteError) -> Value {
    let result = Mutex<Result<Value, RemoteError>>(.failure(.cancelled))
    let finished = DispatchSemaphore(value: 0)
    submit(work) { value in
      result.withLock { $0 = value }
      finished.signal()
    }
    finished.wait()
    return try result.withLock { $0 }.get()
  }

  /// Runs work on one of the threads, then `onEnd` there.
  package func submit<Value: Sendable>(
    _ work: @escaping @Sendable (Transfer) throws(RemoteError) -> Value,
    onEnd: @escaping @Sendable (Result<Value, RemoteError>) -> Void
  ) {
    enqueue { transfer in
      do throws(RemoteError) {
        onEnd(.success(try work(try transfer.get())))
      } catch {
        onEnd(.failure(error))
      }
    }
  }

  private func enqueue(_ job: @escaping Job) {
    condition.lock()
    if isClosed {
      condition.unlock()
      return job(.failure(.cancelled))
    }
    jobs.append(job)
    if idle < jobs.count, threads < limit {
      threads += 1
      let thread = Thread { self.work() }
      thread.name = "transfer"
      thread.stackSize = 1 << 20
      thread.start()
    }
    condition.signal()
    condition.unlock()
  }

  private func work() {
    let transfer = Result { () throws(RemoteError) -> Transfer in
      try Transfer(cancellation: cancellation, authorities: authorities)
    }
    while true {
      condition.lock()
      idle += 1
      while jobs.isEmpty, !isClosed { condition.wait() }
      idle -= 1
      let job = jobs.isEmpty ? nil : jobs.removeFirst()
      condition.unlock()
      guard let job else { return }
      job(transfer)
    }
  }
}
