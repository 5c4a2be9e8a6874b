import Testing

/// Each rule finds what is planted for it, and leaves alone what only looks like it.
@Suite struct RuleTests {
  private static func lines(_ findings: [Finding]) -> [Int] { findings.map(\.line) }

  // MARK: Size

  @Test func longFilesAndWideLinesAreFound() {
    #expect(Rules.size(String(repeating: "x\n", count: 500)) == [])
    #expect(Self.lines(Rules.size(String(repeating: "x\n", count: 501))) == [501])
    let wide = String(repeating: "é", count: 120)
    #expect(Rules.size(wide) == [])
    #expect(Self.lines(Rules.size("short\n\(wide)x\n")) == [2])
  }

  private static func body(_ head: String, lines: Int, tail: String = "}") -> String {
    "enum E {\n" + head + "\n" + String(repeating: "  step()\n", count: lines - 2) + tail + "\n}\n"
  }

  @Test(arguments: [
    "func f() {", "func f<T>(_ a: [T], b: (Int) -> Int = { $0 }) async throws(E) -> [T] where T: Hashable {",
    "init(a: Int) {", "init?(a: Int) {", "deinit {", "subscript(a: Int) -> Int {", "static var now: Int {",
    "var a: Int = 3 {", "let handler = { (a: Int) in", "static let table = make {",
  ])
  func longBodiesAreFound(_ head: String) {
    #expect(Self.lines(Rules.functionLength(Self.body(head, lines: 70))) == [])
    let found = Rules.functionLength(Self.body(head, lines: 71))
    #expect(Self.lines(found) == [2] && found.first?.text.hasSuffix("has 71 lines") == true)
  }

  /// Braces and keywords in texts and comments are none; members without bodies have no length.
  @Test func whatLooksLikeABodyIsNone() {
    let source = """
      protocol P {
        func f(_ a: Int)
        var b: Int { get }
        init()
      }
      struct S {
        let c: Int
        // func g() {
        let d = "func h() { \\(k { 1 }) }"
        let e = /"[{/]/
        static let f = #"}"#
        func l() { m() }
        struct Inner { let n = 1 }
      }
      """
    let bodies = Rules.bodies(SwiftText(source).tokens)
    #expect(bodies.map(\.name) == ["b", "d", "l"])
    #expect(bodies.allSatisfy { $0.lines == 1 })
  }

