import HTTPTypes
import Hummingbird
import NIOCore
import PlannerCore

/// The Open Inference Protocol, version 2, with Triton's statistics and configuration.
extension ServerResponder {
  /// - Parameter path: what follows `v2`.
  func openInference(_ request: Request, _ path: [String]) async throws -> Response {
    switch path.first {
    case nil:
      try allow([.get], request)
      return Self.serverMetadata()
    case "health" where path.count == 2 && path[1] == "live":
      try allow([.get], request)
      return Self.json("{\"live\":true}")
    case "health" where path.count == 2 && path[1] == "ready":
      try allow([.get], request)
      return Self.ready(service.isReady)
    case "models" where path == ["models", "stats"]:
      try allow([.get], request)
      return await Self.statistics(try service.statistics(), for: request)
    case "models" where path.count >= 2:
      if path.count >= 4, path[2] == "versions" {
        return try await model(request, path[1], version: path[3], Array(path.dropFirst(4)))
      }
      return try await model(request, path[1], version: nil, Array(path.dropFirst(2)))
    default: throw nothing(at: request)
    }
  }

  private func model(
    _ request: Request, _ name: String, version: String?, _ verb: [String]
  ) async throws -> Response {
    guard verb.count <= 1 else { throw nothing(at: request) }
    switch verb.first {
    case nil:
      try allow([.get], request)
      return Self.json(Self.text(of: try service.metadata(of: name, version: version)))
    case "ready":
      try allow([.get], request)
      return Self.ready(try service.isReady(model: name, version: version))
    case "infer":
      try allow([.post], request)
      return try await infer(request, name, version: version)
    case "stats":
      try allow([.get], request)
      return await Self.statistics(try service.statistics(of: name, version: version), for: request)
    case "config":
      try allow([.get], request)
      return Self.configuration(try service.configuration(of: name, version: version))
    default: throw nothing(at: request)
    }
  }

  private static func ready(_ isReady: Bool) -> Response {
    isReady ? json("{\"ready\":true}") : json("{\"ready\":false}", status: .serviceUnavailable)
  }

  // MARK: Inference

  private func infer(_ request: Request, _ name: String, version: String?) async throws -> Response {
    // Before the body is read: whoever asks for a model that is not there need not send it.
    _ = try service.entry(name, version: version)
    let bytes = try await body(of: request)
    let arrival = WorkerPool.monotonicNow()
    let jsonBytes = try Self.jsonLength(request)
    let body =
      jsonBytes == 0
      ? try InferenceBody(raw: bytes, of: try service.onlyInput(of: name, version: version))
      : try InferenceBody(bytes, jsonBytes: jsonBytes)
    var inference = InferenceRequest(
      modelName: name, modelVersion: version, id: body.id, inputs: body.inputs,
      requestedOutputs: body.outputs?.map(\.name), arrival: arrival)
    inference.priority = InferenceRequest.priority(level: body.priorityLevel)
    if let timeout = body.timeoutMicroseconds, timeout > 0 { inference.timeoutSeconds = Double(timeout) * 1e-6 }
    let answer = try await service.infer(inference)
    let text = InferenceAnswerText(answer, wantsTimings: body.wantsTimings) { index in
      let asked = body.outputs.flatMap { index < $0.count ? $0[index].isBinary : nil }
      return asked ?? body.wantsBinaryOutputs
    }
    var response = await Self.packed(
      text.body, type: text.jsonBytes == nil ? "application/json" : "application/octet-stream", for: request)
    if let length = text.jsonBytes { response.headers[.inferenceHeaderLength] = String(length) }
    response.headers[.plannerTimings] = service.finish(answer).headerValue
    return response
  }

  private static func jsonLength(_ request: Request) throws(HTTPProblem) -> Int? {
    guard let text = request.headers[.inferenceHeaderLength] else { return nil }
    guard text.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(text) else {
      throw HTTPProblem(.badRequest, "Inference-Header-Content-Length '\(text.prefix(40))' is not a number of bytes")
    }
    return length
  }

  // MARK: Descriptions

  private static func serverMetadata() -> Response {
    let metadata = ServerMetadata()
    var body = JSONText()
    body.raw("{\"name\":")
    body.string(metadata.name)
    body.raw(",\"version\":")
    body.string(metadata.version)
    body.raw(",\"extensions\":")
    body.list(metadata.extensions) { $0.string($1) }
    body.raw("}")
    return json(body)
  }

  private static func text(of metadata: ModelMetadata) -> JSONText {
    var body = JSONText()
    body.raw("{\"name\":")
    body.string(metadata.name)
    body.raw(",\"versions\":[")
    body.string(ModelMetadata.version)
    body.raw("],\"platform\":")
    body.string(ModelMetadata.platform)
    body.raw(",\"inputs\":")
    write(metadata.inputs, to: &body)
    body.raw(",\"outputs\":")
    write(metadata.outputs, to: &body)
    body.raw("}")
    return body
  }

