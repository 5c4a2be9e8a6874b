/// How a request picks one of the nodes that hold its model.
public enum RoutingPolicy: String, Codable, CaseIterable, Sendable {
  case random
  case roundRobin
  /// The fewest requests in the node, waiting or in service; the first of several.
  case leastLoaded
  /// Two nodes at random, then the less loaded of them (Mitzenmacher, 2001).
  case twoChoices
}

/// Chooses nodes for requests: a pure state machine, shared by whatever routes.
public struct Router: Sendable {
  public let policy: RoutingPolicy
  private var next = 0
  private var random: RandomStream

  public init(policy: RoutingPolicy, random: RandomStream) {
    self.policy = policy
    self.random = random
  }

  /// Index in 0 ..< `nodes`. Complexity: O(nodes) for `leastLoaded`, else O(1).
  public mutating func choose(nodes: Int, load: (Int) -> Int) -> Int {
    guard nodes > 1 else { return 0 }
    switch policy {
    case .random: return random.integer(below: nodes)
    case .roundRobin:
      defer { next = (next + 1) % nodes }
      return next % nodes
    case .leastLoaded:
      var best = 0
      for node in 1..<nodes where load(node) < load(best) { best = node }
      return best
    case .twoChoices:
      let first = random.integer(below: nodes)
      var second = random.integer(below: nodes - 1)
      if second >= first { second += 1 }
      return load(second) < load(first) ? second : first
    }
  }
}