  @Test func aFunctionEndsWhereItsBraceIs() {
    let source = "func a() {\n  if b { c() }\n  do {\n  } catch {\n  }\n}\n\nfunc d() {\n}\n"
    #expect(
      Rules.bodies(SwiftText(source).tokens) == [
        .init(name: "a", line: 1, lines: 6), .init(name: "d", line: 8, lines: 2),
      ])
  }

  // MARK: Determinism

  @Test(arguments: [
    "let now = ContinuousClock().now", "let a = Date()", "clock_gettime(CLOCK_MONOTONIC, &time)",
    "let a = DispatchTime.now()", "gettimeofday(&a, nil)", "let t = time(nil)", "let t = Instant.now()",
    "let x = Int.random(in: 0..<3)", "let x = list.shuffled()", "let x = list.randomElement()", "let x = key.hashValue",
    "var generator = SystemRandomNumberGenerator()", "let t = clock()", "ProcessInfo.processInfo",
  ])
  func clocksAndChanceAreFound(_ line: String) {
    #expect(!Rules.clocksAndChance("func f() {\n  \(line)\n}\n").isEmpty)
  }

  @Test(arguments: [
    "// ContinuousClock is read elsewhere", "let text = \"Date()\"", "let now = clock.now",
    "mutating func advance(to time: Nanoseconds) {}", "event.time < other.time", "random.integer(below: 3)",
    "let due = schedule.time(of: request)",
  ])
  func everydayWordsAreNoClocks(_ line: String) { #expect(Rules.clocksAndChance(line) == []) }

  @Test(arguments: [
    "for (key, value) in groups { sum += value }", "for value in groups.values where value > 0 { sum += value }",
    "let a = groups.map { $0.value }", "let a = groups.values.reduce(0, +)", "return groups.keys.first",
    "for key in self.groups.keys { print(key) }", "groups.forEach { print($0) }", "for key in names { print(key) }",
    "let all = names.joined()", "for a in seen { b() }", "let a = Array(groups.values)", "let a = made.map { $0 }",
    "let keys = groups.keys.filter { $0 > a }", "let few = groups.filter { $0.value > 1 }.keys\nfor a in few { b() }",
  ])
  func walksInNoOrderAreFound(_ line: String) {
    let source = """
      struct S {
        var groups: [String: [Int]] = [:]
        let names: Set<String>
        let made = Set([1, 2])
        func f(_ seen: borrowing Dictionary<Int, Int>) {
          \(line)
        }
      }
      """
    let found = Self.lines(UnorderedIteration.findings(source))
    #expect(found == [6] || found == [7])
  }

  @Test(arguments: [
    "for key in groups.keys.sorted() { use(groups[key]) }", "let n = groups.count", "groups[3] = nil",
    "if names.contains(a) { b() }", "let m = groups.values.max()", "for a in list { b() }", "let x = list.map { $0 }",
    "let same = groups.allSatisfy { $0.value > 0 }", "let more = groups.mapValues { $0 + 1 }",
    "let a = use(groups: 3)", "let b = other { key in names.insert(key) }", "for a in ordered { b() }",
    "let other = Dictionary(uniqueKeysWithValues: groups.map { ($0.key, 1) })", "let all = Set(groups.keys)",
  ])
  func ordersThatDoNotMatterPass(_ line: String) {
    let source = """
      struct S {
        var groups: [String: Int]
        var names: Set<String>
        var list: [Int]
        let ordered = Set(list).sorted()
        func f(pairs: [(Int, Int)]) {
          \(line)
        }
      }
      """
    #expect(UnorderedIteration.findings(source) == [])
  }

  // MARK: Words

  @Test func unfinishedWorkIsFound() {
    for word in Rules.bannedWords { #expect(Self.lines(Rules.banned("a\n// \(word) later\n")) == [2], "\(word)") }
    #expect(Rules.banned("let todoList = [\"x\"]") == [])
  }

  @Test func librariesThatPrintOrExitAreFound() {
    #expect(Self.lines(Rules.printsOrExits("f()\nprint(1)\nexit(3)\n")) == [2, 3])
    #expect(Rules.printsOrExits("report.print(1)\nfunc print(_ a: Int) {}\n// print(1)\nlet exit = 3\n") == [])
  }

  @Test(arguments: [
    "/// Of each queue.", "/// Dollars.", "/// The same for files.", "/// Or nil.",
    "/// Of the\n/// verdict, in seconds.", "/// nil where nothing completed.",
    "/// From the end of its pass to the client.",
  ])
  func leaningDocumentationIsFound(_ comment: String) {
    #expect(Self.lines(Rules.fragments("struct S {\n\(comment)\nvar a: Int\n}")) == [2])
  }

  @Test(arguments: [
    "/// Dollars an hour on demand, in us-east-1.", "// Of each queue.", "/// Complexity: O(1).",
    "/// From the first arrival on, requests are counted by outcome.", "/// - Returns: its path.",
    "/// Makes a folder.\n///\n/// - Returns: its path.",
  ])
  func documentationThatStandsAlonePasses(_ comment: String) { #expect(Rules.fragments(comment) == []) }

  // MARK: Folders and files

  @Test func aFolderThatMentionsAnotherIsFound() {
    let files = [
      SourceFile(path: "Units/Money.swift", text: "public struct Money { struct Inner {} }"),
      SourceFile(path: "Policies/Queue.swift", text: "struct Queue { var price: Money; let a = Plan.Node() }"),
      SourceFile(path: "Plan/Plan.swift", text: "struct Plan { var queue: Queue; var money: Money.Inner } // Other"),
    ]
    let allowed: [String: Set<String>] = ["Units": [], "Policies": ["Units"], "Plan": ["Units", "Policies"]]
    #expect(
      FolderDirections.findings(files, allowed: allowed) == ["Policies/Queue.swift:1 mentions Plan, which is in Plan"])
    #expect(
      FolderDirections.findings(files, allowed: ["Units": [], "Policies": ["Plan", "Units"]]) == [
        "the folder Plan is in no table",
        "Plan/Plan.swift:1 mentions Queue, which is in Policies", "Plan/Plan.swift:1 mentions Money, which is in Units",
      ])
  }

  @Test func theTargetsOwnFolderIsOneOfThem() {
    let files = [
      SourceFile(path: "Search.swift", text: "struct Search {}"),
      SourceFile(path: "Checking/Check.swift", text: "struct Check {\n  var search: Search\n}"),
    ]
    #expect(
      FolderDirections.findings(files, allowed: ["": ["Checking"], "Checking": []]) == [
        "Checking/Check.swift:2 mentions Search, which is in "
      ])
  }

  @Test func directionsInACircleAreFound() {
    #expect(FolderDirections.circle(["a": ["b"], "b": ["c"], "c": []]) == nil)
    #expect(FolderDirections.circle(["a": ["b"], "b": ["c"], "c": ["a"]]) != nil)
  }

  @Test func foldersOfTargetsAreRead() {
    let manifest = """
      .target(name: "A", dependencies: ["B"]),
      .executableTarget(
        name: "C", dependencies: [.product(name: "X", package: "y")], path: "Tests/C"),
      .systemLibrary(name: "D"), .testTarget(name: "ATests"),
      """
    #expect(TargetFolders.read(manifest) == ["Sources/A", "Tests/C", "Sources/D", "Tests/ATests"])
    #expect(
      TargetFolders.orphans(["Sources/A/x.swift", "Sources/AB/y.swift", "Package.swift"], folders: ["Sources/A"])
        == ["Sources/AB/y.swift"])
  }

  // MARK: Texts

  @Test func aChangelogOutOfFormIsFound() {
    let good = """
      # Changelog

      What a user notices.

      ## 0.2.0 (unreleased)

      ### Added

      - A thing
        over two lines.

      ## 0.1.0 (2026-11-24)

      ### Fixed

      - Another.

      """
    #expect(Changelog.findings(good) == [])
    for (old, new, line) in [
      ("# Changelog", "# Changes", 1), ("(unreleased)", "", 5), ("### Added", "### New", 7),
      ("over two lines.", "over two lines", 10), ("(2026-11-24)", "(unreleased)", 12), ("### Fixed", "", 16),
      ("- Another.", "Another.", 16), ("0.1.0", "0.3.0", 12),
    ] { #expect(Self.lines(Changelog.findings(good.replacing(old, with: new))) == [line], "\(new)") }
  }

  @Test func recordsMissingFromTheIndexAreFound() {
    let index = "| [0001](0001-a.md) | One way | 2026-11-24 | accepted | |\n"
    let record = SourceFile(path: "0001-a.md", text: "# 1. One way\n\n**Context.** x **Decision.** y")
    #expect(DecisionIndex.findings(index, [record]) == [])
    #expect(DecisionIndex.findings("", [record]) == ["0001-a.md is not in the index, or not with its title"])
    let other = SourceFile(path: "0001-b.md", text: "# 2. Two\n")
    #expect(
      DecisionIndex.findings(index, [record, other]) == [
        "0001-b.md is not in the index, or not with its title", "0001-b.md has another number in its title",
        "0001-b.md lacks **Context.**", "0001-b.md lacks **Decision.**", "0001 is the number of several records",
      ])
  }

  @Test func linksThatLeadNowhereAreFound() {
    let text = "[a](x.md) [b](https://example.org) [c](#d) [e](y.md#f)\n"
    #expect(Links.targets(text) == ["x.md", "y.md"])
  }
}