  /// Tensors with a datatype and a shape, which the protocol and Triton's configuration call and write differently.
  private static func write(
    _ tensors: [TensorMetadata], datatypeKey: StaticString = ",\"datatype\":", shapeKey: StaticString = ",\"shape\":",
    to body: inout JSONText, datatype: (TensorMetadata) -> String = { $0.datatype?.rawValue ?? "UNKNOWN" }
  ) {
    body.list(tensors) { body, tensor in
      body.raw("{\"name\":")
      body.string(tensor.name)
      body.raw(datatypeKey)
      body.string(datatype(tensor))
      body.raw(shapeKey)
      body.list(tensor.shape) { $0.number($1) }
      body.raw("}")
    }
  }

  private static func configuration(_ configuration: ModelConfiguration) -> Response {
    func write(_ tensors: [TensorMetadata], to body: inout JSONText) {
      Self.write(tensors, datatypeKey: ",\"data_type\":", shapeKey: ",\"dims\":", to: &body) { tensor in
        // Triton's configuration has a name of its own for one type.
        "TYPE_" + (tensor.datatype.map { $0 == .bytes ? "STRING" : $0.rawValue } ?? "INVALID")
      }
    }
    var body = JSONText(capacity: 512)
    body.raw("{\"name\":")
    body.string(configuration.metadata.name)
    body.raw(",\"platform\":")
    body.string(ModelMetadata.platform)
    body.raw(",\"backend\":\"pytorch\",\"version_policy\":{\"latest\":{\"num_versions\":1}},\"max_batch_size\":")
    body.number(configuration.maxBatchSize)
    body.raw(",\"input\":")
    write(configuration.inputs, to: &body)
    body.raw(",\"output\":")
    write(configuration.outputs, to: &body)
    body.raw(",\"instance_group\":[{\"name\":")
    body.string(configuration.metadata.name + "_0")
    body.raw(",\"kind\":\"KIND_CPU\",\"count\":")
    body.number(configuration.instances)
    body.raw("}]")
    if configuration.isBatched { Self.write(batching: configuration, to: &body) }
    body.raw(",\"parameters\":{\"variant\":{\"string_value\":")
    body.string(configuration.variant)
    body.raw("}}}")
    return json(body)
  }

  private static func write(batching configuration: ModelConfiguration, to body: inout JSONText) {
    body.raw(",\"dynamic_batching\":{\"preferred_batch_size\":")
    body.list(configuration.batch.preferred) { $0.number($1) }
    body.raw(",\"max_queue_delay_microseconds\":")
    body.number(configuration.longestWaitMicroseconds)
    body.raw(",\"priority_levels\":")
    body.number(InferenceRequest.priorityLevels.upperBound)
    body.raw(",\"default_priority_level\":")
    body.number(InferenceRequest.defaultPriorityLevel)
    body.raw("}")
  }

  // MARK: Statistics

  private static func statistics(_ models: [ModelStatistics], for request: Request) async -> Response {
    var body = JSONText(capacity: 64 + 1024 * models.count)
    body.raw("{\"model_stats\":")
    body.list(models, write)
    body.raw("}")
    return await packed(ByteBuffer(bytes: body.bytes), type: "application/json", for: request)
  }

  private static func write(_ body: inout JSONText, _ model: ModelStatistics) {
    body.raw("{\"name\":")
    body.string(model.name)
    body.raw(",\"version\":")
    body.string(model.version)
    body.raw(",\"last_inference\":")
    body.number(model.lastInference)
    body.raw(",\"inference_count\":")
    body.number(model.inferenceCount)
    body.raw(",\"execution_count\":")
    body.number(model.executionCount)
    body.raw(",\"inference_stats\":{")
    let none = DurationStatistic()
    let durations: [(StaticString, DurationStatistic)] = [
      ("\"success\":", model.success), (",\"fail\":", model.failure), (",\"queue\":", model.queue),
      (",\"compute_input\":", model.computeInput), (",\"compute_infer\":", model.computeInfer),
      (",\"compute_output\":", model.computeOutput), (",\"cache_hit\":", none), (",\"cache_miss\":", none),
    ]
    for (key, duration) in durations {
      body.raw(key)
      write(&body, duration)
    }
    body.raw("},\"batch_stats\":")
    body.list(model.batches) { body, batch in
      body.raw("{\"batch_size\":")
      body.number(batch.size)
      body.raw(",\"compute_input\":")
      write(&body, none)
      body.raw(",\"compute_infer\":")
      write(&body, batch.compute)
      body.raw(",\"compute_output\":")
      write(&body, none)
      body.raw("}")
    }
    body.raw(",\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":")
    body.number(model.weightBytes)
    body.raw("}]}")
  }

  private static func write(_ body: inout JSONText, _ duration: DurationStatistic) {
    body.raw("{\"count\":")
    body.number(duration.count)
    body.raw(",\"ns\":")
    body.number(duration.nanoseconds)
    body.raw("}")
  }
}
