import Foundation
import Reporting
import Testing

/// Differences as tools of others take them.
@Suite struct UnifiedDiffTests {
  private static func diff(_ old: String?, _ new: String?) -> String {
    UnifiedDiff.render(from: old, to: new, oldName: old.map { _ in "a" }, newName: new.map { _ in "b" })
  }

  @Test func whatIsEqualSaysNothing() {
    #expect(Self.diff("x\ny\n", "x\ny\n").isEmpty && Self.diff(nil, nil).isEmpty && Self.diff("", nil).isEmpty)
    #expect(Self.diff("x", "x\n").isEmpty)
  }

  @Test func differencesStandInTheirSurroundings() {
    let old = (1...20).map { "line \($0)" }.joined(separator: "\n")
    let new = old.replacing("line 10\n", with: "line ten\n")
    #expect(
      Self.diff(old, new) == """
        --- a
        +++ b
        @@ -7,7 +7,7 @@
         line 7
         line 8
         line 9
        -line 10
        +line ten
         line 11
         line 12
         line 13

        """)
    #expect(Self.diff(nil, "x\ny") == "--- /dev/null\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n")
    #expect(Self.diff("x\ny", nil) == "--- a\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n")
  }

  /// Lines that moved are few, however long the list is: one of many that goes is one line.
  @Test func oneLineOfManyIsOneLine() {
    let names = (0..<20_000).map { "model\($0)" }
    var fewer = names
    fewer.remove(at: 12_345)
    fewer.append("another")
    let text = Self.diff(names.joined(separator: "\n"), fewer.joined(separator: "\n"))
    let changed = text.split(separator: "\n").dropFirst(2).filter { $0.hasPrefix("-") || $0.hasPrefix("+") }
    #expect(changed == ["-model12345", "+another"])
  }

  /// `git apply` makes the new text of the old one, whatever they are.
  @Test(arguments: 0..<60) func gitAppliesThem(_ seed: Int) throws {
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
    func next(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    // Few different words, so that lines repeat.
    let old = (0..<next(40)).map { _ in "w\(next(12))" }
    var new = old
    for _ in 0..<next(12) {
      if next(2) == 0, !new.isEmpty { new.remove(at: next(new.count)) }
      new.insert("w\(next(12))", at: next(new.count + 1))
    }
    let folder = NSTemporaryDirectory() + "unified-diff-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func write(_ text: String, _ name: String) throws {
      try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }
    func text(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }
    try write(text(old), "text")
    try write(UnifiedDiff.render(from: text(old), to: text(new), oldName: "text", newName: "text"), "diff")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/git")
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.arguments = ["apply", "-p0", "--whitespace=nowarn", "diff"]
    try process.run()
    process.waitUntilExit()
    let found = (try? String(contentsOfFile: folder + "/text", encoding: .utf8)) ?? ""
    #expect(old == new || process.terminationStatus == 0)
    #expect(found == text(new), "\(old) to \(new)")
  }
}
