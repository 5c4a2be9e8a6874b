import Foundation
import Server
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
}
