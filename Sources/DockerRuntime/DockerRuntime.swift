import APIClient
import Executor
import Foundation
import PlannerCore
import ServerContract
import Synchronization

/// Nodes as containers of one engine that speaks the Docker Engine API, one container each.
///
/// All state lies in the engine: a container's labels say which replica of which deployment it is, and with which
/// settings. What does not carry them is never touched. Only the lock lies on this machine: two programs on different
/// machines that ask one engine do not keep each other waiting.
public final class DockerRuntime: Runtime {
  public let name = RuntimeName.docker.rawValue
  let engine: EngineClient
  private let options: Options
  private let own = Mutex(Own())

  public struct Options: Sendable {
    /// Image of the server, where a node's settings name none; nil where nothing is started.
    public var image: EngineImage?
    /// Folder for locks; programs that share it keep each other from changing one deployment at a time.
    public var lockFolder: String
    /// CPUs of each node's workers, and of the rest; nodes that are not in it leave them to the system.
    public var cpus: [NodeID: CPUSplit] = [:]
    /// Address of the engine's machine at which nodes answer.
    public var publishAddress = "127.0.0.1"
    /// The engine starts nodes again that end by themselves.
    public var restarts = false
    /// How long a replica may take until it is ready, seconds.
    public var readyTimeoutSeconds = 600.0
    /// How long it may take to answer what it has accepted before it is ended by force, seconds.
    public var graceSeconds = 30

    public init(lockFolder: String) { self.lockFolder = lockFolder }
  }

  /// What only this program knows.
  private struct Own: Sendable {
    /// Containers that were asked to end.
    var stopping: Set<String> = []
    /// Containers that said that they are ready, each with the time of its start.
    var ready: [String: String] = [:]
    /// Deployments of which all that was seen last is ready or failed.
    var quiet: Set<DeploymentID> = []
  }

  public init(_ engine: EngineClient, _ options: Options) {
    self.engine = engine
    self.options = options
  }

  /// Containers run on this machine, as far as the engine's address tells.
  public var isLocal: Bool { engine.address.isLocal }

  // MARK: What there is

  public func deployments() async throws -> [DeploymentID] {
    let found = try await listed([ReplicaLabels.deploymentKey])
    return Set(found.compactMap { $0.labels?[ReplicaLabels.deploymentKey].flatMap { DeploymentID($0) } }).sorted()
  }

  public func observe(_ deployment: DeploymentID) async throws -> ObservedDeployment {
    let found = try await listed(["\(ReplicaLabels.deploymentKey)=\(deployment)"])
    let replicas = try await withThrowingTaskGroup(of: ObservedReplica?.self) { group in
      for container in found {
        group.addTask {
          // It may have gone since it was listed.
          guard let found = try await self.container(container.id) else { return nil }
          return try await self.observed(found)
        }
      }
      return try await group.reduce(into: [ObservedReplica]()) { if let replica = $1 { $0.append(replica) } }
    }
    guard !replicas.isEmpty else { throw RuntimeError.notFound(deployment) }
    let isQuiet = replicas.allSatisfy { replica in
      switch replica.phase {
      case .ready, .failed: true
      case .pending, .starting, .stopping: false
      }
    }
    own.withLock { own in
      if isQuiet { own.quiet.insert(deployment) } else { own.quiet.remove(deployment) }
    }
    return ObservedDeployment(id: deployment, replicas: replicas)
  }

  /// Containers that carry these labels, whatever their state.
  func listed(_ labels: [String]) async throws -> [EngineMessage.Listed] {
    let filters = String(decoding: try JSONEncoder().encode(["label": labels]), as: UTF8.self)
    return try await engine.read(
      [EngineMessage.Listed].self, "/containers/json", [("all", "1"), ("filters", filters)]) ?? []
  }

  /// - Parameter id: an identifier, or a name of this program's own making.
  func container(_ id: String) async throws -> EngineMessage.Container? {
    try await engine.read(EngineMessage.Container.self, APIRequest.path("containers", id, "json"))
  }

  private func observed(_ container: EngineMessage.Container) async throws -> ObservedReplica {
    let labels = try labels(of: container)
    return ObservedReplica(
      id: labels.replica, settings: labels.settings, phase: try await phase(container),
      handle: "container \(container.name.drop { $0 == "/" })")
  }

