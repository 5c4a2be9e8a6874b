import ArgumentParser
import Executor
import PlannerFiles

struct DeployCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deploy",
    abstract: "Bring up a plan's nodes and leave them running; look at them, and end them.",
    discussion: """
      A deployment is known by its plan's name: a new plan of that name changes what runs, node by node. All commands \
      work from any terminal, and for containers from any machine that asks the same engine.
      """,
    subcommands: [
      DeployRunCommand.self, DeployDiffCommand.self, DeployStatusCommand.self, DeployLogsCommand.self,
      DeployExecCommand.self, DeployStopCommand.self, DeployProxyCommand.self, DeployManifestsCommand.self,
      DeploySuperviseCommand.self,
    ])
}

/// How a command names a deployment: by its id, or by the plan that it was made of.
enum NamedDeployment {
  /// - Returns: the id that `text` is, or that the plan in this file is deployed as.
  /// - Throws: `Failure`, `FileError`.
  static func id(_ text: String) throws -> DeploymentID {
    if text.hasSuffix(".json") { return DeploymentID(ofPlan: try PlanFile.read(text).workload.name) }
    guard let id = DeploymentID(text) else {
      throw Failure(
        .usage,
        "'\(text)' is neither a plan file (NAME.json) nor the id of a deployment (lower-case letters, digits and "
          + "hyphens); list them with: planner deploy status")
    }
    return id
  }

  /// The deployment that is named, or the only one.
  ///
  /// - Throws: `Failure` where none is named and there is not exactly one.
  static func id(_ text: String?, in runtime: any Runtime) async throws -> DeploymentID {
    if let text { return try id(text) }
    let all = try await runtime.deployments()
    if let only = all.first, all.count == 1 { return only }
    guard !all.isEmpty else { throw Failure(.unavailable, "nothing is deployed (runtime \(runtime.name))") }
    throw Failure(.usage, "name one of these deployments: \(all.map(\.text).joined(separator: ", "))")
  }

  /// - Parameter node: `node-0`, or `0`; nil means all.
  /// - Throws: `Failure` where the deployment has no such node.
  static func replicas(_ node: String?, of observed: ObservedDeployment) throws -> [ObservedReplica] {
    guard let node else { return observed.replicas }
    let id = Int(node).map { $0 >= 0 ? NodeID(index: $0) : nil } ?? NodeID(node)
    let found = observed.replicas.filter { $0.id.node == id }
    guard !found.isEmpty else {
      let nodes = Set(observed.replicas.map(\.id.node)).sorted().map(\.text)
      throw Failure(
        .usage, "deployment '\(observed.id)' has no node '\(node)'; it has \(nodes.joined(separator: ", "))")
    }
    // While a node changes, the one that answers is meant.
    return found.sorted { $0.phase.isReady && !$1.phase.isReady }
  }
}
