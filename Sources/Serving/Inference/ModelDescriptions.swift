import PlannerCore
import ServerContract

/// What a server says of itself.
package struct ServerMetadata: Sendable {
  package let name = ServerProgram.name
  package let version = ServerProgram.version
  /// Extensions of the protocol, as Triton names them.
  package let extensions = [
    "binary_tensor_data", "model_configuration", "model_repository", "parameters", "schedule_policy", "statistics",
  ]

  package init() {}
}

/// What is known of a model and its tensors.
package struct ModelMetadata: Sendable {
  /// Models are replaced in place, so each has one version.
  package static let version = "1"
  package static let platform = "pytorch_libtorch"

  package var name: String
  package var interface: ModelInterface
  package var variant: String
  /// How pairs of texts are cut for it; nil where it takes no texts.
  package var pairTruncation: String?

  package var inputs: [TensorMetadata] { interface.inputs }
  package var outputs: [TensorMetadata] { interface.outputs }
  /// What there is to say beside the protocol's own fields, by name.
  package var parameters: [(name: String, value: String)] {
    var parameters = [("variant", variant)]
    if interface.rows != .independent { parameters.append(("rows", interface.rows.word)) }
    if interface.isAssumed { parameters.append(("interface", "assumed")) }
    if let pairTruncation { parameters.append(("pair_truncation", pairTruncation)) }
    return parameters
  }
}

/// What Triton calls a model's configuration, as far as it means something here.
package struct ModelConfiguration: Sendable {
  package var metadata: ModelMetadata
  package var batch: BatchPolicy
  /// Copies that compute at once.
  package var instances: Int

  package var inputs: [TensorMetadata] { metadata.inputs.map(withoutBatch) }
  package var outputs: [TensorMetadata] { metadata.outputs.map(withoutBatch) }
  package var isBatched: Bool { batch.max > 1 && metadata.interface.rows == .independent }
  /// Requests in one forward pass; 0 where they are not batched.
  package var maxBatchSize: Int { isBatched ? batch.max : 0 }
  package var longestWaitMicroseconds: Int64 { batch.wait.rawValue / 1000 }

  /// Where requests are batched, the first dimension is the batch's, and Triton's shapes leave it out.
  private func withoutBatch(_ tensor: TensorMetadata) -> TensorMetadata {
    guard isBatched, tensor.shape.first == -1 else { return tensor }
    var row = tensor
    row.shape = Array(tensor.shape.dropFirst())
    return row
  }
}

/// A line of the repository's index.
package struct RepositoryIndexEntry: Hashable, Sendable {
  package var name: String
  package var version = ModelMetadata.version
  /// READY, LOADING, UNLOADING or UNAVAILABLE.
  package var state: String
  package var reason: String
}

/// What became of a model's requests since the server was started.
package struct ModelStatistics: Sendable {
  package struct Batch: Hashable, Sendable {
    package var size: Int
    package var compute: DurationStatistic
  }

  package var name: String
  package var version = ModelMetadata.version
  /// Milliseconds since 1970 of the last request; 0 where there was none.
  package var lastInference: Int64
  /// Rows of the requests that were answered.
  package var inferenceCount: Int
  /// Number of forward passes.
  package var executionCount: Int
  package var success: DurationStatistic
  /// Requests that were refused, failed or were late; without those whose clients went.
  package var failure: DurationStatistic
  /// Requests whose clients went before they had their answers.
  package var cancelled: DurationStatistic
  package var queue: DurationStatistic
  package var computeInput: DurationStatistic
  package var computeInfer: DurationStatistic
  package var computeOutput: DurationStatistic
  package var batches: [Batch]
  /// Bytes of weights that are in memory now.
  package var weightBytes: Int64
}
