import GRPCCore
import OpenInferenceProtos
import PlannerCore
import ServerContract
import Serving

/// The Open Inference Protocol's calls: each renders what `InferenceService` says.
struct OpenInferenceCalls: Inference_GRPCInferenceService.ServiceProtocol {
  let service: InferenceService

  private func answer<Message: Sendable>(
    _ body: () async throws(InferenceError) -> Message
  ) async throws(RPCError) -> ServerResponse<Message> {
    ServerResponse(message: try await counted(body))
  }

  /// What a call throws becomes its status, and is counted.
  private func counted<Value>(_ body: () async throws(InferenceError) -> Value)
    async throws(RPCError) -> Value
  {
    do throws(InferenceError) {
      return try await body()
    } catch {
      service.state.metrics.failed(status: error.httpStatus)
      throw error.rpcError
    }
  }

  // MARK: Health and descriptions

  func serverLive(
    request: ServerRequest<Inference_ServerLiveRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ServerLiveResponse> {
    ServerResponse(message: .with { $0.live = true })
  }

  func serverReady(
    request: ServerRequest<Inference_ServerReadyRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ServerReadyResponse> {
    ServerResponse(message: .with { $0.ready = service.isReady })
  }

  /// A model that there is not is not ready, and no error: so Triton answers, and its clients rely on it.
  func modelReady(
    request: ServerRequest<Inference_ModelReadyRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ModelReadyResponse> {
    let isReady = try? service.isReady(
      model: request.message.name, version: request.message.version)
    return ServerResponse(message: .with { $0.ready = isReady ?? false })
  }

  func serverMetadata(
    request: ServerRequest<Inference_ServerMetadataRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ServerMetadataResponse> {
    ServerResponse(message: Inference_ServerMetadataResponse(ServerMetadata()))
  }

  func modelMetadata(
    request: ServerRequest<Inference_ModelMetadataRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ModelMetadataResponse> {
    try await answer { () async throws(InferenceError) in
      Inference_ModelMetadataResponse(
        try await service.metadata(of: request.message.name, version: request.message.version))
    }
  }

  func modelConfig(
    request: ServerRequest<Inference_ModelConfigRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ModelConfigResponse> {
    try await answer { () async throws(InferenceError) in
      let configuration = try await service.configuration(
        of: request.message.name, version: request.message.version)
      return .with { $0.config = Inference_ModelConfig(configuration) }
    }
  }

  func modelStatistics(
    request: ServerRequest<Inference_ModelStatisticsRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ModelStatisticsResponse> {
    try await answer { () async throws(InferenceError) in
      let statistics = try service.statistics(
        of: request.message.name, version: request.message.version)
      return .with { $0.modelStats = statistics.map(Inference_ModelStatistics.init) }
    }
  }

  // MARK: Repository

  func repositoryIndex(
    request: ServerRequest<Inference_RepositoryIndexRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_RepositoryIndexResponse> {
    try await answer { () async throws(InferenceError) in
      try checkRepository(request.message.repositoryName)
      return Inference_RepositoryIndexResponse(service.index(readyOnly: request.message.ready))
    }
  }

  func repositoryModelLoad(
    request: ServerRequest<Inference_RepositoryModelLoadRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_RepositoryModelLoadResponse> {
    try await answer { () async throws(InferenceError) in
      try checkRepository(request.message.repositoryName)
      // Others have no effect, as over HTTP; a file would have to be stored.
      guard !request.message.parameters.keys.contains(where: { $0.hasPrefix("file:") }) else {
        throw InferenceError(.invalidArgument, "models are loaded from the repository; a file cannot be sent")
      }
      try await service.load(request.message.modelName)
      return Inference_RepositoryModelLoadResponse()
    }
  }

  func repositoryModelUnload(
    request: ServerRequest<Inference_RepositoryModelUnloadRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_RepositoryModelUnloadResponse> {
    try await answer { () async throws(InferenceError) in
      try checkRepository(request.message.repositoryName)
      try await service.unload(request.message.modelName)
      return Inference_RepositoryModelUnloadResponse()
    }
  }

  private func checkRepository(_ name: String) throws(InferenceError) {
    guard name.isEmpty else {
      throw InferenceError(
        .invalidArgument, "repository_name: this server has one repository, without a name")
    }
  }

  // MARK: Inference

  func modelInfer(
    request: ServerRequest<Inference_ModelInferRequest>, context: ServerContext
  ) async throws -> ServerResponse<Inference_ModelInferResponse> {
    let arrival = WorkerPool.monotonicNow()
    let remaining = request.metadata.grpcTimeoutSeconds
    let call = CallInWork(
      context.cancellation, state: service.state, deadline: remaining.map { arrival + Nanoseconds(seconds: $0) })
    let (message, timings) = try await counted { () async throws(InferenceError) in
      try await call.whileClientWaits { () async throws(InferenceError) in
        try await infer(request.message, arrival: arrival, remainingSeconds: remaining)
      }
    }
    return ServerResponse(
      message: message, metadata: [TimingsHeader.name: .string(timings.headerValue)])
  }

  func infer(
    _ message: Inference_ModelInferRequest, arrival: Nanoseconds, remainingSeconds: Double?
  ) async throws(InferenceError) -> (Inference_ModelInferResponse, AnswerTimings) {
    let request = try InferenceRequest(
      message, remainingSeconds: remainingSeconds, arrival: arrival)
    let entry = try service.entry(message.modelName, version: message.modelVersion)
    let answer = try await service.infer(request, of: entry)
    var response = Inference_ModelInferResponse(answer)
    let timings = service.finish(answer, transport: .grpc)
    if message.parameters["timings"]?.isTrue ?? false { response.add(timings) }
    return (response, timings)
  }

  func modelStreamInfer(
    request: StreamingServerRequest<Inference_ModelInferRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Inference_ModelStreamInferResponse> {
    InferenceStream(calls: self, request: request, cancellation: context.cancellation).response
  }
}

extension Metadata {
  /// How long the client still waits, as the protocol writes it: up to eight digits and a unit; nil without limit.
  var grpcTimeoutSeconds: Double? {
    guard let text = self[stringValues: "grpc-timeout"].first(where: { _ in true }),
      let unit = text.last,
      let count = UInt32(text.dropLast())
    else { return nil }
    let seconds: [Character: Double] = [
      "H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9,
    ]
    return seconds[unit].map { Double(count) * $0 }
  }
}
