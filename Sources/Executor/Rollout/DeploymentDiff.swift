/// What a rollout would change of a deployment, node by node. A pure function of what is and what shall be.
public struct DeploymentDiff: Hashable, Sendable {
  /// One setting of a node that becomes another; nil where it was not, or is not any more.
  public struct Setting: Hashable, Sendable {
    /// As `NodeSettings` calls it; variables of the environment are `environment.NAME`.
    public var name: String
    public var before: String?
    public var after: String?

    package init(name: String, before: String?, after: String?) {
      self.name = name
      self.before = before
      self.after = after
    }
  }

  public enum Change: Hashable, Sendable {
    case added
    /// A new replica takes the place of the one that is there.
    case changed
    case removed
    /// It is as it shall be, and is started again since it does not run.
    case restarted
    case unchanged
  }

  public struct Node: Hashable, Sendable {
    public var id: NodeID
    public var change: Change
    /// As they will be; of a node that is removed, as they are.
    public var settings: NodeSettings
    /// What becomes different; empty unless the node is changed.
    public var differences: [Setting] = []
    public var modelsAdded: [String] = []
    public var modelsRemoved: [String] = []
  }

  /// Nodes in the order of the new plan, and behind them those that go.
  public let nodes: [Node]

  public var isEmpty: Bool { nodes.allSatisfy { $0.change == .unchanged } }

  public init(from observed: ObservedDeployment, to desired: DesiredDeployment) {
    let wanted = Set(desired.nodes.map(\.id))
    nodes =
      desired.nodes.map { node in Self.node(node, among: observed.replicas.filter { $0.id.node == node.id }) }
      + Self.going(observed.replicas.filter { !wanted.contains($0.id.node) })
  }

  private static func node(_ node: DesiredNode, among replicas: [ObservedReplica]) -> Node {
    // Of several the one that answers is what changes.
    let others = replicas.filter { $0.id != node.replica }
    if let other = others.first(where: \.phase.isReady) ?? others.first {
      return changed(node, from: other.settings)
    }
    let change: Change =
      switch replicas.first?.phase {
      case nil: .added
      case .ready, .starting: .unchanged
      case .pending, .stopping, .failed: .restarted
      }
    return Node(id: node.id, change: change, settings: node.settings)
  }

  private static func changed(_ node: DesiredNode, from old: NodeSettings) -> Node {
    var changed = Node(id: node.id, change: .changed, settings: node.settings)
    let (before, after) = (old.texts, node.settings.texts)
    changed.differences = Set(before.keys).union(after.keys).sorted().compactMap { name in
      before[name] == after[name] ? nil : Setting(name: name, before: before[name], after: after[name])
    }
    guard !old.models.isEmpty, !node.settings.models.isEmpty, old.models != node.settings.models else { return changed }
    let (had, has) = (Set(old.models), Set(node.settings.models))
    if had == has { changed.differences.append(Setting(name: "models", before: "in this order", after: "in another")) }
    changed.modelsAdded = node.settings.models.filter { !had.contains($0) }
    changed.modelsRemoved = old.models.filter { !has.contains($0) }
    return changed
  }

  private static func going(_ replicas: [ObservedReplica]) -> [Node] {
    var nodes: [Node] = []
    for replica in replicas where !nodes.contains(where: { $0.id == replica.id.node }) {
      nodes.append(Node(id: replica.id.node, change: .removed, settings: replica.settings))
    }
    return nodes
  }
}

extension NodeSettings {
  /// Each setting as a text, but for the models, of which there are many.
  fileprivate var texts: [String: String] {
    var texts = [
      "repository": repository, "workers": "\(workers)", "threadsPerWorker": "\(threadsPerWorker)",
    ]
    // No names at all stand for all that the repository has, which is no list that something is added to.
    texts["models"] = models.isEmpty ? "all" : nil
    texts["warmTokens"] = warmTokens.isEmpty ? nil : warmTokens.map(String.init).joined(separator: ",")
    texts["memoryBytes"] = memoryBytes.map { "\($0)" }
    texts["instanceType"] = instanceType
    texts["extraArguments"] = extraArguments.isEmpty ? nil : extraArguments.joined(separator: " ")
    texts["image"] = image
    for (name, value) in environment { texts["environment.\(name)"] = value }
    return texts
  }
}
