import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PlannerCore
import Synchronization

/// What the server is doing, as its health routes tell.
enum ServerPhase: UInt8, AtomicRepresentable, Sendable {
  case loading
  case ready
  case draining
}

/// Answers every route. Requests read an immutable table of models; no lock is held across a forward pass.
struct ServerResponder: HTTPResponder {
  typealias Context = BasicRequestContext

  let state: ServerState
  let options: ServerOptions

  func respond(to request: Request, context: Context) async throws -> Response {
    var response = await answer(to: request)
    // Clients that keep connections are to open their next one elsewhere.
    if state.isDraining { response.headers[.connection] = "close" }
    return response
  }

  private func answer(to request: Request) async -> Response {
    let arrival = WorkerPool.monotonicNow()
    do {
      return try await route(request, arrival: arrival)
    } catch let problem as HTTPProblem {
      return failure(problem)
    } catch let error as SchedulingError {
      return failure(HTTPProblem(error))
    } catch let error as RegistryError {
      return failure(HTTPProblem(error))
    } catch let error as EngineError {
      return failure(HTTPProblem(error.kind == .badInput ? .badRequest : .internalServerError, error.message))
    } catch let error as any HTTPResponseError {
      // Such as a body above the limit.
      return failure(HTTPProblem(error.status, error.status.reasonPhrase))
    } catch is CancellationError {
      return failure(HTTPProblem(.serviceUnavailable, "the request was given up"))
    } catch {
      return failure(HTTPProblem(.internalServerError, "the request could not be answered"))
    }
  }

  private func failure(_ problem: HTTPProblem) -> Response {
    state.metrics.failed(status: problem.status.code)
    var body = JSONText()
    body.raw("{\"")
    body.raw(problem.key == "detail" ? "detail" : "error")
    body.raw("\":")
    body.string(problem.message)
    body.raw("}")
    var response = Self.json(body, status: problem.status)
    if let seconds = problem.retryAfterSeconds { response.headers[.retryAfter] = String(seconds) }
    return response
  }

