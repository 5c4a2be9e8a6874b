import Engine

/// What a model takes and answers, as its clients are told; settled when the model is loaded.
package struct ModelInterface: Hashable, Sendable {
  /// Whether a row of a pass is answered as it would be alone.
  package enum Rows: Sendable {
    case independent
    /// It is not, or the answers have no row for each row: requests never share a pass.
    case dependent
    /// Nobody could try it: requests never share a pass.
    case untried

    /// What the configuration says of a model whose rows are not independent.
    package var word: String { self == .dependent ? "dependent" : "untried" }
  }

  package var inputs: [TensorMetadata]
  package var outputs: [TensorMetadata]
  package var rows: Rows
  /// Nobody could try it: types and shapes are those that TorchScript takes a tensor for.
  package var isAssumed = false
  /// Whether a model that had been tried was seen to answer otherwise than one that had not: such a model is served as
  /// its file has it, and not warmed.
  package var keepsState = false
  /// Inputs whose type and shape the manifest declares: requests are held to them.
  package var declaredInputs: Set<String> = []
  /// Whether the manifest names the outputs, and not the model.
  package var namesOutputs = false

  /// The interface of a model that nobody has tried.
  package static func assumed(_ inputs: [TensorMetadata]) -> ModelInterface {
    ModelInterface(inputs: inputs, outputs: [], rows: .untried, isAssumed: true)
  }

  package init(
    inputs: [TensorMetadata], outputs: [TensorMetadata], rows: Rows, isAssumed: Bool = false
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.rows = rows
    self.isAssumed = isAssumed
  }

  /// Names of a pass's outputs.
  ///
  /// - Parameter tokens: length of the rows of a model of token ids; nil for other models.
  package func names(of answer: [HostTensor], batch: Int, tokens: Int?) -> [String] {
    if namesOutputs, answer.count == outputs.count { return outputs.map(\.name) }
    return OutputNames.names(answer, batch: batch, tokens: tokens)
  }
}
