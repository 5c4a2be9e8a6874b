/// Where a node answers.
public struct NodeAddress: Hashable, Sendable {
  public var host: String
  public var port: Int
  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
}

/// Something that can bring up the nodes of a plan: processes of this machine, containers, a cluster.
public protocol NodeRuntime: Sendable {
  /// What it takes to describe one node to this runtime.
  associatedtype Launch: Sendable
  associatedtype Node: RunningNode

  /// As `--runtime` names it.
  static var name: String { get }

  /// Starts a node and returns once it is ready to answer. Whatever fails or is cancelled on the way leaves nothing
  /// behind.
  static func launch(_ launch: Launch) async throws -> Node
}

/// A node that is up.
public protocol RunningNode: Sendable {
  var address: NodeAddress { get }
  /// Models that it holds.
  var models: Int { get }
  var isRunning: Bool { get }
  /// Private memory of the node's server, bytes.
  func memoryBytes() throws -> Int64
  /// The last lines that it logged.
  func logs(last: Int) -> [String]
  /// Asks it to end, ends it by force after `grace`, and returns when it is gone. Harmless when repeated.
  func stop(grace: Duration) async
  /// Returns when the node was stopped on request; throws when it ended by itself, or `CancellationError`.
  func waitUntilEnd() async throws
}

extension RunningNode {
  /// Runs `body`, and gives it up with the node's error as soon as the node ends by itself.
  public func whileRunning<Result: Sendable>(
    _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await waitUntilEnd()
        return nil
      }
      defer { group.cancelAll() }
      while let first = try await group.next() {
        if let first { return first }
        // Stopped on request: the body decides what it makes of that.
      }
      throw CancellationError()
    }
  }
}
