import ArgumentParser
import DockerRuntime
import Executor
import Foundation
import PlannerCore
import PlannerFiles
import Proof

struct DeployRunCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Bring up a plan's nodes, or change what runs to a new plan.",
    discussion: """
      Nodes that are as the plan has them are left alone. A new node is ready before an old one goes, as far as \
      --surplus allows. It may be interrupted at any time: the same command goes on from there.
      """)

  @Argument(help: "Plan file.") var plan = "plan.json"
  @OptionGroup var place: RuntimeOptions
  @OptionGroup var image: ImageOptions
  @OptionGroup var front: ProxyOptions
  @Option(parsing: .unconditional, help: "Deploy only so many of the plan's nodes.", transform: Arguments.count)
  var nodes: Int?
  @Option(help: "Model repository: a folder; default: synthesized models in models/.") var models: String?
  @Option(parsing: .unconditional, help: "Nodes that may run beyond the larger of both fleets while it changes.")
  var surplus = 1
  @Option(parsing: .unconditional, help: "Give up after so long.", transform: Arguments.seconds) var timeLimit: Double?
  @Option(help: "Deploy under this name instead of the plan's.") var name: String?
  @Flag(help: "Print the deployment as one JSON object.") var json = false

  var interruptedNote: String? {
    "what is ready stays; the same command goes on from there, and planner deploy stop ends it"
  }

  func validate() throws {
    if surplus < 0 { throw ValidationError("--surplus must not be negative") }
    if let name, name.isEmpty { throw ValidationError("--name must not be empty") }
  }

  func execute() async throws -> PlannerExit {
    let choice = try place.choice()
    let plan = try PlanFile.read(plan)
    let chosen = try DeployedNodes(of: plan, count: nodes)
    let id = DeploymentID(ofPlan: name ?? plan.workload.name)
    let cpus = try await split(chosen, of: id, on: choice)
    for remark in chosen.remarks(onThisMachine: choice.name != .kubernetes) { Output.note(remark) }
    let opened = try await choice.open(for: .init(cpus: cpus, lifetime: .deployed, image: image))
    let lock = try await opened.runtime.lock(id, purpose: "planner deploy run")
    do {
      let desired = DesiredDeployment(id, settings: try await models(for: chosen).settings(image: opened.image))
      let observed = try await roll(out: desired, on: opened.runtime)
      try await supervise(id, on: opened.runtime)
      try DeploymentReport.show(
        DeploymentReport(observed, on: opened.runtime, notes: try await opened.runtime.notes(on: id)), json: json)
      await lock.release()
    } catch {
      await lock.release()
      throw error
    }
    return .done
  }

  // MARK: Steps

  /// CPUs of this machine for each node; none where they run elsewhere.
  private func split(_ chosen: DeployedNodes, of id: DeploymentID, on choice: RuntimeChoice) async throws -> [CPUSplit]
  {
    // A missing image is said before anything is asked.
    if choice.name == .docker { _ = try image.source() }
    let runtime = try await choice.open()
    if let docker = runtime as? DockerRuntime, !docker.isLocal { return [] }
    // What runs of it now goes when the new nodes come, and what stays is there already.
    let present = try await runtime.observeOrEmpty(id).replicas.reduce(0) { $0 + ($1.settings.memoryBytes ?? 0) }
    let quota = HostInfo.cpuQuota().map { max(1, Int($0)) } ?? .max
    return try chosen.split(
      availableBytes: HostInfo.availableMemoryBytes() + present, cpus: min(HostInfo.allowedCPUs().count, quota))
  }

  /// The user's models, or synthesized ones; nobody else writes these meanwhile.
  private func models(for chosen: DeployedNodes) async throws -> RunModels {
    let lock = try MachineLock.acquire(purpose: "deploy run")
    defer { lock.release() }
    return try await RunModels(of: chosen.excerpt, folder: models)
  }

  private func roll(out desired: DesiredDeployment, on runtime: any Runtime) async throws -> ObservedDeployment {
    var rollout = Rollout(runtime)
    rollout.surplusAllowed = surplus
    rollout.restarts = 1
    rollout.router = try await front.router(for: desired.id, on: runtime)
    rollout.timeLimit = timeLimit.map { .seconds($0) }
    let progress = DeployProgress(desired)
    defer { Output.clearProgress() }
    do {
      return try await rollout.run(desired) { progress.show($0) }
    } catch let error as RuntimeError {
      Output.clearProgress()
      let isThere = (try? await runtime.observe(desired.id)) != nil
      if isThere {
        Output.note(
          "what is ready of '\(desired.id)' stays: the same command goes on from there, and this ends it: "
            + "planner deploy stop \(desired.id) --runtime \(runtime.name)")
      }
      throw error
    }
  }

  private func supervise(_ id: DeploymentID, on runtime: any Runtime) async throws {
    guard let local = runtime as? LocalRuntime else { return }
    guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
      throw Failure(.unavailable, "nodes will not be started again: /proc is not mounted")
    }
    try await LocalSupervisor(local, id).ensure(program: program, arguments: ["deploy", "supervise", id.text])
  }
}

struct DeploySuperviseCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "supervise", abstract: "Start the nodes of a deployment of this machine again when they end.",
    shouldDisplay: false)

  @Argument(help: "Deployment.") var deployment: String

  var interruptedNote: String? { nil }

  func execute() async throws -> PlannerExit {
    let id = try NamedDeployment.id(deployment)
    guard let runtime = try await RuntimeChoice(RuntimeName.local.rawValue).open() as? LocalRuntime else {
      return .internal
    }
    try await LocalSupervisor(runtime, id).run()
    return .done
  }
}
