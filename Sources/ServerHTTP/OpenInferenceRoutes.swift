import HTTPTypes
import Hummingbird
import NIOCore
import PlannerCore
import Serving

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
      return Self.json(Self.text(of: try await service.metadata(of: name, version: version)))
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
      return Self.configuration(try await service.configuration(of: name, version: version))
    default: throw nothing(at: request)
    }
  }

  private static func ready(_ isReady: Bool) -> Response {
    isReady ? json("{\"ready\":true}") : json("{\"ready\":false}", status: .serviceUnavailable)
  }

  // MARK: Inference

  private func infer(_ request: Request, _ name: String, version: String?) async throws -> Response {
    // Before the body is read: a client that asks for a model that is not there need not send it.
    let entry = try service.entry(name, version: version)
    let bytes = try await body(of: request)
    let arrival = WorkerPool.monotonicNow()
    let jsonBytes = try Self.jsonLength(request)
    let body =
      jsonBytes == 0
      ? try InferenceBody(raw: bytes, of: try await service.onlyInput(of: entry))
      : try InferenceBody(bytes, jsonBytes: jsonBytes)
    var inference = InferenceRequest(
      id: body.id, inputs: body.inputs, requestedOutputs: body.outputs?.map(\.name), arrival: arrival)
    inference.priority = InferenceRequest.priority(level: body.priorityLevel)
    if let timeout = body.timeoutMicroseconds, timeout > 0 { inference.timeoutSeconds = Double(timeout) * 1e-6 }
    let answer = try await service.infer(inference, of: entry)
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
    return json(
      JSONText { body in
        body.member("name", metadata.name)
        body.member("version", metadata.version)
        body.member("extensions", list: metadata.extensions) { $0.string($1) }
      })
  }

  private static func text(of metadata: ModelMetadata) -> JSONText {
    JSONText { body in
      body.member("name", metadata.name)
      body.member("versions", list: [ModelMetadata.version]) { $0.string($1) }
      body.member("platform", ModelMetadata.platform)
      for (key, tensors) in [("inputs", metadata.inputs), ("outputs", metadata.outputs)] {
        body.member(key, list: tensors) { body, tensor in
          write(tensor, typeKey: "datatype", type: tensor.datatype.rawValue, shapeKey: "shape", to: &body)
        }
      }
      body.member("parameters") { body in
        for (name, value) in metadata.parameters { body.member(name, value) }
      }
    }
  }

  /// A tensor's name, datatype and shape, which the protocol and Triton's configuration call and write differently.
  private static func write(
    _ tensor: TensorMetadata, typeKey: String, type: String, shapeKey: String, marksOptional: Bool = false,
    to body: inout JSONText
  ) {
    body.object { body in
      body.member("name", tensor.name)
      body.member(typeKey, type)
      body.member(shapeKey, list: tensor.shape) { $0.number($1) }
      if marksOptional, tensor.isOptional {
        body.key("optional")
        body.bool(true)
      }
    }
  }

  private static func configuration(_ configuration: ModelConfiguration) -> Response {
    json(
      JSONText(capacity: 512) { body in
        body.member("name", configuration.metadata.name)
        body.member("platform", ModelMetadata.platform)
        body.member("backend", "pytorch")
        body.member("version_policy") { $0.member("latest") { $0.member("num_versions", 1) } }
        body.member("max_batch_size", configuration.maxBatchSize)
        for (key, tensors) in [("input", configuration.inputs), ("output", configuration.outputs)] {
          body.member(key, list: tensors) { body, tensor in
            // Triton's configuration has a name of its own for one type.
            let type = tensor.datatype == .bytes ? "STRING" : tensor.datatype.rawValue
            write(tensor, typeKey: "data_type", type: "TYPE_" + type, shapeKey: "dims", marksOptional: true, to: &body)
          }
        }
        body.member("instance_group", list: [configuration.instances]) { body, count in
          body.object { body in
            body.member("name", configuration.metadata.name + "_0")
            body.member("kind", "KIND_CPU")
            body.member("count", count)
          }
        }
        if configuration.isBatched { body.member("dynamic_batching") { write(batching: configuration, to: &$0) } }
        body.member("parameters") { body in
          for (name, value) in configuration.metadata.parameters {
            body.member(name) { $0.member("string_value", value) }
          }
        }
      })
  }

  private static func write(batching configuration: ModelConfiguration, to body: inout JSONText) {
    body.member("preferred_batch_size", list: configuration.batch.preferred) { $0.number($1) }
    body.member("max_queue_delay_microseconds", configuration.longestWaitMicroseconds)
    body.member("priority_levels", InferenceRequest.priorityLevels.upperBound)
    body.member("default_priority_level", InferenceRequest.defaultPriorityLevel)
  }

  // MARK: Statistics

  private static func statistics(_ models: [ModelStatistics], for request: Request) async -> Response {
    let body = JSONText(capacity: 64 + 1024 * models.count) { $0.member("model_stats", list: models, write) }
    return await packed(ByteBuffer(bytes: body.bytes), type: "application/json", for: request)
  }

  private static func write(_ body: inout JSONText, _ model: ModelStatistics) {
    let none = DurationStatistic()
    body.object { body in
      body.member("name", model.name)
      body.member("version", model.version)
      body.member("last_inference", model.lastInference)
      body.member("inference_count", model.inferenceCount)
      body.member("execution_count", model.executionCount)
      body.member("inference_stats") { body in
        let durations = [
          ("success", model.success), ("fail", model.failure + model.cancelled), ("queue", model.queue),
          ("compute_input", model.computeInput), ("compute_infer", model.computeInfer),
          ("compute_output", model.computeOutput), ("cache_hit", none), ("cache_miss", none),
        ]
        for (key, duration) in durations { body.member(key) { write(&$0, duration) } }
      }
      // By index of a request's responses: every request has one.
      body.member("response_stats") { body in
        body.member("0") { body in
          let durations = [
            ("compute_infer", model.computeInfer), ("compute_output", model.computeOutput), ("success", model.success),
            ("fail", model.failure), ("empty_response", none), ("cancel", model.cancelled),
          ]
          for (key, duration) in durations { body.member(key) { write(&$0, duration) } }
        }
      }
      body.member("batch_stats", list: model.batches) { body, batch in
        body.object { body in
          body.member("batch_size", batch.size)
          body.member("compute_input") { write(&$0, none) }
          body.member("compute_infer") { write(&$0, batch.compute) }
          body.member("compute_output") { write(&$0, none) }
        }
      }
      body.member("memory_usage", list: [model.weightBytes]) { body, bytes in
        body.object { body in
          body.member("type", "CPU")
          body.member("id", 0)
          body.member("byte_size", bytes)
        }
      }
    }
  }

  /// The members of a duration.
  private static func write(_ body: inout JSONText, _ duration: DurationStatistic) {
    body.member("count", duration.count)
    body.member("ns", duration.nanoseconds)
  }
}
