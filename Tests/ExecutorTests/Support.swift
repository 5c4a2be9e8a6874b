import Executor
import Foundation
import Testing

/// A folder that goes with the test, and programs written into it.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/executor-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws -> String {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  func program(_ lines: String, name: String = "program") throws -> String {
    let file = try write("#!/bin/sh\n" + lines, to: name)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    return file
  }

  func launch(_ binary: String) -> ServerLaunch {
    var launch = ServerLaunch(
      binary: binary, settings: NodeSettings(repository: path, workers: 2, threadsPerWorker: 3),
      logFile: path + "/server.log")
    launch.readyTimeoutSeconds = 60
    return launch
  }

  /// A number that a program wrote into a file, once it is there.
  func number(in name: String) async throws -> Int32 {
    var number: Int32?
    try await eventually {
      let text = (try? String(contentsOfFile: path + "/" + name, encoding: .utf8)) ?? ""
      number = text.hasSuffix("\n") ? Int32(text.dropLast()) : nil
      return number != nil
    }
    return try #require(number)
  }
}

/// What stands in for `model-server` where no model is needed: ready at once, stops when its input ends.
enum FakeServer {
  static let ready = #"echo '{"ready":true,"port":4242,"models":3,"pid":'$$'}'"#
  static let obedient = "echo started >&2\n\(ready)\nwhile read line; do :; done\necho 'input ended' >&2\n"
  /// Deaf to SIGTERM and to the end of its input.
  static let stubborn = "trap '' TERM\n\(ready)\nwhile :; do sleep 0.1; done\n"
}

func exists(_ pid: Int32) -> Bool {
  if kill(pid, 0) != 0 { return false }
  // One that has ended and waits for its parent to notice is gone for our purpose.
  let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
  return !stat.contains(") Z ")
}

/// Waits up to a minute, far longer than it takes even on a busy machine.
func eventually(_ condition: () throws -> Bool) async throws {
  for _ in 0..<6000 {
    if try condition() { return }
    try await Task.sleep(for: .milliseconds(10))
  }
  Issue.record("what was waited for did not come within a minute")
}

/// The stand-in for `planner`, next to the test program.
struct Parent {
  let process = Process()
  private let output = Foundation.Pipe()
  let input = Foundation.Pipe()

  init(_ arguments: [String]) throws {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let folder = (own as NSString).deletingLastPathComponent
    process.executableURL = URL(fileURLWithPath: folder + "/ExecutorTestParent")
    process.arguments = arguments
    process.standardOutput = output
    process.standardInput = input
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  /// The next line that it prints; blocks.
  func line() -> String {
    var line = Data()
    while let byte = try? output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty, byte != Data("\n".utf8) {
      line += byte
    }
    return String(decoding: line, as: UTF8.self)
  }
}
