/// Measured agreement of a model's variant with the float32 model, on texts of several lengths.
public struct VariantAgreement: Codable, Hashable, Sendable {
  /// What the model's outputs are, and so which figure counts.
  public enum Task: String, Codable, Sendable {
    /// Scores: the highest one is the answer.
    case choice
    /// Vectors: their direction is the answer.
    case embedding
  }

  public var task: Task
  /// Name or file of the float32 model.
  public var reference: String
  public var texts: Int
  /// Shortest and longest text, tokens.
  public var fewestTokens: Int
  public var mostTokens: Int
  /// Share of rows of scores whose highest one is the same; nil for embeddings.
  public var sameChoices: Double?
  /// Cosine of the angle between both embeddings, the worst and the mean of all texts; nil for choices.
  public var worstCosine: Double?
  public var meanCosine: Double?
  /// Between any two output values, and the largest value beside it.
  public var largestDifference: Double
  public var largestValue: Double

  public init(
    task: Task, reference: String, texts: Int, fewestTokens: Int, mostTokens: Int, sameChoices: Double?,
    worstCosine: Double?, meanCosine: Double?, largestDifference: Double, largestValue: Double
  ) {
    self.task = task
    self.reference = reference
    self.texts = texts
    self.fewestTokens = fewestTokens
    self.mostTokens = mostTokens
    self.sameChoices = sameChoices
    self.worstCosine = worstCosine
    self.meanCosine = meanCosine
    self.largestDifference = largestDifference
    self.largestValue = largestValue
  }
}

/// A variant that was written, as `model-server convert` reports it.
public struct VariantReport: Codable, Hashable, Sendable {
  public var model: String
  public var variant: String
  public var file: String
  public var precision: Precision
  public var linearLayers: Int
  public var embeddings: Int
  public var fileBytes: Int64
  /// Nil where it was not measured, and then `agreementMissing` says why.
  public var agreement: VariantAgreement?
  public var agreementMissing: String?

  public init(
    model: String, variant: String, file: String, precision: Precision, linearLayers: Int, embeddings: Int,
    fileBytes: Int64, agreement: VariantAgreement?, agreementMissing: String?
  ) {
    self.model = model
    self.variant = variant
    self.file = file
    self.precision = precision
    self.linearLayers = linearLayers
    self.embeddings = embeddings
    self.fileBytes = fileBytes
    self.agreement = agreement
    self.agreementMissing = agreementMissing
  }
}
