import Dispatch
import Foundation
import Synchronization

/// One running child process, from its start to the collection of its exit status.
///
/// A thread waits for its end. The status is collected under the same lock under which signals are sent, so
/// that no signal ever goes to a stranger that was given the same process id.
final class Child: Sendable {
  private struct State: Sendable {
    var status: ExitStatus?
    var stopRequested = false
    /// Write end of the child's standard input; its closing tells the child that the planner is gone.
    var input: Int32?
    var observers: [@Sendable (ExitStatus) -> Void] = []
  }

  let pid: pid_t
  private let state: Mutex<State>

  fileprivate init(pid: pid_t, input: Int32?) {
    self.pid = pid
    state = Mutex(State(input: input))
    let thread = Thread { self.collect() }
    thread.stackSize = 512 << 10
    thread.start()
  }

  var status: ExitStatus? { state.withLock { $0.status } }
  var isRunning: Bool { status == nil }
  var stopRequested: Bool { state.withLock { $0.stopRequested } }

  /// Called once, on the waiting thread, or here and now where the child has ended already.
  func onExit(_ observer: @escaping @Sendable (ExitStatus) -> Void) {
    let status: ExitStatus? = state.withLock { state in
      if state.status == nil { state.observers.append(observer) }
      return state.status
    }
    if let status { observer(status) }
  }

  /// Awaits the end; task cancellation does not end the wait.
  func exitStatus() async -> ExitStatus {
    let ended = OneShot<ExitStatus>()
    onExit { ended.settle($0) }
    return await ended.value()
  }

  /// Sends a signal to the child alone, or to its whole group.
  func signal(_ number: Int32, group: Bool = false) {
    state.withLock { state in
      guard state.status == nil else { return }
      kill(group ? -pid : pid, number)
    }
  }

  /// Asks the child to end, and kills its group if it has not after `grace`. Returns at once.
  func beginStop(grace: Duration) {
    let isFirst = state.withLock { state in
      defer { state.stopRequested = true }
      return !state.stopRequested
    }
    guard isFirst, isRunning else { return }
    signal(SIGTERM)
    closeInput()
    DispatchQueue.global().asyncAfter(deadline: .now() + (grace / .seconds(1))) { self.signal(SIGKILL, group: true) }
  }

  /// Asks the child to end, kills its group if it has not after `grace`, and waits for the end.
  @discardableResult
  func stop(grace: Duration) async -> ExitStatus {
    beginStop(grace: grace)
    return await exitStatus()
  }

  /// Kills the child's whole group at once, without asking.
  func killGroup() {
    state.withLock { $0.stopRequested = true }
    signal(SIGKILL, group: true)
  }

  private func closeInput() {
    let input = state.withLock { state in
      defer { state.input = nil }
      return state.input
    }
    if let input { close(input) }
  }

  private func collect() {
    var info = siginfo_t()
    // Leaves the status where it is: until it is collected below, the id stays the child's.
    while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
    let (status, observers) = state.withLock { state in
      // What the child itself had started goes with it.
      kill(-pid, SIGKILL)
      var raw: Int32 = 0
      while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
      let signal = raw & 0x7f
      let status: ExitStatus = signal == 0 ? .exited((raw >> 8) & 0xff) : .signalled(signal)
      state.status = status
      defer { state.observers = [] }
      return (status, state.observers)
    }
    closeInput()
    Children.shared.forget(self)
    for observer in observers { observer(status) }
  }
}

/// The children that are alive and have to be gone when the planner is.
final class Children: Sendable {
  static let shared = Children()

  private struct State: Sendable {
    var alive: [pid_t: Child] = [:]
    var isClosed = false
  }

  private let state = Mutex(State())

  /// Starts a child and registers it in one step, so that none can slip through between an interrupt and the
  /// registration.
  ///
  /// - Parameters:
  ///   - input: write end of the child's standard input; owned by the child object from here on.
  ///   - kept: not registered: it is to outlive the planner.
  func start(_ spawn: Spawn, input: Int32?, kept: Bool = false) throws(ExecutorError) -> Child {
    try state.withLock { (state: inout sending State) throws(ExecutorError) -> Child in
      if state.isClosed { throw .interrupted }
      let child = Child(pid: try spawn.start(), input: input)
      if !kept { state.alive[child.pid] = child }
      // It may have ended before it was registered; its thread then found nothing to forget.
      if !child.isRunning { state.alive[child.pid] = nil }
      return child
    }
  }

  func forget(_ child: Child) {
    state.withLock { state in
      if state.alive[child.pid] === child { state.alive[child.pid] = nil }
    }
  }

  var alive: [Child] { state.withLock { state in state.alive.values.sorted { $0.pid < $1.pid } } }

  /// Refuses to start further children from now on.
  func refuseNew() { state.withLock { $0.isClosed = true } }

  func stopAll(grace: Duration) async {
    let children = alive
    for child in children { child.beginStop(grace: grace) }
    for child in children { _ = await child.exitStatus() }
  }

  func killAll() { for child in alive { child.killGroup() } }
}
