import Foundation
import TestSupport
import Testing

/// Unmodified clients of others against the real server.
@Suite struct ClientTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Clients"

  /// Runs a Python program of `Clients/` with the port; it prints `ok` where all its assertions hold.
  static func run(_ program: String, port: Int) throws -> (output: String, errors: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Tools.python)
    process.arguments = [folder + "/" + program, "\(port)"]
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let failed = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (said, failed)
  }

  @Test func tritonclientsEveryCallOverHTTP() throws {
    let server = try ServerProcess.ready(["--allow-management"])
    defer { server.terminate() }
    let (output, errors) = try Self.run("triton_http.py", port: server.port)
    #expect(output == "ok\n", "\(errors)")
  }
}
