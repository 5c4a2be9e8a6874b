/// What went wrong in the engine, and where.
public struct EngineError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// The model file is missing, damaged, or not a model.
    case badModel
    /// The input does not fit the model.
    case badInput
    /// A file could not be written, or a setting not be made.
    case unavailable
  }

  public var kind: Kind
  /// A file, or a model's name; empty where it concerns the process.
  public var subject: String
  public var message: String

  public init(_ kind: Kind, _ subject: String, _ message: String) {
    self.kind = kind
    self.subject = subject
    self.message = message
  }

  public var description: String { subject.isEmpty ? message : "\(subject): \(message)" }
}
