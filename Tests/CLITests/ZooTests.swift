import Foundation
import Testing

/// A folder of models that nobody here wrote code for, traced with Debian's PyTorch, as their owner meets it: what is
/// in it, a manifest, a profile.
@Suite(.serialized) struct ZooTests {
  static let folder: Result<Workplace, any Error> = Result {
    let place = try Workplace()
    let zoo = Process()
    zoo.executableURL = URL(fileURLWithPath: Workplace.repository + "/scripts/zoo/make")
    zoo.arguments = ["--out", place.folder + "/zoo", "--count", "2", "--odd"]
    zoo.standardOutput = FileHandle.nullDevice
    try zoo.run()
    zoo.waitUntilExit()
    try #require(zoo.terminationStatus == 0)
    try Data("no model".utf8).write(to: URL(fileURLWithPath: place.folder + "/zoo/broken.pt"))
    return place
  }

  private func architectures(_ json: [String: Any]) throws -> [String: [String: Any]] {
    let list = try #require(json["architectures"] as? [[String: Any]])
    // Made names end in digits of a hash, which changes with the code.
    return Dictionary(
      uniqueKeysWithValues: list.map { (String(($0["name"] as? String ?? "").prefix { $0 != "-" }), $0) })
  }

  private static func tensors(_ architecture: [String: Any]?, _ key: String) -> [String] {
    (architecture?[key] as? [[String: Any]] ?? []).map {
      "\($0["name"] as? String ?? "") \($0["datatype"] as? String ?? "") \($0["shape"] as? [Int] ?? [])"
        + ($0["below"].map { " below \($0)" } ?? "")
    }
  }

