/// Why an image cannot be built, read, sent or fetched: what, where, and what to do.
public struct ImageError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// The command line asks for what cannot be: exit code 64.
    case usage
    /// A file, or an answer of a registry, is not what it should be: exit code 65.
    case badData
    /// Something that is needed is not there or does not answer: exit code 69.
    case unavailable
  }

  public var kind: Kind
  public var message: String
  public var description: String { message }

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  static func badData(_ message: String) -> ImageError { ImageError(.badData, message) }
  static func unavailable(_ message: String) -> ImageError { ImageError(.unavailable, message) }
}

/// Text of others, made fit for a message: printable, on one line, and short.
func quotable(_ text: some StringProtocol, atMost limit: Int = 200) -> String {
  let printable = text.unicodeScalars.lazy.map { scalar -> Character in
    scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
      ? " " : Character(scalar)
  }
  let short = String(printable.prefix(limit))
  return text.unicodeScalars.count > limit ? short + "…" : short
}
