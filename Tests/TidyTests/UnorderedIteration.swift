/// Walks over dictionaries and sets, whose order differs from process to process.
///
/// A heuristic: it knows the names that one source declares with such a type (properties, constants, variables,
/// parameters), not what an expression's type is. A name that is declared in another file passes.
enum UnorderedIteration {
  static func findings(_ source: String) -> [Finding] {
    let tokens = SwiftText(source).tokens
    let names = declared(tokens)
    return tokens.indices.compactMap { index in
      guard names.contains(tokens[index].text), isUse(tokens, index) else { return nil }
      var next = index + 1
      while text(tokens, next) == "." && ["values", "keys"].contains(text(tokens, next + 1)) { next += 2 }
      let walked: Bool
      if text(tokens, next) == "." {
        let member = text(tokens, next + 1)
        // The filter of a dictionary is a dictionary; that of its keys or values is an array in their order.
        walked = isWalk(member) || member == "filter" && next > index + 1
      } else {
        walked = isLoop(tokens, index) && ["{", "where"].contains(text(tokens, next)) || next > index + 1
      }
      guard walked else { return nil }
      return Finding(line: tokens[index].line, text: "walks over \(tokens[index].text) in no order")
    }
  }

  private static func text(_ tokens: [SwiftText.Token], _ index: Int) -> String {
    tokens.indices.contains(index) ? tokens[index].text : ""
  }

  /// Members whose result follows the order of the elements, as those of `sorted`, `min` and `mapValues` do not.
  private static func isWalk(_ member: String) -> Bool {
    [
      "map", "flatMap", "compactMap", "reduce", "forEach", "first", "enumerated", "lazy", "prefix", "dropFirst",
      "joined", "popFirst", "randomElement", "makeIterator", "description", "shuffled", "reversed",
    ].contains(member)
  }

  /// A declaration of the name, or a label, is no use of it; one that makes another dictionary or set does no harm.
  private static func isUse(_ tokens: [SwiftText.Token], _ index: Int) -> Bool {
    if ["var", "let"].contains(text(tokens, index - 1)) || text(tokens, index + 1) == ":" { return false }
    let makesSet = text(tokens, index - 1) == "(" && text(tokens, index - 2) == "Set"
    return !makesSet && text(tokens, index - 2) != "uniqueKeysWithValues"
  }

  /// Whether `for … in` stands before this expression.
  private static func isLoop(_ tokens: [SwiftText.Token], _ index: Int) -> Bool {
    var position = index - 1
    // `in self.groups`, `in node.groups`
    while text(tokens, position) == "." { position -= 2 }
    guard text(tokens, position) == "in" else { return false }
    // A closure's `in` has its `{` before a `for`.
    while position >= 0, text(tokens, position) != "for" {
      if text(tokens, position) == "{" { return false }
      position -= 1
    }
    return position >= 0
  }

  /// Names whose declared type or first value is a dictionary or a set.
  static func declared(_ tokens: [SwiftText.Token]) -> Set<String> {
    var names: Set<String> = []
    for index in tokens.indices where text(tokens, index + 1) == ":" || text(tokens, index + 1) == "=" {
      let name = tokens[index].text
      guard name.first?.isLetter == true else { continue }
      var next = index + 2
      while ["borrowing", "consuming", "inout", "sending"].contains(text(tokens, next)) { next += 1 }
      if ["Set", "Dictionary"].contains(text(tokens, next)), ["<", "("].contains(text(tokens, next + 1)) {
        // `Set(x).sorted()` is an array.
        if text(tokens, next + 1) == "<" || !continues(tokens, after: next + 1) { names.insert(name) }
      } else if text(tokens, next) == "[", isDictionary(tokens, next) {
        names.insert(name)
      } else if text(tokens, index + 1) == "=", endsInKeys(tokens, next) {
        names.insert(name)
      }
    }
    return names
  }

  /// Whether the line on which an expression begins ends in `.keys` or `.values`.
  private static func endsInKeys(_ tokens: [SwiftText.Token], _ start: Int) -> Bool {
    guard tokens.indices.contains(start) else { return false }
    let end = tokens[start...].firstIndex { $0.line > tokens[start].line } ?? tokens.count
    return text(tokens, end - 2) == "." && ["keys", "values"].contains(text(tokens, end - 1))
  }

  /// Whether a member is asked of the call whose parenthesis opens at `open`.
  private static func continues(_ tokens: [SwiftText.Token], after open: Int) -> Bool {
    var depth = 0
    for index in tokens.indices.dropFirst(open) {
      if tokens[index].text == "(" { depth += 1 }
      if tokens[index].text == ")" { depth -= 1 }
      if depth == 0 { return text(tokens, index + 1) == "." }
    }
    return false
  }

  /// `[Key: Value]` or `[:]`: a colon at the bracket's own depth, and no member asked of it.
  private static func isDictionary(_ tokens: [SwiftText.Token], _ open: Int) -> Bool {
    var depth = 0
    var hasColon = false
    for index in tokens.indices.dropFirst(open) {
      switch tokens[index].text {
      case "[", "(", "{": depth += 1
      case "]", ")", "}": depth -= 1
      case ":" where depth == 1: hasColon = true
      // `a ? b : c` is no pair.
      case "?" where depth == 1 && text(tokens, index + 1) != ":" && text(tokens, index - 1) != "]": return false
      default: break
      }
      if depth == 0 { return hasColon && text(tokens, index + 1) != "." }
    }
    return false
  }
}
