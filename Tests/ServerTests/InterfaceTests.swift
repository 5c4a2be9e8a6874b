import Foundation
import TestSupport
import Testing

/// What models of any kind take and answer, as clients are told before their first request, and are then served.
@Suite(.serialized) struct InterfaceTests {
  /// A module's code.
  static func module(_ arguments: String, _ type: String, _ body: String) -> String {
    """
    class M(Module):
      __parameters__ = []
      __buffers__ = []
      training : bool
      def forward(self: __torch__.M,
        \(arguments)) -> \(type):
        \(body)

    """
  }

  static let models = [
    "add": module("x: Tensor,\n    y: Tensor", "Tensor", "return torch.add(x, y)"),
    "dict": module(
      "x: Tensor", "Dict[str, Tensor]", #"return {"scores": torch.mul(x, 2), "hidden": torch.add(x, 1)}"#),
    "float": module("x: Tensor", "float", "return float(torch.item(torch.sum(x)))"),
    "count": module("x: Tensor", "Tuple[int, bool]", "return (torch.dim(x), True)"),
    "optional": module(
      "x: Tensor,\n    bias: Optional[Tensor]=None", "Tensor",
      """
      if torch.__is__(bias, None):
            y = x
          else:
            y = torch.add(x, unchecked_cast(Tensor, bias))
          return y
      """),
    "number": module("x: Tensor,\n    k: int=2", "Tensor", "return torch.mul(x, k)"),
    "named": module("x: Tensor", "__torch__.Out", "return __torch__.Out(torch.mul(x, 2), 0.5)")
      + "class Out(NamedTuple):\n  logits : Tensor\n  loss : float\n",
    "nested": module(
      "x: Tensor", "Tuple[Tensor, Dict[str, List[Tensor]]]",
      #"return (x, {"hidden": [x, torch.add(x, 1)], "last": [x]})"#),
    "rows": module("h: Tensor", "Tensor", "return torch.sub(torch.sum(h, [-1]), torch.mean(h))"),
    "dictin": module("x: Dict[str, Tensor]", "Tensor", #"return x["a"]"#),
    "strings": module("x: List[str]", "int", "return torch.len(x)"),
    "says": module("x: Tensor", "str", #"return "a""#),
    "remembers": module(
      "x: Tensor", "Tensor",
      """
      if self.training:
            y = torch.mul(x, 5)
          else:
            y = torch.add(x, 1)
          self.training = True
          return y
      """),
    "nobert": module(
      "x: Tensor,\n    my_mask: Tensor,\n    my_type: Tensor", "Tensor",
      "return torch.mul(torch.bmm(x, my_mask), my_type)"),
    "neverids": module("input_ids: Tensor", "Tensor", "return torch.reshape(input_ids, [-1, 12347])"),
    "free": module("k: int=2", "int", "return torch.add(k, 1)"),
    "nonefirst": module("x: Tensor", "Tuple[Optional[Tensor], Tensor]", "return (None, torch.mul(x, 2))"),
    "complex": module("x: Tensor", "Tensor", "return torch.complex(x, x)"),
    "never": module("x: Tensor", "Tensor", "return torch.reshape(x, [-1, 12347])"),
  ]

  static func repository(_ names: [String], manifest: String? = nil) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in names { try CraftedModel.write(try #require(models[name]), to: folder.path + "/\(name).pt") }
    if let manifest {
      _ = try folder.file(
        "manifest.json",
        #"{"schemaVersion":1,"kind":"repository","lowercases":true,"models":[\#(manifest)]}"#)
    }
    return folder
  }

  /// A manifest's line with some of its keys.
  static func entry(_ name: String, _ keys: String) -> String {
    #"{"name":"\#(name)","file":"\#(name).pt","family":"unknown","precision":"fp32","vocabulary":0,"#
      + #""maxTokens":512,"fileBytes":0,\#(keys)}"#
  }

  /// Name, type and shape of each tensor, as `x FP32 [-1, -1]`.
  static func said(_ json: [String: Any], _ key: String) -> [String] {
    ((json[key] as? [[String: Any]]) ?? []).map {
      "\($0["name"] as? String ?? "") \($0["datatype"] as? String ?? "") \($0["shape"] as? [Int] ?? [])"
    }
  }

  /// Name, type and data of each output.
  static func outputs(_ answer: ServerProcess.Answer) throws -> [String] {
    let outputs = try #require(try answer.json()["outputs"] as? [[String: Any]], "\(answer.body)")
    return outputs.map {
      "\($0["name"] as? String ?? "") \($0["datatype"] as? String ?? "") \($0["shape"] as? [Int] ?? []) "
        + "\(($0["data"] as? [NSNumber] ?? []).map { String(format: "%g", $0.doubleValue) })"
    }
  }

  static let x = AnyModelTests.tensor("x", "FP32", "[1,2]", "[0,-1]")

  @Test func everyModelIsDescribedBeforeItsFirstRequestAndNotByIt() async throws {
    let described: [(name: String, inputs: [String], outputs: [String])] = [
      ("add", ["x FP32 [-1, -1]", "y FP32 [-1, -1]"], ["output_0 FP32 [-1, -1]"]),
      ("dict", ["x FP32 [-1, -1]"], ["scores FP32 [-1, -1]", "hidden FP32 [-1, -1]"]),
      ("float", ["x FP32 [-1, -1]"], ["output_0 FP64 [1]"]),
      ("count", ["x FP32 [-1, -1]"], ["output_0 INT64 [1]", "output_1 BOOL [1]"]),
      ("optional", ["x FP32 [-1, -1]", "bias FP32 [-1, -1]"], ["output_0 FP32 [-1, -1]"]),
      ("number", ["x FP32 [-1, -1]", "k INT64 [1]"], ["output_0 FP32 [-1, -1]"]),
      ("named", ["x FP32 [-1, -1]"], ["logits FP32 [-1, -1]", "loss FP64 [1]"]),
      (
        "nested", ["x FP32 [-1, -1]"],
        [
          "output_0 FP32 [-1, -1]", "output_1.hidden.0 FP32 [-1, -1]", "output_1.hidden.1 FP32 [-1, -1]",
          "output_1.last.0 FP32 [-1, -1]",
        ]
      ),
      ("never", ["x FP32 [-1]"], []),
    ]
    let folder = try Self.repository(described.map(\.name))
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    let odd =
      AnyModelTests.tensor("x", "INT32", "[2]", "[5,6]") + "," + AnyModelTests.tensor("y", "FP64", "[1,2]", "[1,1]")
    #expect(try await server.post("/v2/models/add/infer", #"{"inputs":[\#(odd)]}"#).status == 200)
    for (name, inputs, outputs) in described {
      let metadata = try await server.ask("/v2/models/\(name)").json()
      #expect(Self.said(metadata, "inputs") == inputs, "\(name)")
      #expect(Self.said(metadata, "outputs") == outputs, "\(name)")
    }
    let config = try await server.ask("/v2/models/optional/config").json()
    #expect((config["input"] as? [[String: Any]])?.map { $0["optional"] as? Bool } == [nil, true])
    #expect(try await server.ask("/v2/models/never/config").body.contains(#""interface":{"string_value":"assumed"}"#))
  }

  @Test func namesDefaultsAndNumbersReachTheClient() async throws {
    let folder = try Self.repository(["dict", "float", "count", "optional", "number", "named", "nested"])
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    func answer(_ model: String, _ inputs: String, _ more: String = "") async throws -> [String] {
      try Self.outputs(try await server.post("/v2/models/\(model)/infer", #"{"inputs":[\#(inputs)]\#(more)}"#))
    }
    let (x, bias) = (Self.x, AnyModelTests.tensor("bias", "FP32", "[2]", "[10,20]"))
    #expect(try await answer("dict", x) == [#"scores FP32 [1, 2] ["0", "-2"]"#, #"hidden FP32 [1, 2] ["1", "0"]"#])
    #expect(
      try await answer("dict", x, #","outputs":[{"name":"hidden"}]"#) == [#"hidden FP32 [1, 2] ["1", "0"]"#])
    #expect(try await answer("float", x) == [#"output_0 FP64 [1] ["-1"]"#])
    #expect(try await answer("count", x) == [#"output_0 INT64 [1] ["2"]"#, #"output_1 BOOL [1] ["1"]"#])
    #expect(try await answer("optional", x) == [#"output_0 FP32 [1, 2] ["0", "-1"]"#])
    #expect(try await answer("optional", x + "," + bias) == [#"output_0 FP32 [1, 2] ["10", "19"]"#])
    #expect(try await answer("number", x) == [#"output_0 FP32 [1, 2] ["0", "-2"]"#])
    for shape in ["[1]", "[]"] {
      let k = AnyModelTests.tensor("k", "INT64", shape, "[5]")
      #expect(try await answer("number", x + "," + k) == [#"output_0 FP32 [1, 2] ["0", "-5"]"#])
    }
    #expect(
      try await answer("named", x) == [#"logits FP32 [1, 2] ["0", "-2"]"#, #"loss FP64 [1] ["0.5"]"#])
    #expect(
      try await answer("nested", x, #","outputs":[{"name":"output_1.hidden.1"}]"#)
        == [#"output_1.hidden.1 FP32 [1, 2] ["1", "0"]"#])
    let two = AnyModelTests.tensor("k", "INT64", "[2]", "[5,6]")
    let refused = try await server.post("/v2/models/number/infer", #"{"inputs":[\#(x),\#(two)]}"#)
    #expect(refused.status == 400 && refused.body.contains("k: takes one whole number"), "\(refused.body)")
    #expect(try await server.post("/v2/models/optional/infer", #"{"inputs":[\#(bias)]}"#).status == 400)
  }

  /// A model whose requests could only ever be refused is not ready, and says why.
  @Test func whatTheProtocolCannotSayIsRefusedAtLoad() async throws {
    let folder = try Self.repository(["add", "dictin", "strings", "says", "complex"])
    let server = try ServerProcess.ready(["--tolerate-bad-models"], repository: folder.path)
    defer { server.terminate() }
    for (name, words) in [
      ("dictin", ["Dict[str, Tensor]", "manifest.json", "x.KEY"]), ("strings", ["List[str]", "wrap"]),
      ("says", ["answers with str", "wrap"]), ("complex", ["complex numbers", "torch.view_as_real"]),
    ] {
      let answer = try await server.post("/v2/models/\(name)/infer", #"{"inputs":[\#(Self.x)]}"#)
      #expect(answer.status == 503 && words.allSatisfy(answer.body.contains), "\(answer.status) \(answer.body)")
    }
    #expect(try await server.ask("/v2/models/add/ready").status == 200)
  }

  /// A model that changes itself is served as its file has it: neither tries nor warm passes are requests.
  @Test func triesLeaveNoTraceInWhatIsServed() async throws {
    let folder = try Self.repository(["remembers"])
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    for expected in [#"["1", "0"]"#, #"["0", "-5"]"#] {
      let answer = try await server.post("/v2/models/remembers/infer", #"{"inputs":[\#(Self.x)]}"#)
      #expect(try Self.outputs(answer) == ["output_0 FP32 [1, 2] \(expected)"])
    }
    let config = try await server.ask("/v2/models/remembers/config").json()
    #expect(config["max_batch_size"] as? Int == 0)
  }

  /// A wrong guess at what a model takes is no reason to refuse it.
  @Test func guessesRefuseNoModel() async throws {
    let folder = try Self.repository(["nobert", "neverids"])
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    let metadata = try await server.ask("/v2/models/nobert").json()
    #expect(
      Self.said(metadata, "inputs").map { $0.prefix { $0 != "[" } } == ["x FP32 ", "my_mask FP32 ", "my_type FP32 "])
    #expect(try await server.ask("/v2/models/neverids/ready").status == 200)
  }

  @Test func aModelThatNeedsNothingIsAskedWithNothing() async throws {
    let folder = try Self.repository(["free", "add"])
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    for body in [#"{"inputs":[]}"#, "{}"] {
      #expect(
        try Self.outputs(try await server.post("/v2/models/free/infer", body)) == [#"output_0 INT64 [1] ["3"]"#])
      #expect(try await server.post("/v2/models/add/infer", body).status == 400)
    }
  }

  @Test func whatFollowsNoneIsCalledByItsPlace() async throws {
    let folder = try Self.repository(["nonefirst"])
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    let answer = try await server.post("/v2/models/nonefirst/infer", #"{"inputs":[\#(Self.x)]}"#)
    #expect(try Self.outputs(answer) == [#"output_1 FP32 [1, 2] ["0", "-2"]"#])
  }

  @Test func keysOfADictionaryAreTheManifests() async throws {
    let folder = try Self.repository(["dictin"], manifest: Self.entry("dictin", #""inputs":["x.a","x.b"]"#))
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    let metadata = try await server.ask("/v2/models/dictin").json()
    #expect(Self.said(metadata, "inputs") == ["x.a FP32 [-1, -1]", "x.b FP32 [-1, -1]"])
    let inputs =
      AnyModelTests.tensor("x.b", "FP32", "[1]", "[7]") + "," + AnyModelTests.tensor("x.a", "FP32", "[1]", "[8]")
    let answer = try await server.post("/v2/models/dictin/infer", #"{"inputs":[\#(inputs)]}"#)
    #expect(try Self.outputs(answer) == [#"output_0 FP32 [1] ["8"]"#])
  }

  @Test func requestsAreHeldToWhatIsDeclared() async throws {
    let keys =
      #""inputs":["x","y"],"inputTensors":[{"name":"x","datatype":"INT32","shape":[-1,3]}],"#
      + #""outputTensors":[{"name":"sum","datatype":"FP32","shape":[-1,3]}]"#
    let folder = try Self.repository(["add"], manifest: Self.entry("add", keys))
    let server = try ServerProcess.ready(repository: folder.path)
    defer { server.terminate() }
    let metadata = try await server.ask("/v2/models/add").json()
    #expect(Self.said(metadata, "inputs").first == "x INT32 [-1, 3]")
    #expect(Self.said(metadata, "outputs") == ["sum FP32 [-1, 3]"])
    let y = AnyModelTests.tensor("y", "FP32", "[1,3]", "[1,2,3]")
    func ask(_ x: String) async throws -> ServerProcess.Answer {
      try await server.post("/v2/models/add/infer", #"{"inputs":[\#(x),\#(y)],"outputs":[{"name":"sum"}]}"#)
    }
    let good = try await ask(AnyModelTests.tensor("x", "INT32", "[1,3]", "[1,1,1]"))
    #expect(try Self.outputs(good) == [#"sum FP32 [1, 3] ["2", "3", "4"]"#])
    for (x, words) in [
      (AnyModelTests.tensor("x", "INT64", "[1,3]", "[1,1,1]"), "x: is of datatype INT64; the model takes INT32"),
      (AnyModelTests.tensor("x", "INT32", "[1,1]", "[1]"), "x: has shape [1, 1]; the model takes [-1, 3]"),
    ] {
      let answer = try await ask(x)
      #expect(answer.status == 400 && answer.body.contains(words), "\(answer.body)")
    }
  }

  @Test(arguments: [
    (#""inputs":["x"]"#, ["takes 2 inputs", "manifest.json"]),
    (
      #""inputs":["x","y"],"outputTensors":[{"name":"s","datatype":"INT64","shape":[-1]}]"#,
      ["outputTensors of 'add'", "'s' is FP32, not INT64"]
    ),
    (
      #""inputs":["x","y"],"inputTensors":[{"name":"x","datatype":"FP32","shape":[3]},"#
        + #"{"name":"y","datatype":"FP32","shape":[4]}]"#,
      ["inputTensors of 'add'", "does not run"]
    ),
    (
      #""inputs":["x","y"],"inputTensors":[{"name":"z","datatype":"FLOAT","shape":[0]}]"#,
      ["models[0].inputTensors[0].name", "models[0].inputTensors[0].datatype", "models[0].inputTensors[0].shape"]
    ),
  ]) func aManifestThatContradictsTheModelIsNamed(keys: String, words: [String]) throws {
    let folder = try Self.repository(["add"], manifest: Self.entry("add", keys))
    let (status, said) = try ServerProcess(["--port", "0"], repository: folder.path).end()
    #expect(status == 65 && words.allSatisfy(said.contains), "\(status) \(said)")
  }

  /// What one row is answered must not depend on whose rows it shares a pass with.
  @Test func rowsThatDependOnOneAnotherAreNotBatched() async throws {
    let folder = try Self.repository(["add", "rows"])
    let server = try ServerProcess.ready(
      ["--batch-max", "4", "--batch-preferred", "2", "--batch-wait", "200ms", "--workers", "1"], repository: folder.path
    )
    defer { server.terminate() }
    let config = try await server.ask("/v2/models/rows/config").json()
    #expect(config["max_batch_size"] as? Int == 0)
    #expect(((config["parameters"] as? [String: [String: String]])?["rows"]?["string_value"]) == "dependent")
    #expect(try await server.ask("/v2/models/add/config").json()["max_batch_size"] as? Int == 4)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for row in 1...8 {
        group.addTask {
          let h = AnyModelTests.tensor("h", "FP32", "[1,2]", "[\(row),\(3 * row)]")
          let answer = try await server.post("/v2/models/rows/infer", #"{"inputs":[\#(h)]}"#)
          #expect(try Self.outputs(answer) == [#"output_0 FP32 [1] ["\#(2 * row)"]"#])
        }
      }
      try await group.waitForAll()
    }
  }

  /// Metadata of a model that no request has brought to memory come from its load.
  @Test func aModelThatWasNeverInMemoryIsDescribed() async throws {
    let folder = try Self.repository(["add", "dict"])
    let server = try ServerProcess.ready(["--memory-budget", "120000"], repository: folder.path)
    defer { server.terminate() }
    for (name, outputs) in [
      ("add", ["output_0 FP32 [-1, -1]"]), ("dict", ["scores FP32 [-1, -1]", "hidden FP32 [-1, -1]"]),
    ] {
      #expect(Self.said(try await server.ask("/v2/models/\(name)").json(), "outputs") == outputs)
    }
  }
}
