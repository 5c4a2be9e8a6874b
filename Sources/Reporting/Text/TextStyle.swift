/// How wide people's text may get, and whether the terminal understands bold and dim.
public struct TextStyle: Hashable, Sendable {
  /// Cells of a line.
  public var width: Int
  public var isStyled: Bool

  /// 100 cells and no control sequences: what a file or a pipe gets.
  public static let plain = TextStyle(width: 100, isStyled: false)

  /// - Parameter width: cells of a line; raised to 20, below which nothing can be said.
  public init(width: Int, isStyled: Bool) {
    self.width = max(width, 20)
    self.isStyled = isStyled
  }

  package func bold(_ text: String) -> String { isStyled && !text.isEmpty ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
  package func dim(_ text: String) -> String { isStyled && !text.isEmpty ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
}

/// Lines of a text for people, put together from headings, paragraphs and tables that keep the style's width.
package struct TextPage {
  package let style: TextStyle
  private var lines: [String] = []

  package init(_ style: TextStyle) { self.style = style }

  /// A heading, after an empty line unless it is the first.
  package mutating func heading(_ text: String) {
    if !lines.isEmpty { lines.append("") }
    lines += TextWidth.wrapped(text, width: style.width).map(style.bold)
  }

  package mutating func paragraph(_ text: String, isDim: Bool = false) {
    let wrapped = TextWidth.wrapped(text, width: style.width)
    lines += isDim ? wrapped.map(style.dim) : wrapped
  }

  /// A paragraph whose later lines stand under the text after `mark`.
  package mutating func item(_ text: String, mark: String = "- ", isDim: Bool = false) {
    let wrapped = TextWidth.wrapped(mark + text, width: style.width, indent: TextWidth.of(mark))
    lines += isDim ? wrapped.map(style.dim) : wrapped
  }

  /// Names and values with the values aligned; values wrap under themselves.
  package mutating func facts(_ facts: [(name: String, value: String)]) {
    let names = min(facts.map { TextWidth.of($0.name) }.max() ?? 0, style.width / 2)
    for fact in facts {
      let name = TextWidth.padded(TextWidth.truncated(fact.name, to: names), to: names, trailing: false)
      let values = TextWidth.wrapped(fact.value, width: style.width - names - 2)
      for (index, value) in values.enumerated() {
        let margin = index == 0 ? style.dim(name) : String(repeating: " ", count: names)
        lines.append(value.isEmpty ? margin : "\(margin)  \(value)")
      }
    }
  }

  package mutating func table(_ table: TextTable) { lines += table.lines(style: style) }

  package mutating func gap() { if lines.last != "" { lines.append("") } }

  /// All of it, with a line break at the end.
  package var text: String { lines.joined(separator: "\n") + "\n" }
}
