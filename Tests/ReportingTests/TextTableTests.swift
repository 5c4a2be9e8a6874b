import Reporting
import Testing

@Suite struct TextTableTests {
  private func sample() -> TextTable {
    var table = TextTable(columns: [
      .init("type"), .init("nodes", .trailing), .init("why", isFlexible: true),
      .init("$/h", .trailing, dispensability: 2),
      .init("p99", .trailing, dispensability: 1),
    ])
    table.append(["inf2.xlarge", "32", "the memory of the accelerator is full", "$24.36", "2.42 ms"])
    table.append(["c7g.4xlarge", "3,000", "形態素解析 naïve 🚀 text that is long", "$1,240.00", "—"], emphasis: .bold)
    return table
  }

  @Test func columnsAlign() {
    var table = TextTable(columns: [.init("name"), .init("n", .trailing)])
    table.append(["é", "1"])
    table.append(["日本", "1,000"])
    #expect(
      table.render() == """
        name      n
        ────  ─────
        é         1
        日本  1,000

        """)
  }

  @Test(arguments: 20...130)
  func neverWiderThanAllowed(_ width: Int) {
    let style = TextStyle(width: width, isStyled: false)
    for line in sample().render(style: style).split(separator: "\n") {
      #expect(TextWidth.of(line) <= width)
    }
  }

  /// Texts are cut first, then columns go by their order, and what has gone is named.
  @Test func cutsThenLeavesOut() {
    let natural = sample().naturalWidth
    let whole = sample().render(style: TextStyle(width: natural, isStyled: false))
    #expect(!whole.contains("…") && whole.contains("the memory of the accelerator is full"))
    let cut = sample().render(style: TextStyle(width: natural - 5, isStyled: false))
    #expect(cut.contains("…") && cut.contains("$/h") && !cut.contains("no room"))
    let narrow = sample().render(style: TextStyle(width: 45, isStyled: false))
    #expect(narrow.contains("(no room at this width for: $/h)"))
    #expect(narrow.contains("inf2.xlarge") && narrow.contains("3,000") && narrow.contains("p99"))
    let narrowest = sample().render(style: TextStyle(width: 36, isStyled: false))
    #expect(narrowest.replacing("\n", with: " ").contains("$/h, p99)"))
  }

  /// Columns that have to stay are cut rather than dropped.
  @Test func whatHasToStayStays() {
    var table = TextTable(columns: [.init("first"), .init("second"), .init("third")])
    table.append(["abcdefghijkl", "mnopqrstuvwx", "yzabcdefghij"])
    let text = table.render(style: TextStyle(width: 24, isStyled: false))
    let cells = text.split(separator: "\n")[2].split(separator: "  ")
    #expect(cells == ["abcdef…", "mnopqr…", "yzabc…"] && !text.contains("no room"))
  }

  @Test func figuresAreNotCutWhileAnyColumnMayGo() {
    var table = TextTable(columns: [.init("a"), .init("b", .trailing), .init("c", .trailing, dispensability: 1)])
    table.append(["name of it", "123,456,789", "987,654,321"])
    let text = table.render(style: TextStyle(width: 25, isStyled: false))
    #expect(text.contains("123,456,789") && !text.contains("987"))
  }

  @Test func emphasisOnlyWhereAsked() {
    let plain = sample().render(style: TextStyle(width: 100, isStyled: false))
    let colourful = sample().render(style: TextStyle(width: 100, isStyled: true))
    #expect(!plain.contains("\u{1B}") && colourful.contains("\u{1B}[1m") && colourful.contains("\u{1B}[2m"))
    let stripped = ["\u{1B}[1m", "\u{1B}[2m", "\u{1B}[0m"].reduce(colourful) { $0.replacing($1, with: "") }
    #expect(stripped == plain)
  }

  @Test func groupsStandOverTheirColumns() {
    var table = TextTable(columns: [
      .init("type"), .init("nodes", .trailing, group: "ours"), .init("cost", .trailing, group: "ours"),
    ])
    table.append(["a", "1", "$2"])
    let lines = table.render().split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "      ── ours ───")
    #expect(lines[1] == "type  nodes  cost")
  }

  @Test func aCellCannotSteerTheTerminal() {
    var table = TextTable(columns: [.init("name")])
    table.append(["evil\u{1B}[2Jname\nnext\u{202E}txt"])
    let text = table.render()
    #expect(!text.contains("\u{1B}") && !text.contains("\u{202E}"))
    #expect(text.split(separator: "\n").count == 3)
  }

  @Test func rowsOfAnyLengthAndNoRows() {
    var table = TextTable(columns: [.init("a"), .init("b")])
    #expect(table.isEmpty && table.render().contains("a"))
    table.append([])
    table.append(["1", "2", "3"])
    #expect(!table.render().contains("3"))
    #expect(TextTable(columns: []).render() == "")
  }

  @Test func widths() {
    #expect(TextWidth.of("abc") == 3 && TextWidth.of("日本") == 4 && TextWidth.of("e\u{301}") == 1)
    #expect(TextWidth.of("🚀") == 2 && TextWidth.of("👩‍👩‍👧") == 2 && TextWidth.of("µ–−×…") == 5)
    #expect(TextWidth.truncated("日本語", to: 4) == "日…" && TextWidth.truncated("abc", to: 3) == "abc")
    #expect(TextWidth.truncated("abc", to: 0) == "")
  }

  @Test func wrappingKeepsNumbersWithTheirUnits() {
    let text = "the measured p99 is 16.7 ms, the target 10 ms."
    for width in 12...60 {
      let lines = TextWidth.wrapped(text, width: width)
      #expect(lines.allSatisfy { TextWidth.of($0) <= width })
      #expect(lines.joined(separator: " ") == text)
      #expect(!lines.contains { $0.hasPrefix("ms") })
    }
    #expect(TextWidth.wrapped("abcdefghij", width: 4) == ["abcd", "efgh", "ij"])
    #expect(TextWidth.wrapped("", width: 4) == [""])
    #expect(TextWidth.wrapped("- one two three", width: 9, indent: 2) == ["- one two", "  three"])
  }
}
