import Foundation
import Testing

/// The benches run: their smallest size shows that nothing in them has rotted, and measures nothing.
///
/// Only the row without a peer: the others install gigabytes of other people's engines first
/// (`make bench-server ARGS=smoke` runs them all).
@Suite(.serialized) struct SmokeTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let binaries = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().path

  /// A script of the repository with this build: its exit status, and what it printed.
  private static func run(_ script: String, _ arguments: String...) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: repository + "/scripts/" + script)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(["PLANNER_BIN": binaries]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, said)
  }

  @Test func benchServer() throws {
    let folder = NSTemporaryDirectory() + "planner-bench-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (status, said) = try Self.run("bench-server", "smoke", "overhead", "--into", folder)
    try #require(status == 0, "\(said.suffix(2000))")
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/summary.json"))
    let summary = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let results = try #require(summary["results"] as? [[String: Any]])
    let rows = Set(results.compactMap { $0["row"] as? String })
    #expect(rows == ["overhead"])
    for result in results { #expect((result["median"] as? Double ?? 0) > 0, "\(result)") }
  }

  @Test(
    .enabled(
      if: ["haproxy", "nginx"].allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/sbin/" + $0) },
      "haproxy and nginx are not installed"))
  func benchProxy() throws {
    let (status, said) = try Self.run("bench-proxy", "smoke")
    #expect(status == 0)
    let figures = said.split(separator: "\n").filter { $0.contains(": adds min ") }
    #expect(figures.map { $0.prefix { $0 != ":" } } == ["haproxy, p50", "haproxy, p99", "nginx, p50", "nginx, p99"])
  }
}
