/// Decides, from what is and what shall be, which steps may be taken now. A pure function: it starts nothing and waits
/// for nothing.
///
/// In each step:
/// - New replicas are started as far as the limit of nodes allows, those first that let an old one go soonest.
/// - An old replica goes once each of its models that is still wanted keeps as many ready replicas without it as the
///   rollout began with, or as it shall have where that is fewer.
/// - An old replica that answers nothing, because it is not ready, goes at once.
/// - Where the limit lets nothing start, nothing is on its way and no old replica may go by these rules, the one goes
///   whose loss leaves its models the most ready replicas. One node of surplus is enough that this does not happen
///   where nodes keep their models; where models move between nodes, as many as the new fleet has are.
public struct Reconciler: Sendable {
  public let desired: DesiredDeployment
  /// Most nodes that may exist at one time.
  public let nodeLimit: Int
  /// Fewest ready replicas that each wanted model is to keep.
  private let least: [String: Int]

  /// - Parameters:
  ///   - observed: what there is as the rollout begins. A fleet that shrinks keeps its size until the new nodes are
  ///     ready.
  ///   - surplusAllowed: nodes that may exist beyond the larger of both fleets.
  public init(_ desired: DesiredDeployment, startingFrom observed: ObservedDeployment, surplusAllowed: Int) {
    self.desired = desired
    nodeLimit =
      max(desired.nodes.count, observed.replicas.count { $0.phase.occupiesNode }) + max(0, surplusAllowed)
    let before = Self.readyReplicas(observed)
    var wanted: [String: Int] = [:]
    for node in desired.nodes {
      for model in node.settings.answersFor { wanted[model, default: 0] += 1 }
    }
    least = wanted.reduce(into: [:]) { $0[$1.key] = max(1, min($1.value, before[$1.key, default: 0])) }
  }

  private static func readyReplicas(_ observed: ObservedDeployment) -> [String: Int] {
    var ready: [String: Int] = [:]
    for replica in observed.replicas where replica.phase.isReady {
      for model in replica.settings.answersFor { ready[model, default: 0] += 1 }
    }
    return ready
  }

  /// The first steps from `observed` to `desired`.
  public static func changes(
    from observed: ObservedDeployment, to desired: DesiredDeployment, surplusAllowed: Int
  ) -> [Change] {
    Reconciler(desired, startingFrom: observed, surplusAllowed: surplusAllowed).changes(observed)
  }

  /// Every desired replica is ready, and there is no other.
  public func isSettled(_ observed: ObservedDeployment) -> Bool {
    observed.replicas.count == desired.nodes.count
      && desired.nodes.allSatisfy { observed.replica($0.replica)?.phase.isReady == true }
  }

  /// The steps that may be taken now, starts before stops; none where something has to become ready or go first, or
  /// where all is as it shall be. Complexity: O(models of all replicas).
  public func changes(_ observed: ObservedDeployment) -> [Change] {
    let wanted = Set(desired.nodes.map(\.replica))
    let old = observed.replicas.filter { !wanted.contains($0.id) }
    var cover = Coverage(ready: Self.readyReplicas(observed), least: least)
    let ready = old.filter(\.phase.isReady)
    var changes = starts(observed, replacing: ready, cover)
    for replica in old {
      switch replica.phase {
      case .pending, .starting, .failed: changes.append(.stop(replica.id))
      case .ready, .stopping: continue
      }
    }
    for replica in ready where cover.survives(without: replica) {
      cover.remove(replica)
      changes.append(.stop(replica.id))
    }
    if changes.isEmpty, !observed.replicas.contains(where: \.isOnItsWay), let least = cover.leastMissed(ready) {
      changes.append(.stop(least.id))
    }
    return changes
  }

  private func starts(
    _ observed: ObservedDeployment, replacing old: [ObservedReplica], _ cover: Coverage
  ) -> [Change] {
    var nodes = observed.replicas.count { $0.phase.occupiesNode }
    var changes: [Change] = []
    for node in ordered(observed, replacing: old, cover) {
      switch observed.replica(node.replica)?.phase {
      case .starting, .ready, .stopping:
        // One that is stopping has to be gone before it is started again.
        continue
      case .pending:
        changes.append(.start(node))
      case .failed, nil:
        guard nodes < nodeLimit else { continue }
        nodes += 1
        changes.append(.start(node))
      }
    }
    return changes
  }
}

extension Reconciler {
  /// The desired nodes, those first whose start lets one of the old replicas go; else in their own order.
  private func ordered(
    _ observed: ObservedDeployment, replacing old: [ObservedReplica], _ cover: Coverage
  ) -> [DesiredNode] {
    let missing = desired.nodes.filter { observed.replica($0.replica)?.phase.isReady != true }
    var best: [DesiredNode]?
    for replica in old {
      var lacking = cover.lacking(without: replica)
      var needed: [DesiredNode] = []
      for node in missing {
        let helps = lacking.intersection(node.settings.answersFor)
        guard !helps.isEmpty else { continue }
        needed.append(node)
        lacking.subtract(helps)
      }
      if lacking.isEmpty, best.map({ needed.count < $0.count }) ?? true { best = needed }
    }
    guard let best else { return desired.nodes }
    let first = Set(best.map(\.id))
    return best + desired.nodes.filter { !first.contains($0.id) }
  }
}

extension ObservedReplica {
  /// Something will change by itself.
  fileprivate var isOnItsWay: Bool {
    switch phase {
    case .pending, .starting, .stopping: true
    case .ready, .failed: false
    }
  }
}

/// How many ready replicas answer for each model, beside the fewest that are to.
private struct Coverage {
  var ready: [String: Int]
  /// Models that are not in it are not wanted any more.
  let least: [String: Int]

  /// Wanted models that would have too few ready replicas.
  func lacking(without replica: ObservedReplica) -> Set<String> {
    Set(replica.settings.answersFor.filter { ready[$0, default: 0] - 1 < least[$0, default: 0] })
  }

  func survives(without replica: ObservedReplica) -> Bool { lacking(without: replica).isEmpty }

  mutating func remove(_ replica: ObservedReplica) {
    for model in replica.settings.answersFor { ready[model, default: 0] -= 1 }
  }

  /// The replica whose loss leaves its wanted models the most ready replicas, by the worst of them; of equals the
  /// first.
  func leastMissed(_ replicas: [ObservedReplica]) -> ObservedReplica? {
    func left(_ replica: ObservedReplica) -> Int {
      replica.settings.answersFor.filter { least[$0] != nil }.map { ready[$0, default: 0] - 1 }.min() ?? .max
    }
    var best: (replica: ObservedReplica, left: Int)?
    for replica in replicas {
      let left = left(replica)
      if best.map({ left > $0.left }) ?? true { best = (replica, left) }
    }
    return best?.replica
  }
}
