import Foundation
import TestSupport
import Testing

/// The fuzzer finds what was planted for it, keeps the input, and its replay command breaks in the same way.
@Suite(.serialized) struct PlantedBugTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let program =
    URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().path + "/fuzz"

  static func fuzz(_ arguments: [String]) throws -> (status: Int32, bySignal: Bool, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: repository)
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let said = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (
      process.terminationStatus, process.terminationReason == .uncaughtSignal, String(decoding: said, as: UTF8.self)
    )
  }

  @Test(arguments: [
    ("planted-crash", "died of signal"), ("planted-law", "broke a law"), ("planted-hang", "hung for"),
    ("planted-growth", "grew to"),
  ])
  func isFound(_ target: String, _ sign: String) throws {
    let folder = try TemporaryFolder()
    let corpus = folder.path + "/corpus"
    try FileManager.default.createDirectory(atPath: corpus + "/" + target, withIntermediateDirectories: true)
    try "a harmless text".write(toFile: corpus + "/\(target)/text", atomically: true, encoding: .utf8)
    let failures = folder.path + "/failures"
    // A second is a hang only where one is planted: elsewhere a busy machine could make one.
    let result = try Self.fuzz([
      "--target", target, "--runs", "3000", "--corpus", corpus, "--failures", failures,
      "--hang-seconds", target == "planted-hang" ? "1" : "30",
      "--memory-limit", "256",
    ])
    #expect(result.status == 3 && result.output.contains("fuzz: \(target) \(sign)"), "\(result.output)")
    let kept = try FileManager.default.contentsOfDirectory(atPath: failures)
    #expect(!kept.isEmpty)
    for name in kept {
      let input = try Data(contentsOf: URL(fileURLWithPath: failures + "/" + name))
      #expect(input.range(of: Data("BUG".utf8)) != nil)
    }
    if target == "planted-crash" || target == "planted-law", let first = kept.first {
      let again = try Self.fuzz(["--target", target, "--replay", failures + "/" + first])
      #expect(target == "planted-crash" ? again.bySignal : again.status != 0)
    }
  }

  /// Every target starts, and its corpus does no harm.
  @Test func corpusPasses() throws {
    let folder = try TemporaryFolder()
    let result = try Self.fuzz(["--runs", "1000", "--failures", folder.path])
    #expect(result.status == 0, "\(result.output)")
    #expect(result.output.contains(", 0 findings"))
  }
}
