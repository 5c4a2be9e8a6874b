/// A node as it is wanted.
public struct DesiredNode: Hashable, Sendable {
  public var id: NodeID
  public var settings: NodeSettings

  public init(_ id: NodeID, _ settings: NodeSettings) {
    self.id = id
    self.settings = settings
  }

  public var replica: ReplicaID { ReplicaID(id, settings) }
}

/// The nodes that a deployment shall have.
public struct DesiredDeployment: Hashable, Sendable {
  public var id: DeploymentID
  /// In the order in which they are started; each id once.
  public var nodes: [DesiredNode]

  public init(_ id: DeploymentID, nodes: [DesiredNode]) {
    precondition(Set(nodes.map(\.id)).count == nodes.count, "two nodes of a deployment have one id")
    self.id = id
    self.nodes = nodes
  }

  /// Nodes with these settings, named by their places: `node-0`, `node-1`, …
  public init(_ id: DeploymentID, settings: [NodeSettings]) {
    self.init(id, nodes: settings.enumerated().map { DesiredNode(NodeID(index: $0), $1) })
  }
}

/// Where a node answers.
public struct NodeAddress: Hashable, Sendable {
  public var host: String
  public var port: Int

  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// The host and the port as a URL has them: a host of the sixth version of IP stands in brackets.
  var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }

  /// The address without a path, such as `http://127.0.0.1:8080`.
  public var url: String { "http://\(authority)" }
}

/// What is wrong with a node, and what to do about it.
public struct NodeProblem: Hashable, Sendable, CustomStringConvertible {
  /// Kinds of trouble that a user can tell apart and act on.
  public enum Kind: String, Sendable {
    /// No machine has room for it: type, memory, taints or quota.
    case noCapacity
    /// The node's image or program cannot be had.
    case image
    /// It ended before it was ready, or was not ready in time.
    case notReady
    /// It ended although nothing had asked it to.
    case crashed
    /// It was ended for lack of memory.
    case outOfMemory
    /// It was moved off its machine.
    case evicted
    /// The machine that it was on cannot be reached.
    case lost
  }

  public var kind: Kind
  public var message: String
  /// What to do, or where to read on.
  public var remedy: String
  public var description: String { "\(message); \(remedy)" }

  public init(_ kind: Kind, _ message: String, remedy: String) {
    self.kind = kind
    self.message = message
    self.remedy = remedy
  }
}

/// How far a replica is.
public enum ReplicaPhase: Hashable, Sendable {
  /// Recorded, and nothing of it runs yet. Starting it again is what brings it on.
  case pending
  /// It runs, and does not answer yet. A problem tells what it waits for, where that is known.
  case starting(NodeProblem?)
  /// The node answers at this address.
  case ready(NodeAddress)
  /// It was asked to end.
  case stopping
  /// It ended by itself, or cannot be started.
  case failed(NodeProblem)

  public var isReady: Bool { if case .ready = self { true } else { false } }

  /// Takes up the room of a node.
  var occupiesNode: Bool { if case .failed = self { false } else { true } }
}

/// A replica as a runtime finds it.
public struct ObservedReplica: Hashable, Sendable {
  public var id: ReplicaID
  public var settings: NodeSettings
  public var phase: ReplicaPhase
  /// What the runtime itself calls it: `process 4711`, a container's or a pod's name.
  public var handle: String

  public init(id: ReplicaID, settings: NodeSettings, phase: ReplicaPhase, handle: String) {
    self.id = id
    self.settings = settings
    self.phase = phase
    self.handle = handle
  }

  /// Where the replica answers; nil unless it is ready.
  public var address: NodeAddress? { if case .ready(let address) = phase { address } else { nil } }

  /// Why the replica failed, or what it waits for; nil where neither is the case or nothing is known.
  public var problem: NodeProblem? {
    switch phase {
    case .failed(let problem): problem
    case .starting(let problem): problem
    case .pending, .ready, .stopping: nil
    }
  }
}

/// A deployment as a runtime finds it: what the runtime created for it, and nothing else.
public struct ObservedDeployment: Hashable, Sendable {
  public var id: DeploymentID
  /// Replicas of the deployment, ascending by id.
  public var replicas: [ObservedReplica]

  public init(id: DeploymentID, replicas: [ObservedReplica]) {
    self.id = id
    self.replicas = replicas.sorted { $0.id < $1.id }
  }

  public func replica(_ id: ReplicaID) -> ObservedReplica? { replicas.first { $0.id == id } }
}

/// One step from what is to what shall be. Each may be repeated: what is done already is not done again.
public enum Change: Hashable, Sendable, CustomStringConvertible {
  /// Brings up this replica of a node; other replicas of the node are left alone.
  case start(DesiredNode)
  /// Lets the replica answer what it has accepted, ends it, and removes what belongs to it.
  case stop(ReplicaID)

  public var description: String {
    switch self {
    case .start(let node): "start \(node.replica)"
    case .stop(let replica): "stop \(replica)"
    }
  }
}
