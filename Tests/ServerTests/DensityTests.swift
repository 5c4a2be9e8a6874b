import Engine
import EngineTools
import Foundation
import Testing

/// What a model costs a server beyond its weights.
@Suite struct ServerDensityTests {
  static let repository: Result<String, any Error> = Result {
    let path = NSTemporaryDirectory() + "planner-density-tests-\(getpid())"
    try Engine.initialize()
    try Synthesizer(family: .bertTiny, vocabulary: 300, precision: .fp32, seed: 2).write(
      count: 240, to: path, progress: { _ in })
    return path
  }

  /// Bytes that a ready server with so many models has for itself, mapped files apart.
  static func privateBytes(models: Int) throws -> Int {
    let server = try ServerProcess.ready(
      ["--limit-models", "\(models)", "--warm-tokens", "16"], repository: try repository.get())
    defer {
      server.terminate()
      _ = server.end()
    }
    #expect(server.models == models)
    let text = try String(contentsOfFile: "/proc/\(server.process.processIdentifier)/smaps_rollup", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("Anonymous:") })
    return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * 1024
  }

  @Test func aModelCostsATenthOfAMebibyteBeyondItsWeights() throws {
    defer { if let path = try? Self.repository.get() { try? FileManager.default.removeItem(atPath: path) } }
    let (few, many) = (try Self.privateBytes(models: 40), try Self.privateBytes(models: 240))
    let each = (many - few) / 200
    #expect(each < 104_858, "\(each) bytes a model")
  }

  /// Through the server's own registry, in processes that do nothing else.
  ///
  /// The allocator gives pages back when it likes, so a process may be a percent off at the moment of the reading. What
  /// leaks, leaks in every process.
  @Test func memoryDoesNotDriftOverLoadsAndUnloads() throws {
    var drifts: [Double] = []
    repeat { drifts.append(try Self.driftOverTwoHundredCycles()) } while drifts.count < 4 && drifts.last! >= 0.01
    #expect(drifts.last! < 0.01, "\(drifts)")
  }

  private static func driftOverTwoHundredCycles() throws -> Double {
    struct Result: Decodable {
      var cycles: Int
      var drift: Double
    }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: ServerProcess.binary)
    process.arguments = ["cycle", "--repository", ServerProcess.repository, "--warmup", "1000", "--cycles", "200"]
    process.standardOutput = output
    try process.run()
    let said = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let result = try JSONDecoder().decode(Result.self, from: said)
    #expect(result.cycles == 200)
    return result.drift
  }
}
