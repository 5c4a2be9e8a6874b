import Executor
import Foundation
import PlannerCore
import ServerContract

/// The objects of one node: the Deployment of a replica of it, and the Service by which the node is asked.
///
/// A pure function of the node's settings and the options: equal ones give equal bytes. Whatever is text of somebody's
/// becomes a value of its own, and never a part of a command line, a path or a key.
struct NodeManifests {
  let options: KubernetesOptions
  let deployment: DeploymentID

  /// Seconds between the moment that a pod is told to go and the one that its server is: until then others may still
  /// send to it.
  static let drainDelaySeconds = 5
  /// How long a server answers what it has accepted, seconds (docs/serving.md), and something on top.
  static let drainSeconds = 35
  /// Most bytes of a node's list of models: all annotations of an object have 256 KiB.
  static let mostModelListBytes = 200 << 10

  /// - Parameter slot: name of the Deployment.
  /// - Throws: `RuntimeError` where a value of the settings is none that a pod can have.
  func deployment(_ node: DesiredNode, slot: String) throws -> ManifestValue {
    let labels = try podLabels(node, slot: slot)
    let (settings, models) = try recorded(node.settings)
    var annotations: [String: String] = [:]
    if let models { annotations[KubernetesName.modelsAnnotation] = models }
    return [
      "apiVersion": "apps/v1", "kind": "Deployment",
      "metadata": metadata(slot, labels: labels, annotations: [KubernetesName.settingsAnnotation: settings]),
      "spec": [
        "replicas": 1,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": .integer(options.readyTimeoutSeconds),
        "selector": ["matchLabels": .strings(selector(slot: slot))],
        // What answers goes once what replaces it answers.
        "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": 1, "maxUnavailable": 0]],
        "template": [
          "metadata": ["labels": .strings(labels), "annotations": .strings(annotations)],
          "spec": try pod(node.settings, labels: labels),
        ],
      ],
    ]
  }

  /// - Parameter slot: name of the Deployment that answers for the node.
  func service(_ node: NodeID, slot: String) throws -> ManifestValue {
    var labels = KubernetesName.common(deployment)
    labels[KubernetesName.nodeLabel] = node.text
    let isBalanced = options.exposure == .loadBalancer
    return [
      "apiVersion": "v1", "kind": "Service",
      "metadata": metadata(try KubernetesName.service(node, of: deployment), labels: labels),
      "spec": [
        "type": isBalanced ? "LoadBalancer" : "ClusterIP",
        "selector": .strings(selector(slot: slot)),
        "ports": [
          ["name": "http", "port": .integer(KubernetesName.port), "targetPort": "http", "protocol": "TCP"]
        ],
      ],
    ]
  }

  /// The host by which a node is asked from outside of the cluster; nil where it is not, or by a load balancer.
  func ingress(_ node: NodeID) throws -> ManifestValue? {
    guard case .ingress(let domain, let className) = options.exposure else { return nil }
    let name = try KubernetesName.service(node, of: deployment)
    var labels = KubernetesName.common(deployment)
    labels[KubernetesName.nodeLabel] = node.text
    let path: ManifestValue = [
      "path": "/", "pathType": "Prefix",
      "backend": ["service": ["name": .string(name), "port": ["name": "http"]]],
    ]
    var spec: ManifestValue = ["rules": [["host": .string("\(name).\(domain)"), "http": ["paths": [path]]]]]
    if let className { spec["ingressClassName"] = .string(className) }
    return [
      "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(name, labels: labels),
      "spec": spec,
    ]
  }

  func selector(slot: String) -> [String: String] {
    [KubernetesName.deploymentLabel: deployment.text, KubernetesName.slotLabel: slot]
  }

  private func podLabels(_ node: DesiredNode, slot: String) throws -> [String: String] {
    var labels = KubernetesName.common(deployment)
    labels[KubernetesName.nodeLabel] = node.id.text
    labels[KubernetesName.revisionLabel] = node.replica.revision
    labels[KubernetesName.slotLabel] = slot
    labels[KubernetesName.modelsLabel] = Self.modelsDigest(node.settings)
    return labels
  }

  /// Ten hexadecimal digits, equal for nodes that serve the same models.
  static func modelsDigest(_ settings: NodeSettings) -> String {
    var hash = StableHash()
    hash.mix(Data((settings.repository + "\n" + settings.models.sorted().joined(separator: "\n")).utf8))
    return String(hash.hexadecimal.prefix(10))
  }

  private func metadata(
    _ name: String, labels: [String: String], annotations: [String: String] = [:]
  ) -> ManifestValue {
    var metadata: ManifestValue = [
      "name": .string(name), "namespace": .string(options.namespace), "labels": .strings(labels),
    ]
    if !annotations.isEmpty { metadata["annotations"] = .strings(annotations) }
    return metadata
  }

  // MARK: Settings as they are recorded

  /// The settings without their models, and the list of models, one a line, as the server reads it; nil serves all.
  private func recorded(_ settings: NodeSettings) throws -> (settings: String, models: String?) {
    var rest = settings
    rest.models = []
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(rest) else { preconditionFailure("settings are plain values") }
    let text = String(decoding: bytes, as: UTF8.self)
    guard !settings.models.isEmpty else { return (text, nil) }
    for name in settings.models {
      guard !name.isEmpty, name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
        throw RuntimeError(
          .unavailable, "a model's name is empty or has a control character in it", remedy: "rename the model")
      }
    }
    let list = settings.models.joined(separator: "\n") + "\n"
    guard list.utf8.count <= Self.mostModelListBytes else {
      throw RuntimeError(
        .unavailable,
        "the names of a node's \(settings.models.count) models have \(list.utf8.count >> 10) KiB together, and a "
          + "cluster keeps no more than \(Self.mostModelListBytes >> 10) KiB of them",
        remedy: "give the models shorter names, or each node fewer of them")
    }
    return (text, list)
  }

  /// The settings that `deployment` recorded.
  ///
  /// - Returns: nil where they were written by nobody who knows how.
  static func settings(annotation: String, models: String?) -> NodeSettings? {
    guard var settings = try? JSONDecoder().decode(NodeSettings.self, from: Data(annotation.utf8)) else { return nil }
    settings.models = (models ?? "").split(separator: "\n").map(String.init)
    return settings
  }

  // MARK: Pods

  private func pod(_ settings: NodeSettings, labels: [String: String]) throws -> ManifestValue {
    let place = try ModelPlace(settings.repository)
    var volumes = place.volumes
    volumes.append((["name": "tmp", "emptyDir": [:]], ["name": "tmp", "mountPath": "/tmp"]))
    if !settings.models.isEmpty { volumes.append(Self.modelList) }
    var pod: ManifestValue = [
      "automountServiceAccountToken": false,
      "enableServiceLinks": false,
      "terminationGracePeriodSeconds": .integer(Self.drainDelaySeconds + Self.drainSeconds),
      "securityContext": [
        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": ["type": "RuntimeDefault"],
      ],
      "topologySpreadConstraints": Self.spread(labels),
      "containers": [try container(settings, place, mounts: volumes.map(\.mount))],
      "volumes": .array(volumes.map(\.volume)),
    ]
    if let type = settings.instanceType {
      guard KubernetesName.isLabelValue(type) else {
        throw RuntimeError(
          .unavailable, "'\(type)' is no type of machine that a cluster could have", remedy: "correct the plan")
      }
      pod["nodeSelector"] = ["node.kubernetes.io/instance-type": .string(type)]
    }
    if let account = options.serviceAccount ?? (options.roleARN == nil ? nil : deployment.text) {
      pod["serviceAccountName"] = .string(account)
    }
    if !options.imagePullSecrets.isEmpty {
      pod["imagePullSecrets"] = .array(options.imagePullSecrets.map { ["name": .string($0)] })
    }
    if !options.tolerations.isEmpty { pod["tolerations"] = .array(options.tolerations.map(\.manifest)) }
    return pod
  }

  /// A file that the cluster makes of the annotation that has the list: a list is data, however long and whatever it
  /// says.
  private static let modelList: (volume: ManifestValue, mount: ManifestValue) = (
    volume: [
      "name": "model-list",
      "downwardAPI": [
        "items": [
          [
            "path": "models",
            "fieldRef": [
              "apiVersion": "v1",
              "fieldPath": .string("metadata.annotations['\(KubernetesName.modelsAnnotation)']"),
            ],
          ]
        ]
      ],
    ],
    mount: ["name": "model-list", "mountPath": "/etc/planner", "readOnly": true]
  )

  /// Nodes that serve the same models are kept on different machines and in different zones, as far as there are some.
  private static func spread(_ labels: [String: String]) -> ManifestValue {
    let selected = labels.filter { [KubernetesName.deploymentLabel, KubernetesName.modelsLabel].contains($0.key) }
    return .array(
      ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map { key in
        [
          "maxSkew": 1, "topologyKey": .string(key), "whenUnsatisfiable": "ScheduleAnyway",
          "labelSelector": ["matchLabels": .strings(selected)],
        ]
      })
  }

  private func container(
    _ settings: NodeSettings, _ place: ModelPlace, mounts: [ManifestValue]
  ) throws -> ManifestValue {
    var container: ManifestValue = [
      "name": .string(KubernetesName.container),
      "image": .string(options.image),
      "imagePullPolicy": "IfNotPresent",
      "args": .array(try arguments(settings, place).map { .string(Self.literal($0)) }),
      "ports": [["name": "http", "containerPort": .integer(KubernetesName.port), "protocol": "TCP"]],
      "securityContext": [
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": ["drop": ["ALL"]],
      ],
      "resources": resources(settings),
      // The end of the log becomes the reason that a pod's status gives.
      "terminationMessagePolicy": "FallbackToLogsOnError",
      "startupProbe": probe("/v2/health/ready", period: 1, failures: options.readyTimeoutSeconds, timeout: 1),
      "readinessProbe": probe("/v2/health/ready", period: 5, failures: 2, timeout: 2),
      "livenessProbe": probe("/v2/health/live", period: 10, failures: 6, timeout: 5),
      "volumeMounts": .array(mounts),
    ]
    if sleepsBeforeStop {
      container["lifecycle"] = ["preStop": ["sleep": ["seconds": .integer(Self.drainDelaySeconds)]]]
    }
    if !settings.environment.isEmpty { container["env"] = try environment(settings.environment) }
    return container
  }

  /// Since 1.30 a kubelet waits by itself; before that, the server does.
  private var sleepsBeforeStop: Bool { options.minorVersion >= 30 }

  private func probe(_ path: String, period: Int, failures: Int, timeout: Int) -> ManifestValue {
    [
      "httpGet": ["path": .string(path), "port": "http", "scheme": "HTTP"], "periodSeconds": .integer(period),
      "failureThreshold": .integer(failures), "timeoutSeconds": .integer(timeout), "successThreshold": 1,
    ]
  }

  private func arguments(_ settings: NodeSettings, _ place: ModelPlace) throws -> [String] {
    var ofPods = ServerArguments()
    if !sleepsBeforeStop { ofPods.add(.shutdownDelay, "\(Self.drainDelaySeconds)s") }
    if place.needsNetwork { ofPods.add(.cache, ModelPlace.cachePath) }
    var settings = settings
    settings.repository = place.serverRepository
    settings.extraArguments = ofPods.words + settings.extraArguments
    return settings.serverArguments(
      host: "0.0.0.0", port: KubernetesName.port, modelListFile: "/etc/planner/models", pinWorkers: nil, ioCPUs: nil)
  }

  /// A text as the API takes it for itself: it would put variables in the place of `$(NAME)`.
  private static func literal(_ text: String) -> String { text.replacingOccurrences(of: "$", with: "$$") }

  private func environment(_ variables: [String: String]) throws -> ManifestValue {
    .array(
      try variables.sorted { $0.key < $1.key }.map { name, value in
        let bytes = Array(name.utf8)
        func isWord(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_") }
        guard let first = bytes.first, isWord(first),
          bytes.allSatisfy({ isWord($0) || (0x30...0x39).contains($0) }), !value.utf8.contains(0)
        else {
          throw RuntimeError(
            .unavailable, "'\(name)' is no variable that a pod could have", remedy: "correct the plan's environment")
        }
        return ["name": .string(name), "value": .string(Self.literal(value))]
      })
  }

  /// One amount of memory at least and at most, so that no other pod is given what this one may take; CPUs are asked
  /// for, and never taken away where more are free.
  private func resources(_ settings: NodeSettings) -> ManifestValue {
    let amount = NodeAmount(settings, options)
    var requests: ManifestValue = ["cpu": .string("\(amount.milliCPU)m")]
    guard let mebibytes = amount.mebibytes else { return ["requests": requests] }
    requests["memory"] = .string("\(mebibytes)Mi")
    return ["requests": requests, "limits": ["memory": .string("\(mebibytes)Mi")]]
  }
}

