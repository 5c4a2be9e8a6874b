import Foundation
import TestSupport

/// A Python program among this target's `Clients` that does what it is told, line by line.
///
/// Foundation's processes and pipes may be used from any thread, and the fields do not change.
final class CommandedClient: @unchecked Sendable {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()

  init(_ name: String, _ arguments: [String]) throws {
    process.executableURL = URL(fileURLWithPath: Tools.python)
    process.arguments = [Program.client(name)] + arguments
    // Its own messages about connections are not ours.
    process.environment = ProcessInfo.processInfo.environment.merging(["GRPC_VERBOSITY": "NONE"]) { $1 }
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  deinit { kill() }

  func say(_ line: String) { input.fileHandleForWriting.write(Data((line + "\n").utf8)) }

  /// The next line that it prints, or what there was of it when it ended.
  func hear() -> String {
    var line: [UInt8] = []
    while let byte = try? output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
      line.append(byte)
    }
    return String(decoding: line, as: UTF8.self)
  }

  func ask(_ line: String) -> String {
    say(line)
    return hear()
  }

  /// Ends it at once, with all its connections.
  func kill() {
    if process.isRunning { _ = Glibc.kill(process.processIdentifier, SIGKILL) }
  }
}
