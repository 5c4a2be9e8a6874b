import Foundation

/// The wall clock, for files and folder names; no decision depends on it.
enum Timestamp {
  /// ISO 8601 in UTC, whole seconds: `2026-01-31T09:30:00Z`.
  static func now() -> String { Date().formatted(.iso8601) }

  /// Name of a folder for a timestamp: `2026-01-31-093000`.
  static func folderName(_ timestamp: String) -> String {
    let digits = timestamp.replacingOccurrences(of: ":", with: "").replacingOccurrences(of: "Z", with: "")
    return digits.replacingOccurrences(of: "T", with: "-")
  }
}
