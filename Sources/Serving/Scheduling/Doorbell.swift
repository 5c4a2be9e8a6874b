import CLinux
import Foundation
import PlannerCore
import Synchronization

/// Wakes one worker thread: rings are never lost, and several before the worker looks count as one.
///
/// A worker that has just computed polls for a while before it sleeps. A sleeping one costs every request more than
/// its waking: while the thread sleeps the processor goes into a low-power state, or the hypervisor takes it away, and
/// the pass that follows runs with cold caches (docs/decisions/0014).
final class Doorbell: Sendable {
  private enum Position {
    static let quiet: UInt8 = 0
    static let rung: UInt8 = 1
    static let asleep: UInt8 = 2
  }

  private let position = Atomic<UInt8>(Position.quiet)
  private let semaphore = DispatchSemaphore(value: 0)

  /// Wakes the worker; may be called from any thread.
  func ring() {
    if position.exchange(Position.rung, ordering: .acquiringAndReleasing) == Position.asleep { semaphore.signal() }
  }

  /// Waits for a ring, polling for the first `seconds`. Only from the worker's own thread.
  func wait(polling seconds: Nanoseconds, clock: () -> Nanoseconds) {
    if seconds > .zero, pollUntil(clock() + seconds, clock) { return }
    let (isAsleep, _) = position.compareExchange(
      expected: Position.quiet, desired: Position.asleep, ordering: .acquiringAndReleasing)
    if isAsleep { semaphore.wait() }
    answer()
  }

  /// An exchange and not a store: what a ring announced before it is seen after it.
  private func answer() { _ = position.exchange(Position.quiet, ordering: .acquiringAndReleasing) }

  private func pollUntil(_ end: Nanoseconds, _ clock: () -> Nanoseconds) -> Bool {
    repeat {
      // Reading the clock takes as long as many looks.
      for _ in 0..<64 {
        if position.load(ordering: .relaxed) == Position.rung {
          answer()
          return true
        }
        cl_pause()
      }
    } while clock() < end
    return false
  }
}
