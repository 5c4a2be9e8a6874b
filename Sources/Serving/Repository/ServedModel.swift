import Engine
import PlannerCore
import Synchronization

/// A model in memory, ready to answer.
package final class ServedModel: Sendable {
  package let name: String
  package let session: any InferenceSession
  package let precision: Precision
  /// Number of token ids that it knows; ids are 0 ..< vocabulary.
  package let vocabulary: Int
  package let maxTokens: Int
  /// Names of its inputs, in order.
  package let inputs: [String]
  package let weightBytes: Int64
  private let place: DeviceBalance.Place?
  private let learned = Mutex<[Output]>([])

  /// One of a model's outputs, as its first run showed it.
  package struct Output: Hashable, Sendable {
    package var name: String
    package var datatype: String
    package var dimensions: Int

    package init(name: String, datatype: String, dimensions: Int) {
      self.name = name
      self.datatype = datatype
      self.dimensions = dimensions
    }
  }

  /// Which of the server's queues is its own.
  package var queue: Int { place?.index ?? 0 }

  /// Outputs as the model's answers show them; empty until it has run once.
  package var outputs: [Output] { learned.withLock { $0 } }

  func learnOutputs(_ tensors: [HostTensor], batch: Int, tokens: Int?) {
    let names = OutputNames.names(tensors, batch: batch, tokens: tokens)
    let outputs = zip(names, tensors).map {
      Output(name: $0, datatype: $1.elements.datatype.rawValue, dimensions: $1.shape.count)
    }
    learned.withLock { $0 = outputs }
  }

  package init(
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
