import Executor
import Foundation
import Synchronization

/// Nodes as pods of a Kubernetes cluster.
///
/// Each replica is a Deployment of one pod, each node has a Service that leads to the replica which answers for it.
/// What is known of a deployment lies in labels and annotations of these objects, and its lock is a Lease: whoever may
/// read the namespace sees the same. Objects without this program's labels are never changed or removed.
public final class KubernetesRuntime: Runtime {
  public let name = RuntimeName.kubernetes.rawValue
  public let options: KubernetesOptions
  let client: KubeClient
  let own = Mutex(Own())

  struct Own {
    var watches: [DeploymentID: DeploymentWatch] = [:]
    var locks: [DeploymentID: LeaseLock] = [:]
    /// Deployments whose own objects were applied by this process.
    var prepared: Set<DeploymentID> = []
    /// Names in the namespace that this program did not give; nil until they were asked for.
    var strangers: Strangers?
    var facts: ClusterFacts?
  }

  /// Objects of others, by whose names nothing may be created.
  struct Strangers {
    var deployments: Set<String>
    var services: Set<String>
  }

  /// - Parameters:
  ///   - connection: the cluster, and who asks it.
  ///   - options: what the user says beside the plan. Their `minorVersion` is replaced by the cluster's own.
  ///   - rate: how often the cluster is asked.
  /// - Throws: `RuntimeError` where a value is none that a cluster takes, or certificates cannot be used.
  public init(_ connection: ClusterConnection, _ options: KubernetesOptions, rate: RequestRate = .standard) throws {
    try options.check()
    self.options = options
    client = try KubeClient(connection, rate: rate)
  }

  /// What was asked of the cluster so far.
  public var requests: RequestCounts { client.budget.counts }

  /// Closes connections. Later calls fail.
  public func shutdown() async { await client.shutdown() }

  var namespace: String { options.namespace }

