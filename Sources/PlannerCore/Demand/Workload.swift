/// What requests to a group of models are like.
public struct RequestMix: Codable, Hashable, Sendable {
  /// Length of a request in tokens.
  public var tokens: Int
  public var input: RequestInput

  public init(tokens: Int, input: RequestInput = .text) {
    self.tokens = tokens
    self.input = input
  }
}

/// Models of one architecture that are all asked alike.
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
  public var requests: RequestMix
  /// Requests a second to each model.
  public var ratePerModelPerSecond: Double
  public var arrivals: ArrivalProcess
  public var targetP99Seconds: Double

  public init(
    name: String, architecture: String, vocabulary: Int? = nil, precisions: [Precision]? = nil, models: Int,
    requests: RequestMix, ratePerModelPerSecond: Double, arrivals: ArrivalProcess = .poisson,
    targetP99Seconds: Double
  ) {
    self.name = name
    self.architecture = architecture
    self.vocabulary = vocabulary
    self.precisions = precisions
    self.models = models
    self.requests = requests
    self.ratePerModelPerSecond = ratePerModelPerSecond
    self.arrivals = arrivals
    self.targetP99Seconds = targetP99Seconds
  }

  /// What the figures are asked for.
  public var query: FigureQuery {
    FigureQuery(
      architecture: architecture, vocabulary: vocabulary, precisions: precisions, size: requests.tokens,
      input: requests.input)
  }
}

/// What a fleet is asked to do: groups of models, how often each is asked, and how fast it has to answer.
public struct Workload: Hashable, Sendable {
  public var name: String
  /// At least one. The search plans one group; `OptimizationProblem` refuses more in a sentence.
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

  public subscript(group name: String) -> ModelGroup? { groups.first { $0.name == name } }
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
