import CTorch
import PlannerCore

/// Builds small JSON answers as bytes: on the path of every request, where an encoder's reflection would show.
package struct JSONText {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

  mutating func raw(_ text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }

  /// As it is: for what needs no escape.
  mutating func text(_ text: some StringProtocol) { bytes.append(contentsOf: text.utf8) }

  mutating func number(_ value: some BinaryInteger) { bytes.append(contentsOf: String(value).utf8) }

  mutating func bool(_ value: Bool) { raw(value ? "true" : "false") }

  /// A span that is not negative as seconds with nine digits after the point, which is all of it.
  mutating func seconds(_ span: Nanoseconds) {
    let (whole, rest) = max(0, span.rawValue).quotientAndRemainder(dividingBy: 1_000_000_000)
    number(whole)
    raw(".")
    var divisor: Int64 = 100_000_000
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(rest / divisor % 10))
      divisor /= 10
    }
  }

  /// A flat list of the shortest texts that read back as the same floats. In one go: an answer's scores are most of it.
  private mutating func list(floats values: [Float]) {
    bytes.append(UInt8(ascii: "["))
    bytes += [UInt8](unsafeUninitializedCapacity: values.count * Int(CT_FLOAT_TEXT_CAPACITY)) { buffer, count in
      buffer.withMemoryRebound(to: CChar.self) { count = ct_floats_text(values, values.count, $0.baseAddress) }
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// The shortest text that reads back as the same number. JSON has no infinity and no NaN: they are written as
  /// `Infinity`, `-Infinity` and `NaN`, which Python's reader and Triton's and KServe's clients understand.
  mutating func number(_ value: Double) {
    if value.isFinite {
      bytes.append(contentsOf: value.description.utf8)
    } else if value.isNaN {
      raw("NaN")
    } else if value < 0 {
      raw("-Infinity")
    } else {
      raw("Infinity")
    }
  }

  /// A flat list of a tensor's values.
  package mutating func elements(_ elements: HostTensor.Element) {
    switch elements {
    case .float32(let values): list(floats: values)
    case .float64(let values): list(values) { $0.number($1) }
    case .int64(let values): list(values) { $0.number($1) }
    case .int32(let values): list(values) { $0.number($1) }
    case .int16(let values): list(values) { $0.number($1) }
    case .int8(let values): list(values) { $0.number($1) }
    case .uint8(let values): list(values) { $0.number($1) }
    case .bool(let values): list(values) { $0.bool($1 != 0) }
    case .float16(let values): list(floats: values.map(HalfFloat.value(float16:)))
    case .bfloat16(let values): list(floats: values.map(HalfFloat.value(bfloat16:)))
    }
  }

  /// Quoted and escaped (RFC 8259, section 7).
  mutating func string(_ text: some StringProtocol) {
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

  mutating func list<Element>(_ elements: some Sequence<Element>, _ write: (inout JSONText, Element) -> Void) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for element in elements {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      write(&self, element)
    }
    bytes.append(UInt8(ascii: "]"))
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
