import ArgumentParser
import DockerRuntime
import Executor
import PlannerCore
import PlannerFiles

/// A deployment as a user wants it: the plan, where it runs, and what of it.
struct WantedDeployment: ParsableArguments {
  @Argument(help: "Plan file.") var plan = "plan.json"
  @OptionGroup var place: RuntimeOptions
  @OptionGroup var image: ImageOptions
  @Option(parsing: .unconditional, help: "Deploy only so many of the plan's nodes.", transform: Arguments.count)
  var nodes: Int?
  @OptionGroup var pods: KubernetesArguments
  @Option(
    help: """
      Models: a folder (default: synthesized ones in models/); for kubernetes s3://, https://, pvc://CLAIM/FOLDER, \
      image://REFERENCE, or a folder of the image.
      """)
  var models: String?
  @Option(help: "Deploy under this name instead of the plan's.") var name: String?

  func validate() throws {
    if let name, name.isEmpty { throw ValidationError("--name must not be empty") }
  }

  /// A deployment that can be brought up.
  struct Opened {
    var runtime: any Runtime
    var desired: DesiredDeployment
    var choice: RuntimeChoice
    /// Longest time in which nothing gets further; nil where the runtime itself gives up.
    var stallLimit: Duration?
  }

  /// Opens the runtime, and makes sure of the models and the image: neither is a part of what runs.
  ///
  /// - Throws: `Failure` where the plan cannot be deployed there; what the runtime throws.
  func open() async throws -> Opened {
    let choice = place.choice()
    try pods.check(on: choice.name)
    let plan = try PlanFile.read(plan)
    let chosen = try DeployedNodes(of: plan, count: nodes)
    let source = try ModelSource(models, on: choice.name)
    let id = DeploymentID(ofPlan: name ?? plan.workload.name)
    let use = RuntimeChoice.Use(
      cpus: { try await Self.split(chosen, of: id, on: $0) }, lifetime: .deployed, image: image, pods: pods)
    let opened = try await choice.open(for: use)
    for remark in chosen.remarks(onThisMachine: choice.name != .kubernetes) { Output.note(remark) }
    let settings = try await source.settings(of: chosen.excerpt, image: opened.image)
    return Opened(
      runtime: opened.runtime, desired: DesiredDeployment(id, settings: settings), choice: choice,
      stallLimit: choice.name == .kubernetes ? pods.stallLimit : nil)
  }

  /// CPUs of this machine for each node; none where they run elsewhere.
  private static func split(
    _ chosen: DeployedNodes, of id: DeploymentID, on runtime: any Runtime
  ) async throws -> [CPUSplit] {
    if let docker = runtime as? DockerRuntime, !docker.isLocal { return [] }
    // What runs of it now goes when the new nodes come, and what stays is there already.
    let present = try await runtime.observeOrEmpty(id).replicas.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) }
    let quota = HostInfo.cpuQuota().map { max(1, Int($0)) } ?? .max
    return try chosen.split(
      availableBytes: HostInfo.availableMemoryBytes() + present, cpus: min(HostInfo.allowedCPUs().count, quota))
  }
}