/// What a node's pod asks for.
struct NodeAmount: Hashable {
  /// Thousandths of a CPU.
  var milliCPU: Int
  /// Nil where the plan does not say.
  var mebibytes: Int64?

  init(_ settings: NodeSettings, _ options: KubernetesOptions) {
    let room = settings.instanceType.flatMap { options.machines[$0] }
    let (threads, isTooMany) = settings.workers.multipliedReportingOverflow(by: settings.threadsPerWorker)
    let wanted = isTooMany ? Int.max / 1000 : min(threads, Int.max / 1000)
    // Where nobody knows what else runs on the machine, a quarter is left to it: a request is a share, not a limit.
    milliCPU = max(10, room.map { min(wanted * 1000, $0.milliCPU) } ?? wanted * 750)
    mebibytes = Self.memoryBytes(settings, most: room?.memoryBytes ?? .max).map {
      min(($0 >> 20) + ($0 & ((1 << 20) - 1) > 0 ? 1 : 0), .max >> 20)
    }
  }

  /// The limit that the node has on every runtime. A machine that has not all of it, since a plan fills machines by
  /// what nodes need, gives what it has: never less than that need.
  private static func memoryBytes(_ settings: NodeSettings, most: Int64) -> Int64? {
    guard let needed = settings.memoryBytes, needed > 0 else { return nil }
    return max(needed, min(settings.memoryLimitBytes ?? needed, most))
  }
}

extension KubernetesOptions.Toleration {
  fileprivate var manifest: ManifestValue {
    var toleration: ManifestValue = ["key": .string(key), "operator": value == nil ? "Exists" : "Equal"]
    if let value { toleration["value"] = .string(value) }
    if let effect { toleration["effect"] = .string(effect) }
    return toleration
  }
}
