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
}
