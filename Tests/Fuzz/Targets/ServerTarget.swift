import Engine
import EngineTools
import Foundation
import Logging
import PlannerCore
import ServerApplication
import Serving
import Synchronization

/// Bytes to a whole server over loopback. It must answer or hang up, never with 500, and serve the next one as before.
struct ServerTarget: FuzzTarget {
  private let kind: TargetKind
  private let port: UInt16
  private let queue = DispatchQueue(label: "client")
  private var tried = 0
  private static let good = Array("GET /predictions/model0?seq_0=a&seq_1=b HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
  private static let expected = "HTTP/1.1 200"
  private static let checkEvery = 32

  /// - Parameter kind: `http`, `json` or `tensors`.
  init(kind: TargetKind) async throws {
    self.kind = kind
    let folder = NSTemporaryDirectory() + "planner-fuzz-server-\(getpid())"
    try Engine.initialize()
    try Synthesizer(family: .bertTiny, vocabulary: 300, precision: .fp32, seed: 1).write(count: 2, to: folder) { _ in }
    var options = ServerOptions(repository: folder)
    options.port = 0
    options.warmTokens = [8]
    options.probeSeconds = nil
    var logger = Logger(label: "fuzz")
    logger.logLevel = .critical
    let application = ModelServerApplication(options: options, logger: logger)
    port = try await withCheckedThrowingContinuation { continuation in
      Task {
        do {
          try await application.run(stopOnStdinEOF: false) { continuation.resume(returning: UInt16($0.port)) }
          exit(8)  // The server must not end by itself.
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
    // Its models are mapped: the files are needed no more.
    try FileManager.default.removeItem(atPath: folder)
  }

  mutating func run(_ input: [UInt8]) async throws -> String {
    tried += 1
    let answer = try await ask(request(input))
    if tried % Self.checkEvery == 1 {
      let after = try await ask(Self.good)
      guard after.starts(with: Self.expected) else {
        throw BrokenLaw("a good request is answered: \(after.prefix(200))")
      }
    }
    if answer.isEmpty { return "hung up" }
    guard answer.hasPrefix("HTTP/1.") else { throw BrokenLaw("not an answer: \(answer.prefix(80))") }
    let statuses = answer.ranges(of: "HTTP/1.1 ").map { answer[$0.upperBound...].prefix(3) }
    guard !statuses.contains("500") else { throw BrokenLaw("answered 500: \(answer.suffix(300))") }
    let body = answer.ranges(of: "\r\n\r\n").last.map { answer[$0.upperBound...] } ?? ""
    return statuses.prefix(3).joined(separator: " ") + " " + body.filter { $0.isLetter }.prefix(60)
  }

  /// The input itself, or a request of the Open Inference Protocol around it.
  private func request(_ input: [UInt8]) -> [UInt8] {
    var body = input[...]
    var head = "POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\n"
    switch kind {
    case .json: head += "Content-Type: application/json\r\n"
    case .tensors:
      // Two bytes say how much of the rest is JSON.
      guard input.count >= 2 else { return input }
      head += "Inference-Header-Content-Length: \(Int(input[0]) | Int(input[1]) << 8)\r\n"
      body = input[2...]
    default: return input
    }
    return Array((head + "Content-Length: \(body.count)\r\n\r\n").utf8) + body
  }

  private func ask(_ bytes: [UInt8]) async throws -> String {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { [port] in continuation.resume(with: Result { try Self.exchange(bytes, port: port) }) }
    }
  }

  /// Sends, says that no more will come, and reads to the end.
  private static func exchange(_ bytes: [UInt8], port: UInt16) throws -> String {
    let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard handle >= 0 else { throw BrokenLaw("no more sockets: \(errno)") }
    defer { close(handle) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(handle, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(handle, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw BrokenLaw("the server does not accept connections: \(errno)") }
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { send(handle, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      // It may have hung up on what came before.
      if count <= 0 { break }
      sent += count
    }
    shutdown(handle, Int32(SHUT_WR))
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(handle, &buffer, buffer.count, 0)
      if count == 0 { break }
      if count < 0 {
        guard errno == ECONNRESET else { throw BrokenLaw("neither answered nor hung up (\(errno))") }
        break
      }
      answer += buffer[..<count]
    }
    return String(decoding: answer, as: UTF8.self)
  }
}
