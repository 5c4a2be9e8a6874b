import Executor
import Reporting
import Synchronization

/// Tells a person what happens to each node while a rollout goes on: a line whenever a node is further, and on a
/// terminal one below them that counts.
final class DeployProgress: Sendable {
  private let wanted: Set<ReplicaID>
  private let seen = Mutex<[ReplicaID: String]>([:])

  init(_ desired: DesiredDeployment) { wanted = Set(desired.nodes.map(\.replica)) }

  func show(_ progress: Rollout.Progress) {
    let now = Dictionary(uniqueKeysWithValues: progress.observed.replicas.map { ($0.id, Self.words($0)) })
    let lines = seen.withLock { seen in
      let changed = now.keys.sorted().filter { seen[$0] != now[$0] }.map { "\(name($0)): \(now[$0] ?? "")" }
      let gone = seen.keys.filter { now[$0] == nil }.sorted().map { "\(name($0)): gone" }
      seen = now
      return changed + gone
    }
    for line in lines { Output.note(line) }
    Output.progress("\(progress.ready) of \(Format.count(progress.of, "node", "nodes")) ready")
  }

  private func name(_ replica: ReplicaID) -> String {
    wanted.contains(replica) ? replica.node.text : "\(replica.node) (old, \(replica.revision))"
  }

  private static func words(_ replica: ObservedReplica) -> String {
    switch replica.phase {
    case .pending: "waits to be started"
    case .starting(let problem): "starting, \(replica.handle)" + (problem.map { ": \($0)" } ?? "")
    case .ready(let address): "ready at \(address.url)"
    case .stopping: "answers what it has accepted, then ends"
    case .failed(let problem): "failed: \(problem)"
    }
  }
}
