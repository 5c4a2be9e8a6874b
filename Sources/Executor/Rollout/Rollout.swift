/// Brings a deployment from whatever it is to what it shall be, step by step as `Reconciler` allows. Whatever was
/// reached when it ends, by an error, a cancellation or a kill, the next run goes on from there.
public struct Rollout: Sendable {
  public let runtime: any Runtime
  /// Nodes that may exist beyond the larger of the old and the new fleet while it changes.
  public var surplusAllowed = 0
  /// How often a replica that fails is started again before the rollout gives up.
  public var restarts = 0
  /// Longest that the rollout may take; nil leaves it to the runtime's own limits.
  public var timeLimit: Duration?
  /// Longest time in which no node becomes ready and none comes or goes; nil waits for as long as the runtime does, for
  /// a machine that nobody adds for ever.
  public var stallLimit: Duration?
  /// How many calls in a row may find the runtime unavailable.
  public var patience = 5
  /// Pause after the first of them; it doubles with each further one.
  public var pause: Duration = .milliseconds(200)
  /// What leads clients to the deployment; nil where they ask its nodes themselves. It learns of a replica once that is
  /// ready, and before it goes.
  public var router: (any TrafficRouter)?

  public init(_ runtime: any Runtime) { self.runtime = runtime }

  /// How far a rollout is.
  public struct Progress: Hashable, Sendable {
    /// Desired replicas that are ready.
    public var ready: Int
    public var of: Int
    public var observed: ObservedDeployment
  }

  private struct State {
    var reconciler: Reconciler?
    var started: [ReplicaID: Int] = [:]
    var failures = 0
    /// Replicas by whether they are ready, and since when they are these.
    var standing: [ReplicaID: Bool] = [:]
    var standingSince = ContinuousClock.now
    /// What clients were last led by.
    var table: RoutingTable?
  }

  /// Checks first whether the nodes can be brought up at all.
  ///
  /// - Parameter progress: called at each look at the deployment.
  /// - Returns: the deployment with every desired replica ready, and no other.
  /// - Throws: `RuntimeError`; `CancellationError`.
  @discardableResult
  public func run(
    _ desired: DesiredDeployment, progress: @Sendable (Progress) -> Void = { _ in }
  ) async throws -> ObservedDeployment {
    var state = State()
    let clock = ContinuousClock()
    let start = clock.now
    try await persistently(&state) {
      try await runtime.check(desired)
      try await runtime.prepare(desired)
    }
    while true {
      do {
        for try await _ in looks(at: desired.id) {
          if let settled = try await step(desired, &state, progress) { return settled }
          if let timeLimit, clock.now - start > timeLimit {
            throw try await overdue(desired, "after \(timeLimit / .seconds(1)) s")
          }
          if let stallLimit, clock.now - state.standingSince > stallLimit {
            throw try await overdue(desired, "nothing has changed for \(stallLimit / .seconds(1)) s:")
          }
        }
        try Task.checkCancellation()
        throw RuntimeError(
          .unavailable, "the \(runtime.name) runtime no longer tells how '\(desired.id)' is", remedy: "run it again")
      } catch let error as RuntimeError where error.kind == .unavailable {
        try await wait(after: error, &state)
      }
    }
  }

  /// The runtime's signals; where there is a limit of either kind, also one a second, so that it is noticed though
  /// nothing happens.
  private func looks(at deployment: DeploymentID) -> AsyncThrowingStream<Void, any Error> {
    let signals = runtime.signals(from: deployment)
    guard timeLimit != nil || stallLimit != nil else { return signals }
    let (looks, feed) = AsyncThrowingStream<Void, any Error>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let listening = Task {
      do {
        for try await _ in signals { feed.yield() }
        feed.finish()
      } catch {
        feed.finish(throwing: error)
      }
    }
    let ticking = Task {
      while !Task.isCancelled {
        try? await Task.sleep(for: .seconds(1))
        feed.yield()
      }
    }
    feed.onTermination = { _ in
      listening.cancel()
      ticking.cancel()
    }
    return looks
  }

  /// One look and the steps that it allows. Returns the deployment once it is as desired.
  private func step(
    _ desired: DesiredDeployment, _ state: inout State, _ progress: @Sendable (Progress) -> Void
  ) async throws -> ObservedDeployment? {
    let observed = try await runtime.observeOrEmpty(desired.id)
    let reconciler =
      state.reconciler ?? Reconciler(desired, startingFrom: observed, surplusAllowed: surplusAllowed)
    state.reconciler = reconciler
    let standing = Dictionary(uniqueKeysWithValues: observed.replicas.map { ($0.id, $0.phase.isReady) })
    if standing != state.standing { (state.standing, state.standingSince) = (standing, .now) }
    let ready = desired.nodes.count { observed.replica($0.replica)?.phase.isReady == true }
    progress(Progress(ready: ready, of: desired.nodes.count, observed: observed))
    for node in desired.nodes {
      guard case .failed(let problem)? = observed.replica(node.replica)?.phase else { continue }
      // What failed before this run is simply started again.
      if state.started[node.replica, default: 0] > restarts { throw RuntimeError(problem) }
    }
    let isSettled = reconciler.isSettled(observed)
    let changes = isSettled ? [] : reconciler.changes(observed)
    var leaving: Set<ReplicaID> = []
    for change in changes {
      try Task.checkCancellation()
      switch change {
      case .start(let node):
        try await runtime.apply(change, to: desired.id)
        state.started[node.replica, default: 0] += 1
      case .stop(let replica): leaving.insert(replica)
      }
    }
    try await lead(observed, to: desired, without: leaving, &state)
    for case .stop(let replica) in changes {
      try Task.checkCancellation()
      try await runtime.apply(.stop(replica), to: desired.id)
    }
    state.failures = 0
    return isSettled ? observed : nil
  }

  /// Nobody is led to what goes next. A replica that is not ready was led to by nobody.
  private func lead(
    _ observed: ObservedDeployment, to desired: DesiredDeployment, without leaving: Set<ReplicaID>, _ state: inout State
  ) async throws {
    guard let router else { return }
    let table = RoutingTable(observed, wanted: desired.nodes, leaving: leaving)
    guard table != state.table else { return }
    try await router.lead(by: table)
    state.table = table
  }

  private func persistently(_ state: inout State, _ body: () async throws -> Void) async throws {
    while true {
      do {
        return try await body()
      } catch let error as RuntimeError where error.kind == .unavailable {
        try await wait(after: error, &state)
      }
    }
  }

  private func wait(after error: RuntimeError, _ state: inout State) async throws {
    guard state.failures < patience else { throw error }
    try await Task.sleep(for: pause * (1 << state.failures))
    state.failures += 1
  }

  private func overdue(_ desired: DesiredDeployment, _ when: String) async throws -> RuntimeError {
    let observed = try await runtime.observeOrEmpty(desired.id)
    let late = desired.nodes.filter { observed.replica($0.replica)?.phase.isReady != true }
    let problem = late.lazy.compactMap { observed.replica($0.replica)?.problem }.first
    return RuntimeError(
      .notReady,
      "\(when) \(late.count) of \(desired.nodes.count) nodes are not ready, the first: "
        + "\(late.first.map { "\($0.id)" } ?? "none")" + (problem.map { " (\($0.message))" } ?? ""),
      remedy: problem?.remedy ?? "read the node's log, or allow more time")
  }
}
