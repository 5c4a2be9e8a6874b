/// One thing that is wrong with a file, where, and what to do about it.
public struct FileProblem: Hashable, Sendable, CustomStringConvertible {
  public var file: String
  public var line: Int?
  /// Path of the key, such as `models[1].service.mean`.
  public var key: String?
  public var message: String
  public var remedy: String?

  public init(file: String, line: Int? = nil, key: String? = nil, message: String, remedy: String? = nil) {
    self.file = file
    self.line = line
    self.key = key
    self.message = message
    self.remedy = remedy
  }

  public var description: String {
    var text = file
    if let line { text += ":\(line)" }
    if let key, !key.isEmpty { text += ": \(key)" }
    text += ": \(message)"
    if let remedy { text += "; \(remedy)" }
    return text
  }
}

/// A file that cannot be used; holds everything that is wrong with it, not just the first.
public struct FileError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// The content is wrong: exit code 65.
    case badData
    /// The file is not there, or may not be read or written: exit code 69.
    case unavailable
  }

  public var kind: Kind
  public var problems: [FileProblem]

  public init(_ kind: Kind, _ problems: [FileProblem]) {
    self.kind = kind
    self.problems = problems
  }

  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
