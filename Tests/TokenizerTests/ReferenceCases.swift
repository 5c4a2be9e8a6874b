import Foundation
import Tokenizer

/// One text or pair with what the reference tokenizer made of it; a line of cases.tsv.
struct ReferenceCase {
  enum Mode: String {
    case uncased = "u"
    case cased = "c"
  }

  var line: Int
  var mode: Mode
  var maxTokens: Int
  /// Whether the reference padded to `maxTokens`.
  var padded: Bool
  var truncated: Bool
  /// Tokens of type 0 before padding.
  var firstLength: Int
  var text: String
  var pair: String?
  /// Token ids of the reference, without padding.
  var ids: [Int64]
  /// The reference's text for `ids` without the first and the last; kept for some cases.
  var decoded: String?
}

struct BadFixture: Error, CustomStringConvertible {
  var description: String
}

enum Fixtures {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

  static func lines(_ name: String) throws -> [Substring] {
    try String(contentsOfFile: folder + "/" + name, encoding: .utf8).split(separator: "\n")
  }

  static func tokenizer(_ mode: ReferenceCase.Mode) throws -> WordPieceTokenizer {
    let name = mode == .uncased ? "uncased-vocab.txt" : "cased-vocab.txt"
    return try WordPieceTokenizer.load(path: folder + "/" + name, lowercases: mode == .uncased)
  }

  static func cases() throws -> [ReferenceCase] {
    try lines("cases.tsv").enumerated().map { index, line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count == 9, let mode = ReferenceCase.Mode(rawValue: String(fields[0])),
        let maxTokens = Int(fields[1]), let firstLength = Int(fields[4]), let text = unescaped(fields[5])
      else { throw BadFixture(description: "cases.tsv:\(index + 1) is damaged") }
      return ReferenceCase(
        line: index + 1, mode: mode, maxTokens: maxTokens, padded: fields[2] == "p", truncated: fields[3] == "t",
        firstLength: firstLength, text: text, pair: unescaped(fields[6]),
        ids: fields[7].split(separator: " ").compactMap { Int64($0) }, decoded: unescaped(fields[8]))
    }
  }

  /// The text that `\{hexadecimal}` escapes stand for; nil for `\-`, no text at all.
  static func unescaped(_ field: Substring) -> String? {
    if field == "\\-" { return nil }
    var scalars = String.UnicodeScalarView()
    var rest = field.unicodeScalars
    while let scalar = rest.popFirst() {
      if scalar == "\\" {
        let digits = rest.dropFirst().prefix { $0 != "}" }
        guard let value = UInt32(String(digits), radix: 16).flatMap(Unicode.Scalar.init) else { return nil }
        scalars.append(value)
        rest = rest.dropFirst(digits.count + 2)
      } else {
        scalars.append(scalar)
      }
    }
    return String(scalars)
  }

  /// ASCII that shows what a text consists of.
  static func escaped(_ text: String?) -> String {
    guard let text else { return "(none)" }
    return "\"" + text.unicodeScalars.map { $0.escaped(asASCII: true) }.joined() + "\""
  }
}
