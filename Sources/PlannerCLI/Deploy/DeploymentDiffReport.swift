import Executor
import KubernetesRuntime
import PlannerCore
import PlannerFiles
import Reporting

/// What a rollout would change, as `--json` shows it (docs/schemas/deployment-diff.schema.json) and as a person reads
/// it.
struct DeploymentDiffReport: Encodable {
  struct Setting: Encodable {
    var setting: String
    @ExplicitNull var before: String?
    @ExplicitNull var after: String?
  }

  struct Node: Encodable {
    var node: String
    /// `added`, `changed`, `removed`, `restarted` or `unchanged`.
    var change: String
    var settings: [Setting]
    var modelsAdded: [String]
    var modelsRemoved: [String]
    var models: Int
  }

  struct Object: Encodable {
    @ExplicitNull var before: String?
    @ExplicitNull var after: String?
    var diff: String

    init(_ change: ObjectChange) {
      before = change.oldName
      after = change.newName
      diff = UnifiedDiff.render(
        from: change.before, to: change.after, oldName: change.oldName, newName: change.newName)
    }
  }

  var kind = "deployment-diff"
  var schemaVersion = 1
  var deployment: String
  var runtime: String
  var nodes: [Node]
  /// Objects of a cluster that would be made or changed; empty for other runtimes.
  var objects: [Object] = []

  init(_ diff: DeploymentDiff, of deployment: DeploymentID, on runtime: any Runtime) {
    self.deployment = deployment.text
    self.runtime = runtime.name
    nodes = diff.nodes.map(Node.init)
  }

  var isEmpty: Bool { objects.isEmpty && nodes.allSatisfy { $0.change == "unchanged" } }

  var text: String {
    var counts: [(String, Int)] = ["added", "changed", "removed", "restarted", "unchanged"].map { change in
      (change, nodes.count { $0.change == change })
    }
    counts.removeAll { $0.1 == 0 }
    let words = ["restarted": "to be started again", "unchanged": "as they are"]
    let summary = counts.map { "\(Format.count($0.1)) \(words[$0.0] ?? $0.0)" }.joined(separator: ", ")
    var lines = [
      "\(deployment) (\(runtime)): "
        + (isEmpty ? "nothing would change" : "nodes: \(summary.isEmpty ? "none" : summary)")
    ]
    lines += nodes.filter { $0.change != "unchanged" }.map(\.text)
    lines += objects.map { String($0.diff.dropLast()) }
    return lines.map(Output.foreignText).joined(separator: "\n")
  }
}

extension DeploymentDiffReport.Node {
  init(_ found: DeploymentDiff.Node) {
    node = found.id.text
    change =
      switch found.change {
      case .added: "added"
      case .changed: "changed"
      case .removed: "removed"
      case .restarted: "restarted"
      case .unchanged: "unchanged"
      }
    settings = found.differences.map { .init(setting: $0.name, before: $0.before, after: $0.after) }
    modelsAdded = found.modelsAdded
    modelsRemoved = found.modelsRemoved
    models = found.settings.models.count
  }

  /// Most names of models that are listed.
  private static let mostNames = 5

  fileprivate var text: String {
    let served = models == 0 ? "all models" : Format.count(models, "model", "models")
    switch change {
    case "added": return "+ \(node): \(served)"
    case "removed": return "- \(node): \(served)"
    case "restarted": return "~ \(node): started again"
    default: break
    }
    var parts = settings.map { setting in
      let (before, after) = (
        Self.value(setting.setting, setting.before), Self.value(setting.setting, setting.after)
      )
      return "\(setting.setting) \(before) → \(after)"
    }
    for (names, word) in [(modelsAdded, "more"), (modelsRemoved, "fewer")] where !names.isEmpty {
      let listed = names.prefix(Self.mostNames).joined(separator: ", ") + (names.count > Self.mostNames ? ", …" : "")
      parts.append("\(Format.count(names.count, "model", "models")) \(word) (\(listed))")
    }
    return "~ \(node): " + (parts.isEmpty ? "its old form goes" : parts.joined(separator: "; "))
  }

  private static func value(_ setting: String, _ value: String?) -> String {
    guard let value else { return Format.missing }
    guard setting == "memoryBytes", let bytes = Int64(value) else { return value }
    return "\(Format.count(bytes >> 20)) MiB"
  }
}
