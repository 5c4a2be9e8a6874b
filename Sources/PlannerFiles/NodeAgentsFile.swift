import Foundation
import PlannerCore

/// What a cluster runs on its nodes beside a plan's server: JSON of kind `node-agents`, each agent with its source.
public enum NodeAgentsFile {
  static let embeddedName = "node-agents.json (built in)"

  private struct Content: Codable {
    var agents: [NodeAgent]
  }

  /// The agents that ship with the program.
  ///
  /// - Throws: `FileError` if the program was built with a file that is not in order.
  public static func embedded() throws(FileError) -> [NodeAgent] {
    let agents = try JSONFile.decode(
      Content.self, from: String(decoding: PackageResources.node_agents_json, as: UTF8.self), path: embeddedName,
      kind: "node-agents", schemaVersion: 1
    ).agents
    var problems: [FileProblem] = []
    for (index, agent) in agents.enumerated() {
      func require(_ holds: Bool, _ key: String, _ message: String) {
        if holds { return }
        problems.append(FileProblem(file: embeddedName, key: "agents[\(index)].\(key)", message: message))
      }
      require((1...1000).contains(agent.pods), "pods", "is \(agent.pods), not 1 to 1000")
      require((0...1_000_000).contains(agent.milliCPU), "milliCPU", "is \(agent.milliCPU), not 0 to 1000000")
      require((0...1_000_000).contains(agent.memoryMiB), "memoryMiB", "is \(agent.memoryMiB), not 0 to 1000000")
      require(!agent.source.isEmpty, "source", "is empty")
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return agents
  }
}
