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

  @Test func pureRoomsReadNoClock() throws { try Tree.check(Tree.swift(Self.pure), Rules.clocksAndChance) }

  @Test func pureRoomsWalkInOrder() throws {
    try Tree.check(Tree.swift(Self.pure), UnorderedIteration.findings)
  }

  @Test func nothingIsUnfinished() throws {
    let scripts = try Tree.files(["scripts"], suffixes: [""]).filter { $0.split(separator: "/").count < 4 }
    try Tree.check(
      Tree.files(["Sources", "Tests", "Benchmarks"], suffixes: Self.sources).filter { !$0.hasPrefix(Tree.generated) }
        + scripts, Rules.banned)
  }

  @Test func documentationStandsAlone() throws { try Tree.check(Tree.swift(), Rules.fragments) }

  /// Exits of libraries, each with the reason.
  static let exits = [
    "Sources/ServerApplication/ServerParts.swift _exit is for programs, not for libraries":
      "a second signal ends a server that is still draining"
  ]

  @Test func librariesNeitherPrintNorExit() throws {
    let programs = ["Sources/PlannerCLI/", "Sources/ModelServer/"]
    try Tree.check(
      Tree.swift(["Sources"]).filter { path in !programs.contains { path.hasPrefix($0) } }, except: Self.exits,
      Rules.printsOrExits)
  }

  // MARK: Folders

  /// The folders of PlannerCore, and whose types each may mention.
  static let plannerCore: [String: Set<String>] = [
    "Units": [], "Random": [], "Queueing": [],
    "Policies": ["Random", "Units"],
    "Catalog": ["Units"],
    "Figures": ["Catalog", "Random", "Units"],
    "Demand": ["Catalog", "Figures", "Policies", "Random", "Units"],
    "Plan": ["Catalog", "Demand", "Figures", "Policies", "Random", "Units"],
    "Run": ["Catalog", "Demand", "Figures", "Plan", "Policies", "Random", "Units"],
  ]

  private static func files(of target: String) throws -> [SourceFile] {
    let start = "Sources/\(target)/"
    return try Tree.swift(["Sources/" + target]).map { path in
      SourceFile(path: String(path.dropFirst(start.count)), text: try Tree.text(path))
    }
  }

  @Test func foldersOfTheCorePointOneWay() throws {
    let files = try Self.files(of: "PlannerCore")
    for finding in FolderDirections.findings(files, allowed: Self.plannerCore) { Issue.record("\(finding)") }
    #expect(FolderDirections.circle(Self.plannerCore) == nil)
    #expect(files.count > 20)
  }

  /// A plan is judged by code that knows nothing of how it was found.
  @Test func theCheckerSharesNoCodeWithTheSearch() throws {
    let files = try Self.files(of: "Optimizer")
    #expect(files.contains { FolderDirections.folder($0.path) == "Checking" })
    let all = Set(files.map { FolderDirections.folder($0.path) })
    var allowed = Dictionary(uniqueKeysWithValues: all.map { ($0, all) })
    allowed["Checking"] = []
    for finding in FolderDirections.findings(files, allowed: allowed) { Issue.record("\(finding)") }
  }

  // MARK: What is kept

  @Test func everySourceBelongsToATarget() throws {
    let folders = TargetFolders.read(try Tree.text("Package.swift"))
    #expect(folders.count > 20)
    #expect(TargetFolders.orphans(try Tree.swift(), folders: folders) == [])
    for folder in folders { #expect(FileManager.default.fileExists(atPath: Tree.root + "/" + folder), "\(folder)") }
  }

  @Test func everyScriptIsUsed() throws {
    let scripts = try Tree.files(["scripts"], suffixes: [""])
    let paths =
      try ["Makefile", "README.md", "CONTRIBUTING.md"] + scripts
      + Tree.files(["docs", "Tests", "Benchmarks"], suffixes: [".md", ".swift", ".py"])
    let texts = try paths.map { SourceFile(path: $0, text: try Tree.text($0)) }
    for script in scripts {
      let name = script.dropFirst("scripts/".count)
      #expect(texts.contains { $0.path != script && $0.text.contains(name) }, "nothing mentions \(script)")
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
    let paths =
      try ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
      + Tree.files(["docs"], suffixes: [".md"])
    for path in paths {
      let folder = URL(fileURLWithPath: Tree.root + "/" + path).deletingLastPathComponent().path
      for target in Links.targets(try Tree.text(path)) {
        #expect(FileManager.default.fileExists(atPath: folder + "/" + target), "\(path) names \(target)")
      }
    }
  }
}
