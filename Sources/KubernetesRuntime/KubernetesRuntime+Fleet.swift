import Executor

/// What a deployment has beside its nodes, and the ways by which these are reached.
extension KubernetesRuntime {
  public func prepare(_ desired: DesiredDeployment) async throws {
    try checkLock(desired.id)
    try await asking {
      let options = try await knownOptions()
      try await applyFleet(desired.id, options, needsNetwork: try desired.nodes.needNetwork)
      try await expose(desired.id, options)
    }
  }

  /// Applies what the deployment has once, ahead of its first pod; once in each process.
  func applyFleet(_ deployment: DeploymentID, _ options: KubernetesOptions, needsNetwork: Bool) async throws {
    guard !own.withLock({ $0.prepared.contains(deployment) }) else { return }
    let facts = try await facts()
    for object in Self.fleet(deployment, options, needsNetwork: needsNetwork, facts) {
      guard let kind = object["kind"]?.text, let resource = Self.resource(kind, facts) else { continue }
      do {
        try await client.apply(AnyKubeObject.self, resource, namespace: namespace, object)
      } catch let failure as KubeFailure where failure.isNotFound {
        try await makeNamespace()
        try await client.apply(AnyKubeObject.self, resource, namespace: namespace, object)
      }
    }
    if !options.monitor { try await removeMonitors(deployment) }
    own.withLock { _ = $0.prepared.insert(deployment) }
  }

  /// Manifests of what the deployment has once, in the versions that the cluster knows.
  static func fleet(
    _ deployment: DeploymentID, _ options: KubernetesOptions, needsNetwork: Bool, _ facts: ClusterFacts
  ) -> [ManifestValue] {
    FleetManifests(options: options, deployment: deployment)
      .objects(needsNetwork: needsNetwork, disruptionVersion: "policy/\(facts.disruptionVersion)")
  }

  static func resource(_ kind: String, _ facts: ClusterFacts) -> KubeResource? {
    switch kind {
    case "PodDisruptionBudget": .disruptionBudgets(facts.disruptionVersion)
    case "NetworkPolicy": .networkPolicies
    case "ServiceAccount": .serviceAccounts
    case "ServiceMonitor": .serviceMonitors
    case "Service": .services
    case "Ingress": .ingresses
    case "Deployment": .deployments
    default: nil
    }
  }

  /// Lets nodes that are there be reached as is asked for now, and not as was asked for before. New ones come with it.
  private func expose(_ deployment: DeploymentID, _ options: KubernetesOptions) async throws {
    let reading = try await reading(deployment)
    guard !reading.services.isEmpty else { return }
    let manifests = NodeManifests(options: options, deployment: deployment)
    let watch = own.withLock { $0.watches[deployment] }
    let ingresses = try await ingresses(deployment)
    for service in reading.services {
      guard let node = service.metadata.labels?[KubernetesName.nodeLabel].flatMap(NodeID.init), let slot = service.slot
      else { continue }
      let wanted = try manifests.service(node, slot: slot)
      if service.spec?.type != wanted["spec"]?["type"]?.text {
        watch?.changed(try await client.apply(ServiceObject.self, .services, namespace: namespace, wanted))
      }
      if let ingress = try manifests.ingress(node),
        ingresses.first(where: { $0.metadata.name == service.metadata.name })?.leads(as: ingress) != true
      {
        try await client.apply(AnyKubeObject.self, .ingresses, namespace: namespace, ingress)
      }
    }
    if !options.exposure.isIngress, !ingresses.isEmpty {
      try await client.deleteAll(.ingresses, namespace: namespace, labels: KubernetesName.own(deployment))
    }
  }

  /// The deployment's Ingresses; none where nobody may see them and none is asked for.
  private func ingresses(_ deployment: DeploymentID) async throws -> [IngressObject] {
    func found() async throws -> [IngressObject] {
      try await client.list(
        IngressObject.self, .ingresses, namespace: namespace, labels: KubernetesName.own(deployment)
      ).items
    }
    return try await options.exposure.isIngress ? found() : permitted(found) ?? []
  }

  // MARK: The end

  /// Removes what the deployment has once: what bears the deployment's labels, and nothing else. Whoever ends it may
  /// not know what it was begun with, so that all is looked for.
  func removeFleet(_ deployment: DeploymentID) async throws {
    own.withLock { _ = $0.prepared.remove(deployment) }
    let facts = try await facts()
    let labels = KubernetesName.own(deployment)
    for resource in [KubeResource.disruptionBudgets(facts.disruptionVersion), .networkPolicies] {
      try await removeAll(resource, labels, isAskedFor: true)
    }
    try await removeAll(.serviceAccounts, labels, isAskedFor: options.roleARN != nil)
    try await removeAll(.ingresses, labels, isAskedFor: options.exposure.isIngress)
    try await removeMonitors(deployment)
  }

  private func removeMonitors(_ deployment: DeploymentID) async throws {
    guard try await facts().groups[KubeResource.serviceMonitors.group] != nil else { return }
    try await removeAll(.serviceMonitors, KubernetesName.own(deployment), isAskedFor: options.monitor)
  }

  /// Whoever may not remove such objects has not made them either, unless they are asked for.
  func removeAll(_ resource: KubeResource, _ labels: [String: String], isAskedFor: Bool) async throws {
    do {
      try await client.deleteAll(resource, namespace: namespace, labels: labels)
    } catch let failure as KubeFailure where failure.isNotFound || failure.code == 403 && !isAskedFor {
      // The cluster has no such namespace or kind, or nobody of this name has made one.
    }
  }
}

extension KubernetesOptions.Exposure {
  var isIngress: Bool { if case .ingress = self { true } else { false } }
}

extension [DesiredNode] {
  /// Whether any of them pulls its models.
  var needNetwork: Bool {
    get throws { try contains { try ModelPlace($0.settings.repository).needsNetwork } }
  }
}
