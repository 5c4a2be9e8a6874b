/// What an answer 401 asks for: a scheme and parameters (RFC 9110, 11.6.1; token authentication as the distribution
/// project writes it).
package struct Challenge: Hashable, Sendable {
  /// Lower case: `basic` or `bearer`.
  package var scheme: String
  /// Names in lower case.
  package var parameters: [String: String] = [:]

  /// The first challenge of a header that this program can answer; nil where there is none.
  package init?(_ header: String) {
    for challenge in Self.all(header) where ["bearer", "basic"].contains(challenge.scheme) {
      self = challenge
      return
    }
    return nil
  }

  private init(scheme: String) { self.scheme = scheme }

  private static func all(_ header: String) -> [Challenge] {
    var found: [Challenge] = []
    var rest = Array(header.utf8)[...]
    func skip(_ bytes: String) { rest = rest.drop { bytes.utf8.contains($0) } }
    func word() -> String {
      let end = rest.firstIndex { " ,=\"\t".utf8.contains($0) } ?? rest.endIndex
      defer { rest = rest[end...] }
      return String(decoding: rest[..<end], as: UTF8.self).lowercased()
    }
    while true {
      skip(" ,\t")
      let name = word()
      if name.isEmpty { return found }
      skip(" \t")
      guard rest.first == UInt8(ascii: "=") else {
        found.append(Challenge(scheme: name))
        continue
      }
      rest = rest.dropFirst()
      skip(" \t")
      let value = rest.first == UInt8(ascii: "\"") ? quoted(&rest) : unquoted(&rest)
      if !found.isEmpty { found[found.count - 1].parameters[name] = value }
    }
  }

  private static func quoted(_ rest: inout ArraySlice<UInt8>) -> String {
    rest = rest.dropFirst()
    var text: [UInt8] = []
    while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
      // A backslash takes the next byte as it is.
      text.append(byte == UInt8(ascii: "\\") ? rest.popFirst() ?? byte : byte)
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func unquoted(_ rest: inout ArraySlice<UInt8>) -> String {
    let end = rest.firstIndex { " ,\t".utf8.contains($0) } ?? rest.endIndex
    defer { rest = rest[end...] }
    return String(decoding: rest[..<end], as: UTF8.self)
  }
}
