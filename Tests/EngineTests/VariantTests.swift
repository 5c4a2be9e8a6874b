import Engine
import EngineTools
import Foundation
import PlannerCore
import PlannerFiles
import Testing
import Tokenizer

/// Variants of models, and what is said of their agreement.
@Suite struct VariantTests {
  static let pieces =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + (33...126).map { String(UnicodeScalar(UInt8($0))) }

  /// The fixture's traced BERT, whose weights are not as they were initialized, as a repository.
  static func repository(_ folder: Folder, seed: UInt64? = nil) throws {
    _ = SetUp.engine
    let file = folder.path + "/qa.pt"
    try FileManager.default.copyItem(atPath: ParityTests.folder + "/traced-bert.torchscript", toPath: file)
    try AtomicFile.write(pieces.joined(separator: "\n") + "\n", to: folder.path + "/vocab.txt")
    let model = RepositoryManifest.Model(
      name: "qa", file: "qa.pt", architecture: "bert", precision: .fp32, vocabulary: 100, maxTokens: 64,
      inputs: ["input_ids", "attention_mask", "token_type_ids"], fileBytes: 1)
    try JSONFile.write(
      RepositoryManifest(seed: seed, vocabularyFile: "vocab.txt", lowercases: true, models: [model]),
      to: folder.path + "/" + RepositoryManifest.fileName)
  }

  @Test func variantsStandBesideTheirModel() throws {
    let folder = try Folder()
    try Self.repository(folder)
    var reports: [VariantReport] = []
    // Twice: variants that are there are replaced, not added again.
    for _ in 0..<2 {
      reports = []
      try RepositoryVariants(folder: folder.path, precisions: [.bf16, .int8]).write { reports.append($0) }
    }
    #expect(reports.map(\.variant) == ["qa-bf16", "qa-int8"])
    let manifest = try RepositoryFile.read(folder: folder.path)
    #expect(manifest.models.map(\.name) == ["qa", "qa-bf16", "qa-int8"])
    #expect(manifest.models.map(\.precision) == [.fp32, .bf16, .int8])
    for model in manifest.models.dropFirst() {
      let agreement = try #require(model.agreement)
      #expect(agreement.task == .choice && agreement.reference == "qa" && agreement.worstCosine == nil)
      #expect((0.5...1).contains(try #require(agreement.sameChoices)))
      #expect(agreement.largestDifference > 0 && agreement.largestDifference < 0.1)
      #expect(agreement.fewestTokens < 12 && agreement.mostTokens == 64)
    }
    #expect(folder.files.filter { $0.hasSuffix(".tmp") }.isEmpty)
  }

  @Test func agreementOfRandomWeightsIsRefused() throws {
    let folder = try Folder()
    try Self.repository(folder, seed: 1)
    try RepositoryVariants(folder: folder.path, precisions: [.int8]).write { report in
      #expect(report.agreement == nil && report.agreementMissing?.contains("never trained") == true)
    }
    #expect(try RepositoryFile.read(folder: folder.path).models.allSatisfy { $0.agreement == nil })
  }

  @Test func aModelAgreesWithItself() throws {
    let folder = try Folder()
    try Self.repository(folder)
    let tokenizer = try WordPieceTokenizer(vocabulary: Self.pieces, lowercases: true)
    let model = try TorchModel(path: folder.path + "/qa.pt")
    let same = try AgreementMeasurement(tokenizer: tokenizer, maxTokens: 64).compare(model, with: model)
    #expect(same.sameChoices == 1 && same.largestDifference == 0 && same.largestValue > 0)
    // Another model of the same shape does not.
    let forms = try TorchModel(path: FormsTests.path)
    #expect(throws: EngineError.self) {
      try AgreementMeasurement(tokenizer: tokenizer, maxTokens: 64).compare(model, with: forms)
    }
  }

  private static func row(_ row: Int, tokens: Int) -> [Int64] {
    (0..<tokens).map { token in
      let id = token * 7 + row * 31 + 5
      return Int64(id % 300)
    }
  }

  /// A row's answer does not depend on what else is in its batch, nor on how rows are padded and split for the kernels.
  @Test(arguments: Precision.allCases) func rowsOfABatchAnswerAsAlone(_ precision: Precision) throws {
    let folder = try Folder()
    try TorchModelTests.repository(folder, precision, count: 1)
    let model = try TorchModel(path: folder.path + "/model0.pt")
    for (batch, tokens) in [(2, 3), (5, 31), (3, 129)] {
      let rows: [[Int64]] = (0..<batch).map { Self.row($0, tokens: tokens) }
      let ids: [Int64] = rows.flatMap { $0 }
      let together = try model.run([
        integers(ids, rows: batch), integers(ids.map { _ in 1 }, rows: batch),
        integers(ids.map { _ in 0 }, rows: batch),
      ])
      for (index, row) in rows.enumerated() {
        for (all, alone) in zip(together, try model.run(request(row))) {
          let part = Array(all.floats[index * tokens..<(index + 1) * tokens])
          #expect(largestDifference(part, alone.floats) < 1e-4)
        }
      }
    }
  }
}
