import CTorch
import Foundation

/// One loaded model.
///
/// Complexity of `run`: a forward pass. A model may be run from several threads at once.
package final class TorchModel: @unchecked Sendable {
  // The handle is set once and the library's modules may be run concurrently.
  private let handle: OpaquePointer
  package let path: String
  /// Bytes of parameters and buffers.
  package let weightBytes: Int64
  /// What `forward` takes, in order.
  package let arguments: [ModelArgument]
  /// Why what the model answers cannot be given to clients; nil where it can.
  package let answerProblem: String?

  /// Arguments of `forward`.
  package var inputCount: Int { arguments.count }
  /// Their names as the model's code has them, in order.
  package var inputNames: [String] { arguments.map(\.name) }

  /// What the reason begins with where the model ran and an output is no tensor of the protocol.
  private static let unsayableOutput = "an output "

  /// - Parameter device: `cpu`, `cuda:0` or `neuron:0`; see `Engine.deviceCount`.
  /// - Throws: `EngineError` (`badModel`) where the file is missing, damaged or not a model, or there is no such
  ///   device.
  package init(path: String, device: String = Engine.device) throws(EngineError) {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw EngineError(.badModel, path, "there is no such file, or it may not be read")
    }
    var loaded: OpaquePointer?
    var status: Int32 = 0
    do {
      try Engine.checked(path, kind: .badModel) {
        status = ct_model_load(path, device, &loaded, $0)
        return status
      }
    } catch  where status == Int32(CT_UNSUPPORTED) {
      throw EngineError(.badModel, path, "cannot be run here: \(error.message)")
    } catch {
      throw EngineError(.badModel, path, "is damaged or not a TorchScript model (\(error.message))")
    }
    guard let loaded else { throw EngineError(.badModel, path, "could not be loaded") }
    handle = loaded
    self.path = path
    weightBytes = ct_model_weight_bytes(loaded)
    arguments = (0..<ct_model_argument_count(loaded)).compactMap { index in
      ct_model_argument(loaded, index).map { argument in
        var hints: [TensorHint] = []
        while let hint = ct_model_hint(loaded, index, Int32(hints.count)) { hints.append(TensorHint(hint.pointee)) }
        return ModelArgument(argument.pointee, hints)
      }
    }
    answerProblem = ct_model_answer_problem(loaded).map { String(cString: $0) }
  }

  /// Says which tensors `run` takes; before, it is one for each argument. Before the first run, by whoever loaded it.
  ///
  /// - Throws: `EngineError` (`badModel`) where an argument that is needed gets none, or one gets what it cannot take.
  package func place(_ inputs: [ModelInput]) throws(EngineError) {
    let keys = inputs.map { input in input.key.flatMap { strdup($0) } }
    defer { for key in keys { free(key) } }
    let places = zip(inputs, keys).map { input, key in
      ct_place(argument: Int32(input.argument), key: key.map { UnsafePointer($0) })
    }
    try Engine.checked(path, kind: .badModel) { ct_model_place_inputs(handle, places, places.count, $0) }
  }

  /// Equal for files with the same code, whatever their weights are. Nothing of the file is run.
  ///
  /// - Throws: `EngineError` (`badModel`) where the file is missing, damaged or not a model.
  package static func codeFingerprint(path: String) throws(EngineError) -> String {
    var text = [CChar](repeating: 0, count: Int(CT_FINGERPRINT_CAPACITY))
    try text.withUnsafeMutableBufferPointer { buffer throws(EngineError) in
      try Engine.checked(path, kind: .badModel) { ct_model_fingerprint(path, buffer.baseAddress, $0) }
    }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { ct_model_free(handle) }

  /// Operators of a kind, such as `planner::attention_of_heads`, in the graph that is run; 0 where the model's own code
  /// is run as it is.
  package func operators(ofKind kind: String) -> Int { Int(ct_model_operator_count(handle, kind)) }

  /// One forward pass.
  ///
  /// - Parameter inputs: one for each that was placed; `HostTensor.leftOut` for those that may be left out.
  /// - Returns: tensors, with the model's names where it has some; a number has shape [1].
  /// - Throws: `EngineError` (`badInput`) where number, type or shape of the inputs do not fit, or a token is out
  ///   of range; `unavailable` where an output is no tensor of the protocol.
  package func run(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
    var result: OpaquePointer?
    do {
      try withViews(of: inputs[...], []) { (views: [ct_tensor]) throws(EngineError) in
        try Engine.checked(path, kind: .badInput) { ct_model_run(handle, views, views.count, &result, $0) }
      }
    } catch {
      try checkFile()
      // Whatever the request was: its answer has no words in the protocol.
      let isOurs = error.message.hasPrefix(Self.unsayableOutput)
      throw EngineError(isOurs ? .unavailable : .badInput, error.subject, error.message)
    }
    guard let result else { throw EngineError(.badInput, path, "the model gave no answer") }
    defer { ct_result_free(result) }
    try checkFile()
    return (0..<ct_result_count(result)).compactMap { index in
      ct_result_tensor(result, index).map {
        Self.copy($0.pointee, name: ct_result_name(result, index).map { String(cString: $0) })
      }
    }
  }

  /// - Throws: `EngineError` (`badModel`) where the weights' file has gone from under them.
  private func checkFile() throws(EngineError) {
    guard ct_model_is_whole(handle) == 0 else { return }
    throw EngineError(
      .badModel, path,
      "its file was cut off while it was in memory; put files in place by renaming them, and load the model again")
  }

  /// Pins the inputs' memory one after the other and calls `body` with views of all of them.
  private func withViews(
    of inputs: ArraySlice<HostTensor>, _ views: [ct_tensor], _ body: ([ct_tensor]) throws(EngineError) -> Void
  ) throws(EngineError) {
    guard let input = inputs.first else { return try body(views) }
    guard input.shape.count <= Int(CT_MAX_DIMENSIONS) else {
      throw EngineError(.badInput, path, "an input has more than \(CT_MAX_DIMENSIONS) dimensions")
    }
    var failure: EngineError?
    func descend(_ dtype: ct_dtype, _ bytes: UnsafeRawBufferPointer) {
      var view = ct_tensor()
      view.dtype = dtype
      view.dimension_count = input.isLeftOut ? Int32(CT_LEFT_OUT) : Int32(input.shape.count)
      withUnsafeMutableBytes(of: &view.dimensions) { raw in
        let dimensions = raw.bindMemory(to: Int64.self)
        for (index, size) in input.shape.enumerated() { dimensions[index] = Int64(size) }
      }
      // The shim reads inputs and never writes them.
      view.data = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
      view.byte_count = bytes.count
      do throws(EngineError) {
        try withViews(of: inputs.dropFirst(), views + [view], body)
      } catch {
        failure = error
      }
    }
    input.elements.withUnsafeBytes { descend(input.elements.type.shimType, $0) }
    if let failure { throw failure }
  }

  private static func copy(_ tensor: ct_tensor, name: String?) -> HostTensor {
    let shape = withUnsafeBytes(of: tensor.dimensions) { raw in
      raw.bindMemory(to: Int64.self).prefix(Int(tensor.dimension_count)).map { Int($0) }
    }
    let bytes = UnsafeRawBufferPointer(start: tensor.data, count: tensor.byte_count)
    let type = ElementType(tensor.dtype)
    let elements = HostTensor.Element(type, count: bytes.count / type.byteSize) { $0.copyMemory(from: bytes) }
    return HostTensor(shape: shape, elements: elements, name: name)
  }
}

