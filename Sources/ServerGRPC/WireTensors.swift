import Engine
import Foundation
import OpenInferenceProtos
import PlannerCore
import ServerContract
import Serving

/// A request's tensors and parameters as the wire has them, and those of an answer.
extension InferenceRequest {
  /// - Parameter remainingSeconds: what is left of the call's own deadline; nil without one.
  /// - Throws: `InferenceError` (`invalidArgument`) that names the tensor or parameter.
  init(
    _ message: Inference_ModelInferRequest, remainingSeconds: Double?, arrival: Nanoseconds
  ) throws(InferenceError) {
    guard message.inputs.count <= InputCheck.mostTensors, message.outputs.count <= InputCheck.mostTensors else {
      throw InferenceError(.invalidArgument, "there are more than \(InputCheck.mostTensors) inputs or outputs")
    }
    let raw = message.rawInputContents
    guard raw.isEmpty || raw.count == message.inputs.count else {
      throw InferenceError(
        .invalidArgument,
        "raw_input_contents: has \(raw.count) entries for \(message.inputs.count) inputs")
    }
    var inputs: [NamedTensor] = []
    inputs.reserveCapacity(message.inputs.count)
    for (index, input) in message.inputs.enumerated() {
      inputs.append(try NamedTensor(input, raw: raw.isEmpty ? nil : raw[index]))
    }
    self.init(
      id: message.id.isEmpty ? nil : message.id,
      inputs: inputs, requestedOutputs: try message.outputs.map(Self.name), arrival: arrival)
    timeoutSeconds = remainingSeconds
    if let level = try message.parameters["priority"]?.wholeNumber("priority") {
      priority = Self.priority(level: level)
    }
    if let microseconds = try message.parameters["timeout"]?.wholeNumber("timeout"),
      microseconds > 0
    {
      timeoutSeconds = min(timeoutSeconds ?? .infinity, Double(microseconds) / 1e6)
    }
  }

  private static func name(
    _ output: Inference_ModelInferRequest.InferRequestedOutputTensor
  ) throws(InferenceError) -> String {
    try Inference_InferParameter.refuse(
      ["classification", "shared_memory_region"], in: output.parameters, output.name)
    return output.name
  }
}

extension Inference_InferParameter {
  /// Extensions that would change the answer's meaning cannot be passed over in silence.
  static func refuse(
    _ names: [String], in parameters: [String: Inference_InferParameter], _ tensor: String
  ) throws(InferenceError) {
    for name in names where parameters[name] != nil {
      throw InferenceError(.invalidArgument, "parameter '\(name)' is not supported by this server")
        .about(tensor)
    }
  }

  fileprivate func wholeNumber(_ name: String) throws(InferenceError) -> UInt64 {
    switch parameterChoice {
    case .uint64Param(let value): return value
    case .int64Param(let value) where value >= 0: return UInt64(value)
    default:
      throw InferenceError(
        .invalidArgument, "parameter '\(name)' is not a whole number of at least 0")
    }
  }

  var isTrue: Bool { parameterChoice == .boolParam(true) }
}

extension NamedTensor {
  fileprivate init(
    _ input: Inference_ModelInferRequest.InferInputTensor, raw: Data?
  ) throws(InferenceError) {
    guard let datatype = TensorDatatype(rawValue: input.datatype) else {
      throw InferenceError(
        .invalidArgument, "has no datatype of the protocol: '\(input.datatype.prefix(40))'"
      )
      .about(input.name)
    }
    try Inference_InferParameter.refuse(["shared_memory_region"], in: input.parameters, input.name)
    let shape = input.shape.map { Int($0) }
    guard let count = InputCheck.elementCount(shape) else {
      throw InferenceError(.invalidArgument, "has a shape with a negative or too large dimension")
        .about(input.name)
    }
    do throws(InferenceError) {
      let elements: HostTensor.Element
      if let raw {
        guard !input.hasContents else {
          throw InferenceError(
            .invalidArgument, "has contents beside the request's raw_input_contents")
        }
        elements = try Self.withBytes(of: raw) { (bytes) throws(InferenceError) in
          try HostTensor.Element(datatype, littleEndian: bytes, count: count)
        }
      } else {
        elements = try input.contents.elements(datatype)
      }
      self.init(name: input.name, datatype: datatype, shape: shape, elements: elements)
    } catch {
      throw error.about(input.name)
    }
  }

