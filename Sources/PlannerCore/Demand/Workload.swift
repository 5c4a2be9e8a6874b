/// What a request carries: text, which the server has to tokenize, or token ids.
public enum RequestInput: String, Codable, CaseIterable, Sendable { case text, tokens }

/// What the fleet is asked to do: how many models of which kind, how often, how long, and how fast.
public struct Workload: Codable, Hashable, Sendable {
  public var name: String
  /// Name of the model family, such as `bert-base`.
  public var architecture: String
  /// Vocabulary of the models; nil is the family's own.
  public var vocabulary: Int?
  public var models: Int
  /// Tokens of a request.
  public var tokens: Int
  public var input: RequestInput
  /// Requests a second to each model.
  public var ratePerModelPerSecond: Double
  public var arrivals: ArrivalKind
  public var targetP99Seconds: Double
  /// Where these figures come from.
  public var source: String

  public enum ArrivalKind: String, Codable, Sendable { case poisson, deterministic }

  private enum CodingKeys: String, CodingKey {
    case name, architecture = "family", vocabulary, models, tokens, input, ratePerModelPerSecond, arrivals,
      targetP99Seconds, source
  }

  public init(
    name: String, architecture: String, vocabulary: Int? = nil, models: Int, tokens: Int, input: RequestInput = .text,
    ratePerModelPerSecond: Double, arrivals: ArrivalKind = .poisson, targetP99Seconds: Double, source: String
  ) {
    self.name = name
    self.architecture = architecture
    self.vocabulary = vocabulary
    self.models = models
    self.tokens = tokens
    self.input = input
    self.ratePerModelPerSecond = ratePerModelPerSecond
    self.arrivals = arrivals
    self.targetP99Seconds = targetP99Seconds
    self.source = source
  }

  /// The guidance's own case. It names no request rate; its sample run has 29.4 requests a second over 60 models.
  public static let guidance = Workload(
    name: "guidance", architecture: ArchitecturePreset.bertBase.rawValue, models: 3000, tokens: 128,
    ratePerModelPerSecond: 0.49,
    targetP99Seconds: 0.010,
    source: "AWS guidance: 3,000 bert-base models, under 10 ms; 0.49/s a model from its sample run (29.4/s over 60)")

  /// What the figures are asked for.
  public var query: FigureQuery {
    FigureQuery(architecture: architecture, vocabulary: vocabulary, size: tokens, input: input)
  }
}
