import Executor
import PlannerCore
import PlannerFiles
import Reporting

/// A deployment as `--json` shows it (docs/schemas/deployment.schema.json) and as a person reads it.
struct DeploymentReport: Encodable {
  struct Problem: Codable, Hashable {
    var kind: String
    var message: String
    var remedy: String
  }

  struct Node: Encodable {
    var node: String
    var revision: String
    /// `pending`, `starting`, `ready`, `stopping` or `failed`.
    var phase: String
    @ExplicitNull var url: String?
    var handle: String
    var models: [String]
    var workers: Int
    var threadsPerWorker: Int
    @ExplicitNull var memoryBytes: Int64?
    @ExplicitNull var memoryLimitBytes: Int64?
    @ExplicitNull var instanceType: String?
    @ExplicitNull var problem: Problem?
  }

  var kind = "deployment"
  var schemaVersion = 1
  var deployment: String
  var runtime: String
  /// Nodes that are ready.
  var ready: Int
  /// Address of its proxy, which answers for all models.
  @ExplicitNull var proxy: String?
  var nodes: [Node]
  /// What else there is to know, in sentences.
  var notes: [String]

  init(_ observed: ObservedDeployment, on runtime: any Runtime, notes: [String]) {
    deployment = observed.id.text
    self.runtime = runtime.name
    ready = observed.replicas.count { $0.phase.isReady }
    nodes = observed.replicas.map(Node.init)
    proxy = (runtime as? LocalRuntime)?.proxyAddress(of: observed.id)?.url
    self.notes = notes
  }

  var isReady: Bool { ready == nodes.count }

  static func show(_ report: DeploymentReport, json: Bool) throws {
    Output.result(json ? try JSONFile.encode(report) : report.text)
  }

  /// The deployment as a table with what is wrong below it.
  private var text: String {
    var lines = ["\(deployment) (\(runtime)): \(ready) of \(Format.count(nodes.count, "node", "nodes")) ready"]
    var table = TextTable(columns: [
      .init("node"), .init("state"), .init("address"), .init("models", .trailing, dispensability: 1),
      .init("workers", .trailing, dispensability: 3), .init("memory", .trailing, dispensability: 2),
      .init("planned for", dispensability: 4), .init("what it is", isFlexible: true, dispensability: 5),
    ])
    for node in nodes {
      table.append([
        node.node, node.phase, node.url ?? Format.missing,
        node.models.isEmpty ? "all" : Format.count(node.models.count), "\(node.workers) × \(node.threadsPerWorker)",
        node.memoryBytes.map { "\(Format.count($0 >> 20)) MiB" } ?? Format.missing,
        node.instanceType ?? "this machine", node.handle,
      ])
    }
    lines.append(table.render(style: Output.style))
    for node in nodes {
      if let problem = node.problem { lines.append("\(node.node): \(problem.message); \(problem.remedy)") }
    }
    lines += notes
    return lines.joined(separator: "\n")
  }
}

extension DeploymentReport.Node {
  init(_ replica: ObservedReplica) {
    node = replica.id.node.text
    revision = replica.id.revision
    phase =
      switch replica.phase {
      case .pending: "pending"
      case .starting: "starting"
      case .ready: "ready"
      case .stopping: "stopping"
      case .failed: "failed"
      }
    handle = replica.handle
    models = replica.settings.models
    workers = replica.settings.workers
    threadsPerWorker = replica.settings.threadsPerWorker
    url = replica.address?.url
    memoryBytes = replica.settings.memoryBytes
    memoryLimitBytes = replica.settings.memoryLimitBytes
    instanceType = replica.settings.instanceType
    problem = replica.problem.map { .init(kind: $0.kind.rawValue, message: $0.message, remedy: $0.remedy) }
  }
}

/// All deployments of a runtime, as `--json` lists them (docs/schemas/deployments.schema.json).
struct DeploymentList: Encodable {
  struct Entry: Encodable {
    var deployment: String
    var nodes: Int
    var ready: Int
  }

  var kind = "deployments"
  var schemaVersion = 1
  var runtime: String
  var deployments: [Entry]
}

/// What `planner deploy stop --json` prints (docs/schemas/deployment-stopped.schema.json).
struct StoppedDeployment: Encodable {
  var kind = "deployment-stopped"
  var schemaVersion = 1
  var deployment: String
  var runtime: String
  /// Nodes that were ended; 0 where nothing was there.
  var nodes: Int
}
