import GRPCCore
import OpenInferenceProtos
import Serving

/// gRPC's own health service, for the server as a whole: the empty name, or the inference service's.
struct HealthCalls: Grpc_Health_V1_Health.ServiceProtocol {
  let state: ServerState

  /// How often a watched state is looked at; it changes twice in a server's life.
  static let watchInterval = Duration.milliseconds(100)

  private static let services: Set<String> = [
    "", Inference_GRPCInferenceService.descriptor.fullyQualifiedService,
  ]

  private var status: Grpc_Health_V1_HealthCheckResponse.ServingStatus {
    state.isReady ? .serving : .notServing
  }

  func check(
    request: ServerRequest<Grpc_Health_V1_HealthCheckRequest>, context: ServerContext
  ) async throws -> ServerResponse<Grpc_Health_V1_HealthCheckResponse> {
    guard Self.services.contains(request.message.service) else {
      throw RPCError(
        code: .notFound, message: "there is no service '\(request.message.service.prefix(200))'")
    }
    return ServerResponse(message: .with { $0.status = status })
  }

  /// The state now, and again whenever it changes; ends when the server does.
  func watch(
    request: ServerRequest<Grpc_Health_V1_HealthCheckRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Grpc_Health_V1_HealthCheckResponse> {
    let isKnown = Self.services.contains(request.message.service)
    return StreamingServerResponse { writer in
      var last: Grpc_Health_V1_HealthCheckResponse.ServingStatus?
      while true {
        let now = isKnown ? status : .serviceUnknown
        if now != last {
          try await writer.write(.with { $0.status = now })
          last = now
        }
        guard !state.isDraining, !context.cancellation.isCancelled else { return [:] }
        try await Task.sleep(for: Self.watchInterval)
      }
    }
  }
}
