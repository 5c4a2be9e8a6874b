/// A repository, or a file of it, that cannot be fetched; the message never holds a secret.
package struct RemoteError: Error, Sendable, CustomStringConvertible {
  package enum Kind: Sendable, Equatable {
    /// What came is not what it should be, or an address makes no sense: exit code 65.
    case badData
    /// It is not there, may not be read, or could not be reached or stored: exit code 69.
    case unavailable
    /// A failure as in `unavailable`, but another attempt may succeed; attempts are used up when a caller sees it.
    case transient
    /// What came does not belong to what had come before, or is damaged; `badData` for the caller, when it stays so.
    case changed
    /// The caller gave it up.
    case cancelled
  }

  package var kind: Kind
  /// What it is about: an address without credentials, a file, a variable.
  package var subject: String
  package var message: String
  /// How long the other side wants to be left alone.
  package var retryAfterSeconds: Double?

  package init(_ kind: Kind, _ subject: String, _ message: String) {
    self.kind = kind
    self.subject = subject
    self.message = message
  }

  package var description: String { "\(subject): \(message)" }

  package static let cancelled = RemoteError(.cancelled, "transfer", "was given up")
}
