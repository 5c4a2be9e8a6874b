/// What the API has to allow the program, and nothing beyond it.
enum AccessManifests {
  /// A kind of objects, and what is done to them.
  struct Rule: Hashable, Sendable {
    var group: String
    var resource: String
    var verbs: [String]
    /// Whether the program can do without, and only tells less.
    var isOptional = false

    /// The resource with its group: `deployments.apps`.
    var name: String { group.isEmpty ? resource : "\(resource).\(group)" }
  }

  /// Within the namespace of the deployments.
  static func namespaced(_ options: KubernetesOptions) -> [Rule] {
    let whole = ["create", "delete", "deletecollection", "list", "patch"]
    var rules = [
      Rule(group: "apps", resource: "deployments", verbs: whole + ["watch"]),
      Rule(group: "", resource: "services", verbs: whole + ["watch"]),
      Rule(group: "", resource: "pods", verbs: ["delete", "list", "watch"]),
      Rule(group: "", resource: "pods/exec", verbs: ["create", "get"], isOptional: true),
      Rule(group: "", resource: "pods/log", verbs: ["get"], isOptional: true),
      Rule(group: "", resource: "pods/proxy", verbs: ["get"], isOptional: true),
      Rule(group: "", resource: "resourcequotas", verbs: ["list"], isOptional: true),
      Rule(group: "policy", resource: "poddisruptionbudgets", verbs: whole),
      Rule(group: "networking.k8s.io", resource: "networkpolicies", verbs: whole),
      Rule(group: "coordination.k8s.io", resource: "leases", verbs: ["create", "delete", "get", "update"]),
    ]
    if options.roleARN != nil { rules.append(Rule(group: "", resource: "serviceaccounts", verbs: whole)) }
    if options.monitor {
      rules.append(Rule(group: "monitoring.coreos.com", resource: "servicemonitors", verbs: whole))
    }
    if case .ingress = options.exposure {
      rules.append(Rule(group: "networking.k8s.io", resource: "ingresses", verbs: whole))
    }
    return rules
  }

  /// In the whole cluster: what its machines have room for, and the namespace itself.
  static let clusterWide = [
    Rule(group: "", resource: "nodes", verbs: ["list"], isOptional: true),
    Rule(group: "", resource: "pods", verbs: ["list"], isOptional: true),
    Rule(group: "", resource: "namespaces", verbs: ["create"], isOptional: true),
  ]

  /// Roles that an administrator gives to whoever runs the program, here to a group `planner`.
  static func objects(_ options: KubernetesOptions) -> [ManifestValue] {
    func metadata(_ namespace: String?) -> ManifestValue {
      var metadata: ManifestValue = [
        "name": "planner", "labels": [KubernetesName.managerLabel: .string(KubernetesName.manager)],
      ]
      if let namespace { metadata["namespace"] = .string(namespace) }
      return metadata
    }
    func role(_ kind: ManifestValue, _ namespace: String?, _ rules: [Rule]) -> ManifestValue {
      [
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(namespace),
        "rules": .array(
          rules.map { rule in
            [
              "apiGroups": [.string(rule.group)], "resources": [.string(rule.resource)],
              "verbs": .array(rule.verbs.sorted().map { .string($0) }),
            ]
          }),
      ]
    }
    func binding(_ kind: ManifestValue, to role: ManifestValue, _ namespace: String?) -> ManifestValue {
      [
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(namespace),
        "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": "planner"],
        "subjects": [["apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "planner"]],
      ]
    }
    return [
      role("Role", options.namespace, namespaced(options)), binding("RoleBinding", to: "Role", options.namespace),
      role("ClusterRole", nil, clusterWide), binding("ClusterRoleBinding", to: "ClusterRole", nil),
    ]
  }
}
