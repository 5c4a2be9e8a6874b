/// What went wrong in the engine, and where.
package struct EngineError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Sendable {
    /// The model file is missing, damaged, or not a model.
    case badModel
    /// The input does not fit the model.
    case badInput
    /// A file could not be written, or a setting not be made.
    case unavailable
  }

  package var kind: Kind
  /// A file, or a model's name; empty where it concerns the process.
  package var subject: String
  package var message: String

  package init(_ kind: Kind, _ subject: String, _ message: String) {
    self.kind = kind
    self.subject = subject
    self.message = message
  }

  package var description: String { subject.isEmpty ? message : "\(subject): \(message)" }
}
