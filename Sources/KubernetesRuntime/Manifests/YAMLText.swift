/// Writes values as YAML that every reader of YAML 1.1 and 1.2 takes for the same values: strings stand in quotation
/// marks, with JSON's escapes, wherever they could be read as anything else.
package enum YAMLText {
  /// Several documents, each behind a line of three hyphens.
  package static func documents(_ values: [ManifestValue]) -> String {
    values.map { "---\n" + document($0) }.joined()
  }

  package static func document(_ value: ManifestValue) -> String { document(value, .compact) }

  /// A value as a document for people: long texts stand line by line, so that it is seen which line of one differs.
  package static func reading(_ value: ManifestValue) -> String { document(value, .readable) }

  private enum Style {
    /// Each text on one line.
    case compact
    /// Texts of several lines as blocks.
    case readable
  }

  private static func document(_ value: ManifestValue, _ style: Style) -> String {
    var text = ""
    switch value {
    case .object(let members) where !members.isEmpty: append(members, style, indent: 0, to: &text)
    case .array(let elements) where !elements.isEmpty: append(elements, style, indent: 0, to: &text)
    default: text = inline(value) + "\n"
    }
    return text
  }

  private static func append(
    _ members: [String: ManifestValue], _ style: Style, indent: Int, to text: inout String
  ) {
    for (key, value) in members.sorted(by: { $0.key < $1.key }) {
      text += String(repeating: " ", count: indent) + scalar(key) + ":"
      appendNested(value, style, indent: indent, to: &text)
    }
  }

  private static func appendNested(_ value: ManifestValue, _ style: Style, indent: Int, to text: inout String) {
    switch value {
    case .object(let members) where !members.isEmpty:
      text += "\n"
      append(members, style, indent: indent + 2, to: &text)
    case .array(let elements) where !elements.isEmpty:
      text += "\n"
      append(elements, style, indent: indent, to: &text)
    case .string(let string) where style == .readable && isBlock(string):
      text += " |\n"
      for line in string.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
        text += String(repeating: " ", count: indent + 2) + line + "\n"
      }
    default:
      text += " " + inline(value) + "\n"
    }
  }

  /// Lines of visible characters, each with its end.
  private static func isBlock(_ text: String) -> Bool {
    text.hasSuffix("\n") && text.first?.isWhitespace == false
      && text.split(separator: "\n").allSatisfy { line in
        line.last?.isWhitespace == false && quoted(String(line)).unicodeScalars.count == line.unicodeScalars.count + 2
      }
  }

  private static func append(_ elements: [ManifestValue], _ style: Style, indent: Int, to text: inout String) {
    for element in elements {
      let start = String(repeating: " ", count: indent) + "- "
      switch element {
      case .object(let members) where !members.isEmpty:
        var block = ""
        append(members, style, indent: indent + 2, to: &block)
        text += start + block.dropFirst(indent + 2)
      case .array(let inner) where !inner.isEmpty:
        var block = ""
        append(inner, style, indent: indent + 2, to: &block)
        text += start + block.dropFirst(indent + 2)
      default:
        text += start + inline(element) + "\n"
      }
    }
  }

  private static func inline(_ value: ManifestValue) -> String {
    switch value {
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .string(let value): scalar(value)
    case .array: "[]"
    case .object: "{}"
    }
  }

  /// Words that readers of YAML 1.1 take for truth values or for nothing, in lower case.
  private static let reserved: Set = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"]

  /// Plain where it is a word of letters, digits, `.`, `_`, `-` and `/` that begins with a letter; quoted otherwise.
  private static func scalar(_ text: String) -> String {
    let bytes = Array(text.utf8)
    func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) && byte < 0x80 }
    let isPlain =
      bytes.first.map(isLetter) == true && !reserved.contains(text.lowercased())
      && bytes.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || "._-/".utf8.contains($0) }
    return isPlain ? text : quoted(text)
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      // Control characters, separators of lines, and what YAML does not count as printable.
      case _
      where scalar.value < 0x20 || (0x7f...0xa0).contains(scalar.value)
        || (0x2028...0x2029).contains(scalar.value) || scalar.value == 0xfeff
        || (0xfffe...0xffff).contains(scalar.value):
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
