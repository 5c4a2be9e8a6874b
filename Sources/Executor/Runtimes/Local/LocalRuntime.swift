import Dispatch
import Foundation
import ServerContract
import Synchronization

/// Nodes as processes of this machine, one process group each.
///
/// A replica is recorded on disk before it is started, so that a run that is killed in between is resumed; it is known
/// again by a variable in its environment, and by process id together with start time. What is signalled is thereby
/// always what this runtime started, also where process ids are used again.
public final class LocalRuntime: Runtime {
  /// What happens to servers when the planner ends.
  public enum Lifetime: Hashable, Sendable {
    /// Servers end with the planner, however it ends.
    case planner
    /// Servers that are ready stay when the planner ends.
    case independent
  }

  /// Variable that tells a replica's processes, and those that they start, from all others: the path of its record.
  static let markerVariable = "PLANNER_REPLICA"

  public let name = RuntimeName.local.rawValue
  let binary: String
  let state: StateFolder
  let lifetime: Lifetime
  let cpus: [NodeID: CPUSplit]
  /// Servers get control groups of their own, where this user may make them.
  let isLimited: Bool
  /// How long a replica may take until it is ready, seconds.
  let readyTimeoutSeconds: Double
  /// How long it may take to answer what it has accepted before it is ended by force.
  let grace: Duration
  private let own = Mutex(Own())

  /// What only the process that started a replica knows of it.
  private struct Own: Sendable {
    var children: [String: Child] = [:]
    /// Files of replicas that were not ready in time.
    var overdue: Set<String> = []
    var watchers: [Int: Watcher] = [:]
    var nextWatcher = 0
  }

  private struct Watcher: Sendable {
    var deployment: DeploymentID
    var feed: AsyncThrowingStream<Void, any Error>.Continuation
  }

  /// - Parameters:
  ///   - binary: path of `model-server`.
  ///   - stateFolder: where deployments are recorded; programs that share it see the same deployments.
  ///   - logFolder: where logs are; those of replicas that failed stay there.
  ///   - cpus: CPUs of each node's workers, and of the rest; nodes that are not in it leave them to the system.
  ///   - isLimited: holds each server to its memory and its CPUs, by control groups where this user may make them.
  public init(
    binary: String, stateFolder: String, logFolder: String, lifetime: Lifetime, cpus: [NodeID: CPUSplit] = [:],
    isLimited: Bool = false, readyTimeoutSeconds: Double = 600, grace: Duration = .seconds(30)
  ) {
    self.binary = binary
    state = StateFolder(path: stateFolder, logs: logFolder)
    self.lifetime = lifetime
    self.cpus = cpus
    self.isLimited = isLimited
    self.readyTimeoutSeconds = readyTimeoutSeconds
    self.grace = grace
  }

  // MARK: What there is

  public func deployments() async throws -> [DeploymentID] {
    try state.deployments().filter { deployment in
      var isThere = false
      for record in try state.records(deployment) {
        // What a planner that was killed has left is no deployment: its servers went with it.
        if record.isKept || record.planner.isAlive || record.process?.isAlive == true
          || find(record, deployment) != nil
        {
          isThere = true
        } else {
          remove(record, deployment, keepingLog: true)
        }
      }
      return isThere
    }
  }

  public func observe(_ deployment: DeploymentID) async throws -> ObservedDeployment {
    let records = try state.records(deployment)
    guard !records.isEmpty else { throw RuntimeError.notFound(deployment) }
    return ObservedDeployment(id: deployment, replicas: records.map { observed($0, deployment) })
  }

  private func observed(_ record: ReplicaRecord, _ deployment: DeploymentID) -> ObservedReplica {
    let process = record.process ?? find(record, deployment)
    return ObservedReplica(
      id: record.id, settings: record.settings, phase: phase(record, process, deployment),
      handle: process.map { "process \($0.pid)" } ?? "not started")
  }

  /// A server that was started, but not recorded any more because the planner was killed in that moment.
  func find(_ record: ReplicaRecord, _ deployment: DeploymentID) -> ProcessIdentity? {
    ProcessIdentity.carrying(Self.markerVariable, state.recordFile(record.id, deployment)).first
  }

