import HTTPTypes
import Hummingbird
import NIOCore
import ServerSecurity
import Serving

/// Lets requests through that carry the token, and those to the health routes.
///
/// Paths are compared as they came, before anything is decoded: what is spelled in another way needs the token.
struct AuthorizingResponder<Inner: HTTPResponder>: HTTPResponder {
  /// What orchestrators and load balancers ask, which know no token; these routes name no model.
  static var openPaths: Set<String> { ["/", "/ping", "/v2/health/live", "/v2/health/ready"] }

  let inner: Inner
  /// Token that requests must carry; nil lets all requests through.
  let token: BearerToken?
  let openPaths: Set<String>
  let metrics: ServerMetrics

  init(_ inner: Inner, token: BearerToken?, opensMetrics: Bool, metrics: ServerMetrics) {
    self.inner = inner
    self.token = token
    self.openPaths = opensMetrics ? Self.openPaths.union(["/metrics"]) : Self.openPaths
    self.metrics = metrics
  }

  func respond(to request: Request, context: Inner.Context) async throws -> Response {
    guard let token, !openPaths.contains(request.uri.path) else {
      return try await inner.respond(to: request, context: context)
    }
    let presented = request.headers[.authorization]
    guard token.allows(authorization: presented) else {
      metrics.failed(status: 401)
      let problem = presented == nil ? "" : ", error=\"invalid_token\""
      let body = JSONText { $0.member("error", Self.message(presented)) }
      return Response(
        status: .unauthorized,
        headers: [
          .contentType: "application/json", .wwwAuthenticate: "Bearer realm=\"model-server\"\(problem)",
        ],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: body.bytes)))
    }
    return try await inner.respond(to: request, context: context)
  }

  private static func message(_ presented: String?) -> String {
    presented == nil
      ? "this server asks for a token; send it as 'Authorization: Bearer TOKEN'" : "the token is not the server's"
  }
}
