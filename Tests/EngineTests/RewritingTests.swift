import Engine
import Foundation
import Testing

/// Code that rewriting changes answers as libtorch without it does, however close it comes to what is not meant.
@Suite struct RewritingTests {
  static let heads = "planner::attention_of_heads"

  /// Query and key are one tensor, so what made them is found twice when attention takes their place.
  @Test func queryAndKeyMayBeShared() throws {
    let folder = try Folder()
    let code = """
      def forward(self, x: Tensor):
        b, t = x.size(0), x.size(1)
        q = torch.linear(x, self.proj).view(b, t, 4, 16).transpose(1, 2)
        v = x.view(b, t, 4, 16).transpose(1, 2)
        p = torch.softmax(torch.matmul(q, q.transpose(-1, -2)) / 8, -1)
        return torch.matmul(p, v).transpose(1, 2).reshape(b, t, 64)
      """
    let crafted = try CraftedModel(folder, weights: ["proj float32 64 64"], inputs: [[2, 5, 64]], code: code)
    #expect(try crafted.check().operators(ofKind: Self.heads) == 1)
  }

  /// Attention of images has one head, whose rows and channels are exchanged just like rows and heads.
  @Test(arguments: ["[b, c, h * w]", "x.flatten(2).size()"])
  func oneHeadIsNotTakenApart(_ shape: String) throws {
    let folder = try Folder()
    let code = """
      def forward(self, x: Tensor):
        b, c, h, w = x.size(0), x.size(1), x.size(2), x.size(3)
        q = torch.conv2d(x, self.query).reshape(\(shape)).transpose(1, 2)
        k = torch.conv2d(x, self.key).reshape(\(shape)).transpose(1, 2)
        v = torch.conv2d(x, self.value).reshape(\(shape)).transpose(1, 2)
        a = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) / 4, -1)
        return torch.matmul(a, v).transpose(1, 2).reshape(b, c, h, w)
      """
    let weights = ["query", "key", "value"].map { "\($0) float32 16 16 1 1" }
    try CraftedModel(folder, weights: weights, inputs: [[2, 16, 4, 3]], code: code).check()
  }

  /// A list whose length is not known is that of heads often enough.
  @Test func shapesOfAnyLengthMayBeThatOfHeads() throws {
    let folder = try Folder()
    let code = """
      def forward(self, x: Tensor, like: Tensor):
        q = x.view(like.size()).transpose(1, 2)
        p = torch.softmax(torch.matmul(q, q.transpose(-1, -2)), -1)
        return torch.matmul(p, q).transpose(1, 2).reshape(x.size())
      """
    let crafted = try CraftedModel(folder, inputs: [[2, 5, 64], [2, 5, 4, 16]], code: code)
    #expect(try crafted.check().operators(ofKind: Self.heads) == 1)
  }

  /// A mask of more rows, heads or batches than the scores have makes more of them.
  @Test(arguments: [([1, 5, 64], [2, 1, 5, 5]), ([1, 1, 64], [3, 4, 5, 1]), ([2, 5, 64], [1, 4, 1, 5])])
  func aMaskMayBeLargerThanScores(_ input: [Int], _ mask: [Int]) throws {
    let folder = try Folder()
    func attention(_ end: String) -> String {
      """
      def forward(self, x: Tensor, mask: Tensor):
        q = x.view(x.size(0), x.size(1), 4, 16).transpose(1, 2)
        p = torch.softmax(torch.matmul(q, q.transpose(-1, -2)) / 4 + mask, -1)
        return torch.matmul(p, q)\(end)
      """
    }
    for end in ["", ".transpose(1, 2).reshape([-1, 64])"] {
      try CraftedModel(folder, inputs: [input, mask], code: attention(end)).check()
    }
  }

  @Test(arguments: [("weight", ""), ("weight.to(6)", ""), ("weight.to(6) * self.scale", "scale float32 64 1")])
  func geluOfGeluIsNotOne(_ weight: String, _ scale: String) throws {
    let folder = try Folder()
    let type = weight == "weight" ? "float32" : scale.isEmpty ? "bfloat16" : "int8"
    let code = """
      def forward(self, x: Tensor):
        return torch.gelu(torch.gelu(torch.linear(x, self.\(weight), self.bias)))
      """
    let weights = ["weight \(type) 64 64", "bias float32 64"] + (scale.isEmpty ? [] : [scale])
    let crafted = try CraftedModel(folder, weights: weights, inputs: [[2, 5, 64]], code: code)
    let model = try crafted.check(type == "float32" ? 1e-5 : 0.02)
    #expect(model.operators(ofKind: "aten::gelu") == 1)
  }
}

/// Narrow layers are packed where their other parameters are what the kernels take them for.
@Suite struct NarrowLayerTests {
  static func layer(_ folder: Folder, scale: String, as name: String = "crafted") throws -> CraftedModel {
    let code = """
      def forward(self, x: Tensor):
        return torch.gelu(torch.linear(x, self.weight.to(6) * self.scale, self.bias))
      """
    let weights = ["weight int8 64 64", "scale float32 " + scale, "bias float32 64"]
    return try CraftedModel(folder, name, weights: weights, inputs: [[2, 5, 64]], code: code)
  }

  static let header = "/usr/include/oneapi/dnnl/dnnl.hpp"

  /// Activations are rounded for packed layers, which their answers show.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: header), "nothing is packed without oneDNN's headers"))
  func oneScaleAnOutputIsPacked() throws {
    let folder = try Folder()
    let crafted = try Self.layer(folder, scale: "64 1")
    let answer = try crafted.check(0.03).run(crafted.inputs)[0].floats
    #expect(largestDifference(answer, crafted.answers[0]) > 1e-3 * (crafted.answers[0].max() ?? 1))
  }

  /// One for all, or one for each input, which a square weight does not tell from one for each output.
  @Test(arguments: ["", "1", "1 1", "64", "1 64", "64 64"])
  func otherScalesScaleAsTheyAre(_ scale: String) throws {
    let folder = try Folder()
    // Models of one code share their graph, whichever of them was the first.
    let usual = try Self.layer(folder, scale: "64 1", as: "usual")
    let other = try Self.layer(folder, scale: scale, as: "other")
    let first = try TorchModel(path: usual.path)
    try other.check()
    try usual.check(first, 0.03)
    try usual.check(0.03)
  }

  /// Two layers share a weight, each with scales of its own.
  @Test func aWeightIsPackedForAllItsLayersOrNone() throws {
    let folder = try Folder()
    let code = """
      def forward(self, x: Tensor):
        y = torch.linear(x, self.weight.to(6) * self.rows)
        return torch.linear(y, self.weight.to(6) * self.columns)
      """
    let weights = ["weight int8 64 64", "rows float32 64 1", "columns float32 1 64"]
    try CraftedModel(folder, weights: weights, inputs: [[2, 5, 64]], code: code).check()
  }

  @Test(arguments: ["weight.to(6)", "weight.to(6) * self.scale"], ["bias[::2]", "one", "row"])
  func anyBiasIsAdded(_ weight: String, _ bias: String) throws {
    let folder = try Folder()
    let type = weight.contains("scale") ? "int8" : "bfloat16"
    let code = """
      def forward(self, x: Tensor):
        return torch.gelu(torch.linear(x, self.\(weight), self.\(bias)))
      """
    let weights = [
      "weight \(type) 64 64", "scale float32 64 1", "bias float32 128", "one float32 1", "row float32 1 64",
    ]
    try CraftedModel(folder, weights: weights, inputs: [[2, 5, 64]], code: code).check(0.03)
  }
}
