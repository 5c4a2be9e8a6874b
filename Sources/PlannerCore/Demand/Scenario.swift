/// A what-if that needs no profile: models with arrivals and service times, nodes with workers, a placement.
public struct Scenario: Sendable {
  public var seed: UInt64
  public var durationSeconds: Double
  /// Lies inside the duration; requests that arrive in it are simulated and not counted.
  public var warmupSeconds: Double
  /// Independent runs, each of the full duration.
  public var replications: Int
  public var models: [ScenarioModel]
  public var nodes: [ScenarioNode]
  public var placement: ScenarioPlacement
  /// How a request picks one of the nodes that hold its model, where several do.
  public var routing: RoutingPolicy

  public init(
    seed: UInt64, durationSeconds: Double, warmupSeconds: Double, replications: Int = 1, models: [ScenarioModel],
    nodes: [ScenarioNode], placement: ScenarioPlacement = .spread, routing: RoutingPolicy = .random
  ) {
    self.seed = seed
    self.durationSeconds = durationSeconds
    self.warmupSeconds = warmupSeconds
    self.replications = replications
    self.models = models
    self.nodes = nodes
    self.placement = placement
    self.routing = routing
  }
}

/// Which nodes hold a model.
public enum ScenarioPlacement: Hashable, Sendable {
  /// Copy g, in file order over all models, lives on node g mod the number of nodes.
  case spread
  /// Every copy on every node; requests are routed.
  case all
  /// Copy g on so many nodes, from node g mod the number of nodes on; requests are routed among them.
  case replicas(Int)

  /// The nodes that hold copy `copy` of a fleet of so many nodes; nil for all of them.
  public func hosts(ofCopy copy: Int, nodes: Int) -> [Int]? {
    switch self {
    case .spread: [copy % nodes]
    case .all: nil
    case .replicas(let count): (0..<min(count, nodes)).map { (copy + $0) % nodes }
    }
  }
}

/// `count` identical models, each with arrivals of its own.
public struct ScenarioModel: Sendable {
  public var name: String
  public var count: Int
  /// Arrivals of each copy's requests.
  public var arrivals: Arrivals
  public var service: TimeDistribution
  /// Larger is served first.
  public var priority: Int
  /// From arrival; a request that has waited longer is not computed.
  public var deadlineSeconds: Double?
  /// Added to each answer without occupying a worker: network, HTTP, parsing.
  public var networkDelay: TimeDistribution?
  /// Bytes of one copy in memory; looked at on nodes with a budget.
  public var memoryBytes: Int64
  /// Time of loading one copy; looked at on nodes with a budget.
  public var load: TimeDistribution?
  /// Time from arrival after which a client without an answer leaves; nil is any time.
  public var patience: TimeDistribution?
  /// How clients that got no answer ask again; nil gives up at once.
  public var retries: ClientRetries?

  public init(
    name: String, count: Int, arrivals: Arrivals, service: TimeDistribution, priority: Int = 0,
    deadlineSeconds: Double? = nil, networkDelay: TimeDistribution? = nil, memoryBytes: Int64 = 0,
    load: TimeDistribution? = nil, patience: TimeDistribution? = nil, retries: ClientRetries? = nil
  ) {
    self.name = name
    self.count = count
    self.arrivals = arrivals
    self.service = service
    self.priority = priority
    self.deadlineSeconds = deadlineSeconds
    self.networkDelay = networkDelay
    self.memoryBytes = memoryBytes
    self.load = load
    self.patience = patience
    self.retries = retries
  }
}

/// How often a client asks again whose request was rejected, timed out or left unanswered for too long. Each try is a
/// request of its own, with the same service time.
public struct ClientRetries: Hashable, Sendable {
  /// Most tries after the first.
  public var max: Int
  /// Pause before the first of them, seconds.
  public var backoffSeconds: Double

  public init(max: Int, backoffSeconds: Double) {
    self.max = max
    self.backoffSeconds = backoffSeconds
  }

  /// Seconds that a client waits before it asks again: the pause doubles with each try.
  ///
  /// With a back-off of 0.1 s:
  ///
  /// | try     | 1   | 2   | 3   | 4   | 5   |
  /// |---------|-----|-----|-----|-----|-----|
  /// | seconds | 0.1 | 0.2 | 0.4 | 0.8 | 1.6 |
  ///
  /// - Parameter number: of the further try, from 1 on.
  /// - Returns: nil where the client has tried often enough.
  public func pauseSeconds(beforeTry number: Int) -> Double? {
    guard number <= max else { return nil }
    var pause = backoffSeconds
    // A pause of centuries need not grow.
    for _ in 1..<Swift.max(1, Swift.min(number, 64)) { pause *= 2 }
    return pause
  }
}

/// `count` identical nodes, each with one first-come-first-served queue.
public struct ScenarioNode: Sendable {
  public var name: String
  public var count: Int
  /// Forward passes at once on a node.
  public var workers: Int
  /// How many may wait, those in service not counted; nil is unbounded.
  public var queueCapacity: Int?
  public var batch: BatchPolicy
  /// Which models are in memory; nil keeps all there.
  public var residency: ResidencyPolicy?
  /// The server gives requests up at their deadline; scenario files, when a worker would start them.
  public var expiry: ExpiryPolicy

  public init(
    name: String, count: Int, workers: Int, queueCapacity: Int? = nil, batch: BatchPolicy = .single,
    residency: ResidencyPolicy? = nil, expiry: ExpiryPolicy = .atStart
  ) {
    self.name = name
    self.count = count
    self.workers = workers
    self.queueCapacity = queueCapacity
    self.batch = batch
    self.residency = residency
    self.expiry = expiry
  }
}
