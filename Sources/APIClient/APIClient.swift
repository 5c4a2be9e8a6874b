import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Asks one HTTP interface: the API of a container engine, of a cluster, of a registry. It follows no redirects and
/// repeats nothing; both are for the caller to decide.
public final class APIClient: Sendable {
  public let endpoint: APIEndpoint
  private let client: HTTPClient
  private let authorization: @Sendable () async throws -> String?

  /// - Parameters:
  ///   - authorization: value of the header `Authorization`, asked for before each request; nil sends none.
  /// - Throws: `APIError.tls` where a certificate or a key cannot be read.
  public init(
    _ endpoint: APIEndpoint, authorization: @escaping @Sendable () async throws -> String? = { nil }
  ) throws {
    self.endpoint = endpoint
    self.authorization = authorization
    var configuration = HTTPClient.Configuration(
      tlsConfiguration: try endpoint.tls.map { try $0.configuration() },
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(10)))
    configuration.httpVersion = .http1Only
    // The connection goes to the address's host, whatever name its certificate has to have.
    if let name = endpoint.tls?.serverName, case .network(let host, _) = endpoint.place {
      configuration.dnsOverride[name] = host
    }
    // A watch holds a connection for as long as it lasts; several stand beside short requests.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
    configuration.connectionPool.retryConnectionEstablishment = false
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// Ends what is under way. Later calls fail.
  public func shutdown() async { try? await client.shutdown() }

  /// - Parameter limit: most bytes of an answer.
  /// - Returns: whatever was answered, also where its status tells of an error.
  /// - Throws: `APIError`; `CancellationError`; what `authorization` throws.
  public func send(_ request: APIRequest, limit: Int = 64 << 20) async throws -> APIResponse {
    let answer = try await execute(request)
    do {
      let body = try await answer.body.collect(upTo: limit)
      return APIResponse(
        status: Int(answer.status.code), headers: Self.headers(answer), body: Array(body.readableBytesView))
    } catch is NIOTooManyBytesError {
      throw APIError.tooLarge(limitBytes: limit)
    } catch {
      throw Self.error(error, request)
    }
  }

  /// - Returns: the answer as soon as its head is there, whatever its status.
  /// - Throws: as `send`.
  public func stream(_ request: APIRequest) async throws -> APIStream {
    // The limit is one of all of the answer; a stream has none, so that only its head is waited for here.
    let answer = try await withThrowingTaskGroup(of: HTTPClientResponse?.self) { group in
      group.addTask { try await self.execute(request, hasLimit: false) }
      group.addTask {
        try await Task.sleep(for: request.timeLimit)
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let answer = first else {
        throw APIError.timedOut(seconds: request.timeLimit / .seconds(1))
      }
      return answer
    }
    return APIStream(
      status: Int(answer.status.code), headers: Self.headers(answer),
      parts: APIBody(body: answer.body, request: request))
  }

  private func execute(_ request: APIRequest, hasLimit: Bool = true) async throws -> HTTPClientResponse {
    var wanted = HTTPClientRequest(url: endpoint.address(of: request.pathAndQuery))
    wanted.method = HTTPMethod(rawValue: request.method)
    for (name, value) in request.headers { wanted.headers.add(name: name, value: value) }
    if let authorization = try await authorization() {
      wanted.headers.replaceOrAdd(name: "authorization", value: authorization)
    }
    if case .socket = endpoint.place { wanted.headers.replaceOrAdd(name: "host", value: "localhost") }
    switch request.body {
    case .bytes(let bytes): wanted.body = .bytes(ByteBuffer(bytes: bytes))
    case .parts(let parts, let count):
      wanted.body = .stream(parts, length: count.map { .known($0) } ?? .unknown)
    case nil: break
    }
    do {
      let limit: TimeAmount =
        hasLimit ? .nanoseconds(Int64(request.timeLimit / .nanoseconds(1))) : .hours(24 * 365)
      return try await client.execute(wanted, timeout: limit)
    } catch {
      throw Self.error(error, request)
    }
  }

  private static func headers(_ answer: HTTPClientResponse) -> [String: String] {
    Dictionary(answer.headers.map { ($0.name.lowercased(), $0.value) }) { _, last in last }
  }

  static func error(_ error: any Error, _ request: APIRequest) -> any Error {
    switch error {
    case is CancellationError, is APIError: return error
    case let error as HTTPClientError:
      switch error {
      case .cancelled: return CancellationError()
      case .deadlineExceeded, .connectTimeout, .readTimeout, .getConnectionFromPoolTimeout:
        return APIError.timedOut(seconds: request.timeLimit / .seconds(1))
      default: return APIError.unreachable(error.shortDescription)
      }
    case let error as NIOSSLError: return APIError.tls("\(error)")
    case is NIOSSLExtraError: return APIError.tls("\(error)")
    case let error as IOError: return APIError.unreachable(error.localizedReason)
    case let error as NIOConnectionError: return APIError.unreachable(Self.reason(error))
    default: return APIError.unreachable("\(error)")
    }
  }

  private static func reason(_ error: NIOConnectionError) -> String {
    if let first = error.connectionErrors.first {
      return (first.error as? IOError)?.localizedReason ?? "\(first.error)"
    }
    return "there is no host \(error.host)"
  }
}

extension TLSSettings {
  /// These settings as the library that speaks TLS has them.
  ///
  /// - Throws: `APIError.tls` where a certificate or a key cannot be read.
  public func configuration() throws -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    do {
      switch trust {
      case .system: break
      case .authorities(let pem): tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(pem))
      case .anyone: tls.certificateVerification = .none
      }
      if let identity {
        tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(identity.certificatePEM).map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: identity.keyPEM, format: .pem))
      }
    } catch {
      throw APIError.tls("the certificate or key cannot be read (PEM is expected)")
    }
    return tls
  }
}

extension IOError {
  /// `Connection refused`, without what the library was about to do.
  fileprivate var localizedReason: String { String(cString: strerror(errnoCode)) }
}
