/// A Swift source as the rules of this folder read it: its words and signs without comments and literals, and its
/// documentation comments.
struct SwiftText {
  /// A word (keyword, name or number) or one sign.
  struct Token: Equatable {
    var text: String
    /// The line on which the token stands; the first line of a file is 1.
    var line: Int
  }

  /// Adjacent lines that begin with three slashes.
  struct Documentation: Equatable {
    /// The lines without slashes, joined by spaces.
    var text: String
    /// The line on which the comment begins.
    var line: Int
  }

  private(set) var tokens: [Token] = []
  private(set) var documentation: [Documentation] = []

  private let bytes: [UInt8]
  private var index = 0
  private var line = 1
  /// The last line of the documentation comment that was read last.
  private var documentationEnd = -1

  init(_ source: String) {
    bytes = Array(source.utf8)
    scanCode(untilClosed: false)
  }

  // MARK: Reading

  private func at(_ offset: Int) -> UInt8 { index + offset < bytes.count ? bytes[index + offset] : 0 }

  private func starts(_ text: StaticString) -> Bool {
    (0..<text.utf8CodeUnitCount).allSatisfy { at($0) == text.utf8Start[$0] }
  }

  private mutating func skip(_ count: Int = 1) {
    for _ in 0..<count where index < bytes.count {
      if bytes[index] == UInt8(ascii: "\n") { line += 1 }
      index += 1
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte >= 128 || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte & ~32 | 32)
  }

  /// Code up to the end, or up to the parenthesis that closes an interpolation.
  private mutating func scanCode(untilClosed: Bool) {
    var open = 0
    while index < bytes.count {
      let byte = at(0)
      if starts("//") {
        scanLineComment()
      } else if starts("/*") {
        while index < bytes.count, !starts("*/") { skip() }
        skip(2)
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "#"), let hashes = hashesOfLiteral() {
        scanLiteral(hashes: hashes)
      } else if byte == UInt8(ascii: "/"), isRegexLiteral() {
        scanRegex()
      } else if Self.isWord(byte) {
        let start = index
        while Self.isWord(at(0)) { index += 1 }
        tokens.append(Token(text: String(decoding: bytes[start..<index], as: UTF8.self), line: line))
      } else {
        if byte == UInt8(ascii: "(") { open += 1 }
        if byte == UInt8(ascii: ")") {
          open -= 1
          if untilClosed, open < 0 { return skip() }
        }
        if byte > UInt8(ascii: " "), byte != UInt8(ascii: "`") {
          tokens.append(Token(text: String(UnicodeScalar(byte)), line: line))
        }
        skip()
      }
    }
  }

  private mutating func scanLineComment() {
    let start = index
    while index < bytes.count, at(0) != UInt8(ascii: "\n") { index += 1 }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    guard text.hasPrefix("///"), !text.hasPrefix("////") else { return }
    var content = text.dropFirst(3)
    while content.first == " " { content.removeFirst() }
    if documentationEnd == line - 1, let last = documentation.indices.last {
      documentation[last].text += " " + content
    } else {
      documentation.append(Documentation(text: String(content), line: line))
    }
    documentationEnd = line
  }

  // MARK: Literals

  /// How many number signs stand before the quote of a string that begins here; nil where none begins.
  private func hashesOfLiteral() -> Int? {
    var hashes = 0
    while at(hashes) == UInt8(ascii: "#") { hashes += 1 }
    return at(hashes) == UInt8(ascii: "\"") ? hashes : nil
  }

  private mutating func scanLiteral(hashes: Int) {
    skip(hashes)
    // Three quotes open a text of several lines where nothing follows them: `#""""#` is a text of two quotes.
    let isLong = starts("\"\"\"") && at(3) == UInt8(ascii: "\n")
    skip(isLong ? 3 : 1)
    tokens.append(Token(text: "\"\"", line: line))
    func hashesFollow(_ offset: Int) -> Bool { (0..<hashes).allSatisfy { at(offset + $0) == UInt8(ascii: "#") } }
    while index < bytes.count {
      if at(0) == UInt8(ascii: "\\"), hashesFollow(1) {
        skip(1 + hashes)
        let isInterpolation = at(0) == UInt8(ascii: "(")
        skip()
        if isInterpolation { scanCode(untilClosed: true) }
      } else if isLong ? starts("\"\"\"") && hashesFollow(3) : at(0) == UInt8(ascii: "\"") && hashesFollow(1) {
        return skip((isLong ? 3 : 1) + hashes)
      } else {
        skip()
      }
    }
  }

  /// A slash begins a regular expression where no value stands before it and no space after it.
  private func isRegexLiteral() -> Bool {
    guard at(1) != UInt8(ascii: " "), at(1) != UInt8(ascii: "\n") else { return false }
    guard let before = tokens.last else { return false }
    guard ["(", ",", "=", ":", "[", "{"].contains(before.text) else { return false }
    var offset = 1
    while at(offset) != 0, at(offset) != UInt8(ascii: "\n") {
      if at(offset) == UInt8(ascii: "/"), at(offset - 1) != UInt8(ascii: "\\") { return true }
      offset += 1
    }
    return false
  }

  private mutating func scanRegex() {
    tokens.append(Token(text: "\"\"", line: line))
    skip()
    while index < bytes.count, at(0) != UInt8(ascii: "/") { skip(at(0) == UInt8(ascii: "\\") ? 2 : 1) }
    skip()
  }
}
