import PlannerCore

extension FleetRun {
  /// Everything that a run needs to know of one model.
  struct Model {
    /// Arrivals of the model's requests; nil where a schedule brings them.
    var arrivals: Arrivals?
    var service: ServiceTimes
    /// The way of its requests in to a node's queue and out again; nil takes no time.
    var frontEnd: FrontEnd?
    var networkDelay: TimeDistribution?
    var priority = 0
    /// Time from a request's arrival to its deadline.
    var deadline: Nanoseconds?
    var hosts = Hosts.all
    /// Bytes in memory; looked at on nodes with a budget.
    var memoryBytes: Int64 = 0
    /// Time of loading the model; looked at on nodes with a budget.
    var load: TimeDistribution?
    /// From arrival: a client that has no answer by then leaves.
    var patience: TimeDistribution?
    var retries: ClientRetries?
  }

  /// The nodes that hold a model. A request to a model of several is routed to one of them.
  enum Hosts: Hashable {
    case all
    case node(Int)
    /// The model's replicas: distinct nodes, at least one.
    case nodes([Int])

    /// - Parameter nodes: nil for all.
    init(_ nodes: [Int]?) {
      guard let nodes else {
        self = .all
        return
      }
      self = nodes.count == 1 ? .node(nodes[0]) : .nodes(nodes)
    }

    func contains(_ node: Int) -> Bool {
      switch self {
      case .all: true
      case .node(let only): only == node
      case .nodes(let some): some.contains(node)
      }
    }
  }

  /// Where the seconds of a model's forward passes come from.
  enum ServiceTimes {
    /// Times are independent draws from a distribution.
    case drawn(TimeDistribution)
    /// Measured times in spells, from the run's trace of that index. The models of a node that name one trace share its
    /// place in it, since a slow spell is the machine's and not a model's.
    case replayed(trace: Int)
  }

  /// Everything that a run needs to know of one node.
  struct Node {
    var workers: Int
    /// How many requests may wait; nil is any number.
    var queueCapacity: Int?
    var batch = BatchPolicy.single
    /// What keeps a worker busy after each pass, without being part of the request's latency.
    var dispatchGap = Nanoseconds.zero
    /// What a worker that was idle needs before it starts.
    var wake = Nanoseconds.zero
    /// How models share the node's memory; nil keeps all models in memory.
    var residency: ResidencyPolicy?
    var expiry = ExpiryPolicy.atStart
  }
}
