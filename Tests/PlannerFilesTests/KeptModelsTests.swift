import Foundation
import PlannerCore
import PlannerFiles
import TestSupport
import Testing

@Suite struct KeptModelsTests {
  /// SHA-256 of "abc" (FIPS 180-2).
  private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  private static func kept() throws -> (folder: TemporaryFolder, manifest: RepositoryManifest, models: KeptModels) {
    let folder = try TemporaryFolder()
    _ = try folder.file("a.pt", "abc")
    let model = RepositoryManifest.Model(
      name: "a", file: "a.pt", architecture: "x", precision: .fp32, vocabulary: 1, maxTokens: 1, inputs: ["x"],
      fileBytes: 3, sha256: abc)
    let manifest = RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: true, models: [model])
    return (folder, manifest, KeptModels(folder: folder.path))
  }

  @Test func filesAreComparedWithWhatWasWritten() throws {
    let (folder, manifest, models) = try Self.kept()
    #expect(models.damage(manifest, first: 1) == nil)
    _ = try folder.file("a.pt", "abcd")
    #expect(models.damage(manifest, first: 1) == "a.pt has 4 bytes, and 3 were written")
    _ = try folder.file("a.pt", "abd")
    #expect(models.damage(manifest, first: 1) == "a.pt is not what was written")
    try FileManager.default.removeItem(atPath: folder.path + "/a.pt")
    #expect(models.damage(manifest, first: 1) == "a.pt is missing")
  }

  /// Neither its size nor the time that a copy or a restored backup gives it tells that a file was changed.
  @Test func aFileThatWasChangedAndSetBackIsReadAgain() throws {
    let (folder, manifest, models) = try Self.kept()
    models.trust(manifest)
    #expect(models.damage(manifest, first: 1) == nil)
    let path = folder.path + "/a.pt"
    var before = stat()
    try #require(stat(path, &before) == 0)
    // In place, so that the inode stays.
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.write(contentsOf: Data("abd".utf8))
    try file.close()
    var times = [before.st_atim, before.st_mtim]
    try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
    var after = stat()
    try #require(stat(path, &after) == 0)
    #expect(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec && after.st_ino == before.st_ino)
    #expect(models.damage(manifest, first: 1) == "a.pt is not what was written")
  }
}
