/// What requests to a group of models are like.
public struct RequestMix: Hashable, Sendable {
  public var sizes: RequestSizes
  public var input: RequestInput
  /// They come through a proxy, which takes its time (`ProxyDelay`), and not to the node itself.
  public var isProxied: Bool

  public init(sizes: RequestSizes, input: RequestInput = .text, isProxied: Bool = false) {
    self.sizes = sizes
    self.input = input
    self.isProxied = isProxied
  }

  /// Requests that all have `tokens` tokens.
  public init(tokens: Int, input: RequestInput = .text) { self.init(sizes: .fixed(tokens), input: input) }

  /// Length of a request in tokens where all have the same; else of the longest, or 1 where they have no length.
  public var tokens: Int {
    get { sizes.largest ?? 1 }
    set { sizes = .fixed(newValue) }
  }
}

/// Models of one architecture, and what they are asked.
public struct ModelGroup: Hashable, Sendable {
  public var name: String
  /// Name of the architecture, such as `bert-base`.
  public var architecture: String
  /// Word pieces of the models' vocabulary; nil is the architecture's own.
  public var vocabulary: Int?
  /// Precisions that may be planned; nil allows every one.
  public var precisions: [Precision]?
  /// Number of models.
  public var models: Int
  /// Names of the models, in the order of their popularity's ranks or shares; nil where they are not known by name.
  public var modelNames: [String]?
  public var requests: RequestMix
  /// Requests a second to a model, in the mean over the models; to each of them where all are asked alike.
  public var ratePerModelPerSecond: Double
  public var popularity: Popularity
  /// Arrivals at each model, at the model's own rate.
  public var arrivals: ArrivalProcess
  public var targetP99Seconds: Double
  /// Fewest copies of each model.
  public var leastReplicas: Int

  public init(
    name: String, architecture: String, vocabulary: Int? = nil, precisions: [Precision]? = nil, models: Int,
    modelNames: [String]? = nil, requests: RequestMix, ratePerModelPerSecond: Double,
    popularity: Popularity = .uniform, arrivals: ArrivalProcess = .poisson, targetP99Seconds: Double,
    leastReplicas: Int = 1
  ) {
    self.name = name
    self.architecture = architecture
    self.vocabulary = vocabulary
    self.precisions = precisions
    self.models = models
    self.modelNames = modelNames
    self.requests = requests
    self.ratePerModelPerSecond = ratePerModelPerSecond
    self.popularity = popularity
    self.arrivals = arrivals
    self.targetP99Seconds = targetP99Seconds
    self.leastReplicas = leastReplicas
  }

  /// Requests a second to all models of the group.
  public var totalRatePerSecond: Double { ratePerModelPerSecond * Double(models) }

  /// Requests a second to each model, in the models' order; they sum to the group's rate.
  ///
  /// Complexity: O(models).
  public func rates() -> [Double] {
    if popularity == .uniform { return Array(repeating: ratePerModelPerSecond, count: models) }
    let total = totalRatePerSecond
    return popularity.shares(models: models).map { $0 * total }
  }

  /// Requests a second to the model at `index`, which is what `rates` says of it.
  ///
  /// Complexity: O(1) where all models are asked alike, else O(models): ask `rates` for more than a few of them.
  public func rate(ofModel index: Int) -> Double {
    popularity == .uniform ? ratePerModelPerSecond : rates()[index]
  }

  /// What the figures are asked for.
  public var query: FigureQuery {
    var query = FigureQuery(
      architecture: architecture, vocabulary: vocabulary, precisions: precisions, size: requests.tokens,
      input: requests.input)
    if requests.sizes.only == nil, requests.sizes.largest != nil { query.sizes = requests.sizes.classes }
    return query
  }
}

/// What a fleet is asked to do: groups of models, how often each is asked, and how fast it has to answer.
public struct Workload: Hashable, Sendable {
  public var name: String
  /// Groups of models, at least one.
  public var groups: [ModelGroup]
  /// Where these figures come from.
  public var source: String

  public init(name: String, groups: [ModelGroup], source: String) {
    precondition(!groups.isEmpty)
    self.name = name
    self.groups = groups
    self.source = source
  }

  /// A workload of one group, which has the workload's name.
  public init(
    name: String, architecture: String, vocabulary: Int? = nil, models: Int, tokens: Int, input: RequestInput = .text,
    ratePerModelPerSecond: Double, arrivals: ArrivalProcess = .poisson, targetP99Seconds: Double, source: String
  ) {
    self.init(
      name: name,
      groups: [
        ModelGroup(
          name: name, architecture: architecture, vocabulary: vocabulary, models: models,
          requests: RequestMix(tokens: tokens, input: input), ratePerModelPerSecond: ratePerModelPerSecond,
          arrivals: arrivals, targetP99Seconds: targetP99Seconds)
      ], source: source)
  }

  /// The guidance's own case. It names no request rate; its sample run has 29.4 requests a second over 60 models.
  public static let guidance = Workload(
    name: "guidance", architecture: ArchitecturePreset.bertBase.rawValue, models: 3000, tokens: 128,
    ratePerModelPerSecond: 0.49,
    targetP99Seconds: 0.010,
    source: "AWS guidance: 3,000 bert-base models, under 10 ms; 0.49/s a model from its sample run (29.4/s over 60)")

  /// Requests a second to all models.
  public var totalRatePerSecond: Double { groups.reduce(0) { $0 + $1.totalRatePerSecond } }

  /// Whether requests come through a proxy; setting it sets it for all groups.
  public var isProxied: Bool {
    get { groups.contains { $0.requests.isProxied } }
    set { for index in groups.indices { groups[index].requests.isProxied = newValue } }
  }

  public subscript(group name: String) -> ModelGroup? { groups.first { $0.name == name } }

  /// The workload with only that group, for what is asked of one.
  public func only(_ group: ModelGroup) -> Workload { Workload(name: name, groups: [group], source: source) }
}

/// What readers of a workload of one group ask of it; with several groups, of the first.
extension Workload {
  public var architecture: String {
    get { groups[0].architecture }
    set { groups[0].architecture = newValue }
  }

  public var vocabulary: Int? {
    get { groups[0].vocabulary }
    set { groups[0].vocabulary = newValue }
  }

  public var models: Int {
    get { groups[0].models }
    set { groups[0].models = newValue }
  }

  public var tokens: Int {
    get { groups[0].requests.tokens }
    set { groups[0].requests.tokens = newValue }
  }

  public var input: RequestInput {
    get { groups[0].requests.input }
    set { groups[0].requests.input = newValue }
  }

  public var ratePerModelPerSecond: Double {
    get { groups[0].ratePerModelPerSecond }
    set { groups[0].ratePerModelPerSecond = newValue }
  }

  public var arrivals: ArrivalProcess {
    get { groups[0].arrivals }
    set { groups[0].arrivals = newValue }
  }

  public var targetP99Seconds: Double {
    get { groups[0].targetP99Seconds }
    set { groups[0].targetP99Seconds = newValue }
  }

  public var query: FigureQuery { groups[0].query }
}
