/// What a rule found, and where.
struct Finding: Equatable, CustomStringConvertible {
  var line: Int
  var text: String
  var description: String { "\(line): \(text)" }
}

/// The rules that CONTRIBUTING promises. Each takes a source as text and returns what breaks it, so that a test can
/// show what it finds in a planted case.
enum Rules {
  static let longestFunction = 70
  static let longestFile = 500
  static let widestLine = 120
  static let largestFileBytes = 1 << 20

  // MARK: Size

  /// Lines of a file, and columns of each line.
  static func size(_ source: String) -> [Finding] {
    var lines = source.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    var found: [Finding] = []
    if lines.count > longestFile { found.append(Finding(line: lines.count, text: "the file has \(lines.count) lines")) }
    for (index, line) in lines.enumerated() where line.count > widestLine {
      found.append(Finding(line: index + 1, text: "the line has \(line.count) columns"))
    }
    return found
  }

  /// Functions, initializers, subscripts, computed properties and closures that a property or constant holds, from the
  /// line of their keyword to that of their closing brace.
  static func functionLength(_ source: String, limit: Int = longestFunction) -> [Finding] {
    bodies(SwiftText(source).tokens).filter { $0.lines > limit }.map {
      Finding(line: $0.line, text: "\($0.name) has \($0.lines) lines")
    }
  }

  struct Body: Equatable {
    var name: String
    var line: Int
    var lines: Int
  }

  /// Words that begin another declaration: what comes before them had no body.
  private static let declarations: Set<String> = [
    "func", "var", "let", "init", "deinit", "subscript", "struct", "enum", "class", "actor", "protocol", "extension",
    "typealias", "associatedtype", "case", "import", "public", "package", "internal", "private", "fileprivate",
    "static", "final", "mutating", "nonmutating", "override", "lazy", "weak", "unowned", "nonisolated", "indirect",
    "convenience",
    "required", "@",
  ]

  static func bodies(_ tokens: [SwiftText.Token]) -> [Body] {
    tokens.indices.compactMap { index in
      let keyword = tokens[index].text
      let before = index > 0 ? tokens[index - 1].text : ""
      let after = index + 1 < tokens.count ? tokens[index + 1].text : ""
      switch keyword {
      case "func", "var", "let": break
      case "init", "subscript": guard before != ".", ["(", "<", "?", "!"].contains(after) else { return nil }
      case "deinit": guard after == "{" else { return nil }
      default: return nil
      }
      guard let open = bodyStart(tokens, after: index), let close = matchingBrace(tokens, open) else { return nil }
      let name = ["func", "var", "let"].contains(keyword) ? after : keyword
      return Body(name: name, line: tokens[index].line, lines: tokens[close].line - tokens[index].line + 1)
    }
  }

  /// The brace that opens the body of the declaration whose keyword stands at `index`; nil where it has none.
  private static func bodyStart(_ tokens: [SwiftText.Token], after index: Int) -> Int? {
    var depth = 0
    for position in tokens.indices.dropFirst(index + 1) {
      let token = tokens[position]
      switch token.text {
      case "(", "[": depth += 1
      case ")", "]":
        depth -= 1
        if depth < 0 { return nil }
      case "{" where depth == 0 || tokens[index].text != "func": return position
      case "}" where depth == 0: return nil
      default:
        let isNewLine = token.line > tokens[position - 1].line
        if depth == 0, isNewLine, declarations.contains(token.text) { return nil }
      }
    }
    return nil
  }

  static func matchingBrace(_ tokens: [SwiftText.Token], _ open: Int) -> Int? {
    var depth = 0
    for position in tokens.indices.dropFirst(open) {
      if tokens[position].text == "{" { depth += 1 }
      if tokens[position].text == "}" { depth -= 1 }
      if depth == 0 { return position }
    }
    return nil
  }

  // MARK: Determinism

