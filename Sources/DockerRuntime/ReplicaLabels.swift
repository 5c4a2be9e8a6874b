import Executor
import Foundation
import PlannerFiles

/// What a container's labels say of the replica that it is: all that is known of a deployment lies in them, so that
/// whoever asks the same engine, from wherever, sees the same.
package struct ReplicaLabels {
  static let deploymentKey = "planner.deployment"
  static let nodeKey = "planner.node"
  static let revisionKey = "planner.revision"
  static let settingsKey = "planner.settings"
  static let keptKey = "planner.kept"

  package var deployment: DeploymentID
  package var replica: ReplicaID
  package var settings: NodeSettings
  /// It is to outlive the program that started it.
  var isKept: Bool

  package init(deployment: DeploymentID, node: DesiredNode, isKept: Bool) {
    self.deployment = deployment
    replica = node.replica
    settings = node.settings
    self.isKept = isKept
  }

  /// - Returns: nil unless the labels are such as this program writes. The revision is believed as it stands: another
  ///   release may know other settings.
  package init?(_ labels: [String: String]) {
    guard let deployment = labels[Self.deploymentKey].flatMap({ DeploymentID($0) }),
      let node = labels[Self.nodeKey].flatMap({ NodeID($0) }),
      let replica = labels[Self.revisionKey].flatMap({ ReplicaID(node: node, revision: $0) }),
      let text = labels[Self.settingsKey], let settings = try? JSONFile.decodeLine(NodeSettings.self, from: text)
    else { return nil }
    self.deployment = deployment
    self.replica = replica
    self.settings = settings
    isKept = labels[Self.keptKey] == "true"
  }

  package var labels: [String: String] {
    // Strings and integers only: there is nothing that could not be encoded.
    guard let text = try? JSONFile.encodeLine(settings) else { preconditionFailure("settings are plain values") }
    return [
      Self.deploymentKey: deployment.text, Self.nodeKey: replica.node.text, Self.revisionKey: replica.revision,
      Self.settingsKey: String(text.dropLast()), Self.keptKey: isKept ? "true" : "false",
    ]
  }
}
