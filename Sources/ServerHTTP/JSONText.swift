import Engine
import PlannerCore

/// Builds small JSON answers as bytes: on the path of every request, where an encoder's reflection would show.
///
/// Objects are written member by member, in order; the writer sets braces, quotes, colons and commas. Keys are the
/// program's own and need no escapes.
package struct JSONText {
  package private(set) var bytes: [UInt8] = []
  /// Whether the innermost open object or list has no member yet.
  private var isFirst = true

  package init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

  /// A whole answer that is one object.
  package init(capacity: Int = 256, object write: (inout JSONText) -> Void) {
    self.init(capacity: capacity)
    object(write)
  }

  // MARK: Objects

  /// A value that is an object, whose members `write` adds.
  mutating func object(_ write: (inout JSONText) -> Void) {
    open("{")
    write(&self)
    close("}")
  }

  /// The name of the next member; its value must follow.
  package mutating func key(_ name: String) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: name.utf8)
    bytes.append(contentsOf: "\":".utf8)
  }

  mutating func member(_ key: String, _ text: String) {
    self.key(key)
    string(text)
  }

  mutating func member(_ key: String, _ number: some BinaryInteger) {
    self.key(key)
    self.number(number)
  }

  mutating func member(_ key: String, _ write: (inout JSONText) -> Void) {
    self.key(key)
    object(write)
  }

  mutating func member<Element>(
    _ key: String, list elements: some Sequence<Element>, _ write: (inout JSONText, Element) -> Void
  ) {
    self.key(key)
    list(elements, write)
  }

  // MARK: Values

  package mutating func number(_ value: some BinaryInteger) { bytes.append(contentsOf: String(value).utf8) }

  /// The shortest text that reads back as the same number. JSON has no infinity and no NaN: they are written as
  /// `Infinity`, `-Infinity` and `NaN`, which Python's reader and Triton's and KServe's clients understand.
  package mutating func number(_ value: Double) {
    let text = value.isFinite ? value.description : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
    bytes.append(contentsOf: text.utf8)
  }

  package mutating func bool(_ value: Bool) { bytes.append(contentsOf: (value ? "true" : "false").utf8) }

  /// A span that is not negative as seconds with nine digits after the point, which is all of it.
  package mutating func seconds(_ span: Nanoseconds) { span.appendSeconds(to: &bytes) }

  /// A flat list of a tensor's values.
  package mutating func elements(_ elements: HostTensor.Element) {
    switch elements {
    case .float32(let values): FloatText.append(values, to: &bytes)
    case .float64(let values): list(values) { $0.number($1) }
    case .int64(let values): list(values) { $0.number($1) }
    case .int32(let values): list(values) { $0.number($1) }
    case .int16(let values): list(values) { $0.number($1) }
    case .int8(let values): list(values) { $0.number($1) }
    case .uint8(let values): list(values) { $0.number($1) }
    case .bool(let values): list(values) { $0.bool($1 != 0) }
    case .float16(let values): FloatText.append(values.map(HalfFloat.value(float16:)), to: &bytes)
    case .bfloat16(let values): FloatText.append(values.map(HalfFloat.value(bfloat16:)), to: &bytes)
    }
  }

  /// Quoted and escaped (RFC 8259, section 7).
  package mutating func string(_ text: some StringProtocol) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  package mutating func list<Element>(_ elements: some Sequence<Element>, _ write: (inout JSONText, Element) -> Void) {
    open("[")
    for element in elements {
      separate()
      write(&self, element)
    }
    close("]")
  }

  // MARK: Signs

  private mutating func open(_ sign: Unicode.Scalar) {
    bytes.append(UInt8(ascii: sign))
    isFirst = true
  }

  private mutating func close(_ sign: Unicode.Scalar) {
    bytes.append(UInt8(ascii: sign))
    isFirst = false
  }

  private mutating func separate() {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
  }
}

/// The values of 16-bit floats, from their bits.
enum HalfFloat {
  static func value(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// IEEE 754 binary16.
  static func value(float16 bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Float(bits & 0x3FF) / 1024
    switch exponent {
    case 0: return sign * fraction * 0x1p-14
    case 0x1F: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction)
    }
  }
}
