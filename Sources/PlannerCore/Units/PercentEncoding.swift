/// Percent-encoding of text in addresses (RFC 3986, section 2): the one encoder and the one decoder of the project.
public enum PercentEncoding {
  /// One segment of a path, or a name or value of a query: all bytes but those of unreserved characters (letters,
  /// digits, `-._~`) become a percent sign and two upper-case hexadecimal digits, as Signature Version 4 wants it.
  public static func component(_ text: String) -> String { encode(text) { _ in false } }

  /// A path of several segments: as `component`, but slashes stay.
  public static func path(_ text: String) -> String { encode(text) { $0 == UInt8(ascii: "/") } }

  private static func encode(_ text: String, keeping isKept: (UInt8) -> Bool) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        bytes.append(byte)
      case _ where isKept(byte): bytes.append(byte)
      default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The text that encoded bytes stand for. A percent sign that starts no escape stands for itself, as browsers and
  /// Python read it; bytes that are not UTF-8 become U+FFFD.
  ///
  /// - Parameter plusIsSpace: as in `application/x-www-form-urlencoded`.
  @inlinable public static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = false) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index != bytes.endIndex {
      let byte = bytes[index]
      bytes.formIndex(after: &index)
      if byte == UInt8(ascii: "%"), let first = bytes[index...].first, let high = HexDigit.value(first),
        let second = bytes[index...].dropFirst().first, let low = HexDigit.value(second)
      {
        decoded.append(high << 4 | low)
        bytes.formIndex(&index, offsetBy: 2)
      } else {
        decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: decoded, as: UTF8.self)
  }
}

/// Hexadecimal digits in ASCII.
public enum HexDigit {
  /// 0 to 15; nil for a byte that is no digit. Upper and lower case count alike.
  @inlinable public static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
