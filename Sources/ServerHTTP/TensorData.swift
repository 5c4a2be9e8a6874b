import Engine
import Serving

/// Reads the `data` of a tensor: numbers, flat or in lists of its shape, straight into an array of its type.
enum TensorData {
  /// - Throws: `JSONError` where there are more or fewer elements than the shape asks for, one is of another type or
  ///   beyond the type's range, or nested lists are not of the tensor's shape.
  static func read(
    _ reader: inout JSONReader, _ datatype: TensorDatatype, shape: [Int], count: Int
  ) throws(JSONError) -> HostTensor.Element {
    func list<Value>(
      _ one: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> [Value] { try elements(&reader, shape: shape, count: count, one) }

    switch datatype {
    case .bool: return .bool(try list { (reader) throws(JSONError) in try truth(&reader) })
    case .uint8: return .uint8(try list { (reader) throws(JSONError) in try integer(&reader) })
    case .int8: return .int8(try list { (reader) throws(JSONError) in try integer(&reader) })
    case .int16: return .int16(try list { (reader) throws(JSONError) in try integer(&reader) })
    case .int32: return .int32(try list { (reader) throws(JSONError) in try integer(&reader) })
    case .int64: return .int64(try list { (reader) throws(JSONError) in try reader.readInteger() })
    // libtorch has no unsigned types beyond one byte.
    case .uint16:
      return .int32(try list { (reader) throws(JSONError) in Int32(try integer(&reader) as UInt16) })
    case .uint32:
      return .int64(try list { (reader) throws(JSONError) in Int64(try integer(&reader) as UInt32) })
    case .uint64:
      return .int64(
        try list { (reader) throws(JSONError) in
          let value = try reader.readUnsigned()
          guard let value = Int64(exactly: value) else { throw reader.error(InferenceError.beyondInt64.message) }
          return value
        })
    case .fp32:
      return .float32(
        try list { (reader) throws(JSONError) in
          let wide = try reader.readFloat()
          let value = Float(wide)
          guard value.isFinite || !wide.isFinite else { throw reader.error("a number is beyond the range of FP32") }
          return value
        })
    case .fp64: return .float64(try list { (reader) throws(JSONError) in try reader.readFloat() })
    case .fp16, .bf16: throw reader.error("\(datatype.rawValue) can be sent in the binary form only")
    case .bytes: throw reader.error(InferenceError.bytesTensor.message)
    }
  }

  private static func integer<Value: FixedWidthInteger>(_ reader: inout JSONReader) throws(JSONError) -> Value {
    let wide = try reader.readInteger()
    guard let value = Value(exactly: wide) else { throw reader.error("\(wide) is beyond the range of the datatype") }
    return value
  }

  private static func truth(_ reader: inout JSONReader) throws(JSONError) -> UInt8 {
    if try reader.peek() == .bool { return try reader.readBool() ? 1 : 0 }
    let value = try reader.readInteger()
    guard value == 0 || value == 1 else { throw reader.error("\(value) is not a truth value") }
    return UInt8(value)
  }

  /// Walks the lists without recursion.
  private static func elements<Value>(
    _ reader: inout JSONReader, shape: [Int], count: Int, _ one: (inout JSONReader) throws(JSONError) -> Value
  ) throws(JSONError) -> [Value] {
    var values: [Value] = []
    // A shape may promise more than the body can hold.
    values.reserveCapacity(min(count, 1 << 16))
    /// Elements so far of each open list, the outermost first.
    var counts = [0]
    var leafDepth: Int?
    try reader.openArray()
    while let depth = counts.indices.last {
      guard try reader.nextElement(isFirst: counts[depth] == 0) else {
        reader.closeArray()
        // A flat list is of any shape; nested ones must be the tensor's own.
        if counts.count > 1 || leafDepth != 0, count > 0 {
          guard depth < shape.count, counts[depth] == shape[depth] else {
            throw reader.error("a list of \(counts[depth]) does not fit the shape \(shape)")
          }
        }
        counts.removeLast()
        continue
      }
      counts[depth] += 1
      if try reader.peekValue() == .array {
        guard counts.count < max(1, shape.count) else { throw reader.error("lists lie deeper than the shape \(shape)") }
        try reader.openArray()
        counts.append(0)
        continue
      }
      guard leafDepth ?? depth == depth, depth == 0 || depth == shape.count - 1 else {
        throw reader.error("values and lists do not fit the shape \(shape)")
      }
      leafDepth = depth
      guard values.count < count else { throw reader.error("there are more than the \(count) values of the shape") }
      values.append(try one(&reader))
    }
    guard values.count == count else {
      throw reader.error("has \(values.count) values; its shape asks for \(count)")
    }
    return values
  }
}
