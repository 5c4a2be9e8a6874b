/// Why a plan cannot be put to the proof here.
public struct ProofError: Error, Hashable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// This machine lacks what the plan needs.
    case unavailable
    /// What was asked for makes no run.
    case usage
  }

  public var kind: Kind
  /// What is wrong and what to do about it, in a sentence.
  public var description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
