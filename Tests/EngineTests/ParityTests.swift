import Engine
import Foundation
import PlannerCore
import Testing

/// Equal weights give the same answers as transformers 4.30 (`scripts/make-parity-fixtures` made the figures).
@Suite struct ParityTests {
  struct Fixture: Decodable {
    struct Weight: Decodable {
      var shape: [Int]
      var float32: String
    }

    struct Case: Decodable {
      var batch: Int
      var tokens: Int
      var ids: [Int64]
      var mask: [Int64]
      var types: [Int64]
      var start: [Float]
      var end: [Float]

      var inputs: [HostTensor] { [ids, mask, types].map { integers($0, rows: batch) } }
    }

    var layers: Int
    var hidden: Int
    var heads: Int
    var intermediate: Int
    var vocabulary: Int
    var maxTokens: Int
    var tokenTypes: Int
    var weights: [String: Weight]
    var cases: [Case]
  }

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"

  static func fixture() throws -> Fixture {
    try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/parity.json")))
  }

  static func write(_ fixture: Fixture, _ precision: Precision, to path: String) throws -> [String] {
    var shape = BertShape(
      layers: fixture.layers, hidden: fixture.hidden, heads: fixture.heads, intermediate: fixture.intermediate,
      vocabulary: fixture.vocabulary)
    shape.maxTokens = fixture.maxTokens
    shape.tokenTypes = fixture.tokenTypes
    var asked: [String] = []
    try BertWriter.write(shape: shape, precision: precision, to: path) { name, values in
      asked.append(name)
      guard let bytes = fixture.weights[name].flatMap({ Data(base64Encoded: $0.float32) }),
        bytes.count == values.count * 4
      else {
        Issue.record("\(name): \(values.count) values are asked for")
        return
      }
      _ = bytes.copyBytes(to: values)
    }
    return asked
  }

  /// Largest difference allowed, in logits that reach about 1: float rounding for fp32; bf16 has 8 bits, int8 scales
  /// of 1/127, over two layers.
  @Test(arguments: [(Precision.fp32, Float(1e-5)), (.bf16, 0.05), (.int8, 0.05)])
  func writtenModelAnswersAsTransformers(_ precision: Precision, _ tolerance: Float) throws {
    _ = SetUp.engine
    let fixture = try Self.fixture()
    let folder = try Folder()
    let asked = try Self.write(fixture, precision, to: folder.path + "/m.pt")
    #expect(Set(asked) == Set(fixture.weights.keys) && asked.count == fixture.weights.count)
    let model = try TorchModel(path: folder.path + "/m.pt")
    for one in fixture.cases {
      let outputs = try model.run(one.inputs)
      #expect(outputs.map(\.shape) == [[one.batch, one.tokens], [one.batch, one.tokens]])
      #expect(largestDifference(outputs[0].floats, one.start) <= tolerance, "start, \(one.tokens) tokens")
      #expect(largestDifference(outputs[1].floats, one.end) <= tolerance, "end, \(one.tokens) tokens")
      #expect(cosine(outputs[0].floats, one.start) > 0.99)
    }
  }

  /// What transformers traces runs in our engine, at other lengths and batches than the traced one.
  @Test func tracedModelAnswersAsTransformers() throws {
    _ = SetUp.engine
    let model = try TorchModel(path: Self.folder + "/traced-bert.torchscript")
    #expect(model.inputCount == 3)
    for one in try Self.fixture().cases {
      let outputs = try model.run(one.inputs)
      #expect(largestDifference(outputs[0].floats, one.start) <= 1e-5)
      #expect(largestDifference(outputs[1].floats, one.end) <= 1e-5)
    }
  }

  /// Equal answers do not show that the fast way was taken: of a model that is traced and of one that we write, each
  /// part of a layer is one operator.
  @Test func partsOfLayersAreOneOperatorEach() throws {
    _ = SetUp.engine
    let fixture = try Self.fixture()
    let folder = try Folder()
    _ = try Self.write(fixture, .fp32, to: folder.path + "/m.pt")
    for path in [folder.path + "/m.pt", Self.folder + "/traced-bert.torchscript"] {
      let model = try TorchModel(path: path)
      #expect(model.operators(ofKind: "planner::attention_of_heads") == fixture.layers, "\(path)")
      #expect(model.operators(ofKind: "planner::add_normalize") == 2 * fixture.layers, "\(path)")
      #expect(model.operators(ofKind: "planner::embed_normalize") == 1, "\(path)")
      for kind in ["aten::linear", "aten::gelu", "aten::softmax", "aten::layer_norm", "aten::permute", "aten::add_"] {
        #expect(model.operators(ofKind: kind) == 0, "\(path): \(kind)")
      }
    }
  }
}
