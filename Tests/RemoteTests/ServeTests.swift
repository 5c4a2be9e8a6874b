import Engine
import EngineTools
import Foundation
import FoundationNetworking
import PlannerCore
import ServerContract
import TestSupport
import Testing

/// A server whose models are in a bucket.
@Suite struct ServeTests {
  /// Three small models with their manifest, in a bucket.
  static func uploaded() throws -> (store: Store, folder: TemporaryFolder) {
    let (store, folder) = (try Store("s3"), try TemporaryFolder())
    try Engine.initialize()
    try Synthesizer(family: .bertTiny, vocabulary: 300, precision: .fp32, seed: 5).write(
      count: 3, to: folder.path, progress: { _ in })
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      try store.put("p/" + name, try #require(FileManager.default.contents(atPath: folder.path + "/" + name)))
    }
    return (store, folder)
  }

  static func served(_ store: Store, _ cache: String, _ arguments: [String]) throws -> (process: Process, port: Int) {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: PullCommandTests.binary)
    process.arguments = ["--repository", store.bucket + "p", "--cache", cache, "--port", "0"] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(store.environment) { $1 }
    process.standardOutput = output
    try process.run()
    let ready = try JSONDecoder().decode(
      ReadyLine.self, from: output.fileHandleForReading.availableData)
    #expect(ready.models == 3)
    return (process, ready.port)
  }

  static func pulled(_ store: Store) throws -> [String] {
    try store.log().map { String($0.uri.split(separator: "/").last ?? "") }.filter { $0.hasSuffix(".pt") }.sorted()
  }

  @Test func modelsComeBeforeTheServerIsReadyOrWithTheirFirstRequest() throws {
    let (store, folder) = try Self.uploaded()
    let cache = folder.path + "/cache"
    let lazy = try Self.served(store, cache, ["--pull", "first-use"])
    #expect(try Self.pulled(store) == [])
    let url = try #require(URL(string: "http://127.0.0.1:\(lazy.port)/predictions/model1"))
    for _ in 0..<2 { #expect(try String(contentsOf: url, encoding: .utf8).contains("detail")) }
    #expect(try Self.pulled(store) == ["model1.pt"])
    kill(lazy.process.processIdentifier, SIGTERM)
    lazy.process.waitUntilExit()
    #expect(lazy.process.terminationStatus == 0)

    let eager = try Self.served(store, cache, [])
    // What is there already is not fetched again.
    #expect(try Self.pulled(store) == ["model0.pt", "model2.pt"])
    kill(eager.process.processIdentifier, SIGTERM)
    eager.process.waitUntilExit()
    #expect(eager.process.terminationStatus == 0)
  }
}
