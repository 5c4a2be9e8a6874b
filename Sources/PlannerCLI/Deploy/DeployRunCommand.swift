import ArgumentParser
import Executor
import Foundation

struct DeployRunCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Bring up a plan's nodes, or change what runs to a new plan.",
    discussion: """
      Nodes that are as the plan has them are left alone. A new node is ready before an old one goes, as far as \
      --surplus allows. It may be interrupted at any time: the same command goes on from there.
      """)

  @OptionGroup var wanted: WantedDeployment
  @OptionGroup var front: ProxyOptions
  @Option(parsing: .unconditional, help: "Nodes that may run beyond the larger of both fleets while it changes.")
  var surplus = 1
  @Option(parsing: .unconditional, help: "Give up after so long.", transform: Arguments.seconds) var timeLimit: Double?
  @Flag(help: "Print the deployment as one JSON object.") var json = false

  var interruptedNote: String? {
    "what is ready stays; the same command goes on from there, and planner deploy stop ends it"
  }

  func validate() throws {
    if surplus < 0 { throw ValidationError("--surplus must not be negative") }
  }

  func execute() async throws -> PlannerExit {
    let opened = try await wanted.open()
    let id = opened.desired.id
    // A cluster's lock is an object that may need a namespace first: nothing is made for a plan that has no place.
    if opened.choice.name == .kubernetes { try await opened.runtime.check(opened.desired) }
    let lock = try await opened.runtime.lock(id, purpose: "planner deploy run")
    do {
      let observed = try await roll(out: opened)
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

  private func roll(out wanted: WantedDeployment.Opened) async throws -> ObservedDeployment {
    let (runtime, desired) = (wanted.runtime, wanted.desired)
    var rollout = Rollout(runtime)
    rollout.surplusAllowed = surplus
    rollout.restarts = 1
    rollout.router = try await front.router(for: desired.id, on: runtime)
    rollout.timeLimit = timeLimit.map { .seconds($0) }
    rollout.stallLimit = wanted.stallLimit
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
            + "planner deploy stop \(desired.id) \(wanted.choice.words)")
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
    guard let runtime = try await RuntimeChoice(.local).open() as? LocalRuntime else {
      return .internal
    }
    try await LocalSupervisor(runtime, id).run()
    return .done
  }
}
