import PlannerCore
import Synchronization

/// A runtime in memory that fails on request: for tests of what stands on the port, without a process or a cluster.
///
/// Time passes by looks: each `observe` is one step, after which what was started may be ready and what was asked to
/// stop may be gone. Two of these that share a world are two terminals. What can go wrong:
///
/// | fault | what happens |
/// |---|---|
/// | `refuse` | the next call of an operation throws and has no effect |
/// | `loseReply` | the next call has its effect and then throws, as when a connection breaks |
/// | `stuck` | a node never becomes ready |
/// | `breaks` | a node fails as soon as it is started |
/// | `capacity` | a start beyond so many replicas throws `noCapacity` |
/// | `crash` | a replica that runs fails now |
/// | `failureRate` | each call is refused, or loses its reply, with that chance, drawn from a seed |
package final class FakeRuntime: Runtime {
  package enum Operation: String, CaseIterable, Sendable {
    case deployments, observe, check, start, stop, stopAll, logs, exec, memory, lock
  }

  /// What there is, and what will go wrong.
  package struct World: Sendable {
    /// Looks that it takes until a replica is ready.
    package var readyAfter = 2
    /// Looks that it takes until a replica that was asked to stop is gone; 0 is at once.
    package var goneAfter = 0
    package var refuse: [Operation: [RuntimeError]] = [:]
    package var loseReply: [Operation: Int] = [:]
    package var stuck: Set<NodeID> = []
    package var breaks: [NodeID: NodeProblem] = [:]
    package var capacity: Int?
    /// Chance of each call of an operation that changes or looks at something to fail, from 0 to 1.
    package var failureRate = 0.0
    /// Changes that took effect, in order.
    package fileprivate(set) var history: [Step] = []
    /// Calls of each operation, failed ones included.
    package fileprivate(set) var calls: [Operation: Int] = [:]
    fileprivate var random: RandomStream
    fileprivate var deployments: [DeploymentID: [ReplicaID: Replica]] = [:]
    fileprivate var locks: [DeploymentID: String] = [:]
    fileprivate var watchers: [Int: AsyncThrowingStream<Void, any Error>.Continuation] = [:]
    fileprivate var nextNumber = 0

    package init(seed: UInt64 = 1) { random = RandomStream(seed: seed, stream: "fake runtime") }
  }

  /// One moment of a deployment's history.
  package struct Step: Hashable, Sendable {
    package var change: Change
    /// Models that were answered after it, with the number of ready replicas of each.
    package var answered: [String: Int]
    /// Replicas that there were after it, failed ones not counted.
    package var nodes: Int
  }

  fileprivate struct Replica: Sendable {
    var node: DesiredNode
    var number: Int
    var looks = 0
    var stoppingLooks: Int?
    var problem: NodeProblem?
    var log: [String] = []
  }

  private final class Shared: Sendable {
    let world: Mutex<World>
    init(_ world: World) { self.world = Mutex(world) }
  }

  package let name = "fake"
  private let shared: Shared

  package init(_ world: World = World()) { shared = Shared(world) }

  /// Another terminal that looks at the same world.
  package init(sharing other: FakeRuntime) { shared = other.shared }

  /// Reads or changes what there is and what will go wrong.
  package func withWorld<Result: Sendable>(_ body: (inout World) -> Result) -> Result {
    shared.world.withLock { body(&$0) }
  }

  /// Lets a replica fail that runs.
  package func crash(_ replica: ReplicaID, in deployment: DeploymentID) {
    shared.world.withLock { world in
      world.deployments[deployment]?[replica]?.problem = NodeProblem(
        .crashed, "\(replica) ended unexpectedly", remedy: "read its log")
      world.deployments[deployment]?[replica]?.log.append("crashed")
    }
    signalAll()
  }

  /// Adds a line to a replica's log.
  package func say(_ line: String, as replica: ReplicaID, in deployment: DeploymentID) {
    shared.world.withLock { $0.deployments[deployment]?[replica]?.log.append(line) }
    signalAll()
  }

  // MARK: The port

  package func deployments() async throws -> [DeploymentID] {
    try perform(.deployments) { world in world.deployments.filter { !$0.value.isEmpty }.keys.sorted() }
  }

  package func observe(_ deployment: DeploymentID) async throws -> ObservedDeployment {
    try perform(.observe) { world in
      guard let replicas = world.deployments[deployment] else { throw RuntimeError.notFound(deployment) }
      world.deployments[deployment] = replicas.compactMapValues { $0.aged(in: world) }
      let found = world.deployments[deployment] ?? [:]
      if found.isEmpty {
        world.deployments[deployment] = nil
        throw RuntimeError.notFound(deployment)
      }
      return ObservedDeployment(id: deployment, replicas: found.values.map { $0.observed(in: world) })
    }
  }

  package func signals(from deployment: DeploymentID) -> AsyncThrowingStream<Void, any Error> {
    let (stream, feed) = AsyncThrowingStream<Void, any Error>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let number = shared.world.withLock { world in
      world.nextNumber += 1
      world.watchers[world.nextNumber] = feed
      return world.nextNumber
    }
    feed.yield()
    // Time passes by looks, so looking is always worth while.
    let task = Task {
      while !Task.isCancelled {
        await Task.yield()
        feed.yield()
      }
    }
    feed.onTermination = { [shared] _ in
      task.cancel()
      shared.world.withLock { $0.watchers[number] = nil }
    }
    return stream
  }

  package func check(_ desired: DesiredDeployment) async throws {
    try perform(.check) { world in
      guard let capacity = world.capacity, desired.nodes.count > capacity else { return }
      throw Self.full(capacity)
    }
  }

  package func apply(_ change: Change, to deployment: DeploymentID) async throws {
    try Task.checkCancellation()
    switch change {
    case .start(let node):
      try perform(.start) { world in try Self.start(node, deployment, &world) }
    case .stop(let replica):
      try perform(.stop) { world in Self.stop(replica, deployment, &world) }
    }
    signalAll()
  }

  private static func start(_ node: DesiredNode, _ deployment: DeploymentID, _ world: inout World) throws {
    let replicas = world.deployments[deployment] ?? [:]
    if let present = replicas[node.replica], present.problem == nil, present.stoppingLooks == nil { return }
    let others = replicas.values.count { $0.problem == nil && $0.node.replica != node.replica }
    if let capacity = world.capacity, others >= capacity { throw full(capacity) }
    world.nextNumber += 1
    var replica = Replica(node: node, number: world.nextNumber)
    replica.problem = world.breaks[node.id]
    replica.log = ["started \(node.replica)"]
    world.deployments[deployment, default: [:]][node.replica] = replica
    world.record(.start(node), deployment)
  }

  private static func stop(_ replica: ReplicaID, _ deployment: DeploymentID, _ world: inout World) {
    guard var found = world.deployments[deployment]?[replica], found.stoppingLooks == nil else { return }
    found.stoppingLooks = 0
    world.deployments[deployment]?[replica] = found.problem == nil && world.goneAfter > 0 ? found : nil
    world.record(.stop(replica), deployment)
  }

  private static func full(_ capacity: Int) -> RuntimeError {
    RuntimeError(.noCapacity, "there is room for \(capacity) nodes", remedy: "add machines")
  }

  package func logs(
    of replica: ReplicaID, in deployment: DeploymentID, last: Int, follow: Bool
  ) async throws -> AsyncThrowingStream<String, any Error> {
    let log = try perform(.logs) { world in try world.require(replica, deployment).log }
    let (stream, feed) = AsyncThrowingStream<String, any Error>.makeStream()
    for line in log.suffix(max(0, last)) { feed.yield(line) }
    guard follow else {
      feed.finish()
      return stream
    }
    let task = Task { [shared] in
      var seen = log.count
      while !Task.isCancelled {
        guard let found = shared.world.withLock({ $0.deployments[deployment]?[replica] }) else { break }
        for line in found.log.dropFirst(seen) { feed.yield(line) }
        seen = max(seen, found.log.count)
        await Task.yield()
      }
      feed.finish()
    }
    feed.onTermination = { _ in task.cancel() }
    return stream
  }

  package func exec(
    _ command: [String], on replica: ReplicaID, in deployment: DeploymentID,
    output: @escaping @Sendable (String) -> Void
  ) async throws -> ExitStatus {
    let environment = try perform(.exec) { world in
      try world.requireRunning(replica, deployment).node.settings.environment
    }
    // Understands what the contract asks: `printenv NAME`.
    guard command.count == 2, command[0] == "printenv" else { return .exited(127) }
    guard let value = environment[command[1]] else { return .exited(1) }
    output(value)
    return .exited(0)
  }

  package func memoryBytes(of replica: ReplicaID, in deployment: DeploymentID) async throws -> Int64 {
    try perform(.memory) { world in
      try world.requireRunning(replica, deployment).node.settings.memoryBytes ?? 1 << 20
    }
  }

  package func stop(_ deployment: DeploymentID) async throws {
    try perform(.stopAll) { world in
      for replica in (world.deployments[deployment] ?? [:]).keys.sorted() {
        world.deployments[deployment]?[replica] = nil
        world.record(.stop(replica), deployment)
      }
      world.deployments[deployment] = nil
    }
    signalAll()
  }

  package func lock(_ deployment: DeploymentID, purpose: String) async throws -> any DeploymentLock {
    try perform(.lock) { world in
      if let holder = world.locks[deployment] {
        throw RuntimeError.held(deployment, by: holder)
      }
      world.locks[deployment] = purpose
    }
    return Lock(shared: shared, deployment: deployment)
  }

  private final class Lock: DeploymentLock {
    let shared: Shared
    let deployment: DeploymentID
    let isHeld = Mutex(true)

    init(shared: Shared, deployment: DeploymentID) {
      self.shared = shared
      self.deployment = deployment
    }

    func release() async {
      let wasHeld = isHeld.withLock { held in
        defer { held = false }
        return held
      }
      if wasHeld { shared.world.withLock { $0.locks[deployment] = nil } }
    }
  }

  // MARK: Faults

  private func perform<Result: Sendable>(
    _ operation: Operation, _ body: (inout World) throws -> Result
  ) throws -> Result {
    try shared.world.withLock { world in
      world.calls[operation, default: 0] += 1
      if var errors = world.refuse[operation], !errors.isEmpty {
        let error = errors.removeFirst()
        world.refuse[operation] = errors
        throw error
      }
      let isUnlucky = world.failureRate > 0 && world.random.uniform() < world.failureRate
      let losesReply = isUnlucky && world.random.uniform() < 0.5
      if isUnlucky, !losesReply { throw Self.broken(operation) }
      let result = try body(&world)
      if losesReply { throw Self.broken(operation) }
      if let left = world.loseReply[operation], left > 0 {
        world.loseReply[operation] = left - 1
        throw Self.broken(operation)
      }
      return result
    }
  }

  private static func broken(_ operation: Operation) -> RuntimeError {
    RuntimeError(.unavailable, "the connection broke during \(operation.rawValue)", remedy: "try again")
  }

  private func signalAll() {
    let feeds = shared.world.withLock { Array($0.watchers.values) }
    for feed in feeds { feed.yield() }
  }
}

