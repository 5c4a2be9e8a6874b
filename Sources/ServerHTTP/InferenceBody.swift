import Engine
import NIOCore
import PlannerCore
import Serving

/// The body of an inference request: JSON, and after it the bytes of those tensors that come in the binary form.
///
/// Two forms of JSON are read: the Open Inference Protocol's, and for models of token ids the short
/// `{"input_ids": [[…]], "attention_mask": …, "token_type_ids": …}`.
package struct InferenceBody: Sendable {
  package struct Output: Hashable, Sendable {
    package var name: String
    /// Whether the output is wanted in binary; nil where the request decides it for all outputs.
    package var isBinary: Bool?

    package init(name: String, isBinary: Bool?) {
      self.name = name
      self.isBinary = isBinary
    }
  }

  package var id: String?
  package var inputs: [NamedTensor] = []
  /// Outputs that are wanted; nil stands for all.
  package var outputs: [Output]?
  package var wantsBinaryOutputs = false
  /// Where the answer's time went is to be in its `parameters`.
  package var wantsTimings = false
  /// Triton's level, 1 first; 0 the default.
  package var priorityLevel: UInt64 = 0
  package var timeoutMicroseconds: UInt64?

  /// - Parameters:
  ///   - body: all of it.
  ///   - jsonBytes: value of `Inference-Header-Content-Length`; nil where all of the body is JSON.
  /// - Throws: `InferenceError` (`invalidArgument`).
  package init(_ body: ByteBuffer, jsonBytes: Int? = nil) throws(InferenceError) {
    let result = body.withUnsafeReadableBytes { Self.read($0, jsonBytes: jsonBytes) }
    self = try result.get()
  }

  /// Triton's raw binary request: nothing but the bytes of the model's one input, which is one row of them. The answer
  /// is in bytes too.
  ///
  /// - Throws: `InferenceError` (`invalidArgument`) that names the input.
  package init(raw body: ByteBuffer, of input: TensorMetadata) throws(InferenceError) {
    func problem(_ sentence: String) -> InferenceError { InferenceError(.invalidArgument, sentence).about(input.name) }
    let datatype = input.datatype
    guard let size = datatype.byteSize else { throw InferenceError.bytesTensor.about(input.name) }
    guard 1...2 ~= input.shape.count else {
      throw problem("has \(input.shape.count) dimensions, whose sizes only a request with JSON can tell")
    }
    let count = body.readableBytes / size
    let elements = body.withUnsafeReadableBytes { bytes in
      Result { () throws(InferenceError) in try HostTensor.Element(datatype, littleEndian: bytes, count: count) }
    }
    self.init()
    do throws(InferenceError) {
      inputs = [
        NamedTensor(
          name: input.name, datatype: datatype, shape: input.shape.count == 1 ? [count] : [1, count],
          elements: try elements.get())
      ]
    } catch {
      throw error.about(input.name)
    }
    wantsBinaryOutputs = true
  }

  private static func read(
    _ bytes: UnsafeRawBufferPointer, jsonBytes: Int?
  ) -> Result<InferenceBody, InferenceError> {
    Result { () throws(InferenceError) in
      let length = jsonBytes ?? bytes.count
      guard 0...bytes.count ~= length else {
        throw InferenceError(
          .invalidArgument, "Inference-Header-Content-Length: \(length) is not within the body's \(bytes.count) bytes")
      }
      var parser = InferenceBodyParser()
      let json = UnsafeRawBufferPointer(rebasing: bytes[..<length])
      do throws(JSONError) {
        try parser.read(json)
      } catch {
        throw InferenceError(
          .invalidArgument, "the body is not as it should be at byte \(error.offset): \(error.message)")
      }
      return try parser.finish(binary: UnsafeRawBufferPointer(rebasing: bytes[length...]), isExtended: jsonBytes != nil)
    }
  }
}

/// Fills an `InferenceBody` as its JSON is read.
private struct InferenceBodyParser {
  var body = InferenceBody()
  private var tensors: [RawTensor] = []
  private var hasInputs = false

  /// One element of `inputs`.
  private struct RawTensor {
    var name: String?
    var datatype: TensorDatatype?
    var shape: [Int]?
    var count: Int?
    var elements: HostTensor.Element?
    /// Where the data stand, if they came before what they are to be read as.
    var dataOffset: Int?
    var binarySize: Int?
  }