  @Test func inspectFindsWhatTheModelsTakeAndAnswer() throws {
    let place = try Self.folder.get()
    let result = try place.planner("model", "inspect", "zoo", "--json")
    try #require(result.status == 0, "\(result.errors)")
    #expect(try CommandSchemaTests.violations("model-inspect", result.output) == [])
    let json = try result.json()
    let found = try architectures(json)
    #expect(found.count == 8 && found.values.allSatisfy { $0["models"] as? Int == 2 || $0["models"] as? Int == 1 })
    #expect(
      found.mapValues { Self.tensors($0, "inputs") } == [
        "bert": ["input_ids INT64 [-1, -1] below 3000", "attention_mask INT64 [-1, -1]"],
        "recommender": ["dense FP32 [-1, 13]", "items INT64 [-1, -1] below 5000"],
        "images": ["image FP32 [-1, 3, 32, 32]"], "features": ["features FP32 [-1, 64]"],
        "sequences": ["sequence FP32 [-1, -1, 24]"], "twotower": ["user FP32 [-1, 48]", "item FP32 [-1, 20]"],
        "fixedlength": ["steps FP32 [-1, 16, 12]"], "patience": ["signal FP32 [-1, 8]"],
      ])
    #expect(Self.tensors(found["twotower"], "outputs") == ["output_0 FP32 [-1, 32]", "output_1 FP32 [-1, 32]"])
    // Places beyond the last are no request's.
    #expect(found["bert"]?["largestSize"] as? Int == 256 && found["bert"]?["isLargestALimit"] as? Bool == true)
    #expect(
      found["bert"]?["padding"] as? String == "unchanged" && found["sequences"]?["padding"] as? String == "changed")
    #expect(found["images"]?["padding"] as? String == "none" && found["images"]?["largestSize"] == nil)
    let notes = found.mapValues { ($0["notes"] as? [String] ?? []).joined(separator: "; ") }
    #expect(notes["patience"]?.contains("its time depends on values") == true, "\(notes)")
    let broken = try #require(json["broken"] as? [[String: Any]])
    #expect(broken.map { $0["file"] as? String } == ["broken.pt"])
    let text = try place.planner("model", "inspect", "zoo")
    #expect(text.status == 0 && text.output.contains("8 architectures") && text.output.contains("broken.pt"))
  }

  @Test func indexWritesAManifestThatIsServed() throws {
    let place = try Self.folder.get()
    _ = try place.file(
      "zoo/manifest.json",
      #"""
      {"schemaVersion": 1, "kind": "repository",
       "models": [{"name": "ranking", "file": "dlrm-000.pt", "family": "dlrm", "owner": "us"}, {"name": "mlp-000"}]}
      """#)
    defer { try? FileManager.default.removeItem(atPath: place.folder + "/zoo/manifest.json") }
    let result = try place.planner("model", "index", "zoo", "--json")
    try #require(result.status == 0, "\(result.errors)")
    #expect(try CommandSchemaTests.violations("model-index", result.output) == [])
    #expect(try result.json()["models"] as? Int == 14)
    let text = try place.read("zoo/manifest.json")
    #expect(try CommandSchemaTests.violations("repository", text) == [])
    let manifest = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let models = try #require(manifest["models"] as? [[String: Any]])
    #expect(models.count == 14 && models.prefix(2).map { $0["name"] as? String } == ["ranking", "mlp-000"])
    #expect(models[0]["family"] as? String == "dlrm" && models[0]["owner"] as? String == "us")
    #expect(models.allSatisfy { ($0["sha256"] as? String)?.count == 64 && ($0["fileBytes"] as? Int ?? 0) > 1000 })
    let bert = try #require(models.first { $0["name"] as? String == "bert-001" })
    #expect(bert["vocabulary"] as? Int == 3000 && bert["maxTokens"] as? Int == 256)
    // A second time changes nothing.
    #expect(try place.planner("model", "index", "zoo").status == 0)
    #expect(try place.read("zoo/manifest.json") == text)
  }

  /// What of the folder a workload asks for, and nothing else.
  @Test func profileMeasuresEachArchitectureOnce() throws {
    let place = try Self.folder.get()
    let inspected = try architectures(try place.planner("model", "inspect", "zoo", "--json").json())
    func name(_ kind: String) throws -> String { try #require(inspected[kind]?["name"] as? String) }
    let groups = try [
      ("bert", "tokens", "size: 24, "), ("recommender", "tensors", "size: 6, "), ("patience", "tensors", ""),
    ]
    .map { kind, input, size in
      "  - {name: \(kind), architecture: \(try name(kind)), models: 2, input: \(input), \(size)"
        + "rate: {perModel: 1}, targetP99: 50ms}"
    }
    let workload = try place.file(
      "few.yaml", "name: few\ngroups:\n" + groups.joined(separator: "\n") + "\n")
    let result = try place.planner(
      "profile", "--quick", "--models", "zoo", "--workload", workload, "--out", "profiles/zoo.json", "--json")
    try #require(result.status == 0, "\(result.errors)")
    #expect(try CommandSchemaTests.violations("profile", result.output) == [])
    #expect(result.errors.contains("broken.pt is not measured") && result.errors.contains("does not ask for it"))
    let json = try result.json()
    let models = try #require(json["models"] as? [[String: Any]])
    let said = try models.map { model in
      let served = try #require((model["served"] as? [[String: Any]])?.first)
      let kind = (model["family"] as? String ?? "").prefix { $0 != "-" }
      return "\(kind) \(served["input"] ?? "") \(served["tokens"] ?? "") \(model["vocabulary"] ?? "")"
    }
    #expect(said == ["bert tokens 24 3000", "recommender tensors 6 0", "patience tensors 1 0"])
    let purpose = try #require(json["purpose"] as? [String: String])
    #expect(purpose == ["workload": "few", "repository": "zoo"])
    let shown = try place.planner("profile", "show", "profiles/zoo.json")
    #expect(shown.output.contains("workload few") && shown.output.contains("its time depends on values"))
    let check = try place.planner("profile", "check", "profiles/zoo.json")
    #expect([0, 3].contains(check.status), "\(check.output)")
  }
}
