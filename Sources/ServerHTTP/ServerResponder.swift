import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PlannerCore
import ServerContract
import Serving
import Synchronization
import Tokenizer

/// Answers HTTP requests: finds the route, and turns what went wrong into a status and a sentence. The routes are in
/// extensions, one file for each protocol, and render what `InferenceService` returns.
struct ServerResponder: HTTPResponder {
  typealias Context = BasicRequestContext

  let state: ServerState
  let options: ServerOptions
  let service: InferenceService
  let logger: Logger

  init(service: InferenceService, logger: Logger) {
    self.service = service
    self.logger = logger
    state = service.state
    options = service.options
  }

  func respond(to request: Request, context: Context) async throws -> Response {
    let isShort = Self.isShort(request)
    var response =
      isShort
      ? await answer(to: request)
      : await withTaskExecutorPreference(globalConcurrentExecutor) { await answer(to: request) }
    // Clients that keep connections are to open their next one elsewhere.
    if state.isDraining { response.headers[.connection] = "close" }
    return request.method == .head ? response.createHeadResponse() : response
  }

  /// Longest body that is read or compressed on the connection's event loop: some hundred microseconds' work.
  private static let shortBodyBytes = 64 << 10

  /// Whether answering takes the event loop so little time that other connections do not notice: small requests for
  /// inference, and health. What tells of all models, or reads long or compressed bodies, does so elsewhere.
  private static func isShort(_ request: Request) -> Bool {
    let path = request.uri.path
    if request.method == .post {
      guard path.hasPrefix("/predictions/") || path.hasSuffix("/infer"), request.headers[.contentEncoding] == nil
      else { return false }
      return request.headers[.contentLength].flatMap { Int($0) }.map { $0 <= shortBodyBytes } ?? false
    }
    return path.hasPrefix("/predictions/") || path.hasPrefix("/v2/health/") || path == "/ping" || path == "/"
  }

  private func answer(to request: Request) async -> Response {
    do {
      return try await route(request)
    } catch let problem as HTTPProblem {
      return failure(problem)
    } catch let error as any HTTPResponseError {
      // Such as a body above the limit.
      return failure(HTTPProblem(error.status, error.status.reasonPhrase))
    } catch {
      return failure(HTTPProblem(InferenceError(error)))
    }
  }

  private func failure(_ problem: HTTPProblem) -> Response {
    state.metrics.failed(status: problem.status.code)
    let body = JSONText { $0.member(problem.key, problem.message) }
    var response = Self.json(body, status: problem.status)
    if let seconds = problem.retryAfterSeconds { response.headers[.retryAfter] = String(seconds) }
    if !problem.allowedMethods.isEmpty {
      response.headers[.allow] = problem.allowedMethods.map(\.rawValue).joined(separator: ", ")
    }
    return response
  }

  static func json(_ text: JSONText, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: text.bytes)))
  }

  static func json(_ text: StaticString, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(staticString: text)))
  }

  /// Answers shorter than this are not compressed: it takes longer than the bytes that it saves.
  private static let leastPackedBytes = 4 << 10

  /// An answer that is compressed where the client takes that and it is long enough.
  static func packed(_ body: ByteBuffer, type: String, for request: Request) async -> Response {
    var response = Response(status: .ok, headers: [.contentType: type])
    var body = body
    if body.readableBytes >= leastPackedBytes,
      let coding = ContentCoding(acceptedBy: request.headers[.acceptEncoding]),
      let packed = await deflate(body, coding)
    {
      body = packed
      response.headers[.contentEncoding] = coding.rawValue
      response.headers[.vary] = HTTPField.Name.acceptEncoding.rawName
    }
    response.body = ResponseBody(byteBuffer: body)
    return response
  }

  private static func deflate(_ body: ByteBuffer, _ coding: ContentCoding) async -> ByteBuffer? {
    guard body.readableBytes > shortBodyBytes else { return coding.deflate(body) }
    return await withTaskExecutorPreference(globalConcurrentExecutor) { coding.deflate(body) }
  }

  // MARK: Routes

  private func route(_ request: Request) async throws -> Response {
    guard request.uri.string.utf8.count <= options.maxTargetBytes else {
      throw HTTPProblem(.uriTooLong, "the request's target is longer than \(options.maxTargetBytes) bytes")
    }
    let path = request.uri.path.utf8.split(separator: UInt8(ascii: "/")).map {
      PercentEncoding.decode($0)
    }
    switch path.first {
    case nil:
      try allow([.get], request)
      return Self.json("{\"Status\":\"Healthy\"}")
    case "predictions" where path.count == 2: return try await predictions(request, modelName: path[1])
    case "v2" where path.count >= 2 && path[1] == "repository":
      return try await repository(request, Array(path.dropFirst(2)))
    case "v2": return try await openInference(request, Array(path.dropFirst()))
    case "ping" where path.count == 1:
      try allow([.get], request)
      return state.isReady
        ? Self.json("{\"status\":\"Healthy\"}") : Self.json("{\"status\":\"Unhealthy\"}", status: .serviceUnavailable)
    case "metrics" where path.count == 1:
      try allow([.get], request)
      return await Self.packed(
        ByteBuffer(bytes: state.metricsText), type: "text/plain; version=0.0.4; charset=utf-8", for: request)
    default: throw nothing(at: request)
    }
  }

  func nothing(at request: Request) -> HTTPProblem {
    HTTPProblem(.notFound, "there is nothing at \(request.uri.path.prefix(200))")
  }

  /// - Parameter methods: GET lets HEAD in, whose answer is the same without its body.
  func allow(_ methods: [HTTPRequest.Method], _ request: Request) throws(HTTPProblem) {
    guard !methods.contains(request.method == .head ? .get : request.method) else { return }
    var problem = HTTPProblem(
      .methodNotAllowed,
      "\(request.method.rawValue.prefix(20)) is not allowed here; use "
        + methods.map(\.rawValue).joined(separator: " or "))
    problem.allowedMethods = methods
    throw problem
  }

  /// The whole body, inflated where it is compressed.
  ///
  /// - Throws: `HTTPProblem`: 400 where it breaks off, 413 above the limit, 415 for an encoding that is not known.
  func body(of request: Request) async throws -> ByteBuffer {
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > options.maxBodyBytes {
      throw HTTPProblem(.contentTooLarge, "the body of \(length) bytes is above the limit of \(options.maxBodyBytes)")
    }
    let body: ByteBuffer
    do {
      body = try await request.body.collect(upTo: options.maxBodyBytes)
    } catch is NIOTooManyBytesError {
      throw HTTPProblem(.contentTooLarge, "the body is above the limit of \(options.maxBodyBytes) bytes")
    } catch let error as any HTTPResponseError {
      throw error
    } catch {
      // The client hung up, or broke the protocol.
      throw HTTPProblem(.badRequest, "the body breaks off before its end")
    }
    guard let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" else { return body }
    guard ContentCoding(named: encoding) != nil else {
      throw HTTPProblem(.unsupportedMediaType, "Content-Encoding '\(encoding.prefix(40))' is neither gzip nor deflate")
    }
    return try ContentCoding.inflate(body, limit: options.maxBodyBytes)
  }
}

extension HTTPField.Name {
  static let plannerTimings = HTTPField.Name(TimingsHeader.name)!
  static let inferenceHeaderLength = HTTPField.Name("Inference-Header-Content-Length")!
}
