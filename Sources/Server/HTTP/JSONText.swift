/// Builds small JSON answers as bytes: on the path of every request, where an encoder's reflection would show.
struct JSONText {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

  mutating func raw(_ text: StaticString) {
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }

  mutating func number(_ value: Int) { bytes.append(contentsOf: String(value).utf8) }

  /// The shortest text that reads back as the same float; JSON has no infinity and no NaN, they become null.
  mutating func number(_ value: Float) {
    if value.isFinite { bytes.append(contentsOf: value.description.utf8) } else { raw("null") }
  }

  mutating func number(_ value: Double) {
    if value.isFinite { bytes.append(contentsOf: value.description.utf8) } else { raw("null") }
  }

  /// A flat list of a tensor's values.
  mutating func elements(_ elements: HostTensor.Element) {
    switch elements {
    case .float32(let values): list(values) { $0.number($1) }
    case .float64(let values): list(values) { $0.number($1) }
    case .int64(let values): list(values) { $0.number(Int($1)) }
    case .int32(let values): list(values) { $0.number(Int($1)) }
    case .bool(let values): list(values) { $0.raw($1 == 0 ? "false" : "true") }
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
