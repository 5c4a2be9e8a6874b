/// Lines of small tables that people write or export: LF or CRLF, with or without a line break at the end.
enum TextLines {
  /// The lines with their numbers from 1, without line breaks; empty ones are left out.
  static func numbered(_ text: String) -> [(number: Int, line: Substring)] {
    // A line break of two characters is one grapheme, which a split at "\n" would pass over.
    text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().compactMap {
      let line = $1.last == UInt8(ascii: "\r") ? $1.dropLast() : $1
      return line.isEmpty ? nil : ($0 + 1, Substring(line))
    }
  }

  /// The fields of a line: at commas, where quotation marks do not hold them together.
  ///
  /// - Returns: nil where a quotation mark does not close.
  static func fields(_ line: Substring) -> [String]? {
    if line.utf8.contains(UInt8(ascii: "\"")) { return CatalogFile.fields(line) }
    return line.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.drop { $0 == " " || $0 == "\t" }.trimmingSuffix { $0 == " " || $0 == "\t" })
    }
  }

  /// A field as `fields` reads it back.
  static func field(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: ",")) || text.utf8.contains(UInt8(ascii: "\"")) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

extension Substring {
  fileprivate func trimmingSuffix(while isTrimmed: (Character) -> Bool) -> Substring {
    guard let last = lastIndex(where: { !isTrimmed($0) }) else { return self[startIndex..<startIndex] }
    return self[...last]
  }
}
