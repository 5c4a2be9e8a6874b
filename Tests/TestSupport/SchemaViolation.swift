/// One thing in a document that its schema does not allow.
public struct SchemaViolation: Hashable, Sendable, CustomStringConvertible {
  /// Path of the value, such as `nodes[0].count`; empty for the document itself.
  public var path: String
  public var message: String

  public var description: String { (path.isEmpty ? "the document" : path) + ": " + message }
}

/// What is wrong with a schema itself.
public struct SchemaError: Error, Sendable, CustomStringConvertible {
  public var problems: [String]
  public var description: String { problems.joined(separator: "\n") }
}
