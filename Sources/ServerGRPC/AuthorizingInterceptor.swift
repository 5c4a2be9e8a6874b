import GRPCCore
import OpenInferenceProtos
import ServerSecurity
import Serving

/// Lets calls through that carry the token, and those that ask for health.
///
/// It runs when a call's metadata is there, before any of its messages is read.
struct AuthorizingInterceptor: ServerInterceptor {
  static let openMethods: Set<MethodDescriptor> = [
    Inference_GRPCInferenceService.Method.ServerLive.descriptor,
    Inference_GRPCInferenceService.Method.ServerReady.descriptor,
    Grpc_Health_V1_Health.Method.Check.descriptor,
    Grpc_Health_V1_Health.Method.Watch.descriptor,
  ]

  let token: BearerToken
  let metrics: ServerMetrics

  func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>, context: ServerContext,
    next: @Sendable (StreamingServerRequest<Input>, ServerContext) async throws -> StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    let presented = request.metadata[stringValues: "authorization"].first { _ in true }
    guard Self.openMethods.contains(context.descriptor) || token.allows(authorization: presented) else {
      metrics.failed(status: 401)
      throw RPCError(
        code: .unauthenticated,
        message: presented == nil
          ? "this server asks for a token; send it as metadata 'authorization: Bearer TOKEN'"
          : "the token is not the server's")
    }
    return try await next(request, context)
  }
}
