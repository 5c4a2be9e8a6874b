import Foundation
import PlannerFiles

/// The secrets of which a request must carry one, as `Authorization: Bearer TOKEN` (RFC 6750).
///
/// There may be several, so that clients can move to a new one before the old one goes. They are never printed.
package struct BearerToken: Sendable, CustomStringConvertible, CustomReflectable {
  private let secrets: [[UInt8]]

  /// - Parameter text: a token a line.
  /// - Parameter source: names the file or variable in errors.
  /// - Throws: `FileError` (`badData`) where there is none, or one could not stand in a header.
  package init(_ text: String, source: String) throws(FileError) {
    let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    secrets = lines.filter { !$0.isEmpty }.map { Array($0.utf8) }
    guard !secrets.isEmpty else {
      throw Self.problem(source, "has no token", "write one token a line, such as 'openssl rand -hex 32' prints")
    }
    guard secrets.allSatisfy({ $0.allSatisfy(Self.isAllowed) }) else {
      throw Self.problem(
        source, "has a token with a character that a token cannot have",
        "use letters, digits and - . _ ~ + / = only, one token a line")
    }
  }

  /// - Throws: `FileError` (`badData`) where the file cannot be read or used.
  package init(file: String) throws(FileError) {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw Self.problem(file, "cannot be read", "name a file of one token a line")
    }
    try self.init(String(decoding: data, as: UTF8.self), source: file)
  }

  private static func problem(_ source: String, _ message: String, _ remedy: String) -> FileError {
    FileError(.badData, [FileProblem(file: source, message: message, remedy: remedy)])
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-._~+/=".utf8.contains(byte)
    }
  }

  /// Whether the value of an `Authorization` header holds one of the tokens.
  ///
  /// The time taken depends on the length of what was presented, not on how much of it is right.
  package func allows(authorization value: String?) -> Bool {
    guard let value else { return false }
    let scheme = "bearer "
    guard value.utf8.count > scheme.utf8.count, value.prefix(scheme.count).lowercased() == scheme else { return false }
    let presented = value.utf8.dropFirst(scheme.utf8.count)
    var fits: UInt8 = 0
    for secret in secrets {
      var difference: UInt8 = presented.count == secret.count ? 0 : 1
      for (index, byte) in presented.enumerated() { difference |= byte ^ secret[index % secret.count] }
      fits |= difference == 0 ? 1 : 0
    }
    return fits != 0
  }

  package var description: String { "(secret)" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
