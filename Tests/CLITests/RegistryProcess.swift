import Foundation
import TestSupport
import Testing

/// A running program of others that a test stops by letting go of it.
final class Running: @unchecked Sendable {
  let process = Process()
  let output = Pipe()

  init(_ program: String, _ arguments: [String], log: String? = nil) throws {
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    if let log {
      _ = FileManager.default.createFile(atPath: log, contents: nil)
      process.standardError = FileHandle(forWritingAtPath: log)
    }
    try process.run()
  }

  deinit {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// The first line that it prints.
  ///
  /// - Parameter log: file that says why there is none.
  func line(log: String? = nil) throws -> Data {
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      let more = output.fileHandleForReading.availableData
      let said = log.flatMap { try? String(contentsOfFile: $0, encoding: .utf8) } ?? ""
      try #require(!more.isEmpty, "\(process.arguments ?? []) has ended: \(said)")
      line += more
    }
    return line
  }
}

/// The registry of the distribution project, from Debian's package docker-registry, on a port of its own.
final class RegistryProcess: Sendable {
  enum Login {
    case none
    case password(user: String, password: String)
    /// Tokens of an authority at this port, whose certificate is in the folder.
    case token(port: Int, folder: String)
  }

  let folder: TemporaryFolder
  let port: Int
  private let running: Running
  var host: String { "localhost:\(port)" }

  init(_ login: Login = .none) throws {
    try #require(
      FileManager.default.isExecutableFile(atPath: Tools.registry),
      "\(Tools.registry) is missing; scripts/test-tools installs it (Debian: docker-registry)")
    folder = try TemporaryFolder()
    port = try Self.freePort()
    var settings = """
      version: 0.1
      log: {level: warn}
      storage: {filesystem: {rootdirectory: \(folder.path)/storage}}
      http: {addr: "localhost:\(port)"}

      """
    switch login {
    case .none: break
    case .password(let user, let password):
      _ = try folder.file("users", try tool("/usr/bin/htpasswd", ["-Bbn", user, password]).output)
      settings += "auth: {htpasswd: {realm: tests, path: \(folder.path)/users}}\n"
    case .token(let port, let folder):
      settings += """
        auth:
          token:
            realm: http://127.0.0.1:\(port)/token
            service: tests
            issuer: tests
            rootcertbundle: \(folder)/bundle.pem

        """
    }
    let file = try folder.file("config.yml", settings)
    running = try Running(Tools.registry, ["serve", file], log: folder.path + "/log")
    for _ in 0..<600 {
      if Self.answers(port) { return }
      try #require(running.process.isRunning, "the registry ended: \(log())")
      usleep(50_000)
    }
    Issue.record("the registry does not answer: \(log())")
  }

  func log() -> String { (try? String(contentsOfFile: folder.path + "/log", encoding: .utf8)) ?? "" }

  /// Files in the registry's own storage that hold contents, with their sizes.
  func contents() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path + "/storage").filter {
      $0.contains("/blobs/") && $0.hasSuffix("/data")
    }.map { folder.path + "/storage/" + $0 }
  }

  private static func socket(_ port: Int, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int? {
    let descriptor = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, size) }
    }
    guard status == 0 else { return nil }
    var named = sockaddr_in()
    var length = size
    _ = withUnsafeMutablePointer(to: &named) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return Int(UInt16(bigEndian: named.sin_port))
  }

  static func freePort() throws -> Int { try #require(socket(0) { bind($0, $1, $2) }) }
  static func answers(_ port: Int) -> Bool { socket(port) { connect($0, $1, $2) } != nil }
}

/// What stands before a registry, or signs its tokens: `Fixtures/registry_front.py`.
final class RegistryFront: Sendable {
  let port: Int
  let folder: TemporaryFolder
  private let running: Running
  var host: String { "localhost:\(port)" }

  init(_ arguments: [String]) throws {
    folder = try TemporaryFolder()
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/registry_front.py"
    running = try Running(Tools.python, [script, "--log", folder.path + "/log"] + arguments)
    struct Ready: Decodable { var port: Int }
    port = try JSONDecoder().decode(Ready.self, from: try running.line()).port
  }

  /// One line for each request: where, method, path, scheme of its login, range.
  func requests() throws -> [String] {
    try String(contentsOfFile: folder.path + "/log", encoding: .utf8).split(separator: "\n").map(String.init)
  }
}

/// Runs a tool of others to its end.
@discardableResult
func tool(
  _ path: String, _ arguments: [String], environment: [String: String] = [:], folder: String? = nil
) throws -> (status: Int32, output: String, errors: String) {
  try #require(
    FileManager.default.isExecutableFile(atPath: path), "\(path) is missing; scripts/test-tools installs it")
  let place = try TemporaryFolder()
  let process = Process()
  process.executableURL = URL(fileURLWithPath: path)
  process.arguments = arguments
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
  process.standardInput = FileHandle.nullDevice
  for name in ["out", "err"] { _ = FileManager.default.createFile(atPath: place.path + "/" + name, contents: nil) }
  process.standardOutput = FileHandle(forWritingAtPath: place.path + "/out")
  process.standardError = FileHandle(forWritingAtPath: place.path + "/err")
  try process.run()
  process.waitUntilExit()
  return (
    process.terminationStatus, try String(contentsOfFile: place.path + "/out", encoding: .utf8),
    try String(contentsOfFile: place.path + "/err", encoding: .utf8)
  )
}
