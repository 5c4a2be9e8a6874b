import Foundation
import PlannerCore
import PlannerFiles
import Testing

/// Manifests of model repositories: what may be missing, and what is added to them.
@Suite struct ManifestTests {
  private func read(_ models: String) throws -> RepositoryManifest {
    try RepositoryFile.decode(
      #"{"schemaVersion": 1, "kind": "repository", "models": [\#(models)]}"#, path: "manifest.json")
  }

  @Test func everythingButNamesMayBeMissing() throws {
    let manifest = try read(#"{"name": "a"}, {"name": "b", "file": "v2/b.pt", "inputs": ["x"]}"#)
    #expect(manifest.lowercases == nil && manifest.vocabularyFile == nil)
    let (first, second) = (manifest.models[0], manifest.models[1])
    #expect(first.file == "a.pt" && first.architecture == RepositoryManifest.Model.unknownArchitecture)
    #expect(first.statedPrecision == nil && first.precision == .fp32 && first.inputs.isEmpty)
    #expect(first.vocabulary == 0 && first.statedMaxTokens == nil && first.maxTokens == 512 && first.fileBytes == 0)
    #expect(second.file == "v2/b.pt" && second.inputs == ["x"])
    // Nothing that nobody said is written.
    let text = try JSONFile.encode(manifest)
    for key in ["family", "precision", "vocabulary", "maxTokens", "fileBytes", "lowercases", "sha256"] {
      #expect(!text.contains("\"\(key)\""), "\(key)")
    }
    #expect(try RepositoryFile.decode(text, path: "manifest.json") == manifest)
  }

  @Test(arguments: [
    (#"{"file": "a.pt"}"#, "models[0].name"), (#"{"name": "a", "precision": "fp64"}"#, "models[0].precision"),
    (#"{"name": "a", "maxTokens": 0}"#, "models[0].maxTokens"), (#"{"name": "a", "inputs": ["x", "x"]}"#, "inputs"),
    (#"{"name": "a", "vocabulary": -1}"#, "models[0].vocabulary"),
    (
      #"{"name": "a", "requestTensors": [{"name": "x", "datatype": "INT64", "shape": [1], "below": 0}]}"#,
      "requestTensors[0].below"
    ), (#"{"name": "a"}, {"name": "a"}"#, "models[1].name"),
  ])
  func whatIsThereHasToBeRight(_ models: String, _ key: String) {
    #expect { try read(models) } throws: { "\($0)".contains(key) }
  }

  // MARK: Completion

  private static let found = RepositoryManifest(
    seed: nil, vocabularyFile: "vocab.txt", lowercases: nil,
    models: [
      RepositoryManifest.Model(
        name: "b", file: "b.pt", architecture: "bert-0a21db", precision: .fp32, vocabulary: 3000, maxTokens: 256,
        inputs: ["input_ids"], fileBytes: 77, sha256: String(repeating: "0a", count: 32)),
      RepositoryManifest.Model(name: "new", fileBytes: 5),
    ])

  @Test func whatSomebodyWroteStays() throws {
    let written = """
      {"schemaVersion": 1, "kind": "repository", "team": {"mail": "a@b.c", "since": 2019.5}, "lowercases": false,
       "models": [{"name": "a", "note": "old", "agreed": 0.1},
                  {"name": "b", "family": "mine", "maxTokens": 64, "owner": "us", "fileBytes": 18446744073709551615}]}
      """
    let text = try ManifestCompletion.complete(written, with: Self.found)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let models = try #require(json["models"] as? [[String: Any]])
    #expect(models.map { $0["name"] as? String } == ["a", "b", "new"])
    #expect((json["team"] as? [String: Any])?["since"] as? Double == 2019.5 && json["lowercases"] as? Bool == false)
    #expect(json["vocabularyFile"] as? String == "vocab.txt")
    #expect(models[0].count == 3 && models[0]["agreed"] as? Double == 0.1)
    let b = models[1]
    #expect(b["family"] as? String == "mine" && b["maxTokens"] as? Int == 64 && b["owner"] as? String == "us")
    #expect(b["fileBytes"] as? UInt64 == .max)
    #expect(
      b["vocabulary"] as? Int == 3000 && b["file"] as? String == "b.pt" && b["inputs"] as? [String] == ["input_ids"])
    // Once more adds nothing.
    #expect(try ManifestCompletion.complete(text, with: Self.found) == text)
  }

  @Test func withoutAManifestThereIsANewOne() throws {
    let text = try ManifestCompletion.complete(nil, with: Self.found)
    #expect(try RepositoryFile.decode(text, path: "manifest.json") == Self.found)
  }
}
