import Executor

/// Names and labels of what a deployment is made of in a cluster.
enum KubernetesName {
  /// Labels that are this program's own begin with it.
  static let prefix = "planner/"
  static let deploymentLabel = prefix + "deployment"
  static let nodeLabel = prefix + "node"
  static let revisionLabel = prefix + "revision"
  /// Which of a node's Deployments a pod is of: a node has two while it changes.
  static let slotLabel = prefix + "slot"
  /// Nodes with equal lists of models have equal values.
  static let modelsLabel = prefix + "models"
  static let settingsAnnotation = prefix + "settings"
  static let modelsAnnotation = prefix + "models"
  static let managerLabel = "app.kubernetes.io/managed-by"
  /// Who manages the fields that this program applies, and what it calls itself in labels.
  static let manager = "planner"

  /// Container of a pod that is the node's server.
  static let container = "model-server"
  static let port = 8080

  /// The node's place where it is numbered, `shop-0`; else its own name behind the deployment's.
  ///
  /// - Throws: `RuntimeError` where that is no name of a Service, which has 63 characters at most.
  static func service(_ node: NodeID, of deployment: DeploymentID) throws -> String {
    let name = "\(deployment)-" + (node.text.hasPrefix("node-") ? String(node.text.dropFirst(5)) : node.text)
    guard name.utf8.count <= longestLabel - revisionLength else {
      throw RuntimeError(
        .conflict,
        "'\(name)' is longer than \(longestLabel - revisionLength) characters, and no name of a node in a cluster",
        remedy: "give the deployment a shorter name")
    }
    return name
  }

  /// Most characters of a label's value, and of a Service's name (RFC 1035).
  static let longestLabel = 63
  private static let revisionLength = 11

  /// The names that a replica's Deployment may have: as the node's Service, or with the revision behind it where a
  /// replica before it has that name.
  static func slots(_ replica: ReplicaID, of deployment: DeploymentID) throws -> [String] {
    let name = try service(replica.node, of: deployment)
    return [name, "\(name)-\(replica.revision)"]
  }

  /// Labels by which everything of a deployment is found, and nothing else.
  static func own(_ deployment: DeploymentID) -> [String: String] {
    [managerLabel: manager, deploymentLabel: deployment.text]
  }

  /// Labels of what belongs to a deployment as a whole.
  static func common(_ deployment: DeploymentID) -> [String: String] {
    own(deployment).merging([
      "app.kubernetes.io/name": "model-server", "app.kubernetes.io/instance": deployment.text,
    ]) { first, _ in first }
  }

  /// A selector as queries write it.
  static func selector(_ labels: [String: String]) -> String {
    labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
  }

  /// Whether a text is a name of DNS as the API has them for namespaces: lower-case letters, digits and hyphens.
  static func isLabel(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...longestLabel).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
    func isWord(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) }
    return isWord(first) && isWord(last) && bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") }
  }

  /// Whether a text is such labels with dots between them, 253 characters at most.
  static func isSubdomain(_ text: String) -> Bool {
    text.utf8.count <= 253
      && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isLabel(String($0)) }
  }

  /// Whether a text may be the value of a label: letters, digits, `-`, `_` and `.` with a letter or digit at both ends.
  static func isLabelValue(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...longestLabel).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
    func isWord(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte) }
    return isWord(first) && isWord(last) && bytes.allSatisfy { isWord($0) || "-_.".utf8.contains($0) }
  }
}
