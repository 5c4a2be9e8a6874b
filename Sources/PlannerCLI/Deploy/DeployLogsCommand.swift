import ArgumentParser
import Executor
import Reporting

struct DeployLogsCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Print what the nodes of a deployment log.")

  @Argument(help: "Deployment, or the plan that it was made of; default: the only one.") var deployment: String?
  @OptionGroup var place: RuntimeOptions
  @Flag(name: .shortAndLong, help: "Go on with each new line until the nodes are gone.") var follow = false
  @Option(help: "One node, such as node-0; default: all.") var node: String?
  @Option(parsing: .unconditional, help: "So many of each node's latest lines.") var last = 100

  var interruptedNote: String? { nil }

  func validate() throws {
    if last < 0 { throw ValidationError("--last must not be negative") }
  }

  func execute() async throws -> PlannerExit {
    let runtime = try await place.choice().open()
    let id = try await NamedDeployment.id(deployment, in: runtime)
    let replicas = try NamedDeployment.replicas(node, of: try await runtime.observe(id))
    if follow {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for replica in replicas {
          group.addTask { try await show(replica, id, runtime, among: replicas.count) }
        }
        try await group.waitForAll()
      }
    } else {
      for replica in replicas { try await show(replica, id, runtime, among: replicas.count) }
    }
    try Task.checkCancellation()
    return .done
  }

  private func show(
    _ replica: ObservedReplica, _ id: DeploymentID, _ runtime: any Runtime, among count: Int
  ) async throws {
    let start = count > 1 ? "\(replica.id.node) | " : ""
    let lines = try await runtime.logs(of: replica.id, in: id, last: last, follow: follow)
    for try await line in lines { Output.result(start + Output.foreign(line)) }
  }
}
