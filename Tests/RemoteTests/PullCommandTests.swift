import Foundation
import PlannerCore
import RemoteModels
import TestSupport
import Testing

/// `model-server pull`, as processes that are killed and that share a cache.
@Suite struct PullCommandTests {
  static let binary =
    URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().path + "/model-server"

  struct Ended {
    var status: Int32
    var output: String
    var errors: String
  }

  static func start(_ arguments: [String], _ environment: [String: String]) throws -> (Process, Pipe, Pipe) {
    let process = Process()
    let (output, errors) = (Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: binary)
    process.arguments = ["pull"] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    return (process, output, errors)
  }

  static func run(_ arguments: [String], _ environment: [String: String]) throws -> Ended {
    let (process, output, errors) = try start(arguments, environment)
    let said = (try output.fileHandleForReading.readToEnd(), try errors.fileHandleForReading.readToEnd())
    process.waitUntilExit()
    return Ended(
      status: process.terminationStatus, output: String(decoding: said.0 ?? Data(), as: UTF8.self),
      errors: String(decoding: said.1 ?? Data(), as: UTF8.self))
  }

  @Test func aKilledPullIsResumedByTheNext() throws {
    let store = try Store("s3")
    let sample = try Sample(names: ["model0.pt"], bytes: 400_000)
    try sample.upload(to: store, prefix: "p/", manifest: try sample.manifest())
    try store.fault("model0.pt", "slow", after: 50_000)
    let cache = sample.cache.path + "/cache"
    let arguments = ["--repository", store.bucket + "p", "--cache", cache]
    let (process, _, _) = try Self.start(arguments, store.environment)
    // Until a piece of the file is on disk.
    func part() -> Int {
      let files = FileManager.default.enumerator(atPath: cache)?.compactMap { $0 as? String } ?? []
      var status = stat()
      guard let part = files.first(where: { $0.hasSuffix(".part") }), stat(cache + "/" + part, &status) == 0 else {
        return 0
      }
      return Int(status.st_size)
    }
    // Blocks, as the other tests of this target do: they may have taken all threads that could resume this one.
    while part() < 60_000, process.isRunning { usleep(5000) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let reached = part()
    #expect(reached >= 60_000 && reached < 400_000)
    _ = try store.log()

    let ended = try Self.run(arguments, store.environment)
    #expect(ended.status == 0, "\(ended)")
    let summary = try JSONDecoder().decode(RemoteRepository.Summary.self, from: Data(ended.output.utf8))
    #expect(summary.fetchedBytes == 400_000 - Int64(reached))
    #expect(try store.log().last?.headers["range"] == "bytes=\(reached)-")
    try sample.expectWhole(summary.folder)
  }

  @Test func processesThatShareACacheFetchEachFileOnce() throws {
    let store = try Store("s3")
    let sample = try Sample(names: (0..<12).map { "model\($0).pt" }, bytes: 50_000)
    try sample.upload(to: store, prefix: "p/", manifest: try sample.manifest())
    try store.fault(".pt", "slow", after: 1000, times: 12, seconds: 0.01)
    let arguments = ["--repository", store.bucket + "p", "--cache", sample.cache.path + "/cache"]
    let running = try (0..<3).map { _ in try Self.start(arguments, store.environment) }
    var summaries: [RemoteRepository.Summary] = []
    for (process, output, _) in running {
      let line = try output.fileHandleForReading.readToEnd() ?? Data()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      summaries.append(try JSONDecoder().decode(RemoteRepository.Summary.self, from: line))
    }
    #expect(summaries.map(\.fetched).reduce(0, +) == 12, "\(summaries)")
    #expect(try store.log().filter { $0.uri.hasSuffix(".pt") }.count == 12)
    try sample.expectWhole(try #require(summaries.first).folder)
  }

  @Test func whatCannotBePulledIsSaidWithItsExitCode() throws {
    let store = try Store("s3")
    let sample = try Sample(names: ["model0.pt"], bytes: 1000)
    var manifest = try sample.manifest()
    manifest.models[0].sha256 = String(repeating: "0", count: 64)
    try sample.upload(to: store, prefix: "p/", manifest: manifest)
    let cache = ["--cache", sample.cache.path + "/cache"]
    let wrong = try Self.run(["--repository", store.bucket + "p"] + cache, store.environment)
    #expect(wrong.status == 69 && wrong.errors.contains("SHA-256 is not the one in the manifest"), "\(wrong)")
    #expect(!wrong.errors.contains("static+/secret"))
    for (address, status) in [("http://host/", 65), ("gs://bucket/", 65), ("s3://UPPER/x", 65), ("folder", 64)] {
      let ended = try Self.run(["--repository", address] + cache, store.environment)
      #expect(ended.status == Int32(status), "\(address): \(ended)")
    }
  }
}