extension FakeRuntime.World {
  fileprivate func require(_ replica: ReplicaID, _ deployment: DeploymentID) throws -> FakeRuntime.Replica {
    guard let replicas = deployments[deployment] else { throw RuntimeError.notFound(deployment) }
    guard let found = replicas[replica] else { throw RuntimeError.notFound(replica, in: deployment) }
    return found
  }

  fileprivate func requireRunning(_ replica: ReplicaID, _ deployment: DeploymentID) throws -> FakeRuntime.Replica {
    let found = try require(replica, deployment)
    guard found.problem == nil, found.stoppingLooks == nil else {
      throw RuntimeError(.notReady, "node '\(replica)' does not run", remedy: "deploy it again")
    }
    return found
  }

  fileprivate mutating func record(_ change: Change, _ deployment: DeploymentID) {
    var answered: [String: Int] = [:]
    let replicas = deployments[deployment] ?? [:]
    for replica in replicas.values where replica.observed(in: self).phase.isReady {
      for model in replica.node.settings.answersFor { answered[model, default: 0] += 1 }
    }
    history.append(
      FakeRuntime.Step(change: change, answered: answered, nodes: replicas.values.count { $0.problem == nil }))
  }
}

extension FakeRuntime.Replica {
  /// One look later; nil once it is gone.
  fileprivate func aged(in world: FakeRuntime.World) -> Self? {
    var replica = self
    replica.looks += 1
    if let looks = stoppingLooks {
      guard looks + 1 < world.goneAfter else { return nil }
      replica.stoppingLooks = looks + 1
    }
    return replica
  }

  fileprivate func observed(in world: FakeRuntime.World) -> ObservedReplica {
    let phase: ReplicaPhase =
      if let problem {
        .failed(problem)
      } else if stoppingLooks != nil {
        .stopping
      } else if looks >= world.readyAfter, !world.stuck.contains(node.id) {
        .ready(NodeAddress(host: "127.0.0.1", port: 40_000 + number))
      } else {
        .starting(nil)
      }
    return ObservedReplica(id: node.replica, settings: node.settings, phase: phase, handle: "fake \(number)")
  }
}
