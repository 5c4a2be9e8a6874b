/// Types of a tensor's elements that libtorch has.
package enum ElementType: CaseIterable, Sendable {
  case float32, int64, int32
  /// One byte an element, 0 or 1.
  case bool
  case float64, int16, int8, uint8
  /// 16-bit floats of IEEE 754 and with the exponent of a float32.
  case float16, bfloat16

  /// Bytes of one element.
  package var byteSize: Int {
    switch self {
    case .bool, .int8, .uint8: 1
    case .int16, .float16, .bfloat16: 2
    case .float32, .int32: 4
    case .float64, .int64: 8
    }
  }
}

/// A dense, row-major tensor in memory of the process.
package struct HostTensor: Sendable, Equatable {
  /// A tensor's elements. What moves them without regard to their values works on their memory, by `type`,
  /// `withUnsafeBytes` and `init(_:count:fill:)`; what reads values takes the array of the type.
  package enum Element: Sendable, Equatable {
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

    /// Elements of a type whose memory `fill` writes, all of it, in the processor's byte order.
    package init(_ type: ElementType, count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
      func array<Value: BitwiseCopyable>() -> [Value] {
        Array(unsafeUninitializedCapacity: count) { memory, initialized in
          fill(UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: memory[..<count])))
          initialized = count
        }
      }
      switch type {
      case .float32: self = .float32(array())
      case .int64: self = .int64(array())
      case .int32: self = .int32(array())
      case .bool: self = .bool(array())
      case .float64: self = .float64(array())
      case .int16: self = .int16(array())
      case .int8: self = .int8(array())
      case .uint8: self = .uint8(array())
      case .float16: self = .float16(array())
      case .bfloat16: self = .bfloat16(array())
      }
    }

    package var type: ElementType {
      switch self {
      case .float32: .float32
      case .int64: .int64
      case .int32: .int32
      case .bool: .bool
      case .float64: .float64
      case .int16: .int16
      case .int8: .int8
      case .uint8: .uint8
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    }

    /// Number of the elements.
    package var count: Int { byteCount / type.byteSize }

    /// Bytes of all elements.
    package var byteCount: Int { withUnsafeBytes { $0.count } }

    /// Calls `body` with the elements' memory, in the processor's byte order.
    @inlinable package func withUnsafeBytes<Result, Failure: Error>(
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

  package var shape: [Int]
  package var elements: Element
  /// What the model calls an output; nil where it does not say, and of inputs.
  package var name: String?

  package init(shape: [Int], elements: Element, name: String? = nil) {
    self.shape = shape
    self.elements = elements
    self.name = name
  }

  /// Stands for an input that is left out of a run: no tensor has neither dimension nor element.
  package static let leftOut = HostTensor(shape: [], elements: .bool([]))

  /// Whether it stands for an input that is left out.
  package var isLeftOut: Bool { shape.isEmpty && elements.byteCount == 0 }
}

extension Array {
  /// `withUnsafeBytes` with a typed error.
  @inlinable package func withRawMemory<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeBufferPointer { (memory) throws(Failure) in try body(UnsafeRawBufferPointer(memory)) }
  }
}
