/// Reads `application/x-www-form-urlencoded` text: a query string or the body of a form.
package enum QueryString {
  /// The decoded value of the last field called `name`, as the guidance's server takes it; nil where there is none.
  ///
  /// `+` is a space. A percent sign that starts no escape stands for itself, as browsers and Python read it.
  package static func value(_ name: String, in text: some StringProtocol) -> String? {
    var value: String?
    for field in text.utf8.split(separator: UInt8(ascii: "&")) {
      let parts = field.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let key = parts.first, decode(key) == name else { continue }
      value = parts.count > 1 ? decode(parts[1]) : ""
    }
    return value
  }

  /// Bytes that are not UTF-8 become U+FFFD.
  package static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = true) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index != bytes.endIndex {
      let byte = bytes[index]
      bytes.formIndex(after: &index)
      if byte == UInt8(ascii: "%"), let first = bytes[index...].first, let high = ASCII.hexValue(first),
        let second = bytes[index...].dropFirst().first, let low = ASCII.hexValue(second)
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
