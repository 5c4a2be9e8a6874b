/// Reads `application/x-www-form-urlencoded` text: a query string or the body of a form.
enum QueryString {
  /// The decoded value of the first field called `name`; nil where there is none.
  ///
  /// `+` is a space. A percent sign that starts no escape stands for itself, as browsers and Python read it.
  static func value(_ name: String, in text: some StringProtocol) -> String? {
    for field in text.utf8.split(separator: UInt8(ascii: "&")) {
      let parts = field.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let key = parts.first, decode(key) == name else { continue }
      return parts.count > 1 ? decode(parts[1]) : ""
    }
    return nil
  }

  /// Bytes that are not UTF-8 become U+FFFD.
  static func decode(_ bytes: some Collection<UInt8>) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index != bytes.endIndex {
      let byte = bytes[index]
      bytes.formIndex(after: &index)
      if byte == UInt8(ascii: "%"), let first = bytes[index...].first, let high = hexValue(first),
        let second = bytes[index...].dropFirst().first, let low = hexValue(second)
      {
        decoded.append(high << 4 | low)
        bytes.formIndex(&index, offsetBy: 2)
      } else {
        decoded.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: decoded, as: UTF8.self)
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