  private func phase(
    _ record: ReplicaRecord, _ process: ProcessIdentity?, _ deployment: DeploymentID
  ) -> ReplicaPhase {
    let file = state.recordFile(record.id, deployment)
    let child = child(of: process, file)
    if own.withLock({ $0.overdue.contains(file) }) {
      return .failed(
        problem(
          .notReadyInTime(
            binary: record.binary, seconds: readyTimeoutSeconds, logTail: tail(record), logFile: record.logFile)))
    }
    if record.isStopping {
      if record.stopper?.isAlive ?? true { return .stopping }
      // Nobody removes what is left of it; whoever wants it gone or back does.
      return .failed(
        NodeProblem(.crashed, "a program that was ending it has ended itself", remedy: "run the same command again"))
    }
    guard let process else { return .pending }
    let ready = readyLine(record, deployment)
    if child?.isRunning ?? process.isAlive {
      guard let ready else { return .starting(nil) }
      // From here on an interrupt of the planner leaves it alone.
      if let child, record.isKept { Children.shared.forget(child) }
      return .ready(NodeAddress(host: record.host, port: ready.port))
    }
    if let child, child.stopRequested { return .stopping }
    if (record.controlGroups ?? []).contains(where: { $0.endedForLackOfMemory > 0 }) {
      return .failed(outOfMemory(record, process))
    }
    guard let status = child?.status else {
      return .failed(
        NodeProblem(
          .crashed, "the server with process id \(process.pid) has ended",
          remedy: ExecutorError.logEnd(tail(record), record.logFile)))
    }
    if ready != nil {
      return .failed(
        problem(
          .crashed(
            pid: process.pid, status: status, logTail: tail(record), logFile: record.logFile)))
    }
    return .failed(
      problem(
        .endedBeforeReady(
          binary: record.binary, status: status, logTail: tail(record), logFile: record.logFile)))
  }

  /// The child of this program that a process is; nil where another program started it.
  private func child(of process: ProcessIdentity?, _ file: String) -> Child? {
    own.withLock { $0.children[file] }.flatMap { $0.pid == process?.pid ? $0 : nil }
  }

  private func outOfMemory(_ record: ReplicaRecord, _ process: ProcessIdentity) -> NodeProblem {
    NodeProblem(
      .outOfMemory,
      "the server with process id \(process.pid) was ended for lack of memory"
        + (record.settings.memoryLimitBytes.map { ": it may have \($0 >> 20) MiB" } ?? ""),
      remedy: "plan fewer models a node, or profile their memory again; "
        + ExecutorError.logEnd(tail(record), record.logFile))
  }

  private func tail(_ record: ReplicaRecord) -> [String] {
    LogTail.read(record.logFile, last: ServerProcess.quotedLines)
  }

  private func problem(_ error: ExecutorError) -> NodeProblem {
    switch error {
    case .crashed(_, let status, let tail, let log):
      // What the kernel ends for lack of memory dies by this signal, with nothing in the log.
      NodeProblem(
        status == .signalled(SIGKILL) ? .outOfMemory : .crashed, error.sentence,
        remedy: ExecutorError.logEnd(tail, log))
    case .endedBeforeReady(_, _, let tail, let log), .notReadyInTime(_, _, let tail, let log):
      NodeProblem(.notReady, error.sentence, remedy: ExecutorError.logEnd(tail, log))
    default:
      NodeProblem(.image, error.description, remedy: "build it again, or name another program")
    }
  }

  func readyLine(_ record: ReplicaRecord, _ deployment: DeploymentID) -> ReadyLine? {
    guard let text = try? String(contentsOfFile: state.outputFile(record.id, deployment), encoding: .utf8) else {
      return nil
    }
    return text.split(separator: "\n").lazy.compactMap { ReadyLine.parse($0) }.first
  }

  // MARK: Signals

  /// Once all replicas are ready and were started by this process, little is looked at: a node under measurement is
  /// left alone.
  public func signals(from deployment: DeploymentID) -> AsyncThrowingStream<Void, any Error> {
    let (stream, feed) = AsyncThrowingStream<Void, any Error>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let number = own.withLock { own in
      own.nextWatcher += 1
      own.watchers[own.nextWatcher] = Watcher(deployment: deployment, feed: feed)
      return own.nextWatcher
    }
    feed.onTermination = { [weak self] _ in self?.own.withLock { $0.watchers[number] = nil } }
    feed.yield()
    watch(number, deployment)
    return stream
  }

  private func signal(_ deployment: DeploymentID) {
    let feeds = own.withLock { $0.watchers.values.filter { $0.deployment == deployment }.map(\.feed) }
    for feed in feeds { feed.yield() }
  }

