/// What a model is to a measurement: models of one variant take the same time and the same memory.
public struct Variant: Codable, Hashable, Sendable {
  /// Name of the architecture: a preset, or the name that a repository's manifest gives.
  public var architecture: String
  public var precision: Precision
  /// Word pieces of the vocabulary; nil is the architecture's own.
  public var vocabulary: Int?

  public init(architecture: String, precision: Precision, vocabulary: Int? = nil) {
    self.architecture = architecture
    self.precision = precision
    self.vocabulary = vocabulary
  }
}

/// What a figure is asked for: models of an architecture, and the requests that they get.
public struct FigureQuery: Hashable, Sendable {
  public var architecture: String
  /// Word pieces of the vocabulary; nil is the architecture's own.
  public var vocabulary: Int?
  /// Precisions that may be planned; nil allows every one.
  public var precisions: [Precision]?
  /// Length of a request in tokens, of the longest where sizes vary; 1 where requests have none.
  public var size: Int
  /// Classes of size, ascending, the largest being `size`; empty where all requests have one size.
  public var sizes: [SizeClass] = []
  public var input: RequestInput
  /// Only measurements of that very size and input count, since a run's measurement will be laid beside the
  /// prediction; otherwise longer requests and other inputs may stand in, and are called estimates.
  public var isExact = false

  public init(
    architecture: String, vocabulary: Int?, precisions: [Precision]? = nil, size: Int, input: RequestInput,
    isExact: Bool = false
  ) {
    self.architecture = architecture
    self.vocabulary = vocabulary
    self.precisions = precisions
    self.size = size
    self.input = input
    self.isExact = isExact
  }

  /// This question, answered only by measurements of that very size and input.
  public var exactly: FigureQuery {
    var query = self
    query.isExact = true
    return query
  }

  /// The argument of `planner profile --case` that measures it: `bert-tiny:32` or `bert-tiny:32:2000`.
  public var profileCase: String { "\(architecture):\(size)" + (vocabulary.map { ":\($0)" } ?? "") }

  /// The vocabulary that is meant: a preset has one of its own, of another architecture any will do.
  public var meantVocabulary: Int? {
    vocabulary ?? ArchitecturePreset(rawValue: architecture)?.shape.vocabulary
  }

  var modelName: NoFigure.ModelName { NoFigure.ModelName(architecture: architecture, vocabulary: vocabulary) }

  func allows(_ precision: Precision) -> Bool { precisions?.contains(precision) ?? true }
}