  /// `Data.withUnsafeBytes` with a typed error.
  private static func withBytes<Value>(
    of data: Data, _ body: (UnsafeRawBufferPointer) throws(InferenceError) -> Value
  ) throws(InferenceError) -> Value {
    let result: Result<Value, InferenceError> = data.withUnsafeBytes { bytes in
      do throws(InferenceError) { return .success(try body(bytes)) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}

extension Inference_InferTensorContents {
  /// The elements of a tensor that came as numbers; the field depends on the datatype.
  ///
  /// Unsigned integers that libtorch lacks become the next wider signed type, as in the binary form.
  fileprivate func elements(_ datatype: TensorDatatype) throws(InferenceError) -> HostTensor.Element {
    switch datatype {
    case .bool: return .bool(boolContents.map { $0 ? 1 : 0 })
    case .int8: return .int8(try Self.narrow(intContents, datatype))
    case .int16: return .int16(try Self.narrow(intContents, datatype))
    case .int32: return .int32(intContents)
    case .int64: return .int64(int64Contents)
    case .uint8: return .uint8(try Self.narrow(uintContents, datatype))
    case .uint16:
      return .int32((try Self.narrow(uintContents, datatype) as [UInt16]).map { Int32($0) })
    case .uint32: return .int64(uintContents.map { Int64($0) })
    case .uint64:
      guard uint64Contents.allSatisfy({ $0 <= UInt64(Int64.max) }) else {
        throw InferenceError.beyondInt64
      }
      return .int64(uint64Contents.map { Int64($0) })
    case .fp32: return .float32(fp32Contents)
    case .fp64: return .float64(fp64Contents)
    case .fp16, .bf16:
      throw InferenceError(
        .invalidArgument, "of datatype \(datatype.rawValue) can be sent in raw_input_contents only")
    case .bytes: throw InferenceError.bytesTensor
    }
  }

  private static func narrow<Wide: BinaryInteger, Narrow: FixedWidthInteger>(
    _ values: [Wide], _ datatype: TensorDatatype
  ) throws(InferenceError) -> [Narrow] {
    var narrow: [Narrow] = []
    narrow.reserveCapacity(values.count)
    for value in values {
      guard let value = Narrow(exactly: value) else {
        throw InferenceError(
          .invalidArgument, "has a number beyond the range of \(datatype.rawValue)")
      }
      narrow.append(value)
    }
    return narrow
  }
}

extension Inference_ModelInferResponse {
  /// Always with raw contents, as Triton answers, for requests of any form.
  init(_ answer: InferenceAnswer) {
    self.init()
    modelName = answer.modelName
    modelVersion = answer.modelVersion
    id = answer.id ?? ""
    outputs = answer.outputs.map { output in
      .with {
        $0.name = output.name
        $0.datatype = output.datatype.rawValue
        $0.shape = output.shape.map { Int64($0) }
      }
    }
    rawOutputContents = answer.outputs.map { output in output.elements.withUnsafeBytes { Data($0) }
    }
  }

  /// Says where the time went, in nanoseconds, in the answer's own parameters.
  package mutating func add(_ timings: AnswerTimings) {
    for part in timings.parts {
      parameters["\(part.name)_ns"] = .with { $0.int64Param = part.length.rawValue }
    }
    parameters["batch_size"] = .with { $0.int64Param = Int64(timings.batchSize) }
    parameters["variant"] = .with { $0.stringParam = timings.variant.rawValue }
  }
}