  /// - Throws: `conflict` where the container bears this program's labels, and they are not of its making.
  private func labels(of container: EngineMessage.Container) throws -> ReplicaLabels {
    guard let labels = ReplicaLabels(container.labels) else {
      let name = EngineText.plain(container.name, most: 120)
      throw RuntimeError(
        .conflict, "the container \(name) bears labels of this program that it does not understand",
        remedy: "remove the container, or use the version that made it")
    }
    return labels
  }

  private func phase(_ container: EngineMessage.Container) async throws -> ReplicaPhase {
    let needsLog = ContainerPhase.needsLog(container)
    let isStopping = own.withLock { $0.stopping.contains(container.id) }
    var phase = ContainerPhase(
      container: container, isReady: false, isStopping: isStopping,
      host: options.publishAddress == "127.0.0.1" ? "127.0.0.1" : engine.address.host, tail: [],
      runningSeconds: container.runningSeconds, readyTimeoutSeconds: options.readyTimeoutSeconds)
    phase.isReady = try await saidReady(container)
    if needsLog, !isStopping {
      phase.tail = (try? await tail(of: container.id, last: 12)) ?? []
    }
    return phase.phase
  }

  /// Whether a container's server has said, since its last start, that it is ready.
  private func saidReady(_ container: EngineMessage.Container) async throws -> Bool {
    guard let started = container.state.startedAt, container.hasRun else { return false }
    if own.withLock({ $0.ready[container.id] == started }) { return true }
    // What was printed before the last end is of an earlier start.
    let isRunning = container.state.status == "running"
    let since = isRunning ? container.state.endedBefore : nil
    let isReady = try await readyLine(of: container.id, since: since) != nil
    if isReady { own.withLock { $0.ready[container.id] = started } }
    return isReady
  }

  // MARK: Signals

  /// Events of the engine, and while something is on its way a look every now and then: that a server is ready is no
  /// event.
  public func signals(from deployment: DeploymentID) -> AsyncThrowingStream<Void, any Error> {
    let (stream, feed) = AsyncThrowingStream<Void, any Error>.makeStream(bufferingPolicy: .bufferingNewest(1))
    own.withLock { _ = $0.quiet.remove(deployment) }
    feed.yield()
    let task = Task {
      do {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await self.events(of: deployment) { feed.yield() } }
          group.addTask {
            while true {
              try await Task.sleep(for: .milliseconds(150))
              if self.own.withLock({ !$0.quiet.contains(deployment) }) { feed.yield() }
            }
          }
          defer { group.cancelAll() }
          try await group.next()
        }
        feed.finish()
      } catch {
        feed.finish(throwing: error)
      }
    }
    feed.onTermination = { _ in task.cancel() }
    return stream
  }

  private func events(of deployment: DeploymentID, _ tell: () -> Void) async throws {
    let filters = ["label": ["\(ReplicaLabels.deploymentKey)=\(deployment)"], "type": ["container"]]
    let text = String(decoding: try JSONEncoder().encode(filters), as: UTF8.self)
    let answer = try await engine.stream(
      engine.request("GET", "/events", [("filters", text)]), "events")
    // What happened before the engine began to tell.
    tell()
    do {
      for try await line in answer.lines() {
        let event = try? JSONDecoder().decode(EngineMessage.Event.self, from: Data(line.utf8))
        if event?.tellsOfChange != false { tell() }
      }
    } catch let error as APIError {
      throw EngineClient.unreachable(error, engine.address)
    }
    try Task.checkCancellation()
    throw RuntimeError(
      .unavailable, "the container engine at \(engine.address.text) no longer tells what happens",
      remedy: "check that it runs, then run this again")
  }

  // MARK: The lock

  public func lock(_ deployment: DeploymentID, purpose: String) async throws -> any DeploymentLock {
    var hash = StableHash()
    hash.mix(Array(engine.address.text.utf8))
    let folder = "\(options.lockFolder)/docker-\(hash.hexadecimal.prefix(8))-\(deployment)"
    do {
      return EngineLock(lock: try RunLock.acquire(folder: folder, purpose: purpose))
    } catch .locked(_, let holder) {
      throw RuntimeError.held(deployment, by: holder)
    } catch {
      throw RuntimeError(.unavailable, error.description, remedy: "set TMPDIR to a folder that can be written")
    }
  }

  private struct EngineLock: DeploymentLock {
    let lock: RunLock
    func release() async { lock.releaseAndRemove() }
  }
}

// MARK: - Changes