  /// Turns a cluster's "no" into its sentence.
  func asking<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
      return try await body()
    } catch let failure as KubeFailure {
      throw failure.error(cluster: client.cluster)
    }
  }

  // MARK: What there is

  public func deployments() async throws -> [DeploymentID] {
    try await asking {
      let found = try await client.list(
        AnyKubeObject.self, .deployments, namespace: namespace,
        labels: [KubernetesName.managerLabel: KubernetesName.manager], namesOnly: true)
      return Set(
        found.items.compactMap { $0.metadata.labels?[KubernetesName.deploymentLabel].flatMap(DeploymentID.init) }
      ).sorted()
    }
  }

  public func observe(_ deployment: DeploymentID) async throws -> ObservedDeployment {
    let replicas = try await asking { try await reading(deployment) }.replicas().map(\.replica)
    guard !replicas.isEmpty else {
      throw RuntimeError(
        .notFound, "there is no deployment '\(deployment)' in namespace '\(namespace)'",
        remedy: "list what there is, or deploy the plan again")
    }
    // The same replica twice is somebody's copy of a manifest: the one that answers counts.
    let best = Dictionary(grouping: replicas, by: \.id).compactMap { $1.first(where: \.phase.isReady) ?? $1.first }
    return ObservedDeployment(id: deployment, replicas: best)
  }

  /// What the watch knows, where there is one; what the cluster says now, where there is none.
  func reading(_ deployment: DeploymentID) async throws -> DeploymentReading {
    let watch = own.withLock { $0.watches[deployment] }
    if let known = try await watch?.settled() { return known }
    let labels = KubernetesName.own(deployment)
    async let deployments = client.list(DeploymentObject.self, .deployments, namespace: namespace, labels: labels)
    async let pods = client.list(PodObject.self, .pods, namespace: namespace, labels: labels)
    async let services = client.list(ServiceObject.self, .services, namespace: namespace, labels: labels)
    return DeploymentReading(
      deployments: try await deployments.items, pods: try await pods.items, services: try await services.items)
  }

  public func notes(on deployment: DeploymentID) async throws -> [String] {
    let services = try await asking { try await reading(deployment) }.services
    let names = services.compactMap(\.metadata.name)
    var notes = ["the cluster starts its nodes again when they end, and replaces them where their machine is lost"]
    if let first = names.first {
      notes.append(
        "each node's Service answers in the cluster: http://\(first).\(namespace).svc.cluster.local:"
          + "\(KubernetesName.port)" + (names.count > 1 ? " and \(names.count - 1) more" : ""))
    }
    return notes
  }

  func watch(_ deployment: DeploymentID) -> DeploymentWatch {
    own.withLock { own in
      if let watch = own.watches[deployment] { return watch }
      let watch = DeploymentWatch(client, namespace: namespace, deployment: deployment)
      own.watches[deployment] = watch
      return watch
    }
  }

  public func signals(from deployment: DeploymentID) -> AsyncThrowingStream<Void, any Error> {
    watch(deployment).signals()
  }

  // MARK: Lock

  public func lock(_ deployment: DeploymentID, purpose: String) async throws -> any DeploymentLock {
    try await asking { () -> any DeploymentLock in
      // The lock's times are the cluster's, which its first answer tells.
      _ = try await facts()
      let lock: LeaseLock
      do {
        lock = try await LeaseLock.acquire(client, namespace: namespace, deployment: deployment, purpose: purpose)
      } catch let failure as KubeFailure where failure.isNotFound {
        // The namespace is what is missing; the lock of a deployment lies in it. Who ends what is not there changes
        // nothing, and needs no lock.
        if options.onlyLooks { return NothingToHold() }
        try await makeNamespace()
        lock = try await LeaseLock.acquire(client, namespace: namespace, deployment: deployment, purpose: purpose)
      }
      own.withLock { $0.locks[deployment] = lock }
      return lock
    }
  }

  /// - Throws: `conflict` where this process had the lock, and lost it to another.
  func checkLock(_ deployment: DeploymentID) throws {
    guard own.withLock({ $0.locks[deployment]?.isLost }) == true else { return }
    throw RuntimeError(
      .conflict, "another run has taken over deployment '\(deployment)', since this one was away for too long",
      remedy: "let the other one end, and run this again")
  }

  func makeNamespace() async throws {
    do {
      try await client.create(
        AnyKubeObject.self, .namespaces, namespace: nil, FleetManifests.namespace(namespace))
    } catch let failure as KubeFailure where failure.code == 409 {
      // Another one was quicker.
    }
  }
}

/// The lock of a deployment whose namespace is not there.
private struct NothingToHold: DeploymentLock {
  func release() async {}
}

/// What a cluster is, asked once.
struct ClusterFacts: Sendable {
  /// Release of the cluster: the number behind "1.".
  var minorVersion: Int
  /// Groups of its API, each with its versions.
  var groups: [String: [String]]

  /// Machines are made when pods need them: Karpenter is there.
  var makesMachines: Bool { groups["karpenter.sh"] != nil }
  var disruptionVersion: String {
    let versions = groups["policy"] ?? ["v1"]
    return versions.contains("v1") ? "v1" : versions.first ?? "v1"
  }

  private struct Version: Decodable { var minor: String }
  private struct Groups: Decodable {
    struct Group: Decodable {
      struct Version: Decodable { var version: String }
      var name: String
      var versions: [Version]
    }
    var groups: [Group]
  }

  static func read(_ client: KubeClient) async throws -> ClusterFacts {
    let version = try await client.get(Version.self, path: "/version")
    let groups = try await client.get(Groups.self, path: "/apis")
    return ClusterFacts(
      // Clouds write "32+".
      minorVersion: Int(version.minor.prefix { $0.isNumber }) ?? KubernetesOptions.oldestMinor,
      groups: Dictionary(groups.groups.map { ($0.name, $0.versions.map(\.version)) }) { first, _ in first })
  }
}
