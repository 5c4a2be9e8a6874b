import Engine
import Foundation
import PlannerCore
import Testing

/// A traced model that writes products in every way, and holds what must not be taken for a part of an encoder
/// (`scripts/make-parity-fixtures` made model and answers).
@Suite struct FormsTests {
  struct Fixture: Decodable {
    struct Case: Decodable {
      var batch: Int
      var ids: [Int64]
      var mask: [Int64]
      var outputs: [[Float]]

      var inputs: [HostTensor] { [ids, mask].map { integers($0, rows: batch) } }
    }

    var cases: [Case]
  }

  static let path = ParityTests.folder + "/traced-forms.torchscript"

  static func cases(of name: String = "forms") throws -> [Fixture.Case] {
    let data = try Data(contentsOf: URL(fileURLWithPath: ParityTests.folder + "/\(name).json"))
    return try JSONDecoder().decode(Fixture.self, from: data).cases
  }

  /// Differences grow with the numbers, which reach 100 here.
  static func check(_ model: TorchModel, _ tolerance: Float, as name: String = "forms") throws {
    for one in try cases(of: name) {
      let outputs = try model.run(one.inputs)
      #expect(outputs.count == one.outputs.count)
      for (output, expected) in zip(outputs, one.outputs) {
        let scale = max(1, expected.map(abs).max() ?? 1)
        #expect(largestDifference(output.floats, expected) <= tolerance * scale, "\(one.batch) × \(one.ids.count)")
      }
    }
  }

  @Test func rewritingKeepsTheAnswers() throws {
    _ = SetUp.engine
    let model = try TorchModel(path: Self.path)
    #expect(model.inputNames == ["ids", "mask"])
    try Self.check(model, 1e-5)
  }

  /// Sums of embeddings that are normalized in one pass, and those that only look like it.
  @Test func embeddingsKeepTheAnswers() throws {
    _ = SetUp.engine
    let model = try TorchModel(path: ParityTests.folder + "/traced-embeddings.torchscript")
    try Self.check(model, 1e-5, as: "embeddings")
    // A scaled sum and one of which a part is written to stay what they are; one that begins with the mask, and one
    // whose words are read again, are sums of any two.
    #expect(model.operators(ofKind: "planner::embed_normalize") == 5)
    #expect(model.operators(ofKind: "planner::add_normalize") == 2)
    #expect(model.operators(ofKind: "aten::layer_norm") == 2)
  }

  @Test func anIdBeyondItsTableIsRefused() throws {
    _ = SetUp.engine
    let model = try TorchModel(path: ParityTests.folder + "/traced-embeddings.torchscript")
    for id in [Int64(50), -1] {
      let error = #expect(throws: EngineError.self) {
        try model.run([integers([1, id, 2]), integers([1, 1, 1])])
      }
      #expect(error?.kind == .badInput)
      #expect(error?.message.contains("out of range") == true, "\(String(describing: error))")
    }
  }

  @Test(arguments: [(Precision.bf16, Float(0.02)), (.int8, 0.03)])
  func variantsOfAnyFormAnswerAlike(_ precision: Precision, _ tolerance: Float) throws {
    _ = SetUp.engine
    let folder = try Folder()
    let path = folder.path + "/variant.pt"
    let conversion = try VariantWriter.write(model: Self.path, precision: precision, to: path)
    // Twice the shared layer, the turned and the narrow one, three times the plain one, and the tied one.
    #expect(conversion.linearLayers == 8 && conversion.embeddings == 1 && conversion.isUntrained)
    let variant = try TorchModel(path: path)
    #expect(variant.inputNames == ["ids", "mask"])
    try Self.check(variant, tolerance)
    // Its answers are those of a narrower model, not the same ones by mistake.
    let expected = try TorchModel(path: Self.path).run(Self.cases()[0].inputs)[0].floats
    #expect(try largestDifference(variant.run(Self.cases()[0].inputs)[0].floats, expected) > 1e-6)
  }

  /// Narrow layers of the model that is converted are saved as its file has them, not as they are packed to be run.
  @Test(arguments: [Precision.bf16, .int8]) func narrowLayersStayAsTheyAre(_ precision: Precision) throws {
    let folder = try Folder()
    let code = """
      def forward(self, x: Tensor):
        y = torch.gelu(torch.linear(x, self.wide))
        y = torch.gelu(torch.linear(y, self.half.to(6)))
        return torch.linear(y, self.codes.to(6) * self.scale)
      """
    let weights = ["wide float32 64 64", "half bfloat16 64 64", "codes int8 64 64", "scale float32 64 1"]
    let crafted = try CraftedModel(folder, weights: weights, inputs: [[2, 5, 64]], code: code)
    let variant = folder.path + "/variant.pt"
    let conversion = try VariantWriter.write(model: crafted.path, precision: precision, to: variant)
    #expect(conversion.linearLayers == 1)
    try crafted.check(TorchModel(path: variant), 0.03)
  }

  @Test func whatCannotBeConvertedIsNamed() throws {
    _ = SetUp.engine
    let folder = try Folder()
    let narrow = folder.path + "/narrow.pt"
    _ = try VariantWriter.write(model: Self.path, precision: .int8, to: narrow)
    let garbage = folder.path + "/garbage.pt"
    try Data("no model".utf8).write(to: URL(fileURLWithPath: garbage))
    for path in [narrow, garbage, folder.path + "/none.pt"] {
      let error = #expect(throws: EngineError.self) {
        try VariantWriter.write(model: path, precision: .bf16, to: folder.path + "/out.pt")
      }
      #expect(error?.kind == .badModel && error?.subject == path)
    }
    #expect(folder.files == ["garbage.pt", "narrow.pt"])
  }
}
