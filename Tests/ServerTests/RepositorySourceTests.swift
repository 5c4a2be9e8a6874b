import Foundation
import PlannerCore
import PlannerFiles
import Serving
import Testing

/// When a load reads the repository again.
@Suite struct RepositorySourceTests {
  /// Files of a folder, with changes that lie in the past.
  struct Repository {
    let folder = NSTemporaryDirectory() + "planner-source-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    func write(_ name: String, _ text: String = "", secondsAgo: Double) throws {
      try text.write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
      for path in [folder + "/" + name, folder] {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -secondsAgo)], ofItemAtPath: path)
      }
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }
  }

  @Test func filesWithoutAManifestAreListedAgainWhereTheFolderHasChanged() throws {
    let repository = try Repository()
    defer { repository.remove() }
    try repository.write("a.pt", secondsAgo: 100)
    let source = RepositorySource(folder: repository.folder)
    #expect(try source.manifest().models.map(\.name) == ["a"])
    #expect(source.isUnchanged)
    try repository.write("b.pt", secondsAgo: 50)
    #expect(!source.isUnchanged)
    #expect(try source.manifest().models.map(\.name) == ["a", "b"])
    #expect(source.isUnchanged)
  }

  @Test func whatWasChangedJustNowIsReadAgain() throws {
    let repository = try Repository()
    defer { repository.remove() }
    try repository.write("a.pt", secondsAgo: 0)
    let source = RepositorySource(folder: repository.folder)
    _ = try source.manifest()
    // A second file within the same tick of the file system's clock would leave the folder's time as it is.
    #expect(!source.isUnchanged)
  }

  @Test func aRepositoryThatIsTooSmallIsRefusedEachTime() throws {
    let repository = try Repository()
    defer { repository.remove() }
    try repository.write("a.pt", secondsAgo: 100)
    let source = RepositorySource(folder: repository.folder, selection: .first(2))
    for _ in 0..<2 {
      #expect(throws: FileError.self) { try source.manifest() }
      #expect(!source.isUnchanged)
    }
    try repository.write("b.pt", secondsAgo: 50)
    #expect(try source.manifest().models.count == 2)
  }

  @Test func aListPicksModelsByNameInTheRepositorysOrder() throws {
    let repository = try Repository()
    defer { repository.remove() }
    for name in ["a", "b", "c"] { try repository.write("\(name).pt", secondsAgo: 100) }
    let list = repository.folder + "/list"
    func source(_ text: String) throws -> RepositorySource {
      try text.write(toFile: list, atomically: true, encoding: .utf8)
      return RepositorySource(folder: repository.folder, selection: try ModelSelection(listFile: list))
    }
    #expect(try source("c\r\n\n  a \nc\n").manifest().models.map(\.name) == ["a", "c"])
    let missing = #expect(throws: FileError.self) { try source("a\nd\n").manifest() }
    #expect(missing?.description.contains("has no model 'd'") == true)
    #expect(missing?.description.contains("take it out of \(list)") == true)
    #expect(throws: FileError.self) { try source("\n \n") }
    #expect(throws: FileError.self) { try ModelSelection(listFile: repository.folder + "/nowhere") }
  }

  @Test func aManifestThatAppearsOrIsReplacedIsRead() throws {
    let repository = try Repository()
    defer { repository.remove() }
    try repository.write("a.pt", secondsAgo: 100)
    let source = RepositorySource(folder: repository.folder)
    _ = try source.manifest()
    for (name, age) in [("first", 60.0), ("second", 40.0)] {
      let listed = RepositoryManifest(
        seed: nil, vocabularyFile: nil, lowercases: true,
        models: [
          RepositoryManifest.Model(
            name: name, file: "a.pt", architecture: "unknown", precision: .fp32, vocabulary: 10, maxTokens: 512,
            inputs: ["input_ids"], fileBytes: 0)
        ])
      let path = repository.folder + "/" + RepositoryManifest.fileName
      try JSONFile.write(listed, to: path)
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: path)
      #expect(!source.isUnchanged)
      #expect(try source.manifest().models.map(\.name) == [name])
      #expect(source.isUnchanged)
    }
    try FileManager.default.removeItem(atPath: repository.folder + "/" + RepositoryManifest.fileName)
    #expect(!source.isUnchanged)
    #expect(try source.manifest().models.map(\.name) == ["a"])
  }

  /// What the manifest says of pairs holds, unless the server was told otherwise; without either, today's way.
  @Test func pairsAreCutAsTheManifestOrTheServerSays() throws {
    let repository = try Repository()
    defer { repository.remove() }
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    try repository.write("vocab.txt", words.joined(separator: "\n") + "\n", secondsAgo: 100)
    var manifest = RepositoryManifest(seed: nil, vocabularyFile: "vocab.txt", lowercases: true, models: [])
    func way(_ source: RepositorySource) throws -> String? {
      try source.tokenizer(of: manifest)?.truncation.rawValue
    }
    let source = RepositorySource(folder: repository.folder)
    #expect(try way(source) == "halves")
    manifest.pairTruncation = .oneByOne
    #expect(try way(source) == "oneByOne")
    #expect(try way(RepositorySource(folder: repository.folder, pairTruncation: .halves)) == "halves")
    manifest.vocabularyFile = nil
    #expect(try way(source) == nil)
  }
}
