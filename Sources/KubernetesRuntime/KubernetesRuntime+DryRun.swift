import Executor

/// An object of a cluster as it is and as it would be, as YAML: what is applied of it, and what would become different.
public struct ObjectChange: Hashable, Sendable {
  /// What people call it: `Deployment/shop-0`.
  public var oldName: String?
  public var newName: String?
  /// Nil where there is none yet.
  public var before: String?
  /// Nil where it goes.
  public var after: String?
}

extension KubernetesRuntime {
  /// What a rollout would change of the cluster's objects, as the cluster itself says it; nothing is kept of what is
  /// asked. Objects that go with a node are not among them.
  ///
  /// - Throws: `RuntimeError`, also where the cluster would refuse an object.
  public func dryRun(_ desired: DesiredDeployment) async throws -> [ObjectChange] {
    try await asking {
      let options = try await knownOptions()
      let facts = try await self.facts()
      let live = try await LiveObjects.read(client, namespace: namespace, desired.id, facts)
      var changes: [ObjectChange] = []
      let fleet = Self.fleet(desired.id, options, needsNetwork: try desired.nodes.needNetwork, facts)
      for manifest in fleet { changes += try await dryRun(manifest, over: live.object(like: manifest), facts) }
      let reading = try await self.reading(desired.id)
      for node in desired.nodes { changes += try await dryRun(node, desired.id, options, reading, live, facts) }
      if !options.exposure.isIngress { changes += live.ingresses.map(Self.goes) }
      return changes
    }
  }

  /// A node's Service and Ingress, and its Deployment where a replica is to be started.
  private func dryRun(
    _ node: DesiredNode, _ deployment: DeploymentID, _ options: KubernetesOptions, _ reading: DeploymentReading,
    _ live: LiveObjects, _ facts: ClusterFacts
  ) async throws -> [ObjectChange] {
    let manifests = NodeManifests(options: options, deployment: deployment)
    let replicas = reading.replicas()
    let slot = try slot(for: node, deployment, replicas)
    let own = replicas.filter { $0.replica.id.node == node.id }
    var changes: [ObjectChange] = []
    for manifest in [try manifests.service(node.id, slot: slot), try manifests.ingress(node.id)].compactMap(\.self) {
      let object = live.object(like: manifest)
      // Nearly all nodes of a fleet stay as they are: what has all values already is not asked about.
      if let object, ManifestComparison.holds(object, manifest) { continue }
      changes += try await dryRun(manifest, over: object, facts)
    }
    if own.contains(where: { $0.replica.id == node.replica }) { return changes }
    // The replica whose place it takes is what it differs from, under another name.
    let former = own.first(where: \.replica.phase.isReady) ?? own.first
    let manifest = try manifests.deployment(node, slot: slot)
    return changes + (try await dryRun(manifest, over: live.deployment(former?.object.metadata.name), facts))
  }

  private func dryRun(
    _ manifest: ManifestValue, over live: ManifestValue?, _ facts: ClusterFacts
  ) async throws -> [ObjectChange] {
    guard let kind = manifest["kind"]?.text, let resource = Self.resource(kind, facts) else { return [] }
    var merged = manifest
    do {
      merged = try await client.apply(
        ManifestValue.self, resource, namespace: namespace, manifest, isDryRun: true)
    } catch let failure as KubeFailure where failure.isNotFound {
      // Its namespace is not there yet: what is applied is all that can be said.
    }
    func name(_ object: ManifestValue) -> String { "\(kind)/\(object["metadata"]?["name"]?.text ?? "")" }
    guard let live else {
      return [ObjectChange(oldName: nil, newName: name(manifest), before: nil, after: YAMLText.reading(manifest))]
    }
    let pair = ManifestComparison.relevant(live: live, merged: merged, applied: manifest)
    guard pair.before != pair.after else { return [] }
    return [
      ObjectChange(
        oldName: name(live), newName: name(manifest), before: YAMLText.reading(pair.before),
        after: YAMLText.reading(pair.after))
    ]
  }
}

extension KubernetesRuntime {
  /// An Ingress that is not asked for any more.
  private static func goes(_ ingress: ManifestValue) -> ObjectChange {
    let name = ingress["metadata"]?["name"] ?? ""
    let shown: ManifestValue = ["kind": "Ingress", "metadata": ["name": name], "spec": ingress["spec"] ?? [:]]
    return ObjectChange(
      oldName: "Ingress/\(name.text ?? "")", newName: nil, before: YAMLText.reading(shown), after: nil)
  }
}

/// A deployment's objects as the cluster has them.
private struct LiveObjects {
  /// Objects that the cluster has or would have, by kind and name.
  private var objects: [String: [String: ManifestValue]] = [:]

  /// One request for each kind; kinds that nobody may see have no objects.
  static func read(
    _ client: KubeClient, namespace: String, _ deployment: DeploymentID, _ facts: ClusterFacts
  ) async throws -> LiveObjects {
    var live = LiveObjects()
    var kinds = ["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "Ingress", "ServiceAccount"]
    if facts.groups[KubeResource.serviceMonitors.group] != nil { kinds.append("ServiceMonitor") }
    for kind in kinds {
      guard let resource = KubernetesRuntime.resource(kind, facts) else { continue }
      do {
        let list = try await client.list(
          ManifestValue.self, resource, namespace: namespace, labels: KubernetesName.own(deployment))
        for object in list.items { live.objects[kind, default: [:]][object["metadata"]?["name"]?.text ?? ""] = object }
      } catch let failure as KubeFailure where failure.code == 403 {
        continue
      }
    }
    return live
  }

  /// The object that a manifest is applied to, with the version of the API that the manifest has; nil where there is
  /// none.
  func object(like manifest: ManifestValue) -> ManifestValue? {
    guard let kind = manifest["kind"]?.text, let name = manifest["metadata"]?["name"]?.text else { return nil }
    return typed(objects[kind]?[name], manifest["apiVersion"], kind)
  }

  var ingresses: [ManifestValue] { (objects["Ingress"] ?? [:]).sorted { $0.key < $1.key }.map(\.value) }

  func deployment(_ name: String?) -> ManifestValue? {
    typed(name.flatMap { objects["Deployment"]?[$0] }, "apps/v1", "Deployment")
  }

  /// Elements of a list do not say what they are.
  private func typed(_ object: ManifestValue?, _ version: ManifestValue?, _ kind: String) -> ManifestValue? {
    guard var object else { return nil }
    object["apiVersion"] = version
    object["kind"] = .string(kind)
    return object
  }
}
