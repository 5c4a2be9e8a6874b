import ArgumentParser
import Executor
import KubernetesRuntime
import PlannerCore
import PlannerFiles

/// What a user says of pods beside their plan, their image and their namespace.
struct KubernetesArguments: ParsableArguments {
  @Option(help: "Secret by which images are pulled; may be given several times.") var imagePullSecret: [String] = []
  @Option(help: "Account that pods run as; default: the namespace's own.") var serviceAccount: String?
  @Option(help: "IAM role of the pods (IRSA), as arn:aws:iam::ACCOUNT:role/NAME; makes the account.") var roleArn:
    String?
  @Option(help: "Taint that pods accept, as KEY, KEY=VALUE or KEY=VALUE:EFFECT; may be given several times.")
  var toleration: [String] = []
  @Option(help: "Make an Ingress host NODE.DOMAIN for each node.") var ingress: String?
  @Option(help: "Class of the Ingress.") var ingressClass: String?
  @Flag(help: "Ask for a load balancer for each node.") var loadBalancer = false
  @Flag(help: "Add a ServiceMonitor for the Prometheus operator.") var monitor = false
  @Flag(help: "Machines are made when pods need them (Cluster Autoscaler; Karpenter is found by itself).")
  var machinesOnDemand = false
  @Option(parsing: .unconditional, help: "How long a node may take until it answers.", transform: Arguments.seconds)
  var readyTimeout = KubernetesArguments.usualReadyTimeout

  func validate() throws {
    if loadBalancer, ingress != nil { throw ValidationError("give either --load-balancer or --ingress") }
    if ingressClass != nil, ingress == nil { throw ValidationError("--ingress-class needs --ingress DOMAIN") }
  }

  private static let usualReadyTimeout = 600.0

  /// A pod that has a machine is ready by then, or has failed; what waits longer waits for something that does not
  /// come.
  var stallLimit: Duration { .seconds(readyTimeout + 60) }

  /// The options of these that were given, as they are written.
  var given: [String] {
    [
      ("--image-pull-secret", !imagePullSecret.isEmpty), ("--service-account", serviceAccount != nil),
      ("--role-arn", roleArn != nil), ("--toleration", !toleration.isEmpty), ("--ingress", ingress != nil),
      ("--ingress-class", ingressClass != nil), ("--load-balancer", loadBalancer), ("--monitor", monitor),
      ("--machines-on-demand", machinesOnDemand), ("--ready-timeout", readyTimeout != Self.usualReadyTimeout),
    ].filter(\.1).map(\.0)
  }

  /// - Throws: `Failure` where something was said of pods and there are none.
  func check(on runtime: RuntimeName) throws {
    guard runtime != .kubernetes, let first = given.first else { return }
    throw Failure(.usage, "\(first) is for pods: add --runtime kubernetes, or leave it out")
  }

  /// - Parameter image: the server's, as the cluster pulls it.
  /// - Throws: `FileError`.
  func options(namespace: String, image: String) throws -> KubernetesOptions {
    var options = KubernetesOptions(namespace: namespace, image: image)
    options.imagePullSecrets = imagePullSecret
    options.serviceAccount = serviceAccount
    options.roleARN = roleArn
    options.tolerations = toleration.map(Self.toleration)
    if let ingress { options.exposure = .ingress(domain: ingress, className: ingressClass) }
    if loadBalancer { options.exposure = .loadBalancer }
    options.monitor = monitor
    options.machinesComeOnDemand = machinesOnDemand
    options.readyTimeoutSeconds = max(1, Int(readyTimeout.rounded(.up)))
    let catalog = try CatalogFile.embedded()
    for type in catalog.types {
      let room = catalog.room(on: type)
      guard let cpu = room[.cpu], let memory = room[.memory] else { continue }
      options.machines[type.name] = .init(milliCPU: Int(cpu), memoryBytes: memory)
    }
    return options
  }

  private static func toleration(_ text: String) -> KubernetesOptions.Toleration {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let pair = (parts.first ?? "").split(separator: "=", maxSplits: 1).map(String.init)
    return .init(
      key: pair.first ?? "", value: pair.count > 1 ? pair[1] : nil, effect: parts.count > 1 ? parts[1] : nil)
  }
}
