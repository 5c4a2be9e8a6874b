import Foundation
import Synchronization

/// Threads that load and free models: never a worker, an event loop or the cooperative pool.
final class LoaderThreads: Sendable {
  private struct State {
    var jobs: [@Sendable () -> Void] = []
    var isStopped = false
    var running = 0
  }

  private let state = Mutex(State())
  private let work = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)
  private let count: Int

  /// - Parameter prepare: run once by each thread, before its first job.
  init(count: Int, prepare: @escaping @Sendable () -> Void = {}) {
    self.count = count
    for index in 0..<count {
      let thread = Thread { [self] in
        prepare()
        loop()
        ended.signal()
      }
      thread.name = "loader-\(index)"
      // The compiler of deep graphs recurses.
      thread.stackSize = 16 << 20
      thread.start()
    }
  }

  func submit(_ job: @escaping @Sendable () -> Void) {
    state.withLock { $0.jobs.append(job) }
    work.signal()
  }

  private func loop() {
    while true {
      work.wait()
      let job = state.withLock { state -> (@Sendable () -> Void)? in
        state.jobs.isEmpty ? nil : state.jobs.removeFirst()
      }
      if let job { job() } else if state.withLock({ $0.isStopped }) { return }
    }
  }

  /// Ends the threads after the jobs under way; those that have not begun are still done.
  ///
  /// The library must not be running when the process tears it down.
  func stop() {
    state.withLock { $0.isStopped = true }
    for _ in 0..<count { work.signal() }
    for _ in 0..<count { ended.wait() }
  }
}
