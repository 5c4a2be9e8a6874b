import PlannerCore

/// The bytes of one HTTP/1.1 request, head and body, as they go over the wire.
public struct RequestBytes: Hashable, Sendable {
  public let bytes: [UInt8]
  public init(_ bytes: [UInt8]) { self.bytes = bytes }
}

/// Renders requests before a run, so that nothing is formatted while time is measured.
public struct RequestTemplate: Hashable, Sendable {
  /// [CLS] question [SEP] context [SEP] with one word each.
  public static let fewestTextTokens = 5

  /// What goes into the `Host` header.
  public let host: String
  public let port: Int

  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// `GET /predictions/{model}?seq_0=…&seq_1=…` with a question and a context that make exactly `tokens`
  /// word pieces: every word is one letter, and a single letter is always one piece, known or not.
  ///
  /// - Parameters:
  ///   - tokens: [CLS] and both [SEP] included.
  ///   - index: the model's place in the schedule; with `seed` it decides the letters.
  /// - Throws: `LoadTestError.tooFewTokens`.
  public func text(model: String, tokens: Int, seed: UInt64 = 1, index: Int) throws(LoadTestError) -> RequestBytes {
    guard tokens >= Self.fewestTextTokens else {
      throw LoadTestError.tooFewTokens(tokens: tokens, minimum: Self.fewestTextTokens)
    }
    var random = RandomStream(seed: seed, stream: "request text", index: UInt64(index))
    let words = (0..<(tokens - 3)).map { _ in
      String(UnicodeScalar(UInt8(ascii: "a") + UInt8(random.integer(below: 26))))
    }
    // A question is the shorter part, as in the guidance's own texts.
    let inQuestion = max(1, words.count / 4)
    let question = words[..<inQuestion].joined(separator: "%20")
    let context = words[inQuestion...].joined(separator: "%20")
    let target = "/predictions/\(PercentEncoding.component(model))?seq_0=\(question)&seq_1=\(context)"
    return RequestBytes(Array("GET \(target) HTTP/1.1\r\nHost: \(hostHeader)\r\n\r\n".utf8))
  }

  /// `POST /v2/models/{model}/infer` (Open Inference Protocol, JSON) with one row of `ids` as `input_ids`.
  public func tokenIDs(model: String, ids: [Int]) -> RequestBytes {
    let list = ids.map(String.init).joined(separator: ",")
    let body =
      #"{"inputs":[{"name":"\#(TokenInputNames.ids)","shape":[1,\#(ids.count)],"datatype":"INT64","data":[\#(list)]}]}"#
    let head = """
      POST /v2/models/\(PercentEncoding.component(model))/infer HTTP/1.1\r
      Host: \(hostHeader)\r
      Content-Type: application/json\r
      Content-Length: \(body.utf8.count)\r
      \r

      """
    return RequestBytes(Array(head.utf8) + Array(body.utf8))
  }

  /// `POST /v2/models/{model}/infer` with `tokens` ids drawn from `0 ..< vocabulary`, equal for equal seed and index.
  public func tokens(model: String, tokens: Int, vocabulary: Int, seed: UInt64 = 1, index: Int) -> RequestBytes {
    var random = RandomStream(seed: seed, stream: "request tokens", index: UInt64(index))
    return tokenIDs(model: model, ids: (0..<tokens).map { _ in random.integer(below: vocabulary) })
  }

  /// `POST /v2/models/{model}/infer` with one row of random values, equal for equal seed and index.
  ///
  /// - Parameters:
  ///   - tensors: what a request brings, as a manifest's `requestTensors` have it: −1 is the size.
  ///   - size: of the request; has no part in it where nothing varies.
  ///   - encoding: 16-bit floats have no JSON, and make the request binary.
  public func tensors(
    model: String, tensors: [TensorDeclaration], size: Int, encoding: TensorContent.Encoding = .binary,
    seed: UInt64 = 1, index: Int
  ) -> RequestBytes {
    var random = RandomStream(seed: seed, stream: "request tensors", index: UInt64(index))
    let body = TensorContent.body(tensors, size: size, encoding: encoding, from: &random)
    var head = """
      POST /v2/models/\(PercentEncoding.component(model))/infer HTTP/1.1\r
      Host: \(hostHeader)\r
      Content-Type: \(body.jsonBytes == nil ? "application/json" : "application/octet-stream")\r
      Content-Length: \(body.bytes.count)\r

      """
    if let jsonBytes = body.jsonBytes { head += "Inference-Header-Content-Length: \(jsonBytes)\r\n" }
    return RequestBytes(Array((head + "\r\n").utf8) + body.bytes)
  }

  /// One request for each of `models`, as the workload's kind of input wants it.
  ///
  /// - Parameter tensors: what requests bring where they bring neither text nor token ids.
  /// - Throws: `LoadTestError.tooFewTokens`, or `option` where tensors are wanted and none are known.
  public func requests(
    models: [String], input: RequestInput, tokens: Int, vocabulary: Int, tensors: [TensorDeclaration] = [],
    seed: UInt64 = 1
  ) throws(LoadTestError) -> [RequestBytes] {
    var rendered: [RequestBytes] = []
    rendered.reserveCapacity(models.count)
    for (index, model) in models.enumerated() {
      switch input {
      case .text:
        rendered.append(try text(model: model, tokens: tokens, seed: seed, index: index))
      case .tokens:
        rendered.append(self.tokens(model: model, tokens: tokens, vocabulary: vocabulary, seed: seed, index: index))
      case .tensors:
        guard !tensors.isEmpty else {
          throw .option(
            name: "input", problem: "is tensors, and the manifest has no requestTensors: run planner model index DIR")
        }
        rendered.append(self.tensors(model: model, tensors: tensors, size: tokens, seed: seed, index: index))
      }
    }
    return rendered
  }

  private var hostHeader: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
