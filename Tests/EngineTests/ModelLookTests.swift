import Engine
import EngineTools
import Foundation
import PlannerCore
import ServerContract
import Testing

/// Looking at model files without running them.
@Suite struct ModelLookTests {
  private func look(_ family: ArchitecturePreset, _ vocabulary: Int, _ precision: Precision, seed: UInt64 = 1) throws
    -> ModelLook
  {
    _ = SetUp.engine
    let folder = try Folder()
    try Synthesizer(family: family, vocabulary: vocabulary, precision: precision, seed: seed).write(
      count: 1, to: folder.path, progress: { _ in })
    return try ModelLook(path: folder.path + "/model0.pt")
  }

  @Test func weightsAreNoPartOfAnArchitectureAndShapesAre() throws {
    let first = try look(.bertTiny, 300, .fp32)
    let other = try look(.bertTiny, 300, .fp32, seed: 2)
    let larger = try look(.bertTiny, 301, .fp32)
    #expect(first == other)
    // The same code with other shapes is another architecture.
    #expect(first.code == larger.code && first.architecture != larger.architecture)
    #expect(larger.weightBytes - first.weightBytes == 4 * 128)
    #expect(first.architecture.utf8.count == 40 && !first.className.isEmpty)
  }

  @Test(arguments: Precision.allCases)
  func thePrecisionIsInTheFile(_ precision: Precision) throws {
    #expect(try look(.bertTiny, 300, precision).precision == precision)
  }

  /// What the server knows code by.
  @Test func theCodeIsTheServersFingerprint() throws {
    _ = SetUp.engine
    let folder = try Folder()
    try TorchModelTests.repository(folder, count: 1)
    let path = folder.path + "/model0.pt"
    #expect(try ModelLook(path: path).code == TorchModel.codeFingerprint(path: path))
  }

  @Test func brokenFilesAreNamedWithTheirReasonsAndDoNotStopTheRest() throws {
    _ = SetUp.engine
    let folder = try Folder()
    try TorchModelTests.repository(folder, count: 2)
    try FileManager.default.removeItem(atPath: folder.path + "/manifest.json")
    let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/model0.pt"))
    try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: folder.path + "/cut.pt"))
    try Data("text".utf8).write(to: URL(fileURLWithPath: folder.path + "/text.pt"))
    var found: [LookedFile] = []
    try RepositoryLook(folder: folder.path, hasChecksums: true).run { found.append($0) }
    #expect(found.map(\.file) == ["cut.pt", "model0.pt", "model1.pt", "text.pt"])
    #expect(found.map { $0.problem == nil } == [false, true, true, false])
    #expect(found[1].fingerprint == found[2].fingerprint && found[1].sha256 != found[2].sha256)
    #expect(found[0].problem?.contains("cut off") == true)
  }
}
