import Foundation
import Testing

/// The built `planner`, run as a user runs it: in a folder of its own, with files of its own.
final class Workplace: Sendable {
  struct Result {
    var status: Int32
    var output: String
    var errors: String

    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    }
  }

  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  /// The folder that holds the test bundle holds the programs.
  static let binaries = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().path
  static var planner: String {
    let beside = binaries + "/planner"
    return FileManager.default.isExecutableFile(atPath: beside) ? beside : repository + "/.build/release/planner"
  }

  let folder: String
  /// Temporary files, and with them the machine's lock: workplaces do not keep each other waiting.
  let temporary: String

  init() throws {
    folder = NSTemporaryDirectory() + "planner-cli-" + UUID().uuidString
    temporary = folder + "/.temporary"
    try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func file(_ name: String, _ text: String) throws -> String {
    let path = folder + "/" + name
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  func read(_ name: String) throws -> String { try String(contentsOfFile: folder + "/" + name, encoding: .utf8) }

  /// Starts `planner` in this folder; output goes to files, so that no pipe can fill up.
  func start(_ arguments: [String], environment: [String: String] = [:]) throws -> (
    Process, output: String, errors: String
  ) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.planner)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": temporary]) { $1 }
      .merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    let name = folder + "/." + UUID().uuidString
    for suffix in [".out", ".err"] { _ = FileManager.default.createFile(atPath: name + suffix, contents: nil) }
    process.standardOutput = FileHandle(forWritingAtPath: name + ".out")
    process.standardError = FileHandle(forWritingAtPath: name + ".err")
    try process.run()
    return (process, name + ".out", name + ".err")
  }

  @discardableResult
  func planner(_ arguments: String..., environment: [String: String] = [:]) throws -> Result {
    try run(arguments, environment: environment)
  }

  @discardableResult
  func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
    let (process, output, errors) = try start(arguments, environment: environment)
    process.waitUntilExit()
    return Result(
      status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
      output: try String(contentsOfFile: output, encoding: .utf8),
      errors: try String(contentsOfFile: errors, encoding: .utf8))
  }

  /// Files in the folder that a finished command should not have left.
  func leftovers() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".tmp") }
  }
}

/// Command lines of the processes called `model-server` that belong to `folder`.
func modelServers(mentioning folder: String) -> [String] {
  let ids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { Int($0) != nil }
  return ids.compactMap { id in
    guard let line = FileManager.default.contents(atPath: "/proc/\(id)/cmdline") else { return nil }
    let text = String(decoding: line, as: UTF8.self).replacingOccurrences(of: "\0", with: " ")
    let place = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")
    return text.contains("model-server") && place == folder ? text : nil
  }
}
