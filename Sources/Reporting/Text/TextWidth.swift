/// How many cells of a terminal a text takes, and texts cut or padded to that measure.
package enum TextWidth {
  /// Cells of `text`: 0 for marks that combine, 2 for wide East Asian characters and emoji, else 1.
  /// Complexity: O(n).
  package static func of(_ text: some StringProtocol) -> Int {
    text.reduce(0) { $0 + of($1) }
  }

  package static func of(_ character: Character) -> Int {
    var width = 0
    for scalar in character.unicodeScalars {
      // The emoji selector asks for the wide picture of a character that also exists as a narrow sign.
      if scalar == "\u{FE0F}" { return 2 }
      width = max(width, of(scalar))
    }
    return width
  }

  private static func of(_ scalar: Unicode.Scalar) -> Int {
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F ? 0 : 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: break
    }
    if scalar.properties.isEmojiPresentation { return 2 }
    return wide.contains { $0.contains(scalar.value) } ? 2 : 1
  }

  /// Blocks whose characters are wide or full-width by Unicode Standard Annex 11.
  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
    0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
    0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
  ]

  /// `text` on one line, without characters that would steer the terminal or reverse its reading direction.
  package static func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator: result.append(" ")
      case .format where scalar != "\u{200D}": continue
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// At most `width` cells of `text`; what was cut is marked by `…`.
  package static func truncated(_ text: String, to width: Int) -> String {
    guard of(text) > width else { return text }
    guard width > 0 else { return "" }
    var result = ""
    var used = 0
    for character in text {
      let next = of(character)
      if used + next > width - 1 { break }
      result.append(character)
      used += next
    }
    while result.last == " " { result.removeLast() }
    return result + "…"
  }

  /// `text` filled up with spaces to `width` cells.
  package static func padded(_ text: String, to width: Int, trailing: Bool) -> String {
    let fill = String(repeating: " ", count: max(0, width - of(text)))
    return trailing ? fill + text : text + fill
  }

  /// Words, with a number and its unit as one, so that no line ends between them.
  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    for word in text.split(separator: " ") {
      let core = word.trimmingSuffix { ".,;:)]".contains($0) }
      if units.contains(core), let last = words.last, last.last?.isNumber == true {
        words[words.count - 1] = "\(last) \(word)"
      } else {
        words.append(String(word))
      }
    }
    return words
  }

  /// `text` with spaces that do not break between numbers and their units.
  package static func glued(_ text: String) -> String {
    words(text).map { $0.replacing(" ", with: "\u{A0}") }.joined(separator: " ")
  }

  private static let units: Set<Substring> = ["µs", "ms", "s", "min", "h", "%", "B", "KiB", "MiB", "GiB", "×"]

  /// The words of `text` in lines of at most `width` cells; a word that is longer is cut into pieces.
  /// Lines after the first start with `indent` spaces.
  package static func wrapped(_ text: String, width: Int, indent: Int = 0) -> [String] {
    let width = max(width, 1)
    let margin = String(repeating: " ", count: min(max(indent, 0), width - 1))
    var lines: [String] = []
    var line = ""
    func next() {
      lines.append(line)
      line = margin
    }
    for word in words(printable(text)) {
      let isFresh = line.isEmpty || line == margin
      if !isFresh, of(line) + 1 + of(word) > width { next() }
      if !line.isEmpty, line != margin { line += " " }
      guard of(line) + of(word) > width else {
        line += word
        continue
      }
      for character in word {
        if of(line) + of(character) > width, line != margin { next() }
        line.append(character)
      }
    }
    if line != margin || lines.isEmpty { lines.append(line) }
    return lines
  }
}

extension Substring {
  fileprivate func trimmingSuffix(where isTrimmed: (Character) -> Bool) -> Substring {
    var end = endIndex
    while end > startIndex, isTrimmed(self[index(before: end)]) { end = index(before: end) }
    return self[..<end]
  }
}
