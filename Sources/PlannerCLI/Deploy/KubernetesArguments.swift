import ArgumentParser
import Executor
import KubernetesRuntime
import PlannerCore
import PlannerFiles

/// What a user says of a deployment to Kubernetes beside its plan.
struct KubernetesArguments: ParsableArguments {
  @Option(help: "The server's image, as the cluster pulls it.") var image: String?
  @Option(help: "Namespace; default: that of the kubeconfig's context, or 'default'.") var namespace: String?
  @Option(help: "Secret by which images are pulled; may be given several times.") var imagePullSecret: [String] = []
  @Option(help: "Account that pods run as; default: the namespace's own.") var serviceAccount: String?
  @Option(help: "IAM role of the pods (IRSA), as arn:aws:iam::ACCOUNT:role/NAME; makes the account.") var roleArn:
    String?
  @Option(help: "Taint that pods accept, as KEY, KEY=VALUE or KEY=VALUE:EFFECT; may be given several times.")
  var toleration: [String] = []
  @Option(help: "Make an Ingress host NODE.DOMAIN for each node.") var ingress: String?
  @Option(help: "Class of the Ingress.") var ingressClass: String?
  @Flag(help: "Ask for a load balancer for each node.") var loadBalancer = false
  @Option(
    help: ArgumentHelp(
      "Put a proxy in front, of this image of HAProxy: one address for all models.", valueName: "image"))
  var proxyImage: String?
  @Flag(help: "Add a ServiceMonitor for the Prometheus operator.") var monitor = false
  @Flag(help: "Machines are made when pods need them (Cluster Autoscaler; Karpenter is found by itself).")
  var machinesOnDemand = false
  @Option(parsing: .unconditional, help: "How long a node may take until it answers.", transform: Arguments.seconds)
  var readyTimeout = 600.0

  func validate() throws {
    if loadBalancer, ingress != nil { throw ValidationError("give either --load-balancer or --ingress") }
    if ingressClass != nil, ingress == nil { throw ValidationError("--ingress-class needs --ingress DOMAIN") }
  }

  /// - Parameters:
  ///   - contextNamespace: namespace that the kubeconfig names.
  ///   - plan: the plan that is deployed, whose machines and server are known.
  /// - Throws: `Failure` where something is missing; `FileError`.
  func options(contextNamespace: String?, plan: Plan) throws -> KubernetesOptions {
    guard let image else {
      throw Failure(.usage, "name the server's image with --image; build and push it with: planner image build")
    }
    var options = KubernetesOptions(namespace: namespace ?? contextNamespace ?? "default", image: image)
    options.imagePullSecrets = imagePullSecret
    options.serviceAccount = serviceAccount
    options.roleARN = roleArn
    options.tolerations = toleration.map(Self.toleration)
    if let ingress { options.exposure = .ingress(domain: ingress, className: ingressClass) }
    if loadBalancer { options.exposure = .loadBalancer }
    options.monitor = monitor
    options.proxyImage = proxyImage
    options.machinesComeOnDemand = machinesOnDemand
    options.readyTimeoutSeconds = max(1, Int(readyTimeout.rounded(.up)))
    if let server = plan.nodes.compactMap({ $0.figures.serverMemoryBytes }).max() {
      options.serverMemoryBytes = max(server, options.serverMemoryBytes)
    }
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
