/// A table for a terminal that never gets wider than it is allowed to.
///
/// Where the columns do not fit, the flexible ones are cut with `…` first, then those that may be left out
/// go, the most dispensable first, with a line that names them; last, every column is cut.
public struct TextTable: Sendable {
  public enum Alignment: Sendable { case leading, trailing }

  public struct Column: Sendable {
    public var title: String
    public var alignment: Alignment
    /// Texts that may be cut to their first words.
    public var isFlexible: Bool
    /// 0 for a column that has to stay; the highest is left out first.
    public var dispensability: Int
    /// Head over this column and its neighbours of the same group.
    public var group: String

    public init(
      _ title: String, _ alignment: Alignment = .leading, isFlexible: Bool = false, dispensability: Int = 0,
      group: String = ""
    ) {
      self.title = title
      self.alignment = alignment
      self.isFlexible = isFlexible
      self.dispensability = dispensability
      self.group = group
    }
  }

  public enum Emphasis: Sendable { case none, bold, dim }

  public let columns: [Column]
  private var rows: [(cells: [String], emphasis: Emphasis)] = []
  private static let columnGap = "  "
  private static let flexibleMinimum = 12

  public init(columns: [Column]) { self.columns = columns }

  /// Adds a row; missing cells are empty and cells beyond the columns are ignored.
  public mutating func append(_ cells: [String], emphasis: Emphasis = .none) {
    let row = columns.indices.map { $0 < cells.count ? TextWidth.printable(cells[$0]) : "" }
    rows.append((row, emphasis))
  }

  public var isEmpty: Bool { rows.isEmpty }

  /// Cells that the table takes with nothing cut.
  public var naturalWidth: Int { Self.total(columns.indices.map(naturalWidth(of:))) }

  /// The table as lines, each ended by a line break.
  /// Complexity: O(cells).
  public func render(style: TextStyle = .plain) -> String {
    lines(style: style).map { $0 + "\n" }.joined()
  }

  package func lines(style: TextStyle) -> [String] {
    let layout = fitted(to: style.width)
    guard !layout.shown.isEmpty else { return [] }
    var lines: [String] = []
    if let groups = groupLine(layout) { lines.append(style.dim(groups)) }
    lines.append(style.bold(line(columns.map(\.title), layout)))
    let rule = layout.shown.map { String(repeating: "─", count: layout.widths[$0]) }
    lines.append(style.dim(rule.joined(separator: Self.columnGap)))
    for row in rows {
      let text = line(row.cells, layout)
      switch row.emphasis {
      case .none: lines.append(text)
      case .bold: lines.append(style.bold(text))
      case .dim: lines.append(style.dim(text))
      }
    }
    let left = columns.indices.filter { !layout.shown.contains($0) }.map { index in
      let column = columns[index]
      return column.group.isEmpty ? column.title : "\(column.group) \(column.title)"
    }
    if !left.isEmpty {
      let note = "(no room at this width for: \(left.joined(separator: ", ")))"
      lines += TextWidth.wrapped(note, width: style.width).map(style.dim)
    }
    return lines
  }

  private struct Layout {
    var shown: [Int]
    /// Indexed like `columns`.
    var widths: [Int]
  }

  private func naturalWidth(of column: Int) -> Int {
    rows.reduce(max(1, TextWidth.of(columns[column].title))) { max($0, TextWidth.of($1.cells[column])) }
  }

  private static func total(_ widths: [Int]) -> Int {
    widths.reduce(0, +) + max(0, widths.count - 1) * columnGap.count
  }

  private func fitted(to width: Int) -> Layout {
    var layout = Layout(shown: Array(columns.indices), widths: columns.indices.map(naturalWidth(of:)))
    func excess() -> Int { Self.total(layout.shown.map { layout.widths[$0] }) - width }
    shrink(&layout, by: excess()) { columns[$0].isFlexible ? Self.flexibleMinimum : .max }
    while excess() > 0, let victim = mostDispensable(layout.shown) {
      layout.shown.removeAll { $0 == victim }
      // Room that the column leaves goes back to the texts that were cut for it.
      for index in layout.shown { layout.widths[index] = naturalWidth(of: index) }
      shrink(&layout, by: excess()) { columns[$0].isFlexible ? Self.flexibleMinimum : .max }
    }
    shrink(&layout, by: excess()) { _ in 3 }
    while excess() > 0, layout.shown.count > 1 { layout.shown.removeLast() }
    if excess() > 0, let only = layout.shown.first { layout.widths[only] = max(1, width) }
    return layout
  }

  private func mostDispensable(_ shown: [Int]) -> Int? {
    // Of equals the rightmost goes.
    shown.filter { columns[$0].dispensability > 0 }
      .max { (columns[$0].dispensability, $0) < (columns[$1].dispensability, $1) }
  }

  /// Takes cells off the widest column that is above its minimum, one at a time, so that equals stay equal.
  private func shrink(_ layout: inout Layout, by excess: Int, minimum: (Int) -> Int) {
    guard excess > 0 else { return }
    for _ in 0..<excess {
      let candidates = layout.shown.filter { layout.widths[$0] > minimum($0) }
      guard let widest = candidates.max(by: { (layout.widths[$0], $0) < (layout.widths[$1], $1) }) else { return }
      layout.widths[widest] -= 1
    }
  }

  private func line(_ cells: [String], _ layout: Layout) -> String {
    let texts = layout.shown.map { index in
      let text = TextWidth.truncated(cells[index], to: layout.widths[index])
      return TextWidth.padded(text, to: layout.widths[index], trailing: columns[index].alignment == .trailing)
    }
    return Self.withoutTrailingSpaces(texts.joined(separator: Self.columnGap))
  }

  /// The heads over groups of columns, centred over a rule as wide as the group; nil where no column has one.
  private func groupLine(_ layout: Layout) -> String? {
    guard layout.shown.contains(where: { !columns[$0].group.isEmpty }) else { return nil }
    var spans: [(name: String, width: Int)] = []
    for index in layout.shown {
      let group = columns[index].group
      if let last = spans.last, last.name == group {
        spans[spans.count - 1].width += Self.columnGap.count + layout.widths[index]
      } else {
        spans.append((group, layout.widths[index]))
      }
    }
    let texts = spans.map { span -> String in
      guard !span.name.isEmpty else { return String(repeating: " ", count: span.width) }
      let name = TextWidth.truncated(span.name, to: span.width)
      let free = span.width - TextWidth.of(name)
      guard free >= 4 else { return TextWidth.padded(name, to: span.width, trailing: false) }
      let left = (free - 2) / 2
      return String(repeating: "─", count: left) + " \(name) " + String(repeating: "─", count: free - 2 - left)
    }
    return Self.withoutTrailingSpaces(texts.joined(separator: Self.columnGap))
  }

  private static func withoutTrailingSpaces(_ text: String) -> String {
    var text = text
    while text.last == " " { text.removeLast() }
    return text
  }
}