  mutating func read(_ json: UnsafeRawBufferPointer) throws(JSONError) {
    var reader = JSONReader(json)
    try reader.readObject { (reader, name) throws(JSONError) in
      if try Self.isAbsent(&reader) { return }
      switch name {
      case "id": body.id = try reader.readString()
      case "inputs":
        hasInputs = true
        try reader.readArray { (reader) throws(JSONError) in
          guard tensors.count < InputCheck.mostTensors else { throw reader.error("there are too many inputs") }
          tensors.append(try Self.tensor(&reader, json))
        }
      case "outputs": body.outputs = try Self.outputs(&reader)
      case "parameters": try readParameters(&reader)
      case TokenInputNames.ids, TokenInputNames.mask, TokenInputNames.types:
        tensors.append(try Self.matrix(&reader, name))
      default: try reader.skipValue()
      }
    }
    try reader.finish()
  }

  /// Passes over null, which some clients write where others write nothing.
  private static func isAbsent(_ reader: inout JSONReader) throws(JSONError) -> Bool {
    guard try reader.peek() == .null else { return false }
    try reader.readNull()
    return true
  }

  private mutating func readParameters(_ reader: inout JSONReader) throws(JSONError) {
    try reader.readObject { (reader, name) throws(JSONError) in
      if try Self.isAbsent(&reader) { return }
      switch name {
      case "priority": body.priorityLevel = try reader.readUnsigned()
      case "timeout": body.timeoutMicroseconds = try reader.readUnsigned()
      case "binary_data_output": body.wantsBinaryOutputs = try reader.readBool()
      case "timings": body.wantsTimings = try reader.readBool()
      // Models here keep nothing from one request to the next: a sequence is a row of requests.
      case "sequence_start", "sequence_end": _ = try reader.readBool()
      case "sequence_id":
        if try reader.peek() == .string { _ = try reader.readString() } else { _ = try reader.readUnsigned() }
      default: try reader.skipValue()
      }
    }
  }

  // MARK: Tensors

  private static func tensor(
    _ reader: inout JSONReader, _ json: UnsafeRawBufferPointer
  ) throws(JSONError) -> RawTensor {
    var tensor = RawTensor()
    try reader.readObject { (reader, name) throws(JSONError) in
      if try isAbsent(&reader) { return }
      switch name {
      case "name": tensor.name = try reader.readString()
      case "datatype":
        let text = try reader.readString()
        guard let datatype = TensorDatatype(rawValue: text) else {
          throw reader.error("datatype '\(text.prefix(40))' is none of the protocol's")
        }
        tensor.datatype = datatype
      case "shape":
        let shape = try self.shape(&reader)
        guard let count = InputCheck.elementCount(shape) else {
          throw reader.error("shape \(shape.prefix(9)) has too many or too large dimensions")
        }
        (tensor.shape, tensor.count) = (shape, count)
      case "data":
        if let datatype = tensor.datatype, let shape = tensor.shape, let count = tensor.count {
          tensor.elements = try TensorData.read(&reader, datatype, shape: shape, count: count)
        } else {
          _ = try reader.peek()
          tensor.dataOffset = reader.position
          try reader.skipValue(allowsNonFinite: true)
        }
      case "parameters":
        try reader.readObject { (reader, name) throws(JSONError) in
          switch name {
          case "binary_data_size": tensor.binarySize = Int(clamping: try reader.readUnsigned())
          case "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size":
            throw reader.error("shared memory is not supported")
          default: try reader.skipValue()
          }
        }
      default: try reader.skipValue()
      }
    }
    if let offset = tensor.dataOffset, let datatype = tensor.datatype, let shape = tensor.shape,
      let count = tensor.count
    {
      var again = JSONReader(json, at: offset)
      tensor.elements = try TensorData.read(&again, datatype, shape: shape, count: count)
    }
    return tensor
  }

  private static func shape(_ reader: inout JSONReader) throws(JSONError) -> [Int] {
    var shape: [Int] = []
    try reader.readArray { (reader) throws(JSONError) in
      guard shape.count < 9 else { throw reader.error("a shape has too many dimensions") }
      shape.append(Int(try reader.readInteger()))
    }
    return shape
  }

