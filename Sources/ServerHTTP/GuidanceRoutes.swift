import Engine
import HTTPTypes
import Hummingbird
import NIOCore
import PlannerCore
import Serving

/// The AWS guidance's route: question and context in, the answer's text out.
extension ServerResponder {
  func predictions(_ request: Request, modelName: String) async throws -> Response {
    do {
      try allow([.get, .post], request)
      return try await predict(request, modelName: modelName)
    } catch {
      var problem = (error as? HTTPProblem) ?? HTTPProblem(InferenceError(error))
      problem.key = "detail"
      throw problem
    }
  }

  private func predict(_ request: Request, modelName: String) async throws -> Response {
    let entry = try guidanceEntry(modelName)
    var form = request.uri.query ?? ""
    if request.method == .post {
      let bytes = try await body(of: request)
      switch try Self.form(of: request, bytes) {
      case .tokens: return try await answerIDs(bytes, entry)
      case .fields: form += "&" + String(buffer: bytes)
      case .none: break
      }
    }
    let arrival = WorkerPool.monotonicNow()
    guard let tokenizer = service.tokenizer else {
      throw HTTPProblem(.badRequest, "this repository has no vocabulary for text; send token ids as JSON")
    }
    let question = QueryString.value("seq_0", in: form) ?? DefaultTexts.question
    let encoding = tokenizer.encode(
      question, pair: QueryString.value("seq_1", in: form) ?? DefaultTexts.context,
      maxTokens: min(entry.description.maxTokens, DefaultTexts.maxTokens),
      padTo: options.padsText ? min(entry.description.maxTokens, DefaultTexts.maxTokens) : nil)
    let shape = [1, encoding.inputIDs.count]
    let inputs = [
      NamedTensor(name: TokenInputNames.ids, datatype: .int64, shape: shape, elements: .int64(encoding.inputIDs)),
      NamedTensor(name: TokenInputNames.mask, datatype: .int64, shape: shape, elements: .int64(encoding.attentionMask)),
      NamedTensor(name: TokenInputNames.types, datatype: .int64, shape: shape, elements: .int64(encoding.tokenTypeIDs)),
    ]
    let answer = try await service.infer(InferenceRequest(inputs: inputs, arrival: arrival), of: entry)
    let text = self.text(answer, ids: encoding.inputIDs, length: encoding.attentionMask.lastIndex(of: 1).map { $0 + 1 })
    if options.logsTexts { logger.notice("\(modelName): question: \(question); answer: \(text)") }
    return finish(answer, text)
  }

  /// What a body brings.
  private enum Form { case tokens, fields, none }

  /// - Throws: `HTTPProblem` for a form of another type: its texts must not be taken for missing ones.
  private static func form(of request: Request, _ bytes: ByteBuffer) throws(HTTPProblem) -> Form {
    guard bytes.readableBytes > 0 else { return .none }
    let type = (request.headers[.contentType] ?? "").lowercased().prefix { $0 != ";" && $0 != " " }
    switch type {
    case "application/json": return .tokens
    case "application/x-www-form-urlencoded", "": return .fields
    default:
      throw HTTPProblem(
        .unsupportedMediaType,
        "Content-Type '\(type.prefix(80))' is neither application/x-www-form-urlencoded nor application/json")
    }
  }

  /// Token ids as JSON instead of text.
  private func answerIDs(_ bytes: ByteBuffer, _ entry: ModelEntry) async throws -> Response {
    let arrival = WorkerPool.monotonicNow()
    let body = try InferenceBody(bytes)
    guard let input = body.inputs.first(where: { $0.name == TokenInputNames.ids }),
      case .int64(let ids) = input.elements
    else { throw HTTPProblem(.badRequest, "\(TokenInputNames.ids): is missing") }
    guard input.shape.first == 1 else {
      throw HTTPProblem(
        .badRequest,
        "\(TokenInputNames.ids): has \(input.shape.first ?? 0) rows; this route answers one request at a time")
    }
    let answer = try await service.infer(InferenceRequest(inputs: body.inputs, arrival: arrival), of: entry)
    return finish(answer, text(answer, ids: ids, length: nil))
  }

