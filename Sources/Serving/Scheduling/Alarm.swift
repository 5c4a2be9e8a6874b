import Foundation
import PlannerCore
import Synchronization

/// Calls back at the earliest time that was asked for, from a queue of its own.
///
/// It may also call when nothing is due: the action looks at the clock.
final class Alarm: Sendable {
  private let queue = DispatchQueue(label: "alarm", qos: .userInteractive)
  /// Dispatch sources may be used from any thread; their protocol does not say so. Never changed after `init`.
  private nonisolated(unsafe) let timer: any DispatchSourceTimer
  private let due = Mutex(Nanoseconds.never)
  private let clock: @Sendable () -> Nanoseconds

  init(clock: @escaping @Sendable () -> Nanoseconds) {
    self.clock = clock
    timer = DispatchSource.makeTimerSource(flags: .strict, queue: queue)
  }

  /// Once, before the first `set`.
  func start(_ action: @escaping @Sendable () -> Void) {
    timer.setEventHandler { [weak self] in
      self?.due.withLock { $0 = .never }
      action()
    }
    timer.resume()
  }

  /// Asks to be called then; a call that is due earlier stays.
  func set(at time: Nanoseconds) {
    due.withLock { due in
      guard time < due else { return }
      due = time
      let distance = max(0, (time - clock()).rawValue)
      timer.schedule(deadline: .now() + .nanoseconds(Int(clamping: distance)), leeway: .nanoseconds(0))
    }
  }

  deinit { timer.cancel() }
}
