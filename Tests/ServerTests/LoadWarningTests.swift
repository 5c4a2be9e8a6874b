import Foundation
import TestSupport
import Testing

/// What an operator is told of models that are not served as expected, at the start and after it.
@Suite(.serialized) struct LoadWarningTests {
  private static func count(_ words: String, in said: String) -> Int { said.components(separatedBy: words).count - 1 }

  /// A model that is loaded later is warned of like one that was there from the start; once, however often it comes.
  @Test func modelsThatAreLoadedLaterAreWarnedOfToo() async throws {
    let folder = try InterfaceTests.repository(["rows", "add"])
    let server = try ServerProcess.ready(["--batch-max", "4", "--allow-management"], repository: folder.path)
    let late = ["never": "never", "again": "rows"]
    for (name, code) in late.sorted(by: { $0.key < $1.key }) {
      try CraftedModel.write(try #require(InterfaceTests.models[code]), to: folder.path + "/\(name).pt")
    }
    try Data("no model".utf8).write(to: URL(fileURLWithPath: folder.path + "/broken.pt"))
    for _ in 0..<2 {
      for name in late.keys {
        #expect(try await server.post("/v2/repository/models/\(name)/load", "{}").status == 200)
        #expect(try await server.post("/v2/repository/models/\(name)/unload", "{}").status == 200)
      }
      #expect(try await server.post("/v2/repository/models/broken/load", "{}").status == 400)
    }
    server.terminate()
    let (status, said) = server.end()
    #expect(status == 0)
    for words in [
      "rows: rows of one pass change", "again: rows of one pass change", "never: no pass was found that is answered",
      "broken: is unavailable: ",
    ] {
      #expect(Self.count(words, in: said) == 1, "\(words): \(said)")
    }
    #expect(!said.contains("add: "))
  }

  /// A misspelt key is not an error, as a newer program may have written it, and is not passed over in silence.
  @Test func keysThatAreNotKnownAreNamed() async throws {
    let keys = #""inputs":["x","y"],"inputTensor":[],"outputtensors":[],"zzz":1"#
    let folder = try InterfaceTests.repository(["add"], manifest: InterfaceTests.entry("add", keys))
    let server = try ServerProcess.ready(repository: folder.path)
    #expect(try await server.ask("/v2/models/add/ready").status == 200)
    server.terminate()
    let (_, said) = server.end()
    for words in [
      "models[0].inputTensor: is not a known key, and is ignored; did you mean inputTensors?",
      "models[0].outputtensors: is not a known key, and is ignored; did you mean outputTensors?",
      "models[0].zzz: is not a known key, and is ignored; known here: name, file",
    ] {
      #expect(Self.count(words, in: said) == 1, "\(words): \(said)")
    }
  }

  @Test func aModuleWithoutForwardIsToldFromADamagedFile() async throws {
    let folder = try InterfaceTests.repository(["add"])
    let code = try #require(InterfaceTests.models["add"])
    for (name, method) in [("encoder", "encode"), ("overloaded", "forward__0")] {
      try CraftedModel.write(
        code.replacingOccurrences(of: "def forward(", with: "def \(method)("), to: folder.path + "/\(name).pt")
    }
    let server = try ServerProcess.ready(["--tolerate-bad-models"], repository: folder.path)
    defer { server.terminate() }
    let index = try await server.post("/v2/repository/index", "{}").body
    #expect(index.contains("cannot be run here: it has no method 'forward', which is what requests call, but encode;"))
    #expect(index.contains("cannot be run here: its forward takes several types"))
    #expect(!index.contains("damaged"))
  }

  @Test func aModelBeyondTheMemoryBudgetSaysHowMuchItTakes() async throws {
    let folder = try InterfaceTests.repository(["add"])
    let server = try ServerProcess.ready(["--memory-budget", "50000"], repository: folder.path)
    defer { server.terminate() }
    let inputs = InterfaceTests.x + "," + AnyModelTests.tensor("y", "FP32", "[1,2]", "[1,1]")
    let refused = try await server.post("/v2/models/add/infer", #"{"inputs":[\#(inputs)]}"#)
    let words = try #require(
      try /it takes ([0-9]+) bytes, and the memory budget is 50000; start the server with --memory-budget ([0-9]+) or/
        .firstMatch(in: refused.body), "\(refused.body)")
    #expect(refused.status == 503 && words.1 == words.2)
    // The remedy is enough.
    let larger = try ServerProcess.ready(["--memory-budget", String(words.2)], repository: folder.path)
    defer { larger.terminate() }
    #expect(try await larger.post("/v2/models/add/infer", #"{"inputs":[\#(inputs)]}"#).status == 200)
  }
}
