import Engine
import Foundation
import PlannerCore
import Testing

/// Models as PyTorch 2.13 and transformers 5.24 write them with their defaults, which call operators that libtorch 1.13
/// does not have (`scripts/make-newer-fixtures` made models and answers).
@Suite struct NewerModelsTests {
  struct Case: Decodable {
    struct Tensor: Decodable {
      var shape: [Int]
      var type: String
      var data: String

      func values<Element>(of: Element.Type) -> [Element] {
        let bytes = [UInt8](Data(base64Encoded: data) ?? Data())
        return bytes.withUnsafeBytes { raw in
          (0..<raw.count / MemoryLayout<Element>.size).map {
            raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
          }
        }
      }

      var host: HostTensor {
        let elements: HostTensor.Element =
          switch type {
          case "int64": .int64(values(of: Int64.self))
          case "bool": .bool(values(of: UInt8.self))
          default: .float32(values(of: Float.self))
          }
        return HostTensor(shape: shape, elements: elements)
      }
    }

    var inputs: [Tensor]
    var outputs: [Tensor]
  }

  static let heads = "planner::attention_of_heads"

  static func path(_ name: String) -> String { ParityTests.folder + "/newer-\(name).torchscript" }

  static func cases(_ name: String) throws -> [Case] {
    let data = try Data(contentsOf: URL(fileURLWithPath: ParityTests.folder + "/newer-\(name).json"))
    return try JSONDecoder().decode([Case].self, from: data)
  }

  /// Shapes are equal and numbers at most so far apart.
  static func check(_ model: TorchModel, _ answers: String, _ tolerance: Float = 1e-5) throws {
    for one in try cases(answers) {
      let outputs = try model.run(one.inputs.map(\.host))
      #expect(outputs.count == one.outputs.count)
      for (index, (output, expected)) in zip(outputs, one.outputs).enumerated() {
        let place = "output \(index) of inputs \(one.inputs[0].shape)"
        #expect(output.shape == expected.shape, "\(place)")
        let difference = largestDifference(output.floats, expected.values(of: Float.self))
        #expect(difference <= tolerance, "\(place)")
      }
    }
  }

  /// A trace of a Hugging Face model with its defaults is run like one that was made with
  /// `attn_implementation="eager"`:
  /// each part of a layer is one operator.
  @Test func tracesWithDefaultsAreRewritten() throws {
    _ = SetUp.engine
    let model = try TorchModel(path: Self.path("bert"))
    try Self.check(model, "bert")
    #expect(model.operators(ofKind: Self.heads) == 2)
    #expect(model.operators(ofKind: "planner::add_normalize") == 4)
    #expect(model.operators(ofKind: "planner::embed_normalize") == 1)
    // All layers share one mask.
    #expect(model.operators(ofKind: "planner::additive_mask") == 1)
    for kind in ["aten::scaled_dot_product_attention", "planner::attention", "aten::linear", "aten::transpose"] {
      #expect(model.operators(ofKind: kind) == 0, "\(kind)")
    }
  }

  @Test func attentionWithoutMaskIsRewritten() throws {
    _ = SetUp.engine
    let model = try TorchModel(path: Self.path("vit"))
    try Self.check(model, "vit")
    #expect(model.operators(ofKind: Self.heads) == 2)
    #expect(model.operators(ofKind: "aten::scaled_dot_product_attention") == 0)
  }

  /// Masks of booleans and floats, of every shape, rows that they leave nothing of, causal, scaled, grouped heads,
  /// fewer and more dimensions: as the operator, and as what rewriting makes of it.
  @Test(arguments: ["forms", "forms-in-a-loop"])
  func everyFormOfAttentionAnswersAsPyTorch(_ name: String) throws {
    _ = SetUp.engine
    let model = try TorchModel(path: Self.path(name))
    #expect((model.operators(ofKind: "planner::attention") > 15) == (name == "forms"))
    #expect((model.operators(ofKind: "aten::scaled_dot_product_attention") > 15) == (name != "forms"))
    try Self.check(model, "forms")
  }

  /// Padded texts reach the fused layers as nested tensors, others as they are.
  @Test func fusedLayersOfEncodersAreRewritten() throws {
    _ = SetUp.engine
    for (name, answers) in [
      ("encoder-traced", "encoder"), ("encoder-scripted", "encoder"), ("encoder-first", "encoder-first"),
    ] {
      let model = try TorchModel(path: Self.path(name))
      try Self.check(model, answers)
      #expect(model.operators(ofKind: "aten::_transformer_encoder_layer_fwd") == 0, "\(name)")
      #expect(model.operators(ofKind: "planner::encoder_layer") == 4, "\(name)")
    }
  }

  /// Variants of models with fused layers read narrow weights there too.
  @Test(arguments: [Precision.bf16, .int8], ["encoder-traced", "encoder-scripted", "encoder-first"])
  func fusedLayersAreConverted(_ precision: Precision, _ name: String) throws {
    _ = SetUp.engine
    let folder = try Folder()
    let path = folder.path + "/variant.pt"
    let conversion = try VariantWriter.write(model: Self.path(name), precision: precision, to: path)
    #expect(conversion.linearLayers >= 8)
    let model = try TorchModel(path: path)
    let answers = name == "encoder-first" ? name : "encoder"
    try Self.check(model, answers, precision == .bf16 ? 0.05 : 0.2)
    let one = try Self.cases(answers)[0]
    let exact = one.outputs[0].values(of: Float.self)
    #expect(try largestDifference(model.run(one.inputs.map(\.host))[0].floats, exact) > 1e-4)
  }

  @Test func variantsOfTracesWithDefaultsAnswerAlike() throws {
    _ = SetUp.engine
    let folder = try Folder()
    for (precision, tolerance) in [(Precision.bf16, Float(0.05)), (.int8, 0.05)] {
      let path = folder.path + "/\(precision.rawValue).pt"
      _ = try VariantWriter.write(model: Self.path("bert"), precision: precision, to: path)
      let model = try TorchModel(path: path)
      try Self.check(model, "bert", tolerance)
      #expect(model.operators(ofKind: Self.heads) == 2)
    }
  }

  /// A file that needs a newer library is not called damaged: what it needs is named, and what to do.
  @Test(arguments: [
    ("unknown", ["aten::nonzero_static", "2.1", "attn_implementation=\"eager\"", "newer libtorch"]),
    ("arguments", ["aten::std", "arguments", "newer libtorch"]),
    ("type", ["Float8_e4m3fn", "newer libtorch"]),
  ])
  func whatTheLibraryLacksIsNamed(_ name: String, _ words: [String]) throws {
    _ = SetUp.engine
    let error = #expect(throws: EngineError.self) { try TorchModel(path: Self.path(name)) }
    let message = error?.message ?? ""
    #expect(error?.kind == .badModel)
    for word in words { #expect(message.contains(word), "\(message)") }
    #expect(!message.contains("damaged"), "\(message)")
  }
}