  private func guidanceEntry(_ name: String) throws -> ModelEntry {
    do {
      return try service.entry(name)
    } catch {
      guard error.kind == .notFound else { throw error }
      let last = service.lastModelName ?? "model0"
      throw HTTPProblem(.notFound, "Model \(name.prefix(200)) does not exist. Try a model name up to \(last)")
    }
  }

  private func finish(_ answer: InferenceAnswer, _ text: String) -> Response {
    var response = Self.json(JSONText(capacity: text.utf8.count + 32) { $0.member("detail", text) })
    response.headers[.plannerTimings] = service.finish(answer).headerValue
    return response
  }

  // MARK: Answer texts

  /// The answer's span as text, or the first output as PyTorch prints it.
  ///
  /// - Parameter length: tokens that are not padding; nil for all.
  private func text(_ answer: InferenceAnswer, ids: [Int64], length: Int?) -> String {
    if options.postprocess, let tokenizer = service.tokenizer,
      let span = AnswerSpan(answer.outputs.map(\.elements), tokens: ids.count, length: length ?? ids.count)
    {
      return tokenizer.decode(span.ids(of: ids, padding: tokenizer.paddingID)[...])
    }
    guard let first = answer.outputs.first else { return "" }
    return TensorText.describe(HostTensor(shape: first.shape, elements: first.elements))
  }
}

/// Where in its tokens a question-answering model sees the answer.
///
/// The guidance's rule: from the most likely start to the most likely end, or, where that lies before the start, to the
/// end of the row, which there is always 128 tokens long. Padding is never a start or an end, so a request that is
/// computed at its own length is answered like one that is padded.
package struct AnswerSpan: Equatable, Sendable {
  package var start: Int
  /// One past the last token; nil for the end of a padded row.
  package var end: Int?
  /// Tokens that are not padding.
  private var length: Int

  /// - Parameters:
  ///   - outputs: scores of starts and of ends, one for each token.
  ///   - length: tokens that are not padding; they come first.
  /// - Returns: nil where the outputs are not such scores.
  package init?(_ outputs: [HostTensor.Element], tokens: Int, length: Int) {
    guard tokens >= 1, outputs.count >= 2, case .float32(let starts) = outputs[0], case .float32(let ends) = outputs[1],
      starts.count == tokens, ends.count == tokens, 1...tokens ~= length
    else { return nil }
    start = Self.greatest(starts[..<length])
    let last = Self.greatest(ends[..<length])
    end = last + 1 > start ? last + 1 : nil
    self.length = length
  }

  /// The first of the greatest, as in PyTorch.
  private static func greatest(_ scores: ArraySlice<Float>) -> Int {
    var best = scores.startIndex
    for index in scores.indices where scores[index] > scores[best] { best = index }
    return best
  }

  /// The tokens of the answer.
  package func ids(of ids: [Int64], padding: Int64) -> [Int64] {
    if let end { return Array(ids[start..<end]) }
    return Array(ids[start..<length]) + Array(repeating: padding, count: max(0, DefaultTexts.maxTokens - length))
  }
}

/// What the guidance's server answers to where a request names no texts.
enum DefaultTexts {
  /// Length at which inputs are cut, in word pieces.
  static let maxTokens = 128
  static let question = "What does the little engine say"
  static let context =
    "In the childrens story about the little engine a small locomotive is pulling a large load up a mountain. "
    + "Since the load is heavy and the engine is small it is not sure whether it will be able to do the job. "
    + "This is a story about how an optimistic attitude empowers everyone to achieve more. In the story the little "
    + "engine says: 'I think I can' as it is pulling the heavy load all the way to the top of the mountain. On the "
    + "way down it says: I thought I could."
}
