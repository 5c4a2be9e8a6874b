/// Where a figure comes from. Every figure a user sees carries one; an estimate is never shown as a measurement.
public struct Provenance: Codable, Hashable, Sendable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// Measured by this program; `source` names the host fingerprint and the date.
    case measured
    /// Published by others; `source` says by whom and where.
    case published
    /// Computed by a stated method; `source` is the method and its interval.
    case estimated
  }

  public let kind: Kind
  public let source: String

  public init(_ kind: Kind, source: String) {
    self.kind = kind
    self.source = source
  }
}