  private static func outputs(_ reader: inout JSONReader) throws(JSONError) -> [InferenceBody.Output] {
    var outputs: [InferenceBody.Output] = []
    try reader.readArray { (reader) throws(JSONError) in
      guard outputs.count < InputCheck.mostTensors else { throw reader.error("there are too many outputs") }
      var name: String?
      var isBinary: Bool?
      try reader.readObject { (reader, key) throws(JSONError) in
        if try isAbsent(&reader) { return }
        switch key {
        case "name": name = try reader.readString()
        case "parameters":
          try reader.readObject { (reader, key) throws(JSONError) in
            switch key {
            case "binary_data": isBinary = try reader.readBool()
            case "classification":
              guard try reader.readUnsigned() == 0 else { throw reader.error("classification is not supported") }
            case "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size":
              throw reader.error("shared memory is not supported")
            default: try reader.skipValue()
            }
          }
        default: try reader.skipValue()
        }
      }
      guard let name else { throw reader.error("an output has no name") }
      outputs.append(InferenceBody.Output(name: name, isBinary: isBinary))
    }
    return outputs
  }

  /// Whole numbers in rows of one length; a single row may be written flat.
  private static func matrix(_ reader: inout JSONReader, _ name: String) throws(JSONError) -> RawTensor {
    var values: [Int64] = []
    var width: Int?
    var rows = 0
    var isNested: Bool?
    try reader.readArray { (reader) throws(JSONError) in
      let nested = try reader.peek() == .array
      guard isNested ?? nested == nested else { throw reader.error("\(name): mixes numbers and rows") }
      isNested = nested
      guard nested else { return values.append(try reader.readInteger()) }
      let before = values.count
      try reader.readArray { (reader) throws(JSONError) in values.append(try reader.readInteger()) }
      guard width ?? (values.count - before) == values.count - before else {
        throw reader.error("\(name): has no rows of one length")
      }
      width = values.count - before
      rows += 1
    }
    guard !values.isEmpty else { throw reader.error("\(name): is empty") }
    let shape = isNested == true ? [rows, width ?? 0] : [1, values.count]
    return RawTensor(name: name, datatype: .int64, shape: shape, count: values.count, elements: .int64(values))
  }

  // MARK: Binary form

  /// Gives each tensor its bytes, in the order in which the JSON names them.
  mutating func finish(binary: UnsafeRawBufferPointer, isExtended: Bool) throws(InferenceError) -> InferenceBody {
    var rest = binary[...]
    for (index, tensor) in tensors.enumerated() {
      guard let name = tensor.name else { throw InferenceError(.invalidArgument, "inputs[\(index)]: name is missing") }
      guard let datatype = tensor.datatype else { throw Self.missing("datatype", name) }
      guard let shape = tensor.shape, let count = tensor.count else { throw Self.missing("shape", name) }
      var elements = tensor.elements
      if let size = tensor.binarySize {
        guard elements == nil else {
          throw InferenceError(.invalidArgument, "has both data and binary_data_size").about(name)
        }
        guard isExtended else {
          throw InferenceError(
            .invalidArgument, "has binary_data_size; the header Inference-Header-Content-Length is missing"
          ).about(name)
        }
        guard size <= rest.count else {
          throw InferenceError(
            .invalidArgument, "binary_data_size is \(size); the body has \(rest.count) bytes left"
          ).about(name)
        }
        do throws(InferenceError) {
          elements = try HostTensor.Element(
            datatype, littleEndian: UnsafeRawBufferPointer(rebasing: rest.prefix(size)), count: count)
        } catch {
          throw error.about(name)
        }
        rest = rest.dropFirst(size)
      }
      guard let elements else { throw Self.missing("data", name) }
      body.inputs.append(NamedTensor(name: name, datatype: datatype, shape: shape, elements: elements))
    }
    guard rest.isEmpty else {
      throw InferenceError(.invalidArgument, "\(rest.count) bytes follow those of the last tensor")
    }
    return body
  }

  private static func missing(_ what: String, _ tensor: String) -> InferenceError {
    InferenceError(.invalidArgument, "\(what) is missing").about(tensor)
  }
}

extension InferenceBody {
  fileprivate init() {}
}
