import Foundation
import TestSupport
import Testing

/// A model that is no BERT: two tensors of any type and shape in, the first doubled and the second out.
@Suite struct AnyModelTests {
  static let code = module(["a", "b"], "(torch.add(a, a), b)", returns: "Tuple[Tensor, Tensor]")

  /// Code of a model that answers with one expression of its inputs.
  static func module(_ inputs: [String], _ expression: String, returns type: String = "Tensor") -> String {
    """
    class M(Module):
      __parameters__ = []
      __buffers__ = []
      training : bool
      def forward(self: __torch__.M,
        \(inputs.map { $0 + ": Tensor" }.joined(separator: ",\n    "))) -> \(type):
        return \(expression)

    """
  }

  /// - Parameter more: further keys of the manifest's entry, with a comma before each.
  static func repository(
    _ code: String = code, inputs: String = #"["a","b"]"#, more: String = ""
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try CraftedModel.write(code, to: folder.path + "/twice.pt")
    _ = try folder.file(
      "manifest.json",
      #"""
      {"schemaVersion":1,"kind":"repository","lowercases":true,"models":[{"name":"twice","file":"twice.pt",
      "family":"unknown","precision":"fp32","vocabulary":0,"maxTokens":512,"inputs":\#(inputs),"fileBytes":0\#(more)}]}
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
    #expect((before["inputs"] as? [[String: Any]])?.map { $0["datatype"] as? String } == ["FP32", "FP32"])
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
    // Requests of other types and shapes are answered where the model does, and teach nothing.
    #expect((after["inputs"] as? [[String: Any]])?.first?["shape"] as? [Int] == [-1, -1])
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

  /// Triton's raw binary request.
  @Test func bytesOfTheOnlyInputAreEnough() async throws {
    let code = Self.module(["a"], "torch.add(a, a)")
    let path = "/v2/models/twice/infer"
    for (type, shape, bytes, expected) in [
      ("UINT8", "[-1]", "\u{1}\u{9}", #""shape":[2],"parameters":{"binary_data_size":2}}]}"# + "\u{2}\u{12}"),
      ("INT8", "[-1,-1]", "\u{1}", #""shape":[1,1],"parameters":{"binary_data_size":1}}]}"# + "\u{2}"),
      ("INT32", "[-1]", "abcde", "a: has 5 bytes; 1 elements of INT32 take 4"),
      ("INT8", "[-1,-1,-1]", "a", "a: has 3 dimensions"),
    ] {
      let declared = #","inputTensors":[{"name":"a","datatype":"\#(type)","shape":\#(shape)}]"#
      let folder = try Self.repository(code, inputs: #"["a"]"#, more: declared)
      let server = try ServerProcess.ready(repository: folder.path)
      defer { server.terminate() }
      func answer(_ bytes: String) throws -> String {
        try server.raw(
          "POST \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nInference-Header-Content-Length: 0\r\n"
            + "Content-Length: \(bytes.utf8.count)\r\n\r\n\(bytes)")
      }
      let said = try answer(bytes)
      #expect(said.contains(expected), "\(said)")
    }
  }

  /// The guidance's own models: ids and mask, and no manifest.
  @Test func withoutAManifestAModelsCodeNamesItsInputs() async throws {
    let code = Self.module(
      ["input_ids", "attention_mask"], "torch.mul(input_ids, torch.add(attention_mask, attention_mask))")
    let folder = try TemporaryFolder()
    try CraftedModel.write(code, to: folder.path + "/two.pt")
    try CraftedModel.write(Self.code, to: folder.path + "/twice.pt")
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    func inputs(_ model: String) async throws -> [String?]? {
      (try await server.ask("/v2/models/\(model)").json()["inputs"] as? [[String: Any]])?.map { $0["name"] as? String }
    }
    #expect(try await inputs("two") == ["input_ids", "attention_mask"])
    #expect(try await inputs("twice") == ["a", "b"])
    let ids = Self.tensor("input_ids", "INT64", "[1,3]", "[5,6,7]")
    let answer = try await server.post("/v2/models/two/infer", #"{"inputs":[\#(ids)]}"#)
    #expect(((try answer.json()["outputs"] as? [[String: Any]])?.first?["data"] as? [Int]) == [10, 12, 14])
  }
}