  /// Looks again after a while at what does not tell by itself when it changes: that a replica has become ready, and
  /// what other programs do. Once all are ready it looks once a second, and signals only what is new.
  private func watch(_ number: Int, _ deployment: DeploymentID, seen: Set<ReplicaID> = []) {
    guard let feed = own.withLock({ $0.watchers[number]?.feed }) else { return }
    let records = (try? state.records(deployment)) ?? []
    let ready = Set(records.filter { readyLine($0, deployment) != nil }.map(\.id))
    let areOwn = own.withLock { own in
      records.allSatisfy { own.children[state.recordFile($0.id, deployment)] != nil }
    }
    let isQuiet = !records.isEmpty && ready.count == records.count && areOwn
    if !isQuiet || ready != seen { feed.yield() }
    DispatchQueue.global().asyncAfter(deadline: .now() + (isQuiet ? 1 : ready.count == records.count ? 0.25 : 0.05)) {
      [weak self] in self?.watch(number, deployment, seen: ready)
    }
  }
}

// MARK: Changes

extension LocalRuntime {
  public func check(_ desired: DesiredDeployment) async throws {
    do {
      try Spawn.checkExecutable(binary)
    } catch {
      throw RuntimeError(.unavailable, error.description, remedy: "build it with `make build`")
    }
    let present = (try? state.records(desired.id)) ?? []
    let added = desired.nodes.filter { node in !present.contains { $0.id == node.replica } }
    for node in added { try checkCPUs(of: node) }
    // What goes makes room for what comes.
    let wanted = Set(desired.nodes.map(\.replica))
    let freed = present.filter { !wanted.contains($0.id) }.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) }
    let needed = added.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) } - freed
    let available: Int64
    do {
      available = try HostInfo.availableMemoryBytes()
    } catch {
      throw RuntimeError(.unavailable, "\(error)", remedy: "run it on Linux with /proc mounted")
    }
    guard needed <= available else {
      throw RuntimeError(
        .noCapacity, "the nodes need \(needed >> 20) MiB and \(available >> 20) MiB are free",
        remedy: "stop what holds the memory, or deploy fewer nodes")
    }
  }

  /// A node whose threads are more than its CPUs would be slower than planned, and say nothing of it.
  private func checkCPUs(of node: DesiredNode) throws {
    guard let cpus = cpus[node.id] else { return }
    let threads = node.settings.workers * node.settings.threadsPerWorker
    guard threads > cpus.workers.count else { return }
    throw RuntimeError(
      .noCapacity, "\(node.id) computes on \(threads) threads and has \(cpus.workers.count) CPUs for them",
      remedy: "plan fewer workers a node, or deploy fewer nodes")
  }

  public func apply(_ change: Change, to deployment: DeploymentID) async throws {
    switch change {
    case .start(let node): try await start(node, deployment)
    case .stop(let replica): try await stop(replica, deployment)
    }
  }

  private func start(_ node: DesiredNode, _ deployment: DeploymentID) async throws {
    try Task.checkCancellation()
    if var record = try state.record(node.replica, deployment) {
      switch observed(record, deployment).phase {
      case .starting, .ready:
        if record.process == nil {
          record.process = find(record, deployment)
          try state.write(record, deployment)
        }
        return
      case .pending, .stopping, .failed:
        // What is left of it goes first.
        try await stop(node.replica, deployment)
      }
    }
    var record = ReplicaRecord(
      node: node.id, settings: node.settings, isKept: lifetime == .independent, planner: .own, process: nil,
      binary: binary, host: "127.0.0.1", logFile: state.logFile(node.replica, deployment))
    record.workerCPUs = cpus[node.id]?.workers
    record.otherCPUs = cpus[node.id]?.others
    try launch(record, deployment)
  }

  /// Starts a replica that ended by itself again, as it was and, where that is free, at the port that it had.
  func restart(_ replica: ReplicaID, _ deployment: DeploymentID, because problem: NodeProblem) async throws {
    guard var record = try state.record(replica, deployment), !record.isStopping else { return }
    let port = readyLine(record, deployment)?.port ?? record.port
    await endLeftovers(state.recordFile(replica, deployment))
    record.port = port.flatMap { (try? FreePort.require(host: record.host, port: $0)) == nil ? nil : $0 }
    record.process = nil
    record.planner = .own
    record.restarts = (record.restarts ?? 0) + 1
    record.lastProblem = problem.message
    try launch(record, deployment)
  }

  private func launch(_ recorded: ReplicaRecord, _ deployment: DeploymentID) throws {
    var record = recorded
    if isLimited {
      for group in record.controlGroups ?? [] { group.remove() }
      record.controlGroups = NodeControlGroup.make(
        "planner-\(getuid())-\(deployment)-\(record.id)",
        .init(
          memoryBytes: record.settings.memoryLimitBytes, cpus: record.workerCPUs.map { $0 + (record.otherCPUs ?? []) }))
    }
    // The intent before the deed: a planner killed between them is followed by one that looks for the marker.
    try state.write(record, deployment)
    do {
      let child = try spawn(record, deployment)
      record.process = ProcessIdentity(of: child.pid) ?? ProcessIdentity(pid: child.pid, startTicks: 0, boot: "")
      try state.write(record, deployment)
    } catch {
      remove(record, deployment, keepingLog: true)
      guard let error = error as? ExecutorError else { throw error }
      if error == .interrupted { throw CancellationError() }
      throw RuntimeError(problem(error))
    }
    signal(deployment)
  }

  private func spawn(_ record: ReplicaRecord, _ deployment: DeploymentID) throws(ExecutorError) -> Child {
    let file = state.recordFile(record.id, deployment)
    var launch = ServerLaunch(binary: record.binary, settings: record.settings, logFile: record.logFile)
    launch.host = record.host
    launch.port = record.port ?? 0
    launch.isKept = record.isKept
    launch.controlGroups = record.controlGroups ?? []
    if let workers = record.workerCPUs {
      let cpus = CPUSplit(workers: workers, others: record.otherCPUs ?? [])
      launch.pinWorkers = cpus.pinned(threadsPerWorker: record.settings.threadsPerWorker)
      launch.ioCPUs = cpus.io
    }
    launch.marker = [Self.markerVariable: file]
    let path = state.outputFile(record.id, deployment)
    let output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw .logFile(path: path, reason: systemMessage(errno)) }
    defer { close(output) }
    let child = try launch.start(output: output)
    own.withLock { own in
      own.children[file] = child
      own.overdue.remove(file)
    }
    child.onExit { [weak self] _ in self?.signal(deployment) }
    DispatchQueue.global().asyncAfter(deadline: .now() + readyTimeoutSeconds) { [weak self, weak child] in
      guard let self, let child, child.isRunning, self.readyLine(record, deployment) == nil else { return }
      self.own.withLock { own in
        if own.children[file] === child { own.overdue.insert(file) }
      }
      child.beginStop(grace: .seconds(2))
    }
    return child
  }

  private func stop(_ replica: ReplicaID, _ deployment: DeploymentID) async throws {
    guard var record = try state.record(replica, deployment) else { return }
    let phase = observed(record, deployment).phase
    let hasFailed = if case .failed = phase { true } else { false }
    if !hasFailed || record.isStopping {
      record.isStopping = true
      record.stopper = .own
      try state.write(record, deployment)
      signal(deployment)
    }
    let file = state.recordFile(replica, deployment)
    // A server that is not ready has accepted nothing that it could answer.
    let patience = phase.isReady ? grace : min(grace, .seconds(2))
    if let child = child(of: record.process, file) {
      await child.stop(grace: patience)
    } else if let process = record.process, process.isAlive {
      process.signal(SIGTERM)
      _ = await process.hasEnded(within: patience)
    }
    await endLeftovers(file)
    remove(record, deployment, keepingLog: hasFailed && !record.isStopping)
  }

  /// What is left of a replica carries the marker: a deaf server, or what it had started.
  private func endLeftovers(_ file: String) async {
    for left in ProcessIdentity.carrying(Self.markerVariable, file) {
      left.signal(SIGKILL)
      _ = await left.hasEnded(within: .seconds(5))
    }
  }

  private func remove(_ record: ReplicaRecord, _ deployment: DeploymentID, keepingLog: Bool) {
    let file = state.recordFile(record.id, deployment)
    own.withLock { own in
      own.children[file] = nil
      own.overdue.remove(file)
    }
    state.remove(record, deployment, keepingLog: keepingLog)
    signal(deployment)
  }

  public func stop(_ deployment: DeploymentID) async throws {
    await LocalSupervisor.end(of: deployment, state)
    await LocalProxy.end(of: deployment, on: self)
    let replicas = try state.records(deployment).map(\.id)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for replica in replicas { group.addTask { try await self.stop(replica, deployment) } }
      try await group.waitForAll()
    }
  }

  public func lock(_ deployment: DeploymentID, purpose: String) async throws -> any DeploymentLock {
    do {
      return LocalLock(lock: try RunLock.acquire(folder: state.folder(deployment), purpose: purpose))
    } catch .locked(_, let holder) {
      guard holder.contains(LocalSupervisor.purpose), purpose != LocalSupervisor.purpose else {
        throw RuntimeError.held(deployment, by: holder)
      }
      // It holds the lock for a moment only, to start a node again.
      try await Task.sleep(for: .milliseconds(100))
      return try await lock(deployment, purpose: purpose)
    } catch {
      throw RuntimeError(.unavailable, error.description, remedy: "set TMPDIR to a folder that can be written")
    }
  }

  private struct LocalLock: DeploymentLock {
    let lock: RunLock
    func release() async { lock.releaseAndRemove() }
  }
}
