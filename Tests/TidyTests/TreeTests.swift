import Foundation
import Testing

/// The project keeps its own rules. What each rule finds is shown in `RuleTests`.
@Suite struct TreeTests {
  static let sources = [".swift", ".cpp", ".c", ".h", ".inc"]

  @Test func filesAndLinesStayShort() throws {
    let paths = try Tree.files(["Sources", "Tests", "Benchmarks"], suffixes: Self.sources)
    try Tree.check(paths.filter { !$0.hasPrefix(Tree.generated) && !$0.contains("/Fixtures/") }, Rules.size)
  }

  @Test func functionsStayShort() throws {
    try Tree.check(Tree.swift()) { Rules.functionLength($0) }
  }

  /// The rooms whose results follow from their inputs and a seed alone.
  static let pure = ["Sources/PlannerCore", "Sources/Simulator", "Sources/Optimizer"]

  @Test func pureRoomsReadNoClock() throws { try Tree.check(Tree.swift(pure), Rules.clocksAndChance) }

  /// Walks whose order cannot show, each with the reason.
  static let unordered = [
    "Sources/PlannerCore/Policies/BatchQueue.swift walks over waiting in no order":
      "rebuildFull fills a heap that orders by time and sequence, whatever the order of the insertions"
  ]

  @Test func pureRoomsWalkInOrder() throws {
    try Tree.check(Tree.swift(Self.pure), except: Self.unordered, UnorderedIteration.findings)
  }

  @Test func everyExceptionIsNeeded() throws {
    for key in Self.unordered.keys {
      let path = String(key.prefix { $0 != " " })
      let found = UnorderedIteration.findings(try Tree.text(path)).map { path + " " + $0.text }
      #expect(found.contains(key), "\(key)")
    }
  }

  @Test func nothingIsUnfinished() throws {
    let scripts = try Tree.files(["scripts"], suffixes: [""]).filter { $0.split(separator: "/").count == 2 }
    try Tree.check(
      Tree.files(["Sources", "Tests", "Benchmarks"], suffixes: Self.sources).filter { !$0.hasPrefix(Tree.generated) }
        + scripts, Rules.banned)
  }

  @Test func librariesNeitherPrintNorExit() throws {
    let programs = ["Sources/PlannerCLI/", "Sources/ModelServer/"]
    try Tree.check(
      Tree.swift(["Sources"]).filter { path in !programs.contains { path.hasPrefix($0) } }, Rules.printsOrExits)
  }

  // MARK: Folders

  /// The folders of PlannerCore, and whose types each may mention.
  static let plannerCore: [String: Set<String>] = [
    "Units": []
  ]

  @Test func foldersOfTheCorePointOneWay() throws {
    let paths = try Tree.swift(["Sources/PlannerCore"])
    let files = try paths.map { SourceFile(path: String($0.dropFirst("Sources/PlannerCore/".count)), text: try Tree.text($0)) }
    for finding in FolderDirections.findings(files, allowed: Self.plannerCore) { Issue.record("\(finding)") }
    #expect(FolderDirections.circle(Self.plannerCore) == nil)
    #expect(Set(files.map { String($0.path.split(separator: "/")[0]) }) == Set(Self.plannerCore.keys))
  }

  // MARK: What is kept

  @Test func everySourceBelongsToATarget() throws {
    let folders = TargetFolders.read(try Tree.text("Package.swift"))
    #expect(folders.count > 20)
    #expect(TargetFolders.orphans(try Tree.swift(), folders: folders) == [])
    for folder in folders { #expect(FileManager.default.fileExists(atPath: Tree.root + "/" + folder), "\(folder)") }
  }

  @Test func everyScriptIsUsed() throws {
    let texts = try (["Makefile", "README.md", "CONTRIBUTING.md", "Package.swift"]
      + Tree.files(["docs", "scripts", "Tests", ".ci", "Benchmarks"], suffixes: [".md", ".swift", ".py", ""])
        .filter { $0.hasSuffix(".md") || $0.hasSuffix(".swift") || $0.hasSuffix(".py") || $0.hasPrefix("scripts/") })
      .map { SourceFile(path: $0, text: (try? Tree.text($0)) ?? "") }
    for name in try FileManager.default.contentsOfDirectory(atPath: Tree.root + "/scripts") {
      #expect(texts.contains { $0.path != "scripts/" + name && $0.text.contains(name) }, "nothing mentions scripts/\(name)")
    }
  }

  @Test(.enabled(if: Tree.tracked != nil, "this copy is not under version control"))
  func noLargeFilesAreKept() throws {
    let tracked = try #require(Tree.tracked)
    for path in tracked {
      let size = try? FileManager.default.attributesOfItem(atPath: Tree.root + "/" + path)[.size] as? Int
      #expect((size ?? 0) <= Rules.largestFileBytes, "\(path)")
      let isBuilt = [".build/", "Package.resolved", "models/"].contains { path.hasPrefix($0) }
      #expect(!isBuilt, "\(path) is made by programs")
    }
  }

  // MARK: Texts

  @Test func theChangelogKeepsItsForm() throws { try Tree.check(["CHANGELOG.md"], Changelog.findings) }

  @Test func decisionsAreIndexed() throws {
    let folder = Tree.root + "/docs/decisions"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0 != "README.md" }.sorted()
    let records = try names.map { SourceFile(path: $0, text: try Tree.text("docs/decisions/" + $0)) }
    #expect(DecisionIndex.findings(try Tree.text("docs/decisions/README.md"), records) == [])
  }

  @Test func linksLeadSomewhere() throws {
    let paths = try ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
      + Tree.files(["docs"], suffixes: [".md"])
    for path in paths {
      let folder = URL(fileURLWithPath: Tree.root + "/" + path).deletingLastPathComponent().path
      for target in Links.targets(try Tree.text(path)) {
        #expect(FileManager.default.fileExists(atPath: folder + "/" + target), "\(path) names \(target)")
      }
    }
  }
}
