import APIClient
import Executor
import Foundation
import PlannerCore

/// Speaks the Docker Engine API with one engine.
public struct EngineClient: Sendable {
  /// Newest version of the API whose requests and answers are known here.
  static let newestVersion = APIVersion(1, 47)
  /// Before it there were no mounts.
  static let oldestVersion = APIVersion(1, 25)

  let api: APIClient
  let address: EngineAddress
  /// Version that both sides speak.
  let version: APIVersion

  /// Asks the engine which versions it speaks, and takes the newest that both know.
  ///
  /// - Throws: `RuntimeError` (`unavailable`); `CancellationError`.
  public init(_ address: EngineAddress) async throws {
    self.address = address
    do {
      api = try APIClient(address.endpoint)
    } catch {
      throw RuntimeError(
        .unavailable, "the container engine at \(address.text): \(error)", remedy: "check DOCKER_CERT_PATH")
    }
    let answer = try await Self.ask(api, APIRequest("GET", path: "/version"), address)
    guard answer.isSuccess, let found = try? JSONDecoder().decode(EngineMessage.Version.self, from: Data(answer.body)),
      let newest = APIVersion(found.api)
    else {
      throw RuntimeError(
        .unavailable, "what answers at \(address.text) is no container engine (status \(answer.status))",
        remedy: "check DOCKER_HOST")
    }
    version = min(newest, Self.newestVersion)
    let oldest = found.oldestAPI.flatMap { APIVersion($0) } ?? newest
    guard version >= Self.oldestVersion, version >= min(oldest, newest) else {
      throw RuntimeError(
        .unavailable,
        "the container engine at \(address.text) speaks versions \(oldest) to \(newest) of its API, and this program "
          + "\(Self.oldestVersion) to \(Self.newestVersion)", remedy: "update the older of the two")
    }
  }

  func request(
    _ method: String, _ path: String, _ query: [(name: String, value: String)] = [], json: (any Encodable)? = nil,
    timeLimit: Duration = .seconds(60)
  ) throws -> APIRequest {
    var request = APIRequest(method, path: "/v\(version)" + path, query: query, timeLimit: timeLimit)
    if let json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      request.body = .bytes(Array(try encoder.encode(json)))
      request.headers = [("content-type", "application/json")]
    }
    return request
  }

  /// - Returns: the answer, whatever its status.
  func send(_ request: APIRequest) async throws -> APIResponse { try await Self.ask(api, request, address) }

  /// Reads what the engine has; nil where there is no such thing.
  func read<Value: Decodable>(
    _ type: Value.Type, _ path: String, _ query: [(name: String, value: String)] = []
  ) async throws -> Value? {
    let answer = try await send(request("GET", path, query))
    if answer.status == 404 { return nil }
    return try decode(type, answer, "GET " + path)
  }

  func decode<Value: Decodable>(_ type: Value.Type, _ answer: APIResponse, _ what: String) throws -> Value {
    guard answer.isSuccess else { throw problem(answer, what) }
    do {
      return try JSONDecoder().decode(type, from: Data(answer.body))
    } catch {
      throw RuntimeError(
        .unavailable,
        "the container engine at \(address.text) answered '\(what)' with something else than its API says",
        remedy: "check that it speaks the Docker Engine API")
    }
  }

  /// - Returns: the answer once its head is there.
  /// - Throws: what the engine says where it refuses.
  func stream(_ request: APIRequest, _ what: String) async throws -> APIStream {
    let answer: APIStream
    do {
      answer = try await api.stream(request)
    } catch let error as APIError {
      throw Self.unreachable(error, address)
    }
    guard answer.isSuccess else {
      var body: [UInt8] = []
      for try await part in answer.parts where body.count < 1 << 16 { body += part.readableBytesView }
      throw problem(answer.status, body, what)
    }
    return answer
  }

  /// What the engine said, as an error.
  func problem(_ answer: APIResponse, _ what: String) -> RuntimeError { problem(answer.status, answer.body, what) }

  private func problem(_ status: Int, _ body: [UInt8], _ what: String) -> RuntimeError {
    let kind: RuntimeError.Kind =
      switch status {
      case 404: .notFound
      case 409: .conflict
      case 400..<500: .notReady
      default: .unavailable
      }
    return RuntimeError(
      kind, "the container engine refused '\(what)': \(Self.message(status, body))",
      remedy: "see its log, or try the same with its own command")
  }

  /// The engine's own sentence, fit to be shown.
  static func message(_ answer: APIResponse) -> String { message(answer.status, answer.body) }

  private static func message(_ status: Int, _ body: [UInt8]) -> String {
    let sentence = (try? JSONDecoder().decode(EngineMessage.Problem.self, from: Data(body)))?.message
    let text = EngineText.plain(sentence ?? String(decoding: body.prefix(2000), as: UTF8.self))
    return text.isEmpty ? "status \(status)" : text
  }

  private static func ask(
    _ api: APIClient, _ request: APIRequest, _ address: EngineAddress
  ) async throws -> APIResponse {
    do {
      return try await api.send(request)
    } catch let error as APIError {
      throw unreachable(error, address)
    }
  }

  static func unreachable(_ error: APIError, _ address: EngineAddress) -> RuntimeError {
    var remedy = "start it, or name another in DOCKER_HOST"
    if case .socket(let path) = address.endpoint.place {
      if !FileManager.default.fileExists(atPath: path) {
        remedy = "there is no such socket: start the engine, or name another in DOCKER_HOST"
      } else if access(path, R_OK | W_OK) != 0 {
        remedy = "this user may not use the socket: join the group that owns it (often: docker), or use sudo"
      }
    }
    if case .tls = error { remedy = "check DOCKER_TLS_VERIFY and the certificates in DOCKER_CERT_PATH" }
    return RuntimeError(.unavailable, "the container engine at \(address.text) \(error)", remedy: remedy)
  }
}

/// A version of the engine's API: two numbers.
struct APIVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
  var major: Int
  var minor: Int
  var description: String { "\(major).\(minor)" }

  init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// - Returns: nil unless `text` is two numbers with a point between.
  init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let major = parts[0], let minor = parts[1], (0...999).contains(major),
      (0...9999).contains(minor)
    else { return nil }
    self.init(major, minor)
  }

  static func < (a: APIVersion, b: APIVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
}