extension DockerRuntime {
  public func check(_ desired: DesiredDeployment) async throws {
    for node in desired.nodes { try DesiredNodeCheck.check(node, isLocal: engine.address.isLocal) }
    for id in Set(desired.nodes.compactMap { try? image(of: $0.settings).id }).sorted() {
      if try await engine.image(named: id) == nil { throw EngineClient.noImage(id, "the engine does not have it") }
    }
    if let node = desired.nodes.first { _ = try image(of: node.settings) }
    guard let info = try await engine.read(EngineMessage.Info.self, "/info") else { return }
    try checkRoom(desired, info, present: try await observeOrEmpty(desired.id))
  }

  private func checkRoom(
    _ desired: DesiredDeployment, _ info: EngineMessage.Info, present: ObservedDeployment
  ) throws {
    let needed = desired.nodes.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) }
    guard needed <= info.memoryBytes else {
      throw RuntimeError(
        .noCapacity, "the nodes need \(needed >> 20) MiB and the engine's machine has \(info.memoryBytes >> 20) MiB",
        remedy: "deploy fewer nodes, or ask an engine on a larger machine")
    }
    for node in desired.nodes {
      let threads = node.settings.workers * node.settings.threadsPerWorker
      let cpus = options.cpus[node.id]?.workers.count ?? info.cpus
      guard threads <= cpus else {
        throw RuntimeError(
          .noCapacity, "\(node.id) computes on \(threads) threads and has \(cpus) CPUs for them",
          remedy: "plan fewer workers a node, or deploy fewer nodes")
      }
    }
    guard engine.address.isLocal, let available = try? HostInfo.availableMemoryBytes() else { return }
    let added = desired.nodes.filter { present.replica($0.replica) == nil }
    let wanted = Set(desired.nodes.map(\.replica))
    let freed = present.replicas.filter { !wanted.contains($0.id) }.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) }
    let more = added.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) } - freed
    guard more <= available else {
      throw RuntimeError(
        .noCapacity, "the nodes need \(more >> 20) MiB and \(available >> 20) MiB are free",
        remedy: "stop what holds the memory, or deploy fewer nodes")
    }
  }

  private func image(of settings: NodeSettings) throws -> EngineImage {
    if let id = settings.image {
      return EngineImage(name: options.image?.id == id ? options.image?.name ?? id : id, id: id)
    }
    guard let image = options.image else {
      throw RuntimeError(
        .unavailable, "no image of the server is named",
        remedy: "build one with planner image build, and name its tar or reference with --image")
    }
    return image
  }

  public func apply(_ change: Change, to deployment: DeploymentID) async throws {
    switch change {
    case .start(let node): try await start(node, deployment)
    case .stop(let replica): try await stop(replica, deployment)
    }
  }

  private func start(_ node: DesiredNode, _ deployment: DeploymentID) async throws {
    try Task.checkCancellation()
    let plan = ContainerPlan(
      deployment: deployment, node: node, image: try image(of: node.settings), cpus: options.cpus[node.id],
      publishAddress: options.publishAddress, restarts: options.restarts, graceSeconds: options.graceSeconds)
    var found = try await container(plan.name)
    if let present = found {
      try requireOwn(present, node.replica, deployment)
      switch try await phase(present) {
      case .starting, .ready: return
      case .pending: break
      case .stopping, .failed:
        try await remove(present.id)
        found = nil
      }
    }
    let id: String
    if let found { id = found.id } else { id = try await create(plan) }
    do {
      try await bringUp(id, plan)
    } catch let error as RuntimeError where error.kind != .unavailable {
      // What the engine cannot start is not left behind.
      try? await remove(id)
      throw RuntimeError(
        NodeProblem(.notReady, error.message, remedy: "check the image and the node's settings"))
    }
    own.withLock { _ = $0.quiet.remove(deployment) }
  }

  private func create(_ plan: ContainerPlan) async throws -> String {
    let answer = try await engine.send(
      engine.request("POST", "/containers/create", [("name", plan.name)], json: plan.request()))
    if answer.isSuccess {
      return try engine.decode(EngineMessage.Identifier.self, answer, "create").id
    }
    // Another program may have made it in this moment, or a stranger bears its name.
    if let present = try await container(plan.name) {
      try requireOwn(present, plan.node.replica, plan.deployment)
      return present.id
    }
    if answer.status == 404 { throw EngineClient.noImage(plan.image.name, EngineClient.message(answer)) }
    throw engine.problem(answer, "create \(plan.name)")
  }

  private func bringUp(_ id: String, _ plan: ContainerPlan) async throws {
    if plan.hasModelList {
      var request = try engine.request(
        "PUT", APIRequest.path("containers", id, "archive"), [("path", ContainerPlan.ownFolder)])
      request.headers = [("content-type", "application/x-tar")]
      request.body = .bytes(try TarFile.archive(ContainerPlan.modelListFile, plan.modelList))
      let answer = try await engine.send(request)
      guard answer.isSuccess else { throw engine.problem(answer, "write the list of models of \(plan.name)") }
    }
    let answer = try await engine.send(
      engine.request("POST", APIRequest.path("containers", id, "start"), timeLimit: .seconds(120)))
    // 304: it runs already.
    guard answer.isSuccess || answer.status == 304 else { throw engine.problem(answer, "start \(plan.name)") }
  }

  private func requireOwn(
    _ container: EngineMessage.Container, _ replica: ReplicaID, _ deployment: DeploymentID
  ) throws {
    let labels = ReplicaLabels(container.labels)
    guard labels?.replica == replica, labels?.deployment == deployment else {
      throw RuntimeError(
        .conflict,
        "there is a container \(ContainerPlan.name(of: replica, in: deployment)) that this program did not create",
        remedy: "rename or remove it")
    }
  }

  private func stop(_ replica: ReplicaID, _ deployment: DeploymentID) async throws {
    guard let found = try await container(ContainerPlan.name(of: replica, in: deployment)),
      let labels = ReplicaLabels(found.labels), labels.replica == replica, labels.deployment == deployment
    else { return }
    try await end(found)
  }

  /// Lets a container answer what it has accepted, and removes it with its volumes.
  private func end(_ container: EngineMessage.Container) async throws {
    if ["running", "restarting", "paused"].contains(container.state.status) {
      own.withLock { _ = $0.stopping.insert(container.id) }
      // A server that is not ready has accepted nothing that it could answer.
      let isReady = (try? await saidReady(container)) == true
      let grace = isReady ? options.graceSeconds : min(options.graceSeconds, 2)
      let answer = try await engine.send(
        engine.request(
          "POST", APIRequest.path("containers", container.id, "stop"), [("t", "\(grace)")],
          timeLimit: .seconds(grace + 60)))
      guard answer.isSuccess || [304, 404].contains(answer.status) else {
        own.withLock { _ = $0.stopping.remove(container.id) }
        throw engine.problem(answer, "stop \(container.name)")
      }
    }
    try await remove(container.id)
  }

  private func remove(_ id: String) async throws {
    let answer = try await engine.send(
      engine.request("DELETE", APIRequest.path("containers", id), [("force", "1"), ("v", "1")]))
    // 409: somebody else is removing it.
    guard answer.isSuccess || [404, 409].contains(answer.status) else { throw engine.problem(answer, "remove \(id)") }
    for _ in 0..<600 where answer.status == 409 {
      if try await container(id) == nil { break }
      try await Task.sleep(for: .milliseconds(100))
    }
    own.withLock { own in
      own.stopping.remove(id)
      own.ready[id] = nil
    }
  }

  public func stop(_ deployment: DeploymentID) async throws {
    // In a task of its own, which a cancellation of the caller does not reach.
    try await Task {
      let found = try await self.listed(["\(ReplicaLabels.deploymentKey)=\(deployment)"])
      try await withThrowingTaskGroup(of: Void.self) { group in
        for listed in found {
          group.addTask {
            guard let container = try await self.container(listed.id), ReplicaLabels(container.labels) != nil else {
              return
            }
            try await self.end(container)
          }
        }
        try await group.waitForAll()
      }
    }.value
  }
}

extension EngineMessage.Container {
  /// It was started at least once.
  var hasRun: Bool { !["created", "initialized", "configured"].contains(state.status) }

  /// How long it has been running, by this machine's clock; nil where the engine does not say since when.
  var runningSeconds: Double? {
    guard state.status == "running", let started = state.startedAt.flatMap({ EngineTime($0) }) else { return nil }
    return Date().timeIntervalSince1970 - started.seconds
  }
}

extension EngineMessage.Container.State {
  /// When it ended before it was started again; nil where it did not.
  var endedBefore: EngineTime? { finishedAt.flatMap { EngineTime($0) }.flatMap { $0.seconds > 0 ? $0 : nil } }
}
