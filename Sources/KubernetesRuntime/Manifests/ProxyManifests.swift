import Executor

/// The objects of a proxy in front of a deployment's nodes: one address for all models, which leads each request to the
/// Services of the nodes that hold its model.
struct ProxyManifests {
  let options: KubernetesOptions
  let deployment: DeploymentID

  /// Everything of one deployment's proxy bears this label, and none of those by which nodes are found.
  static let label = KubernetesName.prefix + "proxy-of"
  /// Where the image reads its configuration.
  private static let folder = "/usr/local/etc/haproxy"
  /// The image's own user.
  private static let user = 99
  private static let copies = 2
  /// An object of the API has 1 MiB, its other parts included.
  static let mostBytes = 960 << 10

  private var name: String { "\(deployment)-proxy" }
  private var labels: [String: String] {
    [
      KubernetesName.managerLabel: KubernetesName.manager, Self.label: deployment.text,
      "app.kubernetes.io/name": "haproxy", "app.kubernetes.io/instance": deployment.text,
    ]
  }
  private var selector: ManifestValue { ["matchLabels": [Self.label: .string(deployment.text)]] }

  private func metadata(_ name: String) -> ManifestValue {
    ["name": .string(name), "namespace": .string(options.namespace), "labels": .strings(labels)]
  }

  /// - Parameter image: HAProxy's, as the cluster pulls it.
  /// - Throws: `RuntimeError` where the map is larger than an object of the API may be.
  func objects(_ desired: DesiredDeployment, image: String) throws -> [ManifestValue] {
    let files = try files(desired)
    guard files.configuration.utf8.count + files.map.utf8.count <= Self.mostBytes else {
      throw RuntimeError(
        .unavailable,
        "the proxy's map of \(desired.nodes.reduce(0) { $0 + $1.settings.models.count }) models is larger than the "
          + "\(Self.mostBytes >> 10) KiB that a cluster keeps in one object",
        remedy: "give the models shorter names, or leave the proxy out: each node has an address of its own")
    }
    let configuration: ManifestValue = [
      "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name),
      "data": .strings([HAProxyFiles.configurationName: files.configuration, HAProxyFiles.mapName: files.map]),
    ]
    let budget: ManifestValue = [
      "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(name),
      "spec": ["maxUnavailable": 1, "selector": selector],
    ]
    return [configuration, pods(files.revision, image), service, budget, networkPolicy] + [ingress].compactMap(\.self)
  }

  /// The map as it is once every node is as wanted: a node's Service leads to the replica that answers.
  private func files(_ desired: DesiredDeployment) throws -> HAProxyFiles {
    let replicas = try desired.nodes.map { node in
      let host = "\(try KubernetesName.service(node.id, of: deployment)).\(options.namespace).svc.cluster.local"
      return ObservedReplica(
        id: node.replica, settings: node.settings,
        phase: .ready(NodeAddress(host: host, port: KubernetesName.port)), handle: "")
    }
    var place = HAProxyFiles.Place(bind: NodeAddress(host: "", port: KubernetesName.port))
    place.mapFile = "\(Self.folder)/\(HAProxyFiles.mapName)"
    place.threads = Self.copies
    place.resolvesNames = true
    return try HAProxyFiles(RoutingTable(ObservedDeployment(id: deployment, replicas: replicas)), at: place)
  }

  /// Another map is another revision, and comes up beside the old one.
  private func pods(_ revision: String, _ image: String) -> ManifestValue {
    var pod: ManifestValue = [
      "automountServiceAccountToken": false, "enableServiceLinks": false,
      "terminationGracePeriodSeconds": .integer(HAProxyFiles.drainSeconds + NodeManifests.drainDelaySeconds + 5),
      "securityContext": [
        "runAsNonRoot": true, "runAsUser": .integer(Self.user), "runAsGroup": .integer(Self.user),
        "seccompProfile": ["type": "RuntimeDefault"],
      ],
      "topologySpreadConstraints": .array(
        ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map { key in
          [
            "maxSkew": 1, "topologyKey": .string(key), "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector,
          ]
        }),
      "containers": [container(image)],
      "volumes": [["name": "configuration", "configMap": ["name": .string(name)]]],
    ]
    if !options.imagePullSecrets.isEmpty {
      pod["imagePullSecrets"] = .array(options.imagePullSecrets.map { ["name": .string($0)] })
    }
    return [
      "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
      "spec": [
        "replicas": .integer(Self.copies), "revisionHistoryLimit": 1, "selector": selector,
        "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": 1, "maxUnavailable": 0]],
        "template": [
          "metadata": [
            "labels": .strings(labels), "annotations": [KubernetesName.revisionLabel: .string(revision)],
          ],
          "spec": pod,
        ],
      ],
    ]
  }

  private func container(_ image: String) -> ManifestValue {
    let probe: ManifestValue = ["tcpSocket": ["port": "http"], "periodSeconds": 2, "failureThreshold": 3]
    return [
      "name": "haproxy", "image": .string(image), "imagePullPolicy": "IfNotPresent",
      "ports": [["name": "http", "containerPort": .integer(KubernetesName.port), "protocol": "TCP"]],
      "securityContext": [
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": ["drop": ["ALL"]],
      ],
      "resources": ["requests": ["cpu": "500m", "memory": "512Mi"], "limits": ["memory": "512Mi"]],
      "readinessProbe": probe, "livenessProbe": probe,
      // Others still send to it until they have heard that it goes. Its image ends it softly.
      "lifecycle": ["preStop": ["exec": ["command": ["sleep", .string("\(NodeManifests.drainDelaySeconds)")]]]],
      "volumeMounts": [["name": "configuration", "mountPath": .string(Self.folder), "readOnly": true]],
    ]
  }

  private var service: ManifestValue {
    [
      "apiVersion": "v1", "kind": "Service", "metadata": metadata(deployment.text),
      "spec": [
        "type": options.exposure == .loadBalancer ? "LoadBalancer" : "ClusterIP",
        "selector": [Self.label: .string(deployment.text)],
        "ports": [
          ["name": "http", "port": .integer(KubernetesName.port), "targetPort": "http", "protocol": "TCP"]
        ],
      ],
    ]
  }

  /// It reaches nodes and the cluster's names.
  private var networkPolicy: ManifestValue {
    [
      "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(name),
      "spec": [
        "podSelector": selector, "policyTypes": ["Ingress", "Egress"],
        "ingress": [["ports": [["port": .integer(KubernetesName.port), "protocol": "TCP"]]]],
        "egress": [
          ["ports": [["port": 53, "protocol": "UDP"], ["port": 53, "protocol": "TCP"]]],
          [
            "to": [
              ["podSelector": ["matchLabels": [KubernetesName.deploymentLabel: .string(deployment.text)]]]
            ],
            "ports": [["port": .integer(KubernetesName.port), "protocol": "TCP"]],
          ],
        ],
      ],
    ]
  }

  /// The host by which all models are asked from outside of the cluster, where they are.
  private var ingress: ManifestValue? {
    guard case .ingress(let domain, let className) = options.exposure else { return nil }
    let path: ManifestValue = [
      "path": "/", "pathType": "Prefix",
      "backend": ["service": ["name": .string(deployment.text), "port": ["name": "http"]]],
    ]
    var spec: ManifestValue = ["rules": [["host": .string("\(deployment).\(domain)"), "http": ["paths": [path]]]]]
    if let className { spec["ingressClassName"] = .string(className) }
    return [
      "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(deployment.text), "spec": spec,
    ]
  }
}
