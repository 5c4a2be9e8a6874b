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
  public var placement: Placement
  /// Used with placement `all`.
  public var routing: RoutingPolicy

  public init(
    seed: UInt64, durationSeconds: Double, warmupSeconds: Double, replications: Int = 1, models: [ScenarioModel],
    nodes: [ScenarioNode], placement: Placement = .spread, routing: RoutingPolicy = .random
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
public enum Placement: Hashable, Sendable {
  /// Copy g, in file order over all models, lives on node g mod the number of nodes.
  case spread
  /// Every copy on every node; requests are routed.
  case all
}

/// `count` identical models, each with arrivals of its own.
public struct ScenarioModel: Sendable {
  public var name: String
  public var count: Int
  /// Of each copy.
  public var arrivals: Arrivals
  public var service: TimeDistribution
  /// Larger is served first.
  public var priority: Int
  /// From arrival; a request that has waited longer is not computed.
  public var deadlineSeconds: Double?
  /// Added to each answer without occupying a worker: network, HTTP, parsing.
  public var networkDelay: TimeDistribution?
  /// Of one copy in memory; looked at on nodes with a budget.
  public var memoryBytes: Int64
  /// Time of loading one copy; looked at on nodes with a budget.
  public var load: TimeDistribution?

  public init(
    name: String, count: Int, arrivals: Arrivals, service: TimeDistribution, priority: Int = 0,
    deadlineSeconds: Double? = nil, networkDelay: TimeDistribution? = nil, memoryBytes: Int64 = 0,
    load: TimeDistribution? = nil
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
