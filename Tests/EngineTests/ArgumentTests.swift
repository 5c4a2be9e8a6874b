import Engine
import EngineTools
import Foundation
import PlannerCore
import Serving
import Testing

/// What a model's code says of the arguments of `forward`, and how a run gives them.
@Suite struct ArgumentTests {
  @Test func firstUsesOfTensorsAreTold() throws {
    let folder = try Folder()
    let crafted = try CraftedModel(
      folder, weights: ["table float32 11 4", "kernel float32 5 3 2 2", "narrow float32 6 7"],
      inputs: [[2, 3], [2, 3, 8, 8], [2, 7], [2, 2]],
      code: """
        def forward(self, ids, image, x, other):
          rows = torch.embedding(self.table, ids.to(4))
          seen = torch.conv2d(torch.relu(image), self.kernel)
          return rows, seen, torch.matmul(x, self.narrow.t()), other
        """)
    let model = try crafted.check()
    #expect(model.arguments.map(\.name) == ["ids", "image", "x", "other"])
    #expect(model.arguments.map(\.kind) == [.tensor, .tensor, .tensor, .tensor])
    let hints = try model.arguments.map { try #require($0.hints.first) }
    #expect(hints.map(\.role) == [.ids, .values, .values, .values])
    #expect(hints.map(\.type) == [nil, .float32, .float32, nil])
    #expect(hints.map(\.rows) == [11, 0, 0, 0])
    #expect(hints.map(\.dimensions) == [0, 4, 0, 0])
    #expect(hints.map(\.second) == [0, 3, 0, 0])
    #expect(hints.map(\.last) == [0, 0, 7, 0])
  }

  /// What is far from the layer that it goes to: through branches, tuples and dimensions that change places.
  @Test func rolesOfTensorsAreTold() throws {
    let folder = try Folder()
    let crafted = try CraftedModel(
      folder, weights: ["table float32 11 4", "kernel float32 5 3 2 2", "inner float32 16 5", "outer float32 16 4"],
      inputs: [[6], [2], [2, 3, 5], [2], [1, 2, 4], [1, 2, 4], [2, 8, 8, 3], [2, 3, 5], [2, 3, 5]],
      code: """
        def forward(self, bag, starts, x, lengths, h, c, image, places, mask):
          means, a, b, m = torch.embedding_bag(self.table, bag.to(4), starts.to(4))
          if x.dim() == 3:
            y = x
          else:
            y = x.unsqueeze(0)
          data, sizes = torch._pack_padded_sequence(y, lengths.to(4) + 1, True)
          state = (h, c)
          packed, hn, cn = torch.lstm(
            data, sizes, [state[0], state[1]], [self.inner, self.outer], False, 1, 0.0, False, False)
          seen = torch.conv2d(image.permute([0, 3, 1, 2]), self.kernel)
          chosen = torch.gather(x, 1, places.to(4))
          return means, packed, hn, cn, seen, torch.masked_fill(chosen, mask.to(11), 0)
        """)
    let model = try crafted.check()
    let hints = try model.arguments.map { try #require($0.hints.first) }
    #expect(
      hints.map(\.role) == [.ids, .starts, .values, .lengths, .values, .values, .values, .places, .truths])
    #expect(hints.map(\.rows) == [11, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(hints.map(\.dimensions) == [1, 1, 3, 1, 3, 3, 4, 0, 0])
    #expect(hints.map(\.askedDimensions) == [0, 0, 3, 0, 0, 0, 0, 0, 0])
    #expect(hints.map(\.rowDimension) == [0, 0, 0, 0, 1, 1, 0, 0, 0])
    #expect(hints.map(\.measuredDimension) == [0, 0, 0, 1, 0, 0, 0, 0, 0])
    #expect(hints.map(\.first) == [0, 0, 0, 0, 1, 1, 0, 0, 0])
    #expect(hints.map(\.last) == [0, 0, 5, 0, 4, 4, 3, 0, 0])
    #expect(hints[4].type == .float32 && hints[5].type == .float32 && hints[7].type == nil)
  }

  @Test func everyKindOfArgumentIsGiven() throws {
    let folder = try Folder()
    let crafted = try CraftedModel(
      folder, inputs: [[2]],
      code: """
        def forward(self, x, bias: Optional[Tensor] = None, k: int = 2, scale: Optional[float] = None,
                    pair: Optional[Tuple[Tensor, Tensor]] = None, named: Optional[Dict[str, Tensor]] = None,
                    all: Optional[List[Tensor]] = None, sizes: Optional[List[int]] = None, word: str = "a"):
          y = x * k
          if bias is not None:
            y = y + bias
          if scale is not None:
            y = y * scale
          if pair is not None:
            y = y + pair[0] - pair[1]
          if named is not None:
            y = y + named["left"]
          if all is not None:
            for one in all:
              y = y + one
          if sizes is not None:
            y = y + len(sizes)
          return y
        """)
    let model = try TorchModel(path: crafted.path)
    let kinds: [ModelArgument.Kind] = [
      .tensor, .tensor, .integer, .float, .tuple(2), .dictionary, .tensors, .integers, .other,
    ]
    #expect(model.arguments.map(\.kind) == kinds)
    #expect(model.arguments.map(\.isOptional) == [false] + Array(repeating: true, count: 8))
    let names = ["x", "bias", "k", "scale", "pair.0", "pair.1", "named.left", "all.0", "all.1", "sizes"]
    try model.place(try ModelInput.list(of: model.arguments, named: names, path: crafted.path))
    func run(_ given: [String: HostTensor]) throws -> [Float] {
      var inputs = given
      inputs["x"] = HostTensor(shape: [1], elements: .float32([1]))
      return try model.run(names.map { inputs[$0] ?? .leftOut })[0].floats
    }
    func one(_ value: Float) -> HostTensor { HostTensor(shape: [1], elements: .float32([value])) }
    #expect(try run([:]) == [2])
    #expect(try run(["bias": one(10)]) == [12])
    #expect(try run(["k": HostTensor(shape: [], elements: .int32([5]))]) == [5])
    #expect(try run(["scale": HostTensor(shape: [1], elements: .float64([0.5]))]) == [1])
    #expect(try run(["pair.0": one(7), "pair.1": one(3)]) == [6])
    #expect(try run(["named.left": one(4)]) == [6])
    #expect(try run(["all.0": one(20), "all.1": one(30)]) == [52])
    #expect(try run(["sizes": HostTensor(shape: [3], elements: .int64([1, 2, 3]))]) == [5])
    for given in [["pair.0": one(7)], ["k": one(2)], ["k": HostTensor(shape: [2], elements: .int64([1, 2]))]] {
      let error = #expect(throws: EngineError.self) { try run(given) }
      #expect(error?.kind == .badInput)
    }
    #expect(throws: EngineError.self) { try model.run(names.map { _ in .leftOut }) }
  }

  /// A Hugging Face model as its users trace it: one image size, and a dictionary of outputs.
  @Test func aTraceOfAnImageModelIsDescribed() throws {
    _ = SetUp.engine
    let description = RepositoryManifest.Model(
      name: "vit", file: "vit.pt", architecture: "unknown", precision: .fp32, vocabulary: 0, maxTokens: 512,
      inputs: [], fileBytes: 0)
    let opened = try OpenedModel(description, path: ParityTests.folder + "/newer-vit.torchscript", vocabulary: nil)
    let found = try opened.findInterface(tokens: 32).interface
    #expect(found.inputs == [TensorMetadata(name: "pixel_values", datatype: .fp32, shape: [-1, 3, 16, 16])])
    #expect(found.outputs == [TensorMetadata(name: "logits", datatype: .fp32, shape: [-1, 5])])
    #expect(found.rows == .independent)
  }

  /// Without a manifest and a vocabulary, the embedding says how many ids there are.
  @Test func aModelWithoutAManifestIsMeasuredWithIdsThatItKnows() async throws {
    _ = SetUp.engine
    let folder = try Folder()
    try FileManager.default.copyItem(
      atPath: ParityTests.folder + "/traced-bert.torchscript", toPath: folder.path + "/qa.pt")
    #expect(try RepositoryLoader(folder: folder.path).loadModel(at: 0).vocabulary == 100)
    let measurement = ForwardMeasurement(
      folder: folder.path, tokens: [8, 32], threads: [1], concurrency: 1, seconds: 0, models: 1, seed: 1, cpus: [])
    var cells = 0
    try await measurement.run { _ in cells += 1 }
    #expect(cells == 2)
  }

  /// What `torch.save` writes of a module's `state_dict()`.
  @Test func aStateDictIsToldHowToBeSaved() throws {
    let error = #expect(throws: EngineError.self) {
      try TorchModel(path: Fixtures.root + "/Tests/EngineTests/Fixtures/state-dict.torchsave")
    }
    #expect(error?.message.contains("save models with torch.jit.save, not with torch.save") == true)
  }
}