extension ModelArgument {
  fileprivate init(_ argument: ct_argument, _ hints: [TensorHint]) {
    let kind: Kind =
      switch argument.kind {
      case CT_ARGUMENT_TENSOR: .tensor
      case CT_ARGUMENT_INT: .integer
      case CT_ARGUMENT_FLOAT: .float
      case CT_ARGUMENT_BOOL: .bool
      case CT_ARGUMENT_INTS: .integers
      case CT_ARGUMENT_FLOATS: .floats
      case CT_ARGUMENT_BOOLS: .bools
      case CT_ARGUMENT_TENSORS: .tensors
      case CT_ARGUMENT_TUPLE: .tuple(Int(argument.tuple_count))
      case CT_ARGUMENT_DICT: .dictionary
      default: .other
      }
    self.init(
      name: String(cString: argument.name), type: String(cString: argument.type), kind: kind,
      isOptional: argument.can_be_left_out != 0, hints: hints)
  }
}

extension TensorHint {
  fileprivate init(_ hint: ct_hint) {
    self.init()
    role =
      switch hint.role {
      case CT_ROLE_TRUTHS: .truths
      case CT_ROLE_PLACES: .places
      case CT_ROLE_LENGTHS: .lengths
      case CT_ROLE_STARTS: .starts
      case CT_ROLE_IDS: .ids
      default: .values
      }
    rows = Int(hint.index_count)
    dimensions = Int(hint.dimension_count)
    askedDimensions = Int(hint.asked_dimension_count)
    rowDimension = Int(hint.row_dimension)
    measuredDimension = Int(hint.measured_dimension)
    first = Int(hint.first_size)
    second = Int(hint.second_size)
    last = Int(hint.last_size)
    type = hint.has_type == 0 ? nil : ElementType(hint.type)
  }
}

extension ElementType {
  /// The shim gives answers in half precision as float32, so that a type it does not name is that.
  fileprivate init(_ shimType: ct_dtype) { self = Self.allCases.first { $0.shimType == shimType } ?? .float32 }

  fileprivate var shimType: ct_dtype {
    switch self {
    case .float32: CT_FLOAT32
    case .int64: CT_INT64
    case .int32: CT_INT32
    case .bool: CT_BOOL
    case .float64: CT_FLOAT64
    case .int16: CT_INT16
    case .int8: CT_INT8
    case .uint8: CT_UINT8
    case .float16: CT_FLOAT16
    case .bfloat16: CT_BFLOAT16
    }
  }
}
