import Dispatch
import Foundation
import Synchronization

/// Turns SIGINT, SIGTERM and SIGHUP into an orderly end.
///
/// The first signal asks every child to end, refuses to start new ones and calls the registered actions (cancel
/// the task, typically). The second kills the children and lets the signal do what it does by default, which ends
/// this process. Make one at the start of a program and keep it.
public final class Interrupts: Sendable {
  private struct State: Sendable {
    var seen: Int32?
    var actions: [@Sendable () -> Void] = []
  }

  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  private let state = Mutex(State())
  /// Dispatch sources may be used from any thread; their protocol does not say so. Never changed after `init`.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]
  private let grace: Duration

  /// - Parameter grace: how long children may take to end after the first signal before they are killed.
  public init(grace: Duration = .seconds(10)) {
    self.grace = grace
    let queue = DispatchQueue(label: "interrupts")
    sources = Self.signals.map { DispatchSource.makeSignalSource(signal: $0, queue: queue) }
    for (number, source) in zip(Self.signals, sources) {
      // The default action would end the process before the source is told.
      signal(number, SIG_IGN)
      source.setEventHandler { [weak self] in self?.received(number) }
      source.resume()
    }
  }

  deinit {
    for source in sources { source.cancel() }
    for number in Self.signals { signal(number, SIG_DFL) }
  }

  /// An interrupt has come; the program's exit code is 130.
  public var wereSeen: Bool { state.withLock { $0.seen != nil } }

  /// Calls `action` on the first interrupt, or at once where it has come already.
  public func onFirst(_ action: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      if state.seen == nil { state.actions.append(action) }
      return state.seen != nil
    }
    if isLate { action() }
  }

  private func received(_ number: Int32) {
    let (isFirst, actions) = state.withLock { state in
      defer {
        state.seen = number
        state.actions = []
      }
      return (state.seen == nil, state.actions)
    }
    guard isFirst else {
      Children.shared.killAll()
      signal(number, SIG_DFL)
      kill(getpid(), number)
      return
    }
    Children.shared.refuseNew()
    for child in Children.shared.alive { child.beginStop(grace: grace) }
    for action in actions { action() }
  }
}
