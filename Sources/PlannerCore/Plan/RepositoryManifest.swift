/// What a model repository says of its models: `manifest.json` in the folder.
public struct RepositoryManifest: Codable, Hashable, Sendable {
  public static let fileName = "manifest.json"
  public static let schemaVersion = 1

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
  /// Whether the vocabulary is of an uncased model; nil where nobody says, and its pieces tell.
  public var lowercases: Bool?
  /// How pairs of texts are cut; nil is `halves`, as today's tokenizers do it.
  public var pairTruncation: PairTruncation?
  public var models: [Model]

  public init(seed: UInt64?, vocabularyFile: String?, lowercases: Bool?, models: [Model]) {
    self.seed = seed
    self.vocabularyFile = vocabularyFile
    self.lowercases = lowercases
    self.models = models
  }
}

extension RepositoryManifest {
  /// What is said of one model. Everything but the name can be found out, and may be left out.
  public struct Model: Hashable, Sendable {
    public var name: String
    /// Relative to the folder.
    public var file: String
    /// Name of the architecture, by which figures are looked up; `unknownArchitecture` where nobody says.
    public var architecture: String
    /// What the manifest says; nil where the file itself tells.
    public var statedPrecision: Precision?
    /// Token ids that it knows; 0 where it takes none, or nobody says.
    public var vocabulary: Int
    /// What the manifest says of the longest request; nil where it says nothing.
    public var statedMaxTokens: Int?
    /// Names of `forward`'s inputs, in order; empty where they are those of its code.
    public var inputs: [String]
    /// Types and shapes of inputs, of all or some of them; requests are held to them. Nil where nothing is declared.
    public var inputTensors: [TensorDeclaration]?
    /// Names, types and shapes of all outputs, in order; nil where they are as the model has them.
    public var outputTensors: [TensorDeclaration]?
    /// What the planner's own requests are made of, as it was found by trying; no request is held to it. Nil where
    /// nobody has tried, and of models that take token ids.
    public var requestTensors: [TensorDeclaration]?
    /// 0 where nobody says.
    public var fileBytes: Int64
    /// SHA-256 of the file, 64 lower-case hexadecimal digits; nil where it was not computed.
    public var sha256: String?
    /// How a variant's answers compare with those of the model it was made from; nil where it was not measured.
    public var agreement: VariantAgreement?

    /// Stands for an architecture that nobody has named.
    public static let unknownArchitecture = "unknown"
    /// Longest request, in tokens, where nobody says.
    public static let usualMaxTokens = 512

    /// What it computes with, as far as the manifest says.
    public var precision: Precision {
      get { statedPrecision ?? .fp32 }
      set { statedPrecision = newValue }
    }

    /// Longest request, in tokens.
    public var maxTokens: Int {
      get { statedMaxTokens ?? Self.usualMaxTokens }
      set { statedMaxTokens = newValue }
    }

    public init(
      name: String, file: String, architecture: String, precision: Precision?, vocabulary: Int, maxTokens: Int?,
      inputs: [String], inputTensors: [TensorDeclaration]? = nil, outputTensors: [TensorDeclaration]? = nil,
      requestTensors: [TensorDeclaration]? = nil, fileBytes: Int64, sha256: String? = nil,
      agreement: VariantAgreement? = nil
    ) {
      self.name = name
      self.file = file
      self.architecture = architecture
      statedPrecision = precision
      self.vocabulary = vocabulary
      statedMaxTokens = maxTokens
      self.inputs = inputs
      self.inputTensors = inputTensors
      self.outputTensors = outputTensors
      self.requestTensors = requestTensors
      self.fileBytes = fileBytes
      self.sha256 = sha256
      self.agreement = agreement
    }

    /// A model of which nothing is said but the name.
    public init(name: String, file: String? = nil, fileBytes: Int64 = 0) {
      self.init(
        name: name, file: file ?? name + ".pt", architecture: Self.unknownArchitecture, precision: nil, vocabulary: 0,
        maxTokens: nil, inputs: [], fileBytes: fileBytes)
    }
  }
}

extension RepositoryManifest.Model: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, file, architecture = "family", precision, vocabulary, maxTokens, inputs, inputTensors, outputTensors
    case requestTensors, fileBytes, sha256, agreement
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    self.init(name: try box.decode(String.self, forKey: .name))
    if let file = try box.decodeIfPresent(String.self, forKey: .file) { self.file = file }
    if let name = try box.decodeIfPresent(String.self, forKey: .architecture) { architecture = name }
    statedPrecision = try box.decodeIfPresent(Precision.self, forKey: .precision)
    if let count = try box.decodeIfPresent(Int.self, forKey: .vocabulary) { vocabulary = count }
    statedMaxTokens = try box.decodeIfPresent(Int.self, forKey: .maxTokens)
    if let names = try box.decodeIfPresent([String].self, forKey: .inputs) { inputs = names }
    inputTensors = try box.decodeIfPresent([TensorDeclaration].self, forKey: .inputTensors)
    outputTensors = try box.decodeIfPresent([TensorDeclaration].self, forKey: .outputTensors)
    requestTensors = try box.decodeIfPresent([TensorDeclaration].self, forKey: .requestTensors)
    if let bytes = try box.decodeIfPresent(Int64.self, forKey: .fileBytes) { fileBytes = bytes }
    sha256 = try box.decodeIfPresent(String.self, forKey: .sha256)
    agreement = try box.decodeIfPresent(VariantAgreement.self, forKey: .agreement)
  }

  /// What nobody has said is left out.
  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(name, forKey: .name)
    try box.encode(file, forKey: .file)
    if architecture != Self.unknownArchitecture { try box.encode(architecture, forKey: .architecture) }
    try box.encodeIfPresent(statedPrecision, forKey: .precision)
    if vocabulary > 0 { try box.encode(vocabulary, forKey: .vocabulary) }
    try box.encodeIfPresent(statedMaxTokens, forKey: .maxTokens)
    if !inputs.isEmpty { try box.encode(inputs, forKey: .inputs) }
    try box.encodeIfPresent(inputTensors, forKey: .inputTensors)
    try box.encodeIfPresent(outputTensors, forKey: .outputTensors)
    try box.encodeIfPresent(requestTensors, forKey: .requestTensors)
    if fileBytes > 0 { try box.encode(fileBytes, forKey: .fileBytes) }
    try box.encodeIfPresent(sha256, forKey: .sha256)
    try box.encodeIfPresent(agreement, forKey: .agreement)
  }
}
