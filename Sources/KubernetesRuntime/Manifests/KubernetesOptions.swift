import ContainerImages
import Executor

/// What a user says of a deployment in a cluster beside its nodes.
public struct KubernetesOptions: Hashable, Sendable {
  /// How nodes are reached from outside of the cluster.
  public enum Exposure: Hashable, Sendable {
    /// Through their Services, inside of the cluster only.
    case inside
    /// Each node's Service asks the cloud for a load balancer of its own.
    case loadBalancer
    /// One Ingress with a host for each node: `shop-0.DOMAIN`.
    case ingress(domain: String, className: String?)
  }

  /// What a pod may use of a machine of some kind.
  public struct MachineRoom: Hashable, Sendable {
    /// Thousandths of a CPU.
    public var milliCPU: Int
    public var memoryBytes: Int64

    public init(milliCPU: Int, memoryBytes: Int64) {
      self.milliCPU = milliCPU
      self.memoryBytes = memoryBytes
    }
  }

  /// A taint that the nodes' pods accept, as `key=value:effect`.
  public struct Toleration: Hashable, Sendable {
    public var key: String
    /// Nil accepts any value.
    public var value: String?
    /// Nil accepts any effect.
    public var effect: String?

    public init(key: String, value: String? = nil, effect: String? = nil) {
      self.key = key
      self.value = value
      self.effect = effect
    }
  }

  /// The oldest release of Kubernetes that manifests are for: its minor number behind "1.".
  public static let oldestMinor = 26

  public var namespace: String
  /// The server's image, as the cluster pulls it.
  public var image: String
  /// Secrets of the namespace by which images are pulled.
  public var imagePullSecrets: [String] = []
  /// Minor number of the cluster's release; `preStop` sleeps by itself from 1.30 on.
  public var minorVersion = Self.oldestMinor
  public var exposure = Exposure.inside
  /// Account that pods run as; nil takes the namespace's own.
  public var serviceAccount: String?
  /// Role of IAM that the account assumes (IRSA). The account is then created.
  public var roleARN: String?
  public var tolerations: [Toleration] = []
  /// Adds a ServiceMonitor for the Prometheus operator.
  public var monitor = false
  /// Image of HAProxy, which answers for all models at one address; nil leaves that out. With it, what is reached from
  /// outside is the proxy and not the nodes.
  public var proxyImage: String?
  /// What pods may use of machines, by type. Requests for CPUs are no larger, and memory beyond what a node needs only
  /// as far as there is some.
  public var machines: [String: MachineRoom] = [:]
  /// How long a node may take until it answers, seconds.
  public var readyTimeoutSeconds = 600
  /// Machines are made when pods need them (Karpenter, Cluster Autoscaler): that some are missing is no error.
  public var machinesComeOnDemand = false

  /// Nothing is ever started: what there is may be looked at, and ended.
  public private(set) var onlyLooks = false

  public init(namespace: String, image: String) {
    self.namespace = namespace
    self.image = image
  }

  /// Options of somebody who looks at deployments, or ends them.
  public static func looking(at namespace: String) -> KubernetesOptions {
    var options = KubernetesOptions(namespace: namespace, image: "none")
    options.onlyLooks = true
    return options
  }

  /// What pods are started from, as people read it: the image, and behind it what else was said of pods. It is a part
  /// of nodes' settings, so that another image, account or toleration is another revision and is rolled out.
  public var startedFrom: String {
    var words = [image]
    words += imagePullSecrets.map { "pull-secret=\($0)" }
    if let serviceAccount { words.append("account=\(serviceAccount)") }
    if let roleARN { words.append("role=\(roleARN)") }
    words += tolerations.map { "toleration=\($0.key)=\($0.value ?? "*"):\($0.effect ?? "*")" }
    return words.joined(separator: " ")
  }

  /// - Throws: `RuntimeError` that names the first value which is none that a cluster takes.
  public func check() throws {
    func require(_ isGood: Bool, _ what: String, _ remedy: String) throws {
      if !isGood { throw RuntimeError(.unavailable, what, remedy: remedy) }
    }
    let name = "use lower-case letters, digits and hyphens"
    try require(KubernetesName.isLabel(namespace), "'\(namespace)' is no name of a namespace", name)
    try require(ImageReference(image) != nil, "'\(image)' is no reference of an image", "write REGISTRY/NAME:TAG")
    if let proxyImage {
      try require(ImageReference(proxyImage) != nil, "'\(proxyImage)' is no reference of an image", "write NAME:TAG")
    }
    for secret in imagePullSecrets {
      try require(KubernetesName.isSubdomain(secret), "'\(secret)' is no name of a secret", name)
    }
    if let serviceAccount {
      try require(KubernetesName.isSubdomain(serviceAccount), "'\(serviceAccount)' is no name of an account", name)
    }
    if let roleARN {
      let isARN = roleARN.hasPrefix("arn:") && roleARN.utf8.allSatisfy { (0x21...0x7e).contains($0) }
      try require(isARN, "'\(roleARN)' is no role", "write arn:aws:iam::ACCOUNT:role/NAME")
    }
    if case .ingress(let domain, let className) = exposure {
      try require(
        KubernetesName.isSubdomain(domain), "'\(domain)' is no domain", "write one such as models.example.com")
      try require(className.map(KubernetesName.isSubdomain) ?? true, "the class of the ingress is no name", name)
    }
    for toleration in tolerations {
      let isKey = toleration.key.split(separator: "/", maxSplits: 1).allSatisfy {
        KubernetesName.isLabelValue(String($0))
      }
      let effects: Set = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
      try require(
        isKey && !toleration.key.isEmpty
          && (toleration.value.map { $0.isEmpty || KubernetesName.isLabelValue($0) } ?? true)
          && (toleration.effect.map(effects.contains) ?? true), "'\(toleration.key)' is no taint",
        "write KEY=VALUE:EFFECT with NoSchedule, PreferNoSchedule or NoExecute as effect")
    }
    try require(readyTimeoutSeconds > 0, "a node has no time to become ready", "allow 600 s")
  }
}
