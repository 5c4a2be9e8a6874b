import Engine
import EngineTools
import Foundation
import FoundationNetworking
import PlannerCore
import Testing

/// The built `model-server` over a repository of three small models.
///
/// Its own fields do not change once it is ready, and Foundation's processes and pipes may be used from any thread.
final class ServerProcess: @unchecked Sendable {
  static let binary =
    URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().path + "/model-server"

  /// Written once for all tests: model0, model1, model2 with a vocabulary of 300.
  static let repository: String = {
    let path = NSTemporaryDirectory() + "planner-server-tests-\(getpid())"
    do {
      try Engine.initialize()
      try Synthesizer(family: .bertTiny, vocabulary: 300, precision: .fp32, seed: 1).write(
        count: 3, to: path, progress: { _ in })
    } catch {
      fatalError("\(error)")
    }
    return path
  }()

  struct Ready: Decodable {
    var ready: Bool
    var port: Int
    var grpcPort: Int?
    var models: Int
    var pid: Int32
  }

  let process = Process()
  let input = Pipe()
  let errors = Pipe()
  private let output = Pipe()
  private(set) var port = 0
  private(set) var grpcPort: Int?
  private(set) var models = 0

  init(
    _ arguments: [String], repository: String = ServerProcess.repository, environment: [String: String] = [:]
  ) throws {
    process.executableURL = URL(fileURLWithPath: Self.binary)
    process.arguments = ["--repository", repository] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = input
    process.standardOutput = output
    process.standardError = errors
    try process.run()
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  static func ready(
    _ arguments: [String] = [], repository: String = ServerProcess.repository, environment: [String: String] = [:]
  ) throws -> ServerProcess {
    let server = try ServerProcess(["--port", "0"] + arguments, repository: repository, environment: environment)
    let line = server.output.fileHandleForReading.availableData
    let ready = try JSONDecoder().decode(Ready.self, from: line)
    #expect(ready.ready && ready.pid == server.process.processIdentifier)
    server.port = ready.port
    server.grpcPort = ready.grpcPort
    server.models = ready.models
    return server
  }

  /// Exit code, and what was said on standard error.
  func end() -> (status: Int32, errors: String) {
    process.waitUntilExit()
    let said = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
    return (process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus, said)
  }

  func terminate() { kill(process.processIdentifier, SIGTERM) }

  struct Answer {
    var status: Int
    var body: String
    var headers: [AnyHashable: Any]

    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any], "\(body)")
    }
  }

  func ask(
    _ path: String, method: String = "GET", body: Data? = nil, type: String = "application/json"
  ) async throws -> Answer {
    var request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(port)\(path)")))
    request.httpMethod = method
    request.httpBody = body
    if body != nil { request.setValue(type, forHTTPHeaderField: "Content-Type") }
    let (data, response) = try await URLSession.shared.data(for: request)
    let http = try #require(response as? HTTPURLResponse)
    return Answer(status: http.statusCode, body: String(decoding: data, as: UTF8.self), headers: http.allHeaderFields)
  }

  func post(_ path: String, _ json: String) async throws -> Answer {
    try await ask(path, method: "POST", body: Data(json.utf8))
  }

  /// Sends bytes over a connection of its own and returns what came back until it was closed or a second passed.
  func raw(_ bytes: String, closing: Bool = true, port: Int? = nil) throws -> String {
    let socket = try connected(port: port)
    defer { close(socket) }
    _ = Array(bytes.utf8).withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    if closing { shutdown(socket, Int32(SHUT_WR)) }
    var answer = ""
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(socket, &buffer, buffer.count, 0)
      if count <= 0 { return answer }
      answer += String(decoding: buffer.prefix(count), as: UTF8.self)
    }
  }

  /// A connection that reads for so long at most.
  func connected(seconds: Int = 2, port: Int? = nil) throws -> Int32 {
    let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port ?? self.port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(handle, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(status == 0)
    return handle
  }
}
