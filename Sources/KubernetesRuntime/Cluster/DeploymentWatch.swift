import Executor
import Synchronization

/// What there is of a deployment in a cluster, kept up to date by watches. Whatever this program changes itself is in
/// it at once: a watch that tells of it later is not waited for.
final class DeploymentWatch: Sendable {
  private struct State {
    var deployments = Table<DeploymentObject>()
    var pods = Table<PodObject>()
    var services = Table<ServiceObject>()
    var watchers: [Int: AsyncThrowingStream<Void, any Error>.Continuation] = [:]
    var nextWatcher = 0
    var task: Task<Void, Never>?
    /// Counts the times that watching began: what an earlier one still hears is not noted.
    var generation = 0
  }

  /// Objects of one kind by name.
  struct Table<Object: KubeObject> {
    private(set) var objects: [String: Object] = [:]
    /// Version that objects had as they were removed, so that an older event does not bring them back.
    private var removed: [String: UInt64] = [:]
    var isComplete = false

    var all: [Object] { objects.sorted { $0.key < $1.key }.map(\.value) }

    mutating func replace(_ list: [Object]) {
      objects = Dictionary(list.compactMap { object in object.metadata.name.map { ($0, object) } }) { $1 }
      removed = [:]
      isComplete = true
    }

    /// Events come in order, but this program may know an object's newer version already.
    mutating func put(_ object: Object) {
      guard let name = object.metadata.name else { return }
      let version = object.metadata.number
      if version < (objects[name]?.metadata.number ?? 0) || version < (removed[name] ?? 0) { return }
      objects[name] = object
      removed[name] = nil
    }

    mutating func remove(_ object: Object) {
      guard let name = object.metadata.name else { return }
      if object.metadata.number < (objects[name]?.metadata.number ?? 0) { return }
      objects[name] = nil
      removed[name] = object.metadata.number
    }

    /// - Parameter isFinal: no other object will ever have that name, so that no event brings it back.
    mutating func remove(named name: String, isFinal: Bool = false) {
      objects[name] = nil
      if isFinal { removed[name] = .max }
    }
  }

  private let client: KubeClient
  private let namespace: String
  private let labels: [String: String]
  private let state = Mutex(State())

  /// Longest that watches are begun again without an answer.
  static let patience: Duration = .seconds(60)

  init(_ client: KubeClient, namespace: String, deployment: DeploymentID) {
    self.client = client
    self.namespace = namespace
    labels = KubernetesName.own(deployment)
  }

  /// What is known; nil until all of it is, or where nobody watches.
  var reading: DeploymentReading? {
    state.withLock { state in
      guard state.task != nil, state.deployments.isComplete, state.pods.isComplete, state.services.isComplete else {
        return nil
      }
      return DeploymentReading(
        deployments: state.deployments.all, pods: state.pods.all, services: state.services.all)
    }
  }

  /// What is known, once all of it is; nil where nobody watches.
  ///
  /// - Throws: what ended the watch.
  func settled() async throws -> DeploymentReading? {
    guard state.withLock({ $0.task != nil }) else { return nil }
    for try await _ in signals() {
      if let reading { return reading }
    }
    try Task.checkCancellation()
    return nil
  }

  func signals() -> AsyncThrowingStream<Void, any Error> {
    let (stream, feed) = AsyncThrowingStream<Void, any Error>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let number = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = feed
      if state.task == nil {
        state.generation += 1
        state.task = Task { [generation = state.generation] in await self.run(generation) }
      }
      return state.nextWatcher
    }
    feed.onTermination = { [weak self] _ in self?.leave(number) }
    feed.yield()
    return stream
  }

  private func leave(_ number: Int) {
    let ended = state.withLock { state -> Task<Void, Never>? in
      state.watchers[number] = nil
      guard state.watchers.isEmpty else { return nil }
      defer { Self.forget(&state) }
      return state.task
    }
    ended?.cancel()
  }

  private static func forget(_ state: inout State) {
    state.task = nil
    state.deployments = Table()
    state.pods = Table()
    state.services = Table()
  }

  private func note(_ generation: Int, _ change: (inout State) -> Void) {
    state.withLock { if $0.generation == generation, $0.task != nil { change(&$0) } }
  }

  private func signal() {
    let feeds = state.withLock { Array($0.watchers.values) }
    for feed in feeds { feed.yield() }
  }

  private func fail(_ error: any Error, _ generation: Int) {
    let feeds = state.withLock { state -> [AsyncThrowingStream<Void, any Error>.Continuation] in
      guard state.generation == generation else { return [] }
      defer {
        state.watchers = [:]
        Self.forget(&state)
      }
      return Array(state.watchers.values)
    }
    for feed in feeds { feed.finish(throwing: error) }
  }

  // MARK: What this program changed itself

  func changed(_ object: DeploymentObject) {
    state.withLock { $0.deployments.put(object) }
    signal()
  }

  func changed(_ object: ServiceObject) {
    state.withLock { $0.services.put(object) }
    signal()
  }

  func removed(service name: String) { state.withLock { $0.services.remove(named: name) } }

  func removed(pod name: String) { state.withLock { $0.pods.remove(named: name, isFinal: true) } }

  // MARK: Watching

  private func run(_ generation: Int) async {
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.follow(DeploymentObject.self, .deployments, \.deployments, generation) }
        group.addTask { try await self.follow(PodObject.self, .pods, \.pods, generation) }
        group.addTask { try await self.follow(ServiceObject.self, .services, \.services, generation) }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch is CancellationError {
    } catch let failure as KubeFailure {
      fail(failure.error(cluster: client.cluster), generation)
    } catch {
      if !Task.isCancelled { fail(error, generation) }
    }
  }

  /// Lists, then watches from there on; begins anew where the cluster has forgotten that version.
  private func follow<Object: KubeObject>(
    _ type: Object.Type, _ resource: KubeResource, _ table: any WritableKeyPath<State, Table<Object>> & Sendable,
    _ generation: Int
  ) async throws {
    var version: String?
    var pause: Duration = .milliseconds(200)
    var lastAnswer = ContinuousClock.now
    while true {
      try Task.checkCancellation()
      do {
        if version == nil {
          let list = try await client.list(type, resource, namespace: namespace, labels: labels)
          note(generation) { $0[keyPath: table].replace(list.items) }
          version = list.metadata.resourceVersion ?? "0"
          signal()
        }
        for try await event in try await client.watch(
          type, resource, namespace: namespace, labels: labels, from: version ?? "0")
        {
          if let next = event.object.metadata.resourceVersion { version = next }
          (lastAnswer, pause) = (.now, .milliseconds(200))
          if event.type == "BOOKMARK" { continue }
          note(generation) { state in
            if event.type == "DELETED" {
              state[keyPath: table].remove(event.object)
            } else {
              state[keyPath: table].put(event.object)
            }
          }
          signal()
        }
        // The cluster ends watches after some minutes; the next one goes on from there.
        lastAnswer = .now
      } catch let failure as KubeFailure where failure.isExpired {
        version = nil
      } catch let error as RuntimeError where error.kind == .unavailable {
        guard ContinuousClock.now - lastAnswer < Self.patience else { throw error }
        try await Task.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      }
    }
  }
}

extension ObjectMeta {
  /// The version as a number: larger is newer (Kubernetes enhancement 5504 says so, and etcd's revisions always were);
  /// 0 where it is none.
  var number: UInt64 { resourceVersion.flatMap { UInt64($0) } ?? 0 }
}
