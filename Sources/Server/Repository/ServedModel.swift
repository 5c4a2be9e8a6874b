import PlannerCore
import Synchronization

/// A model in memory, ready to answer.
public final class ServedModel: Sendable {
  public let name: String
  public let session: any InferenceSession
  public let precision: Precision
  /// Number of token ids that it knows; ids are 0 ..< vocabulary.
  public let vocabulary: Int
  public let maxTokens: Int
  /// Names of its inputs, in order.
  public let inputs: [String]
  public let weightBytes: Int64
  private let place: DeviceBalance.Place?
  private let learned = Mutex<[Output]>([])

  /// One of a model's outputs, as its first run showed it.
  public struct Output: Hashable, Sendable {
    public var name: String
    public var datatype: String
    public var dimensions: Int

    public init(name: String, datatype: String, dimensions: Int) {
      self.name = name
      self.datatype = datatype
      self.dimensions = dimensions
    }
  }

  /// Which of the server's queues is its own.
  public var queue: Int { place?.index ?? 0 }

  /// Empty until the model has run once.
  public var outputs: [Output] { learned.withLock { $0 } }

  func learnOutputs(_ tensors: [HostTensor], batch: Int, tokens: Int?) {
    let names = OutputNames.names(tensors, batch: batch, tokens: tokens)
    let outputs = zip(names, tensors).map {
      Output(name: $0, datatype: $1.elements.openInferenceType, dimensions: $1.shape.count)
    }
    learned.withLock { $0 = outputs }
  }

  public init(
    name: String, session: any InferenceSession, precision: Precision, vocabulary: Int, maxTokens: Int,
    inputs: [String], weightBytes: Int64, place: DeviceBalance.Place? = nil
  ) {
    self.name = name
    self.session = session
    self.precision = precision
    self.vocabulary = vocabulary
    self.maxTokens = maxTokens
    self.inputs = inputs
    self.weightBytes = weightBytes
    self.place = place
  }
}
