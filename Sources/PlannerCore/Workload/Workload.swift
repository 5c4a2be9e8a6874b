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
  /// How each model's requests are spaced.
  public var arrivals: ArrivalProcess
  public var targetP99Seconds: Double
  /// Where these figures come from.
  public var source: String

  private enum CodingKeys: String, CodingKey {
    case name, architecture = "family", vocabulary, models, tokens, input, ratePerModelPerSecond, arrivals,
      targetP99Seconds, source
  }

  public init(
    name: String, architecture: String, vocabulary: Int? = nil, models: Int, tokens: Int, input: RequestInput = .text,
    ratePerModelPerSecond: Double, arrivals: ArrivalProcess = .poisson, targetP99Seconds: Double, source: String
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

  /// Bytes that the weights of one model take at `precision`.
  public func weightBytes(_ precision: Precision) -> Int64? {
    guard let architecture = ArchitecturePreset(rawValue: architecture) else { return nil }
    var shape = architecture.shape
    if let vocabulary { shape.vocabulary = vocabulary }
    return Int64(shape.parameterCount) * Int64(precision.bytesPerWeight)
  }
}
