/// Lines that `model-server` logs: time, level, label, the part of the program in brackets, and the text.
public enum ServerLogLine {
  /// The text of a warning; nil for every other line.
  public static func warning(_ line: String) -> String? {
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1] == "warning", let bracket = parts[2].firstRange(of: "] ") else { return nil }
    return String(parts[2][bracket.upperBound...])
  }
}
