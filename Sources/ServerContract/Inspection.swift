import PlannerCore

/// A line of JSON of `model-server look`: what one file says of itself without being run.
public struct LookedFile: Codable, Hashable, Sendable {
  /// Relative to the folder.
  public var file: String
  public var fileBytes: Int64
  /// Equal for files with the same code and tensors of the same types and shapes; nil where there is a problem.
  public var fingerprint: String?
  /// Name of the module's class in its code.
  public var className: String?
  public var weightBytes: Int64?
  public var precision: Precision?
  /// Nil where it was not asked for.
  public var sha256: String?
  /// Why it cannot be used.
  public var problem: String?

  public init(file: String, fileBytes: Int64) {
    self.file = file
    self.fileBytes = fileBytes
  }
}

/// The line of JSON of `model-server examine`: what one model takes and answers, as it was found by looking and by
/// trying. Models of the same architecture take and answer the same.
public struct ExaminedModel: Codable, Hashable, Sendable {
  /// Whether the rows of a pass are answered as they would be alone.
  public enum Rows: String, Codable, Sendable { case independent, dependent, untried }

  /// Whether an answer changes where a request is made longer with zeros.
  public enum Padding: String, Codable, Sendable {
    /// Nothing varies that could be made longer.
    case none
    case unchanged, changed, untried
  }

  /// A size between others that were answered, which was not.
  public struct FailedSize: Codable, Hashable, Sendable {
    public var size: Int
    public var reason: String

    public init(size: Int, reason: String) {
      self.size = size
      self.reason = reason
    }
  }

  /// Times of passes of one size with different values in them.
  public struct ValueTimes: Codable, Hashable, Sendable {
    public var fastestSeconds: Double
    public var slowestSeconds: Double

    public init(fastestSeconds: Double, slowestSeconds: Double) {
      self.fastestSeconds = fastestSeconds
      self.slowestSeconds = slowestSeconds
    }

    /// Fastest passes that differ by more than half, and by more than a clock's noise, differ for what is in them.
    public var vary: Bool { slowestSeconds > 1.5 * fastestSeconds && slowestSeconds - fastestSeconds > 5e-5 }
  }

  /// As clients are told; −1 is any size, of the batch or of a request.
  public var inputs: [TensorDeclaration]
  /// Those of them that may be left out.
  public var optionalInputs: [String]
  public var outputs: [TensorDeclaration]
  /// One request: the inputs that it has to have, of one row; −1 is the request's size.
  public var requestTensors: [TensorDeclaration]
  /// Whether it takes token ids, named as BERT's.
  public var takesTokens: Bool
  public var rows: Rows
  public var padding: Padding
  /// Whether it was seen to answer otherwise after it had been tried.
  public var keepsState: Bool
  /// Largest size that was answered; nil where nothing varies.
  public var largestSize: Int?
  /// Whether larger ones were tried and not answered.
  public var isLargestALimit: Bool
  public var failedSizes: [FailedSize]
  /// Nil where it could not be timed.
  public var valueTimes: ValueTimes?
  /// Why it answered no try: what is said of its tensors is then assumed, and is to be declared.
  public var problem: String?

  public init(
    inputs: [TensorDeclaration], optionalInputs: [String], outputs: [TensorDeclaration],
    requestTensors: [TensorDeclaration], takesTokens: Bool, rows: Rows
  ) {
    self.inputs = inputs
    self.optionalInputs = optionalInputs
    self.outputs = outputs
    self.requestTensors = requestTensors
    self.takesTokens = takesTokens
    self.rows = rows
    padding = .untried
    keepsState = false
    isLargestALimit = false
    failedSizes = []
  }

  /// Whether requests have a size.
  public var varies: Bool { requestTensors.contains { $0.shape.contains(-1) } }

  /// Token ids that it knows; nil of models that take none.
  public var vocabulary: Int? {
    takesTokens ? requestTensors.first { $0.name == TokenInputNames.ids }?.below : nil
  }
}
