import Executor

/// What a deployment has once, however many nodes it has.
struct FleetManifests {
  let options: KubernetesOptions
  let deployment: DeploymentID

  /// The objects of a deployment beside its nodes.
  ///
  /// - Parameters:
  ///   - needsNetwork: models are pulled from somewhere.
  ///   - disruptionVersion: version of the API that budgets for disruptions have in the cluster.
  func objects(needsNetwork: Bool, disruptionVersion: String = "policy/v1") -> [ManifestValue] {
    var objects = [disruptionBudget(disruptionVersion), networkPolicy(needsNetwork: needsNetwork)]
    if let roleARN = options.roleARN { objects.append(serviceAccount(roleARN)) }
    if options.monitor { objects.append(serviceMonitor) }
    return objects
  }

  static func namespace(_ name: String) -> ManifestValue {
    [
      "apiVersion": "v1", "kind": "Namespace",
      "metadata": [
        "name": .string(name),
        "labels": [
          "app.kubernetes.io/managed-by": .string(KubernetesName.manager),
          "pod-security.kubernetes.io/enforce": "restricted",
        ],
      ],
    ]
  }

  private func metadata(_ name: String, annotations: [String: String] = [:]) -> ManifestValue {
    var metadata: ManifestValue = [
      "name": .string(name), "namespace": .string(options.namespace),
      "labels": .strings(KubernetesName.common(deployment)),
    ]
    if !annotations.isEmpty { metadata["annotations"] = .strings(annotations) }
    return metadata
  }

  private var allPods: ManifestValue { ["matchLabels": [KubernetesName.deploymentLabel: .string(deployment.text)]] }

  /// Drains of machines and upgrades take one node at a time.
  private func disruptionBudget(_ version: String) -> ManifestValue {
    [
      "apiVersion": .string(version), "kind": "PodDisruptionBudget", "metadata": metadata(deployment.text),
      "spec": ["maxUnavailable": 1, "selector": allPods],
    ]
  }

  /// Anybody of the cluster may ask models; pods themselves reach nothing, or what models are pulled from.
  private func networkPolicy(needsNetwork: Bool) -> ManifestValue {
    var egress: [ManifestValue] = []
    if needsNetwork {
      egress = [
        [
          "ports": [
            ["port": 53, "protocol": "UDP"], ["port": 53, "protocol": "TCP"], ["port": 443, "protocol": "TCP"],
          ]
        ],
        // Where EKS Pod Identity gives out its credentials.
        [
          "to": [["ipBlock": ["cidr": "169.254.170.23/32"]], ["ipBlock": ["cidr": "fd00:ec2::23/128"]]],
          "ports": [["port": 80, "protocol": "TCP"]],
        ],
      ]
    }
    return [
      "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(deployment.text),
      "spec": [
        "podSelector": allPods, "policyTypes": ["Ingress", "Egress"],
        "ingress": [["ports": [["port": .integer(KubernetesName.port), "protocol": "TCP"]]]],
        "egress": .array(egress),
      ],
    ]
  }

  private func serviceAccount(_ roleARN: String) -> ManifestValue {
    [
      "apiVersion": "v1", "kind": "ServiceAccount",
      "metadata": metadata(
        options.serviceAccount ?? deployment.text, annotations: ["eks.amazonaws.com/role-arn": roleARN]),
      "automountServiceAccountToken": false,
    ]
  }

  private var serviceMonitor: ManifestValue {
    [
      "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata(deployment.text),
      "spec": [
        "selector": allPods,
        "endpoints": [["port": "http", "path": "/metrics", "interval": "15s"]],
      ],
    ]
  }
}
