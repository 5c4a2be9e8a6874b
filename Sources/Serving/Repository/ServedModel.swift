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
  /// What its clients are told of it.
  package let interface: ModelInterface
  package let weightBytes: Int64
  /// Why the model did not answer a pass that it was to be warmed with; nil where nothing failed.
  package var warmFailure: String? { failure.withLock { $0 } }
  private let failure = Mutex<String?>(nil)
  private let place: DeviceBalance.Place?

  /// Which of the server's queues is its own.
  package var queue: Int { place?.index ?? 0 }

  /// Takes note of a pass that it did not answer when it was to be warmed.
  func noteWarmFailure(_ reason: String) { failure.withLock { $0 = reason } }

  /// - Parameter interface: nil where nobody has tried it.
  package init(
    name: String, session: any InferenceSession, precision: Precision, vocabulary: Int, maxTokens: Int,
    inputs: [String], interface: ModelInterface? = nil, weightBytes: Int64, place: DeviceBalance.Place? = nil
  ) {
    self.name = name
    self.session = session
    self.precision = precision
    self.vocabulary = vocabulary
    self.maxTokens = maxTokens
    self.inputs = inputs
    self.interface =
      interface ?? .assumed(inputs.map { TensorMetadata(name: $0, datatype: .fp32, shape: [-1]) })
    self.weightBytes = weightBytes
    self.place = place
  }
}