  static func json(_ text: JSONText, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: text.bytes)))
  }

  // MARK: Routes

  private func route(_ request: Request, arrival: Nanoseconds) async throws -> Response {
    let target = request.uri.path
    let path = target.utf8.split(separator: UInt8(ascii: "/")).map { QueryString.decode($0) }
    switch path.first {
    case nil:
      try allow([.get, .head], request)
      var body = JSONText()
      body.raw("{\"Status\":\"Healthy\"}")
      return Self.json(body)
    case "predictions" where path.count == 2:
      try allow([.get, .post], request)
      return try await predict(request, modelName: path[1], arrival: arrival)
    case "v2": return try await openInference(request, Array(path.dropFirst()), arrival: arrival)
    case "ping" where path.count == 1:
      try allow([.get], request)
      var body = JSONText()
      body.raw(state.isReady ? "{\"status\":\"Healthy\"}" : "{\"status\":\"Unhealthy\"}")
      return Self.json(body, status: state.isReady ? .ok : .serviceUnavailable)
    case "metrics" where path.count == 1:
      try allow([.get], request)
      let text = state.metrics.text(
        registry: state.registry, load: state.pool.load, workers: state.pool.options.workers)
      return Response(
        status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    default: throw HTTPProblem(.notFound, "there is nothing at \(target.prefix(200))")
    }
  }

  private func allow(_ methods: [HTTPRequest.Method], _ request: Request) throws(HTTPProblem) {
    guard methods.contains(request.method) else {
      throw HTTPProblem(
        .methodNotAllowed,
        "\(request.method.rawValue.prefix(20)) is not allowed here; use "
          + methods.map(\.rawValue).joined(separator: " or ")
      )
    }
  }

  private func openInference(_ request: Request, _ path: [String], arrival: Nanoseconds) async throws -> Response {
    switch (path.count, path.first) {
    case (0, _):
      try allow([.get], request)
      var body = JSONText()
      body.raw("{\"name\":\"model-server\",\"version\":\"")
      body.raw(ServerOptions.version)
      body.raw("\",\"extensions\":[]}")
      return Self.json(body)
    case (2, "health"):
      try allow([.get], request)
      guard path[1] == "live" || path[1] == "ready" else { break }
      let isWell = path[1] == "live" || state.isReady
      var body = JSONText()
      body.raw(path[1] == "live" ? "{\"live\":true}" : isWell ? "{\"ready\":true}" : "{\"ready\":false}")
      return Self.json(body, status: isWell ? .ok : .serviceUnavailable)
    case (2, "models"):
      try allow([.get], request)
      return metadata(try model(path[1]))
    case (3, "models") where path[2] == "ready":
      try allow([.get], request)
      _ = try model(path[1])
      var body = JSONText()
      body.raw(state.isReady ? "{\"ready\":true}" : "{\"ready\":false}")
      return Self.json(body, status: state.isReady ? .ok : .serviceUnavailable)
    case (3, "models") where path[2] == "infer":
      try allow([.post], request)
      return try await infer(request, try model(path[1]), arrival: arrival)
    default: break
    }
    throw HTTPProblem(.notFound, "there is nothing at \(request.uri.path.prefix(200))")
  }

  private func registry() throws(HTTPProblem) -> ModelRegistry {
    guard !state.isLoading else {
      throw HTTPProblem(.serviceUnavailable, "the models are still being loaded", retryAfterSeconds: 5)
    }
    return state.registry
  }

  private func model(_ name: String) throws(HTTPProblem) -> ModelEntry {
    guard let entry = try registry().entry(named: name) else { throw HTTPProblem(RegistryError.unknownModel(name)) }
    return entry
  }

  // MARK: Answers

  /// The guidance's route: question and context in, the answer's text out.
  private func predict(_ request: Request, modelName: String, arrival: Nanoseconds) async throws -> Response {
    let registry = try registry()
    guard registry.entry(named: modelName) != nil else {
      let last = registry.entries.last?.name ?? "model0"
      var problem = HTTPProblem(
        .notFound, "Model \(modelName.prefix(200)) does not exist. Try a model name up to \(last)")
      problem.key = "detail"
      throw problem
    }
    let lease = try await registry.acquire(modelName, timeoutSeconds: options.requestTimeoutSeconds)
    var form = request.uri.query ?? ""
    if request.method == .post {
      let body = try await request.body.collect(upTo: options.maxBodyBytes)
      if (request.headers[.contentType] ?? "").hasPrefix("application/json") {
        return try await answer(try TokenInputs(json: Data(buffer: body), for: lease.model), lease, arrival)
      }
      form = String(buffer: body)
    }
    guard let tokenizer = registry.tokenizer else {
      throw HTTPProblem(.badRequest, "this repository has no vocabulary for text; send token ids as JSON")
    }
    let encoding = tokenizer.encode(
      QueryString.value("seq_0", in: form) ?? DefaultTexts.question,
      pair: QueryString.value("seq_1", in: form) ?? DefaultTexts.context,
      maxTokens: min(lease.model.maxTokens, DefaultTexts.maxTokens))
    return try await answer(TokenInputs(encoding), lease, arrival)
  }

  private func answer(
    _ inputs: TokenInputs, _ lease: ModelLease, _ arrival: Nanoseconds
  ) async throws -> Response {
    guard inputs.batch == 1 else {
      throw HTTPProblem(.badRequest, "input_ids: has \(inputs.batch) rows; this route answers one request at a time")
    }
    let result = try await compute(inputs, lease)
    var body = JSONText(capacity: 512)
    body.raw("{\"detail\":")
    if options.postprocess, let tokenizer = state.registry.tokenizer, let span = Self.answerSpan(result.outputs, inputs)
    {
      body.string(tokenizer.decode(inputs.ids[span]))
    } else if let first = result.outputs.first {
      Self.write(first, to: &body)
    } else {
      body.raw("null")
    }
    body.raw("}")
    return finish(body, lease, result.timings, arrival)
  }

  /// From the most likely start to one past the most likely end; to the text's end where that lies before the start.
  static func answerSpan(_ outputs: [HostTensor], _ inputs: TokenInputs) -> Range<Int>? {
    guard outputs.count >= 2, case .float32(let starts) = outputs[0].elements,
      case .float32(let ends) = outputs[1].elements, starts.count == inputs.ids.count, ends.count == inputs.ids.count,
      let start = starts.indices.max(by: { starts[$0] < starts[$1] }),
      let end = ends.indices.max(by: { ends[$0] < ends[$1] })
    else { return nil }
    return end + 1 > start ? start..<(end + 1) : start..<inputs.ids.count
  }

  private func infer(_ request: Request, _ entry: ModelEntry, arrival: Nanoseconds) async throws -> Response {
    let body = try await request.body.collect(upTo: options.maxBodyBytes)
    let lease = try await state.registry.acquire(entry.name, timeoutSeconds: options.requestTimeoutSeconds)
    let inputs = try TokenInputs(json: Data(buffer: body), for: lease.model)
    let result = try await compute(inputs, lease)
    var text = JSONText(capacity: 64 + 32 * inputs.ids.count)
    text.raw("{\"model_name\":")
    text.string(entry.name)
    if let id = inputs.requestID {
      text.raw(",\"id\":")
      text.string(id)
    }
    text.raw(",\"outputs\":")
    let names = Self.outputNames(result.outputs, batch: inputs.batch, tokens: inputs.tokens)
    text.list(zip(names, result.outputs)) { text, output in
      text.raw("{\"name\":")
      text.string(output.0)
      text.raw(",\"datatype\":")
      text.string(output.1.elements.openInferenceType)
      text.raw(",\"shape\":")
      text.list(output.1.shape) { $0.number($1) }
      text.raw(",\"data\":")
      text.elements(output.1.elements)
      text.raw("}")
    }
    text.raw("}")
    return finish(text, lease, result.timings, arrival)
  }

  /// A question-answering model has two outputs, a number for each token; of others only the place is known.
  static func outputNames(_ outputs: [HostTensor], batch: Int, tokens: Int) -> [String] {
    if outputs.count == 2, outputs.allSatisfy({ $0.shape == [batch, tokens] }) {
      return ["start_logits", "end_logits"]
    }
    return outputs.indices.map { "output_\($0)" }
  }

  private func compute(_ inputs: TokenInputs, _ lease: ModelLease) async throws -> WorkerPool.Answer {
    do {
      return try await state.pool.infer(
        lease.model.session, try inputs.tensors(for: lease.model), model: lease.entry.index,
        timeoutSeconds: options.requestTimeoutSeconds.map { $0 - (lease.loadSeconds ?? 0) })
    } catch {
      lease.entry.counters.failures.add(1, ordering: .relaxed)
      throw error
    }
  }

  private func finish(
    _ body: JSONText, _ lease: ModelLease, _ timings: RequestTimings, _ arrival: Nanoseconds
  ) -> Response {
    let total = (WorkerPool.monotonicNow() - arrival).seconds
    lease.entry.counters.answered(timings)
    state.metrics.completed(totalSeconds: total, timings: timings)
    var response = Self.json(body)
    response.headers[.plannerTimings] =
      "queue=\(timings.queueSeconds);compute=\(timings.computeSeconds);total=\(total);ahead=\(timings.ahead)"
      + (timings.handoverSeconds.map { ";handover=\($0)" } ?? "") + (lease.loadSeconds.map { ";load=\($0)" } ?? "")
    return response
  }

  private func metadata(_ model: ModelEntry) -> Response {
    var body = JSONText()
    body.raw("{\"name\":")
    body.string(model.name)
    body.raw(",\"platform\":\"pytorch_libtorch\",\"versions\":[\"1\"],\"inputs\":")
    body.list(model.description.inputs) { body, name in
      body.raw("{\"name\":")
      body.string(name)
      body.raw(",\"datatype\":\"INT64\",\"shape\":[-1,-1]}")
    }
    body.raw(",\"outputs\":")
    body.list(model.outputs) { body, output in
      body.raw("{\"name\":")
      body.string(output.name)
      body.raw(",\"datatype\":")
      body.string(output.datatype)
      body.raw(",\"shape\":")
      body.list(Array(repeating: -1, count: output.dimensions)) { $0.number($1) }
      body.raw("}")
    }
    body.raw("}")
    return Self.json(body)
  }

  /// Nested lists in the tensor's shape; only float tensors have digits to print.
  static func write(_ tensor: HostTensor, to body: inout JSONText) {
    guard case .float32(let values) = tensor.elements, tensor.shape.count == 2 else { return body.raw("[]") }
    let width = tensor.shape[1]
    body.list(0..<tensor.shape[0]) { body, row in
      body.list(values[row * width..<(row + 1) * width]) { $0.number($1) }
    }
  }
}

extension HTTPField.Name {
  static let plannerTimings = HTTPField.Name("x-planner-timings")!
}

/// What the guidance's server answers to where a request names no texts.
enum DefaultTexts {
  /// Its inputs are cut there, in word pieces.
  static let maxTokens = 128
  static let question = "What does the little engine say"
  static let context =
    "In the childrens story about the little engine a small locomotive is pulling a large load up a mountain. "
    + "Since the load is heavy and the engine is small it is not sure whether it will be able to do the job. "
    + "This is a story about how an optimistic attitude empowers everyone to achieve more. In the story the little "
    + "engine says: 'I think I can' as it is pulling the heavy load all the way to the top of the mountain. On the "
    + "way down it says: I thought I could."
}
