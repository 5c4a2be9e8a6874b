/// A dense, row-major tensor in memory of the process.
public struct HostTensor: Sendable, Equatable {
  public enum Element: Sendable, Equatable {
    case float32([Float])
    case int64([Int64])
    case int32([Int32])
    /// One byte an element, 0 or 1.
    case bool([UInt8])
    case float64([Double])
    case int16([Int16])
    case int8([Int8])
    case uint8([UInt8])
    /// Bit patterns: Swift has no such type on every processor.
    case float16([UInt16])
    case bfloat16([UInt16])

    public var count: Int {
      switch self {
      case .float32(let values): values.count
      case .int64(let values): values.count
      case .int32(let values): values.count
      case .bool(let values), .uint8(let values): values.count
      case .float64(let values): values.count
      case .int16(let values): values.count
      case .int8(let values): values.count
      case .float16(let values), .bfloat16(let values): values.count
      }
    }

    /// The Open Inference Protocol's name of the element type.
    public var openInferenceType: String { datatype.rawValue }

    /// Calls `body` with the elements' memory, in the processor's byte order.
    public func withUnsafeBytes<Result, Failure: Error>(
      _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      switch self {
      case .float32(let values): try values.withRawMemory(body)
      case .int64(let values): try values.withRawMemory(body)
      case .int32(let values): try values.withRawMemory(body)
      case .bool(let values), .uint8(let values): try values.withRawMemory(body)
      case .float64(let values): try values.withRawMemory(body)
      case .int16(let values): try values.withRawMemory(body)
      case .int8(let values): try values.withRawMemory(body)
      case .float16(let values), .bfloat16(let values): try values.withRawMemory(body)
      }
    }
  }

  public var shape: [Int]
  public var elements: Element

  public init(shape: [Int], elements: Element) {
    self.shape = shape
    self.elements = elements
  }
}

extension Array {
  /// `withUnsafeBytes` with a typed error.
  fileprivate func withRawMemory<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeBufferPointer { (memory) throws(Failure) in try body(UnsafeRawBufferPointer(memory)) }
  }
}
