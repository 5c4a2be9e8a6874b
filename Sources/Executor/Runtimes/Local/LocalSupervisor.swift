import Foundation

/// Starts the nodes of one deployment of this machine again when they end by themselves, and its proxy, and keeps their
/// logs short: a process of its own, which outlives the terminal. It ends when the deployment does.
///
/// It holds the deployment's lock only while it starts a node; while somebody else holds it, a rollout most likely, it
/// leaves the deployment alone.
public struct LocalSupervisor: Sendable {
  static let purpose = "planner deploy supervise"
  /// Pause between two looks at the deployment.
  private static let period = Duration.seconds(1)
  /// Pauses before a node is started again: none, then 1 s, which doubles each time up to this.
  private static let longestPauseSeconds = 60.0
  /// A node that has run so long is no longer one that keeps failing.
  private static let steadySeconds = 120.0

  private let runtime: LocalRuntime
  private let deployment: DeploymentID

  /// - Parameter runtime: one whose servers are independent.
  public init(_ runtime: LocalRuntime, _ deployment: DeploymentID) {
    self.runtime = runtime
    self.deployment = deployment
  }

  // MARK: From outside

  /// Starts a supervisor as a process of its own unless one is at work. The caller holds the deployment's lock.
  ///
  /// - Parameters:
  ///   - program: path of the program that supervises.
  ///   - arguments: its command line, which makes it call `run`.
  /// - Throws: `RuntimeError` (`unavailable`) where it does not come up.
  public func ensure(program: String, arguments: [String]) async throws {
    if Self.process(of: deployment, runtime.state)?.isAlive == true { return }
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    defer { close(null) }
    let spawn = Spawn(
      binary: program, arguments: arguments, environment: [:], input: null, output: null, error: null, newSession: true)
    do {
      _ = try Children.shared.start(spawn, input: nil, kept: true)
    } catch {
      throw RuntimeError(.unavailable, "nodes will not be started again: \(error)", remedy: "deploy it again")
    }
    for _ in 0..<100 {
      if Self.process(of: deployment, runtime.state)?.isAlive == true { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw RuntimeError(
      .unavailable, "nodes will not be started again: what supervises '\(deployment)' did not come up",
      remedy: "deploy it again")
  }

  /// Ends the supervisor of a deployment, if there is one, and removes what belongs to it.
  static func end(of deployment: DeploymentID, _ state: StateFolder) async {
    if let process = process(of: deployment, state), process.isAlive, process != .own {
      process.signal(SIGTERM)
      if !(await process.hasEnded(within: .seconds(10))) { process.signal(SIGKILL) }
    }
    unlink(state.supervisorFile(deployment))
    rmdir(state.folder(deployment))
  }

  static func process(of deployment: DeploymentID, _ state: StateFolder) -> ProcessIdentity? {
    FileManager.default.contents(atPath: state.supervisorFile(deployment)).flatMap {
      try? JSONDecoder().decode(ProcessIdentity.self, from: $0)
    }
  }

  // MARK: The supervisor itself

  /// How often a node was started again lately.
  private struct Attempts {
    var count = 0
    var last: ContinuousClock.Instant?
  }

  /// Supervises until the deployment is gone or another supervisor has taken its place.
  ///
  /// - Throws: `RuntimeError`; `CancellationError`.
  public func run() async throws {
    let file = runtime.state.supervisorFile(deployment)
    try JSONEncoder().encode(ProcessIdentity.own).write(to: URL(fileURLWithPath: file), options: .atomic)
    defer {
      if Self.process(of: deployment, runtime.state) == .own {
        unlink(file)
        rmdir(runtime.state.folder(deployment))
      }
    }
    var attempts: [ReplicaID: Attempts] = [:]
    var seen: ObservedDeployment?
    while Self.process(of: deployment, runtime.state) == .own {
      let records = try runtime.state.records(deployment)
      if records.isEmpty { return }
      for record in records { LogRotation.cut(record.logFile) }
      // A record that cannot be read now may be readable the next time.
      if let observed = try? await runtime.observe(deployment) {
        try await startAgain(observed, &attempts)
        try await keepProxy(observed, &seen)
      }
      try await Task.sleep(for: Self.period)
    }
  }

  /// Pause before a node is started again that was started again so often lately, seconds.
  package static func pauseSeconds(after restarts: Int) -> Double {
    restarts <= 0 ? 0 : min(longestPauseSeconds, Double(1 << min(restarts - 1, 10)))
  }

  /// - Parameter seen: what the proxy was last brought up to.
  private func keepProxy(_ observed: ObservedDeployment, _ seen: inout ObservedDeployment?) async throws {
    guard let proxy = try? LocalProxy(of: deployment, on: runtime) else { return }
    proxy.cutLog()
    if seen == observed, proxy.isAlive { return }
    guard let lock = try? await runtime.lock(deployment, purpose: Self.purpose) else { return }
    do {
      let now = try await runtime.observe(deployment)
      try await proxy.keep(now)
      seen = now
    } catch is CancellationError {
      await lock.release()
      throw CancellationError()
    } catch {
      // It is tried again after the next look; until then the deployment's notes say that nobody listens.
    }
    await lock.release()
  }

  private func startAgain(_ observed: ObservedDeployment, _ attempts: inout [ReplicaID: Attempts]) async throws {
    let now = ContinuousClock.now
    for replica in observed.replicas {
      var own = attempts[replica.id] ?? Attempts()
      guard case .failed(let problem) = replica.phase else {
        if let last = own.last, replica.phase.isReady, now - last > .seconds(Self.steadySeconds) {
          attempts[replica.id] = nil
        }
        continue
      }
      if let last = own.last, now - last < .seconds(Self.pauseSeconds(after: own.count)) { continue }
      // Somebody who holds the lock is changing the deployment, and starts what has to be started.
      guard let lock = try? await runtime.lock(deployment, purpose: Self.purpose) else { return }
      own.count += 1
      own.last = now
      attempts[replica.id] = own
      do {
        try await runtime.restart(replica.id, deployment, because: problem)
      } catch is CancellationError {
        await lock.release()
        throw CancellationError()
      } catch {
        // It is tried again after the next pause; until then its record says that it failed.
      }
      await lock.release()
    }
  }
}

extension LocalRuntime {
  public func notes(on deployment: DeploymentID) async throws -> [String] {
    let records = try state.records(deployment)
    guard !records.isEmpty else { throw RuntimeError.notFound(deployment) }
    var notes: [String] = []
    if records.contains(where: { $0.isKept }) { notes.append(supervision(of: deployment)) }
    if let limits = limits(of: records) { notes.append(limits) }
    if let proxy = try LocalProxy(of: deployment, on: self) { notes.append(proxy.note) }
    for record in records {
      guard let restarts = record.restarts, restarts > 0 else { continue }
      notes.append(
        "\(record.node) was started again \(restarts == 1 ? "once" : "\(restarts) times"), the last time because "
          + (record.lastProblem ?? "it had ended"))
    }
    return notes
  }

  private func supervision(of deployment: DeploymentID) -> String {
    guard let process = LocalSupervisor.process(of: deployment, state) else {
      return "nothing starts its nodes again when they end by themselves; planner deploy run does while it is at work"
    }
    return process.isAlive
      ? "process \(process.pid) starts its nodes again when they end by themselves"
      : "the process that started its nodes again has ended itself (it was \(process.pid)); planner deploy run starts "
        + "another"
  }

  private func limits(of records: [ReplicaRecord]) -> String? {
    let groups = records.compactMap(\.controlGroups)
    guard !groups.isEmpty else { return nil }
    let held = Set(groups.flatMap { $0 }.flatMap(\.limits))
    let version = groups.lazy.flatMap { $0 }.first?.version ?? 0
    switch (held.contains(.memory), held.contains(.cpus)) {
    case (true, true): return "memory and CPUs are limited by control groups (version \(version))"
    case (true, false):
      return "memory is limited by control groups (version \(version)), CPUs by the servers themselves"
    case (false, true):
      return "CPUs are limited by control groups (version \(version)), memory was checked at the start"
    case (false, false):
      return "memory was checked at the start and is not limited: this user may make no control groups"
    }
  }
}
