import Engine

/// Element types of the Open Inference Protocol; the raw value is the wire's name.
package enum TensorDatatype: String, CaseIterable, Sendable {
  case bool = "BOOL"
  case uint8 = "UINT8"
  case uint16 = "UINT16"
  case uint32 = "UINT32"
  case uint64 = "UINT64"
  case int8 = "INT8"
  case int16 = "INT16"
  case int32 = "INT32"
  case int64 = "INT64"
  case fp16 = "FP16"
  case bf16 = "BF16"
  case fp32 = "FP32"
  case fp64 = "FP64"
  case bytes = "BYTES"

  /// Bytes of one element in the binary form; nil for strings, which have their length before them.
  package var byteSize: Int? {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .fp16, .bf16: 2
    case .uint32, .int32, .fp32: 4
    case .uint64, .int64, .fp64: 8
    case .bytes: nil
    }
  }

  /// The protocol's name of a type that libtorch has.
  package init(_ type: ElementType) {
    self =
      switch type {
      case .float32: .fp32
      case .int64: .int64
      case .int32: .int32
      case .bool: .bool
      case .float64: .fp64
      case .int16: .int16
      case .int8: .int8
      case .uint8: .uint8
      case .float16: .fp16
      case .bfloat16: .bf16
      }
  }

  /// libtorch's type of the same elements; nil where it has none.
  package var elementType: ElementType? { ElementType.allCases.first { TensorDatatype($0) == self } }
}

extension HostTensor.Element {
  /// The protocol's type of these elements.
  package var datatype: TensorDatatype { TensorDatatype(type) }

  /// Reads the protocol's binary form: row major, little-endian, without gaps, as every processor that this program
  /// is built for has it in memory. Unsigned integers that libtorch lacks become the next wider signed type.
  ///
  /// - Parameter bytes: exactly `count` elements; they need not be aligned.
  /// - Throws: `InferenceError` (`invalidArgument`) that says what is wrong, without the tensor's name.
  package init(
    _ datatype: TensorDatatype, littleEndian bytes: UnsafeRawBufferPointer, count: Int
  ) throws(InferenceError) {
    guard let byteSize = datatype.byteSize else { throw InferenceError.bytesTensor }
    let (expected, overflow) = count.multipliedReportingOverflow(by: byteSize)
    guard !overflow, expected == bytes.count else {
      throw InferenceError(
        .invalidArgument, "has \(bytes.count) bytes; \(count) elements of \(datatype.rawValue) take \(expected)")
    }
    if let type = datatype.elementType {
      guard type != .bool || bytes.allSatisfy({ $0 <= 1 }) else {
        throw InferenceError(.invalidArgument, "has a truth value that is neither 0 nor 1")
      }
      self.init(type, count: count) { $0.copyMemory(from: bytes) }
      return
    }
    switch datatype {
    case .uint16: self = .int32((Self.copy(bytes, count) as [UInt16]).map { Int32($0) })
    case .uint32: self = .int64((Self.copy(bytes, count) as [UInt32]).map { Int64($0) })
    case .uint64:
      let values: [UInt64] = Self.copy(bytes, count)
      guard values.allSatisfy({ $0 <= UInt64(Int64.max) }) else { throw InferenceError.beyondInt64 }
      self = .int64(values.map { Int64($0) })
    default: throw InferenceError.bytesTensor
    }
  }

  private static func copy<Value: BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, _ count: Int) -> [Value] {
    Array(unsafeUninitializedCapacity: count) { memory, initialized in
      UnsafeMutableRawBufferPointer(memory).copyMemory(from: bytes)
      initialized = count
    }
  }
}
