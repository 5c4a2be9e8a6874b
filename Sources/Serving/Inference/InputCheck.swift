import Engine
import PlannerCore

/// A request's tensors, checked against the model they are for and in the order in which it takes them.
struct CheckedInputs {
  var tensors: [HostTensor]
  /// Rows of the first input; 1 where it has no dimension.
  var batch: Int
  /// Length of the rows of a model of token ids; nil for other models.
  var tokens: Int?
}

/// Compares what a request brings with what a model takes.
///
/// A model whose inputs are all named as BERT's takes token ids: its mask and types may be left out, any integer type
/// will do, and every id is checked, since one outside the vocabulary would be read as memory of something else.
/// Any other model gets each of its inputs as it came, where the manifest declares no type and shape of it.
package enum InputCheck {
  /// Rows of one request to a model of token ids.
  static let mostRows = 256
  /// Tensors of one request; there is no model with as many inputs.
  package static let mostTensors = 64
  private static let ids = TokenInputNames.ids

  /// - Throws: `InferenceError` (`invalidArgument`) that names the tensor.
  static func check(_ inputs: [NamedTensor], for model: ServedModel) throws(InferenceError) -> CheckedInputs {
    guard !inputs.isEmpty || model.interface.inputs.allSatisfy(\.isOptional) else {
      throw InferenceError(.invalidArgument, "inputs: is empty")
    }
    let isTokenModel = TokenInputs.areAll(of: model.inputs)
    for (index, input) in inputs.enumerated() {
      guard model.inputs.contains(input.name) || isTokenModel && TokenInputs.isOne(input.name) else {
        throw InferenceError(
          .invalidArgument,
          "inputs: '\(input.name.prefix(200))' is not an input of this model, which takes "
            + model.inputs.joined(separator: ", "))
      }
      guard !inputs[..<index].contains(where: { $0.name == input.name }) else {
        throw InferenceError(.invalidArgument, "inputs: '\(input.name)' is there twice")
      }
      try checkShape(input)
    }
    return isTokenModel ? try tokens(inputs, for: model) : try others(inputs, for: model)
  }

  private static func checkShape(_ input: NamedTensor) throws(InferenceError) {
    guard let count = elementCount(input.shape) else {
      throw InferenceError(.invalidArgument, "has a shape with a negative or too large dimension").about(input.name)
    }
    guard input.elements.count == count else {
      throw InferenceError(
        .invalidArgument, "has \(input.elements.count) values; its shape asks for \(count)"
      ).about(input.name)
    }
  }

  /// Product of the dimensions; nil where one is negative, there are more than 8, or it is beyond what any limit on a
  /// body lets through.
  package static func elementCount(_ shape: [Int]) -> Int? {
    guard shape.count <= 8 else { return nil }
    var product = 1
    for size in shape {
      guard size >= 0, size <= mostElements else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: size)
      guard !overflow, next <= mostElements else { return nil }
      product = next
    }
    return product
  }

  /// Most elements of one tensor of any type.
  static let mostElements = 1 << 28

  private static func others(
    _ inputs: [NamedTensor], for model: ServedModel
  ) throws(InferenceError) -> CheckedInputs {
    var tensors: [HostTensor] = []
    for own in model.interface.inputs {
      guard let input = inputs.first(where: { $0.name == own.name }) else {
        guard own.isOptional else { throw InferenceError(.invalidArgument, "\(own.name): is missing") }
        tensors.append(.leftOut)
        continue
      }
      if model.interface.declaredInputs.contains(own.name) { try hold(input, to: own) }
      tensors.append(HostTensor(shape: input.shape, elements: input.elements))
    }
    return CheckedInputs(tensors: tensors, batch: tensors.first { !$0.isLeftOut }?.shape.first ?? 1)
  }

  /// What a manifest declares, requests keep to.
  private static func hold(_ input: NamedTensor, to own: TensorMetadata) throws(InferenceError) {
    guard input.datatype == own.datatype else {
      throw InferenceError(
        .invalidArgument, "is of datatype \(input.datatype.rawValue); the model takes \(own.datatype.rawValue)"
      ).about(own.name)
    }
    guard own.admits(input.shape) else {
      throw InferenceError(.invalidArgument, "has shape \(input.shape); the model takes \(own.shape)").about(own.name)
    }
  }

  // MARK: Token ids

  private static func tokens(
    _ inputs: [NamedTensor], for model: ServedModel
  ) throws(InferenceError) -> CheckedInputs {
    guard let idInput = inputs.first(where: { $0.name == ids }) else {
      throw InferenceError(.invalidArgument, "\(ids): is missing")
    }
    let shape = idInput.shape
    guard shape.count == 2, shape[0] >= 1, shape[1] >= 1 else {
      throw InferenceError(.invalidArgument, "\(ids): shape \(shape) is not [batch, tokens], or is empty")
    }
    guard shape[0] <= mostRows else {
      throw InferenceError(.invalidArgument, "\(ids): \(shape[0]) rows are more than \(mostRows)")
    }
    guard shape[1] <= model.maxTokens else {
      throw InferenceError(
        .invalidArgument, "\(ids): \(shape[1]) tokens are more than the model's \(model.maxTokens)")
    }
    var tensors: [HostTensor] = []
    for name in model.inputs {
      guard let input = inputs.first(where: { $0.name == name }) else {
        let values = Array(repeating: TokenInputs.filler(name), count: shape[0] * shape[1])
        tensors.append(HostTensor(shape: shape, elements: .int64(values)))
        continue
      }
      tensors.append(
        HostTensor(shape: shape, elements: .int64(try values(input, shape, vocabulary: model.vocabulary))))
    }
    // What the model has no use for is checked all the same.
    for input in inputs where !model.inputs.contains(input.name) {
      _ = try values(input, shape, vocabulary: model.vocabulary)
    }
    return CheckedInputs(tensors: tensors, batch: shape[0], tokens: shape[1])
  }

  private static func values(
    _ input: NamedTensor, _ shape: [Int], vocabulary: Int
  ) throws(InferenceError) -> [Int64] {
    guard input.shape == shape else {
      throw InferenceError(.invalidArgument, "\(input.name): has shape \(input.shape), \(ids) has \(shape)")
    }
    guard let values = input.elements.wholeNumbers else {
      throw InferenceError(
        .invalidArgument, "\(input.name): datatype '\(input.datatype.rawValue)' is not an integer type such as INT64")
    }
    let limit = input.name == ids ? Int64(clamping: vocabulary) : 2
    guard let low = values.min(), let high = values.max(), low >= 0, high < limit else {
      throw InferenceError(
        .invalidArgument,
        input.name == ids ? "\(ids): has an id outside 0 ..< \(vocabulary)" : "\(input.name): holds 0 and 1 only")
    }
    return values
  }
}

extension HostTensor.Element {
  /// The elements as INT64; nil where they are neither integers nor truth values.
  fileprivate var wholeNumbers: [Int64]? {
    switch self {
    case .int64(let values): values
    case .int32(let values): values.map { Int64($0) }
    case .int16(let values): values.map { Int64($0) }
    case .int8(let values): values.map { Int64($0) }
    case .uint8(let values), .bool(let values): values.map { Int64($0) }
    case .float32, .float64, .float16, .bfloat16: nil
    }
  }
}
