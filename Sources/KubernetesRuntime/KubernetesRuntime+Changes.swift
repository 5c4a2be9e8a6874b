import Executor
import Foundation

// What changes a cluster, and what is asked before.
extension KubernetesRuntime {
  func facts() async throws -> ClusterFacts {
    if let facts = own.withLock({ $0.facts }) { return facts }
    let facts = try await ClusterFacts.read(client)
    own.withLock { $0.facts = facts }
    return facts
  }

  /// The user's options with what the cluster says of itself.
  func knownOptions() async throws -> KubernetesOptions {
    let facts = try await facts()
    var options = options
    options.minorVersion = facts.minorVersion
    options.machinesComeOnDemand = options.machinesComeOnDemand || facts.makesMachines
    return options
  }

  public func check(_ desired: DesiredDeployment) async throws {
    try await asking {
      // What no cluster would take is found without asking one.
      _ = try DeploymentManifests(desired, options)
      let options = try await knownOptions()
      try await AccessCheck(client: client, namespace: namespace).check(AccessManifests.namespaced(options))
      let observed = try await reading(desired.id)
      let strangers = try await findStrangers()
      let present = Set(observed.replicas().map(\.replica.id))
      let added = desired.nodes.filter { !present.contains($0.replica) }
      for node in added { try checkNames(of: node, desired.id, strangers) }
      let check = CapacityCheck(
        machines: try await permitted { try await client.list(MachineObject.self, .nodes, namespace: nil).items },
        pods: try await permitted {
          try await client.list(
            PodObject.self, .pods, namespace: nil, fields: "status.phase!=Succeeded,status.phase!=Failed"
          ).items
        } ?? [],
        quotas: try await permitted {
          try await client.list(QuotaObject.self, .quotas, namespace: namespace).items
        } ?? [], options: options)
      try check.check(added)
    }
  }

  /// What only makes the answer better, and is left out where the user may not see it.
  func permitted<Value>(_ body: () async throws -> Value) async throws -> Value? {
    do {
      return try await body()
    } catch let failure as KubeFailure where failure.code == 403 {
      return nil
    }
  }

  private func findStrangers() async throws -> Strangers {
    if let known = own.withLock({ $0.strangers }) { return known }
    func names(_ resource: KubeResource) async throws -> Set<String> {
      let all = try await client.list(AnyKubeObject.self, resource, namespace: namespace, namesOnly: true)
      return Set(all.items.filter { !$0.metadata.isOwn }.compactMap(\.metadata.name))
    }
    let strangers = Strangers(
      deployments: try await names(.deployments), services: try await names(.services))
    own.withLock { $0.strangers = strangers }
    return strangers
  }

  private func checkNames(of node: DesiredNode, _ deployment: DeploymentID, _ strangers: Strangers) throws {
    let service = try KubernetesName.service(node.id, of: deployment)
    let slots = try KubernetesName.slots(node.replica, of: deployment)
    let isTaken = strangers.services.contains(service) || slots.contains { strangers.deployments.contains($0) }
    guard isTaken else { return }
    throw RuntimeError(
      .conflict,
      "namespace '\(namespace)' has a Service or a Deployment '\(service)' that this program did not create",
      remedy: "remove or rename it, or deploy to another namespace")
  }

  // MARK: Steps

  public func apply(_ change: Change, to deployment: DeploymentID) async throws {
    try checkLock(deployment)
    try await asking {
      switch change {
      case .start(let node): try await start(node, deployment)
      case .stop(let replica): try await stop(replica, deployment)
      }
    }
  }

  private func start(_ node: DesiredNode, _ deployment: DeploymentID) async throws {
    let options = try await knownOptions()
    let reading = try await reading(deployment)
    let replicas = reading.replicas()
    try checkNames(of: node, deployment, try await findStrangers())
    try await applyFleet(deployment, options, needsNetwork: try ModelPlace(node.settings.repository).needsNetwork)
    let manifests = NodeManifests(options: options, deployment: deployment)
    let present = replicas.first { $0.replica.id == node.replica }
    if let present, case .failed = present.replica.phase {
      // Anew, without the pauses that the cluster makes longer and longer.
      try await removePods(ofSlot: present.object.metadata.name ?? "", in: reading, deployment)
    }
    let slot = try slot(for: node, deployment, replicas)
    let answering = service(of: node.id, in: reading)?.slot
    let isAnswered = replicas.contains {
      $0.object.metadata.name == answering && $0.object.metadata.deletionTimestamp == nil
    }
    let service = try await client.apply(
      ServiceObject.self, .services, namespace: namespace,
      try manifests.service(node.id, slot: isAnswered ? answering ?? slot : slot))
    let object = try await client.apply(
      DeploymentObject.self, .deployments, namespace: namespace, try manifests.deployment(node, slot: slot))
    if let ingress = try manifests.ingress(node.id) {
      try await client.apply(AnyKubeObject.self, .ingresses, namespace: namespace, ingress)
    }
    let watch = own.withLock { $0.watches[deployment] }
    watch?.changed(service)
    watch?.changed(object)
  }

