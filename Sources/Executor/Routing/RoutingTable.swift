/// Which replicas of a deployment answer for which model: what a proxy in front of it leads requests by. A pure
/// function of what is ready.
///
/// - A model is led to all ready replicas that hold it and stay, to each as often as copies of it lie there.
/// - A replica that is about to go is named before it goes, and nobody is led to it any more.
/// - A model that is wanted while nobody answers for it stays known: its clients are to come again. A name that nobody
///   wants is an error of theirs.
public struct RoutingTable: Hashable, Sendable {
  /// A ready replica.
  public struct Target: Hashable, Sendable {
    public var replica: ReplicaID
    public var address: NodeAddress
  }

  /// A replica's part of a pool.
  public struct Share: Hashable, Sendable {
    /// Place of the replica among `targets`.
    public var target: Int
    /// How many of the copies lie on it; requests go to the copies in turn.
    public var weight: Int
  }

  /// Replicas that answer for the same models.
  public struct Pool: Hashable, Sendable {
    /// Shares of the pool, ascending by target; each target has one.
    public var shares: [Share]
  }

  public struct Model: Hashable, Sendable {
    public var name: String
    /// Place of the model's pool among `pools`; nil while nobody answers for it.
    public var pool: Int?
  }

  /// Ready replicas, ascending by id.
  public let targets: [Target]
  /// Each once, in the order in which `models` first need them; that of `unlisted` is the last.
  public let pools: [Pool]
  /// Each name once, ascending.
  public let models: [Model]
  /// Pool of the replicas that serve a repository as a whole: whatever is not among `models` may be there.
  public let unlisted: Int?

  /// - Parameters:
  ///   - wanted: nodes that are to come; their models are known though no replica holds them yet.
  ///   - leaving: replicas that are about to go.
  public init(_ observed: ObservedDeployment, wanted: [DesiredNode] = [], leaving: Set<ReplicaID> = []) {
    var known: Set<String> = []
    for node in wanted { known.formUnion(node.settings.models) }
    var targets: [Target] = []
    var shares: [String: [Share]] = [:]
    var wholes: [Share] = []
    for replica in observed.replicas where !leaving.contains(replica.id) && replica.phase != .stopping {
      known.formUnion(replica.settings.models)
      guard let address = replica.address else { continue }
      if replica.settings.models.isEmpty { wholes.append(Share(target: targets.count, weight: 1)) }
      for model in replica.settings.models {
        if let last = shares[model]?.indices.last, shares[model]?[last].target == targets.count {
          shares[model]?[last].weight += 1
        } else {
          shares[model, default: []].append(Share(target: targets.count, weight: 1))
        }
      }
      targets.append(Target(replica: replica.id, address: address))
    }
    var places: [Pool: Int] = [:]
    var pools: [Pool] = []
    func place(of shares: [Share]) -> Int {
      let pool = Pool(shares: shares)
      if let place = places[pool] { return place }
      places[pool] = pools.count
      pools.append(pool)
      return pools.count - 1
    }
    models = known.sorted().map { Model(name: $0, pool: shares[$0].map(place)) }
    unlisted = wholes.isEmpty ? nil : place(of: wholes)
    self.targets = targets
    self.pools = pools
  }

  /// The replicas that requests to a model are led to, with the number of its copies on each; empty where nobody
  /// answers for it. Complexity: O(log models).
  public func shares(of model: String) -> [(target: Target, weight: Int)] {
    var (low, high) = (0, models.count)
    while low < high {
      let middle = (low + high) / 2
      if models[middle].name < model { low = middle + 1 } else { high = middle }
    }
    let isListed = low < models.count && models[low].name == model
    guard let pool = isListed ? models[low].pool : unlisted else { return [] }
    return pools[pool].shares.map { (targets[$0.target], $0.weight) }
  }
}

/// What leads clients to the replicas of one deployment, such as a proxy.
public protocol TrafficRouter: Sendable {
  /// Leads requests as a table says. Returns once nothing is sent any more to replicas that are not in it, and what was
  /// sent to them is answered. May be repeated.
  ///
  /// - Throws: `RuntimeError`; `CancellationError`.
  func lead(by table: RoutingTable) async throws
}
