import ArgumentParser
import Executor
import PlannerFiles
import Reporting

struct DeployStopCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "End a deployment and remove everything that belongs to it.",
    discussion: "Each node answers what it has accepted. Where nothing is deployed, nothing is done.")

  @Argument(help: "Deployment, or the plan that it was made of.") var deployment = "plan.json"
  @OptionGroup var place: RuntimeOptions
  @Flag(help: "Print one JSON object.") var json = false

  var interruptedNote: String? { "what is left is ended by the same command" }

  func execute() async throws -> PlannerExit {
    let runtime = try await place.choice().open()
    let id = try NamedDeployment.id(deployment)
    let lock = try await runtime.lock(id, purpose: "planner deploy stop")
    let count: Int
    do {
      count = try await runtime.observeOrEmpty(id).replicas.count
      if count > 0 { Output.note("ending \(Format.count(count, "node", "nodes")) of '\(id)'") }
      // Also where nothing runs: something may be left that is no node.
      try await runtime.stop(id)
      await lock.release()
    } catch {
      await lock.release()
      throw error
    }
    let stopped = StoppedDeployment(deployment: id.text, runtime: runtime.name, nodes: count)
    if json {
      Output.result(try JSONFile.encode(stopped))
    } else {
      Output.result(
        count > 0
          ? "'\(id)' is stopped" : "there is no deployment '\(id)' (runtime \(runtime.name)): nothing had to be done")
    }
    return .done
  }
}
