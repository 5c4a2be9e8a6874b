import Foundation

/// A program `docker-credential-NAME` that knows logins, by the protocol of docker's credential helpers
/// (github.com/docker/docker-credential-helpers): `get`, the server on standard input, JSON on standard output.
package struct CredentialHelper: Sendable {
  package let name: String
  private let source: String
  private let environment: [String: String]

  package static let prefix = "docker-credential-"
  package static let mostOutputBytes = 1 << 16
  package static let timeLimitSeconds = 60.0
  /// What a helper answers that has no login for a server.
  package static let nothingFound = "credentials not found"

  /// - Parameter source: path of the file that names the helper.
  /// - Throws: `ImageError` (`badData`) where the name could lead to any other program than a helper.
  package init(_ name: String, source: String, environment: [String: String]) throws(ImageError) {
    let isSafe = name.utf8.enumerated().allSatisfy { index, byte in
      let isWord = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      return isWord || index > 0 && [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ".")].contains(byte)
    }
    guard isSafe, (1...64).contains(name.utf8.count) else {
      throw .badData(
        "\(source): '\(quotable(name))' is no name of a credential helper; correct credsStore or credHelpers")
    }
    self.name = name
    self.source = source
    self.environment = environment
  }

  private struct Answer: Decodable {
    var user: String
    var secret: String

    enum CodingKeys: String, CodingKey {
      case user = "Username"
      case secret = "Secret"
    }
  }

  /// The login for a server; nil where the helper has none.
  ///
  /// - Throws: `ImageError` with what the helper says of its failure, and never with what it answers.
  package func get(_ server: String) async throws -> RegistryCredentials? {
    let program = Self.prefix + name
    guard let path = find(program) else {
      throw ImageError.unavailable(
        "\(source) names the credential helper \(program), which is not in PATH; install it, or correct the file")
    }
    let result = try await HelperProcess(path: path, arguments: ["get"], environment: environment)
      .run(input: server + "\n", limit: Self.mostOutputBytes, timeLimitSeconds: Self.timeLimitSeconds)
    let text = String(decoding: result.output, as: UTF8.self)
    guard result.status == 0 else {
      if text.contains(Self.nothingFound) { return nil }
      let line = text.split(whereSeparator: \.isNewline).first.map { quotable($0) } ?? "exit status \(result.status)"
      throw ImageError.unavailable("\(program) has no login for \(quotable(server)): \(line)")
    }
    guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(result.output)) else {
      throw ImageError.unavailable("\(program) answered something else than a login; is it a credential helper?")
    }
    return RegistryCredentials(user: answer.user, secret: answer.secret)
  }

  private func find(_ program: String) -> String? {
    for folder in (environment["PATH"] ?? "").split(separator: ":") where folder.hasPrefix("/") {
      let path = "\(folder)/\(program)"
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    return nil
  }
}

/// A short-lived program that is given a text and answers one.
package struct HelperProcess: Sendable {
  package let path: String
  package let arguments: [String]
  package let environment: [String: String]

  /// - Throws: `ImageError` (`unavailable`) where it cannot be started, says too much, or takes too long; then it is
  ///   ended.
  package func run(
    input: String, limit: Int, timeLimitSeconds: Double
  ) async throws -> (status: Int32, output: [UInt8]) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = environment
    let (given, answered) = (Pipe(), Pipe())
    process.standardInput = given
    process.standardOutput = answered
    process.standardError = FileHandle.nullDevice
    // Before it runs, while this process itself could read it: a helper that reads nothing would end the writer. A pipe
    // holds more than any server's name.
    precondition(input.utf8.count < 4096, "a helper is given no more than a name")
    try? given.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    do { try process.run() } catch {
      throw ImageError.unavailable("\(path) cannot be started: \(error.localizedDescription)")
    }
    try? given.fileHandleForWriting.close()
    let pid = process.processIdentifier
    let timer = Task.detached {
      try await Task.sleep(for: .seconds(timeLimitSeconds))
      kill(pid, SIGKILL)
      return true
    }
    let output = await withTaskCancellationHandler {
      let output = await Self.read(answered.fileHandleForReading, limit: limit)
      if output.count > limit { kill(pid, SIGKILL) }
      await Self.wait(process)
      return output
    } onCancel: {
      kill(pid, SIGKILL)
    }
    timer.cancel()
    try Task.checkCancellation()
    if (try? await timer.value) == true {
      throw ImageError.unavailable("\(path) did not answer within \(Int(timeLimitSeconds)) s")
    }
    guard output.count <= limit else { throw ImageError.unavailable("\(path) answered more than \(limit) bytes") }
    return (process.terminationStatus, output)
  }

  private static func read(_ handle: FileHandle, limit: Int) async -> [UInt8] {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        var output: [UInt8] = []
        while output.count <= limit {
          let more = handle.availableData
          if more.isEmpty { break }
          output += more
        }
        continuation.resume(returning: output)
      }
    }
  }

  private static func wait(_ process: Process) async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        process.waitUntilExit()
        continuation.resume()
      }
    }
  }
}