  /// The name that the replica has, or the first that is free.
  func slot(
    for node: DesiredNode, _ deployment: DeploymentID,
    _ replicas: [(object: DeploymentObject, replica: ObservedReplica)]
  ) throws -> String {
    if let name = replicas.first(where: { $0.replica.id == node.replica })?.object.metadata.name { return name }
    let taken = Set(replicas.compactMap(\.object.metadata.name))
    let slots = try KubernetesName.slots(node.replica, of: deployment)
    return slots.first { !taken.contains($0) } ?? slots[1]
  }

  func service(of node: NodeID, in reading: DeploymentReading) -> ServiceObject? {
    reading.services.first { $0.metadata.labels?[KubernetesName.nodeLabel] == node.text }
  }

  private func removePods(
    ofSlot slot: String, in reading: DeploymentReading, _ deployment: DeploymentID
  ) async throws {
    let watch = own.withLock { $0.watches[deployment] }
    for pod in reading.pods where pod.metadata.labels?[KubernetesName.slotLabel] == slot {
      guard let name = pod.metadata.name else { continue }
      try await client.delete(.pods, namespace: namespace, name: name, uid: pod.metadata.uid, graceSeconds: 0)
      watch?.removed(pod: name)
    }
  }

  private func stop(_ replica: ReplicaID, _ deployment: DeploymentID) async throws {
    let reading = try await reading(deployment)
    let replicas = reading.replicas()
    let own = replicas.filter { $0.replica.id == replica }
    guard !own.isEmpty else { return }
    let slots = Set(own.compactMap(\.object.metadata.name))
    let others = replicas.filter {
      $0.replica.id.node == replica.node && $0.replica.id != replica && $0.object.metadata.deletionTimestamp == nil
    }
    let heir = others.first(where: \.replica.phase.isReady) ?? others.first
    let watch = self.own.withLock { $0.watches[deployment] }
    // Whoever asks the node is led to the replica that stays, before this one is told to go.
    if let service = service(of: replica.node, in: reading), let name = service.metadata.name {
      if let heir, let slot = heir.object.metadata.name {
        if service.slot.map(slots.contains) != false {
          let options = try await knownOptions()
          let manifests = NodeManifests(options: options, deployment: deployment)
          watch?.changed(
            try await client.apply(
              ServiceObject.self, .services, namespace: namespace, try manifests.service(replica.node, slot: slot)))
        }
      } else {
        try await client.delete(.services, namespace: namespace, name: name, uid: service.metadata.uid)
        watch?.removed(service: name)
        let labels = KubernetesName.own(deployment).merging([KubernetesName.nodeLabel: replica.node.text]) { $1 }
        try await removeAll(.ingresses, labels, isAskedFor: options.exposure.isIngress)
      }
    }
    for entry in own {
      guard let name = entry.object.metadata.name else { continue }
      try await client.delete(.deployments, namespace: namespace, name: name, uid: entry.object.metadata.uid)
    }
    try await waitUntilGone(slots: slots, deployment)
    if others.isEmpty, replicas.count == own.count { try await removeFleet(deployment) }
  }

  // MARK: Stopping all of it

  public func stop(_ deployment: DeploymentID) async throws {
    try checkLock(deployment)
    // Of its own, so that it also works where the caller's task is being cancelled.
    try await Task { try await asking { try await removeAll(deployment) } }.value
  }

  private func removeAll(_ deployment: DeploymentID) async throws {
    let reading = try await reading(deployment)
    let labels = KubernetesName.own(deployment)
    if !reading.services.isEmpty { try await client.deleteAll(.services, namespace: namespace, labels: labels) }
    if !reading.deployments.isEmpty { try await client.deleteAll(.deployments, namespace: namespace, labels: labels) }
    try await waitUntilGone(slots: nil, deployment)
    // Also where no node is left: a run may have ended before its first one.
    try await removeFleet(deployment)
  }

  /// Returns once no Deployment and no pod of these slots is left; nil means all.
  ///
  /// - Throws: `RuntimeError` (`unavailable`) where one does not go in time: its machine may be lost.
  private func waitUntilGone(slots: Set<String>?, _ deployment: DeploymentID) async throws {
    func isOver(_ reading: DeploymentReading) -> Bool {
      func isMeant(_ slot: String?) -> Bool { slots.map { slot.map($0.contains) ?? false } ?? true }
      return !reading.deployments.contains { isMeant($0.metadata.name) }
        && !reading.pods.contains { isMeant($0.metadata.labels?[KubernetesName.slotLabel]) }
    }
    let watch = watch(deployment)
    let limit = Duration.seconds(NodeManifests.drainDelaySeconds + NodeManifests.drainSeconds + 60)
    let isGone = try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        for try await _ in watch.signals() {
          if let reading = watch.reading, isOver(reading) { return true }
        }
        return false
      }
      group.addTask {
        try await Task.sleep(for: limit)
        return false
      }
      defer { group.cancelAll() }
      return try await group.next() ?? false
    }
    guard !isGone else { return }
    throw RuntimeError(
      .unavailable, "pods of deployment '\(deployment)' have not gone within \(limit / .seconds(1)) s",
      remedy: "see whether their machines can be reached (kubectl get nodes), and stop it again")
  }
}