  /// Names by which a source would read a clock, or chance that no seed decides.
  private static let undecided: Set<String> = [
    "ContinuousClock", "SuspendingClock", "Date", "NSDate", "DispatchTime", "DispatchWallTime", "clock_gettime",
    "gettimeofday", "CFAbsoluteTimeGetCurrent", "mach_absolute_time", "systemUptime", "ProcessInfo", "clock", "times",
    "SystemRandomNumberGenerator", "shuffled", "shuffle", "randomElement", "arc4random", "drand48", "hashValue",
    "Hasher", "ObjectIdentifier",
  ]

  /// Reads of a clock, and of chance that no seed decides.
  static func clocksAndChance(_ source: String) -> [Finding] {
    let tokens = SwiftText(source).tokens
    return tokens.indices.compactMap { index in
      let name = tokens[index].text
      let isCall = index + 1 < tokens.count && tokens[index + 1].text == "("
      let isMember = index > 0 && tokens[index - 1].text == "."
      let isDeclared = index > 0 && ["func", "var", "let"].contains(tokens[index - 1].text)
      // `time(nil)`, `.now` and `.random(in:)` are everyday words elsewhere.
      let isCalled = name == "time" && isCall && !isMember && !isDeclared || name == "random" && isCall && isMember
      let isNow = name == "now" && isMember && isCall
      // Members of these names that the project declares are its own: `self.clock`, `.times`.
      let isOwn = ["clock", "times"].contains(name) && (isMember || !isCall || isDeclared)
      guard undecided.contains(name) && !isOwn || isCalled || isNow else { return nil }
      return Finding(line: tokens[index].line, text: "\(name) is decided by no input and no seed")
    }
  }

  // MARK: Words

  /// What a finished source does not hold. Written in halves, so that this file passes its own rule.
  static let bannedWords = [
    "FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK", "@test" + "able", "<<<" + "<<<<", ">>>" + ">>>>",
    "swift-format-" + "ignore-file", "debug" + "Print(", "NS" + "Log(",
  ]

  static func banned(_ source: String) -> [Finding] {
    source.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap { index, line in
      bannedWords.filter { line.contains($0) }.map { Finding(line: index + 1, text: "\($0) is unfinished work") }
    }
  }

  /// Calls by which a library would print or end the process of its caller.
  static func printsOrExits(_ source: String) -> [Finding] {
    let calls: Set = ["print", "dump", "exit", "_exit", "abort", "fputs", "perror"]
    let tokens = SwiftText(source).tokens
    return tokens.indices.compactMap { index in
      guard calls.contains(tokens[index].text), index + 1 < tokens.count, tokens[index + 1].text == "(" else {
        return nil
      }
      if index > 0, [".", "func"].contains(tokens[index - 1].text) { return nil }
      return Finding(line: tokens[index].line, text: "\(tokens[index].text) is for programs, not for libraries")
    }
  }

  // MARK: Documentation comments

  /// Beginnings by which a documentation comment leans on the declaration before it.
  private static let leaning = [
    "Of ", "The same", "As above", "Likewise", "Ditto", "Or ", "And ", "But ", "Also ", "Them ", "Nor ", "Its ",
    "Theirs", "nil",
  ]

  /// Beginnings of a short comment that say when, where or how, and leave out what.
  private static let circumstances: Set = [
    "As", "In", "On", "At", "By", "From", "To", "For", "With", "Without", "Under", "Until", "Empty", "Once",
    "Ascending",
  ]

  /// Documentation comments that make no sense by themselves: in Quick Help each stands alone.
  ///
  /// A heuristic on beginnings and lengths; a comment that it takes for a fragment reads better in other words anyway.
  static func fragments(_ source: String) -> [Finding] {
    SwiftText(source).documentation.compactMap { comment in
      // Parameters, results and complexity belong to the sentence before them.
      if ["-", "Complexity:"].contains(where: { comment.text.hasPrefix($0) }) { return nil }
      let words = comment.text.split(separator: " ").prefix { $0 != "-" && $0 != "Complexity:" }
      let leans = leaning.contains { comment.text.hasPrefix($0) }
      let isCircumstance = words.count < 10 && words.first.map { circumstances.contains(String($0)) } == true
      guard leans || isCircumstance || words.count < 3 else { return nil }
      return Finding(line: comment.line, text: "\"\(words.joined(separator: " "))\" does not stand alone")
    }
  }
}
