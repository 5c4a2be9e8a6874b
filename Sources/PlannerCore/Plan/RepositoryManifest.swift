/// What a model repository says of its models: `manifest.json` in the folder.
public struct RepositoryManifest: Codable, Hashable, Sendable {
  public static let fileName = "manifest.json"
  public static let schemaVersion = 1

  public struct Model: Codable, Hashable, Sendable {
    public var name: String
    /// Relative to the folder.
    public var file: String
    public var architecture: String
    public var precision: Precision
    public var vocabulary: Int
    public var maxTokens: Int
    /// Names of `forward`'s inputs, in order.
    public var inputs: [String]
    /// Types and shapes of inputs, of all or some of them; requests are held to them. Nil where nothing is declared.
    public var inputTensors: [TensorDeclaration]?
    /// Names, types and shapes of all outputs, in order; nil where they are as the model has them.
    public var outputTensors: [TensorDeclaration]?
    public var fileBytes: Int64
    /// SHA-256 of the file, 64 lower-case hexadecimal digits; nil where it was not computed.
    public var sha256: String?
    /// How a variant's answers compare with those of the model it was made from; nil where it was not measured.
    public var agreement: VariantAgreement?

    private enum CodingKeys: String, CodingKey {
      case name, file, architecture = "family", precision, vocabulary, maxTokens, inputs, inputTensors, outputTensors
      case fileBytes, sha256, agreement
    }

    public init(
      name: String, file: String, architecture: String, precision: Precision, vocabulary: Int, maxTokens: Int,
      inputs: [String], inputTensors: [TensorDeclaration]? = nil, outputTensors: [TensorDeclaration]? = nil,
      fileBytes: Int64, sha256: String? = nil, agreement: VariantAgreement? = nil
    ) {
      self.name = name
      self.file = file
      self.architecture = architecture
      self.precision = precision
      self.vocabulary = vocabulary
      self.maxTokens = maxTokens
      self.inputs = inputs
      self.inputTensors = inputTensors
      self.outputTensors = outputTensors
      self.fileBytes = fileBytes
      self.sha256 = sha256
      self.agreement = agreement
    }
  }

  /// How a question and its context are cut where they are too long together; the tokenizer explains the two ways.
  public enum PairTruncation: String, Codable, Hashable, Sendable, CaseIterable {
    case halves
    case oneByOne
  }

  public var schemaVersion = RepositoryManifest.schemaVersion
  public var kind = "repository"
  public var seed: UInt64?
  /// WordPiece vocabulary of all models, relative to the folder; nil where the models take no text.
  public var vocabularyFile: String?
  /// Whether the vocabulary is of an uncased model.
  public var lowercases: Bool
  /// How pairs of texts are cut; nil is `halves`, as today's tokenizers do it.
  public var pairTruncation: PairTruncation?
  public var models: [Model]

  public init(seed: UInt64?, vocabularyFile: String?, lowercases: Bool, models: [Model]) {
    self.seed = seed
    self.vocabularyFile = vocabularyFile
    self.lowercases = lowercases
    self.models = models
  }
}

/// What a manifest says of one of a model's tensors.
public struct TensorDeclaration: Codable, Hashable, Sendable {
  /// Element types that a model's tensor may have, as the Open Inference Protocol names them.
  public static let datatypes = ["BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64"]
  public static let mostDimensions = 8

  public var name: String
  /// One of `datatypes`.
  public var datatype: String
  /// Sizes of the tensor, the batch's first; −1 is any size.
  public var shape: [Int]

  public init(name: String, datatype: String, shape: [Int]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }
}
