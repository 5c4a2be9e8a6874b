import Foundation
import TestSupport
import Testing

/// A model that is no BERT: two tensors of any type and shape in, the first doubled and the second out.
@Suite struct AnyModelTests {
  static let code = """
    class M(Module):
      __parameters__ = []
      __buffers__ = []
      training : bool
      def forward(self: __torch__.M,
        a: Tensor,
        b: Tensor) -> Tuple[Tensor, Tensor]:
        return (torch.add(a, a), b)

    """

  static func repository() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try CraftedModel.write(code, to: folder.path + "/twice.pt")
    _ = try folder.file(
      "manifest.json",
      #"""
      {"schemaVersion":1,"kind":"repository","lowercases":true,"models":[{"name":"twice","file":"twice.pt",
      "family":"unknown","precision":"fp32","vocabulary":0,"maxTokens":512,"inputs":["a","b"],"fileBytes":0}]}
      """#)
    return folder
  }

  static func tensor(_ name: String, _ type: String, _ shape: String, _ data: String) -> String {
    #"{"name":"\#(name)","datatype":"\#(type)","shape":\#(shape),"data":\#(data)}"#
  }

  @Test func everyTypeGoesInAndComesOut() async throws {
    let folder = try Self.repository()
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    let path = "/v2/models/twice"
    let before = try await server.ask(path).json()
    #expect((before["inputs"] as? [[String: Any]])?.map { $0["datatype"] as? String } == ["UNKNOWN", "UNKNOWN"])
    for (type, data, back) in [
      ("BOOL", "[true,false]", "BOOL"), ("UINT8", "[0,255]", "UINT8"), ("INT8", "[-128,127]", "INT8"),
      ("INT16", "[-32768,32767]", "INT16"), ("INT32", "[-2147483648,2147483647]", "INT32"),
      ("INT64", "[-9223372036854775808,9223372036854775807]", "INT64"), ("FP32", "[-0.5,1e+10]", "FP32"),
      ("FP64", "[1e-300,0.1]", "FP64"), ("UINT16", "[0,65535]", "INT32"), ("UINT32", "[0,4294967295]", "INT64"),
    ] {
      let inputs = Self.tensor("b", type, "[2]", data) + "," + Self.tensor("a", "FP32", "[1,2,1]", "[[[1],[2.5]]]")
      let answer = try await server.post(path + "/infer", #"{"inputs":[\#(inputs)]}"#)
      #expect(answer.status == 200, "\(type): \(answer.body)")
      let outputs = try #require(try answer.json()["outputs"] as? [[String: Any]])
      #expect(outputs[0]["data"] as? [Double] == [2, 5] && outputs[0]["shape"] as? [Int] == [1, 2, 1])
      #expect(outputs[1]["datatype"] as? String == back)
      let same = try JSONSerialization.jsonObject(with: Data(data.utf8)) as? NSArray
      #expect(outputs[1]["data"] as? NSArray == same, "\(answer.body)")
    }
    let after = try await server.ask(path).json()
    #expect((after["inputs"] as? [[String: Any]])?.map { $0["name"] as? String } == ["a", "b"])
    #expect((after["inputs"] as? [[String: Any]])?.first?["shape"] as? [Int] == [-1, -1, -1])
    #expect((after["outputs"] as? [[String: Any]])?.map { $0["name"] as? String } == ["output_0", "output_1"])
    for inputs in [
      Self.tensor("a", "FP32", "[1]", "[1]"),
      Self.tensor("a", "FP32", "[1]", "[1]") + "," + Self.tensor("c", "FP32", "[1]", "[1]"),
      Self.tensor("a", "FP32", "[2]", "[1]") + "," + Self.tensor("b", "FP32", "[1]", "[1]"),
    ] {
      #expect(try await server.post(path + "/infer", #"{"inputs":[\#(inputs)]}"#).status == 400)
    }
    // Without a vocabulary there is no text to ask with.
    #expect(try await server.ask("/predictions/twice").status == 400)
  }
}
