import Foundation

/// Token ids of one request, checked against the model they are for.
struct TokenInputs {
  var batch: Int
  var tokens: Int
  var ids: [Int64]
  var mask: [Int64]
  var types: [Int64]
  /// Echoed in the answer.
  var requestID: String?

  init(_ encoding: Encoding) {
    batch = 1
    tokens = encoding.inputIDs.count
    ids = encoding.inputIDs
    mask = encoding.attentionMask
    types = encoding.tokenTypeIDs
  }

  /// Reads `{"input_ids": [[…]], "attention_mask": …, "token_type_ids": …}`, or the Open Inference Protocol's
  /// `{"id": …, "inputs": [{"name", "shape", "datatype", "data"}]}`. A mask that is left out is all ones, types
  /// are all zeros.
  init(json body: Data, for model: ServedModel) throws(HTTPProblem) {
    let request: Body
    do {
      request = try JSONDecoder().decode(Body.self, from: body)
    } catch {
      throw Self.problem(error)
    }
    var fields: [String: Matrix] = [:]
    if let inputs = request.inputs {
      guard !inputs.isEmpty else { throw HTTPProblem(.badRequest, "inputs: is empty") }
      for tensor in inputs {
        guard Self.names.contains(tensor.name) else {
          throw HTTPProblem(.badRequest, "inputs: '\(tensor.name)' is not an input of this model")
        }
        guard fields[tensor.name] == nil else {
          throw HTTPProblem(.badRequest, "inputs: '\(tensor.name)' is there twice")
        }
        fields[tensor.name] = try tensor.matrix()
      }
    } else {
      fields["input_ids"] = request.input_ids
      fields["attention_mask"] = request.attention_mask
      fields["token_type_ids"] = request.token_type_ids
    }
    guard let ids = fields["input_ids"] else { throw HTTPProblem(.badRequest, "input_ids: is missing") }
    for name in Self.names {
      guard let rows = fields[name], rows.batch != ids.batch || rows.tokens != ids.tokens else { continue }
      throw HTTPProblem(
        .badRequest, "\(name): has shape [\(rows.batch), \(rows.tokens)], input_ids has [\(ids.batch), \(ids.tokens)]")
    }
    batch = ids.batch
    tokens = ids.tokens
    self.ids = ids.values
    mask = fields["attention_mask"]?.values ?? Array(repeating: 1, count: batch * tokens)
    types = fields["token_type_ids"]?.values ?? Array(repeating: 0, count: batch * tokens)
    requestID = request.id
    try check(model)
  }

  private func check(_ model: ServedModel) throws(HTTPProblem) {
    guard tokens <= model.maxTokens else {
      throw HTTPProblem(.badRequest, "input_ids: \(tokens) tokens are more than the model's \(model.maxTokens)")
    }
    guard batch <= Self.mostRows else {
      throw HTTPProblem(.badRequest, "input_ids: \(batch) rows are more than \(Self.mostRows)")
    }
    guard let low = ids.min(), let high = ids.max(), low >= 0, high < Int64(clamping: model.vocabulary) else {
      throw HTTPProblem(.badRequest, "input_ids: has an id outside 0 ..< \(model.vocabulary)")
    }
    guard mask.allSatisfy({ $0 == 0 || $0 == 1 }), types.allSatisfy({ $0 == 0 || $0 == 1 }) else {
      throw HTTPProblem(.badRequest, "attention_mask and token_type_ids hold 0 and 1 only")
    }
  }

  static let mostRows = 256
  private static let names = ["input_ids", "attention_mask", "token_type_ids"]

  /// In the order in which the model names its inputs.
  func tensors(for model: ServedModel) throws(HTTPProblem) -> [HostTensor] {
    var tensors: [HostTensor] = []
    for name in model.inputs {
      let values: [Int64]
      switch name {
      case "input_ids": values = ids
      case "attention_mask": values = mask
      case "token_type_ids": values = types
      default: throw HTTPProblem(.internalServerError, "the model asks for an input '\(name)' that no request carries")
      }
      tensors.append(HostTensor(shape: [batch, tokens], elements: .int64(values)))
    }
    return tensors
  }

  // MARK: Reading

  private struct Body: Decodable {
    var id: String?
    var inputs: [Tensor]?
    // swift-format-ignore: the names are the wire's.
    var input_ids: Matrix?
    var attention_mask: Matrix?
    var token_type_ids: Matrix?
  }

  /// Whole numbers in rows of one length; a single row may be written flat.
  private struct Matrix: Decodable {
    var batch: Int
    var tokens: Int
    var values: [Int64]

    init(batch: Int, tokens: Int, values: [Int64]) {
      self.batch = batch
      self.tokens = tokens
      self.values = values
    }

    init(from decoder: any Decoder) throws {
      let box = try decoder.singleValueContainer()
      let rows: [[Int64]]
      if let flat = try? box.decode([Int64].self) { rows = [flat] } else { rows = try box.decode([[Int64]].self) }
      guard let length = rows.first?.count, length > 0, rows.allSatisfy({ $0.count == length }) else {
        throw DecodingError.dataCorruptedError(in: box, debugDescription: "has no rows of one length above 0")
      }
      self.init(batch: rows.count, tokens: length, values: rows.flatMap { $0 })
    }
  }

  /// A tensor of the Open Inference Protocol; its data may be flat or nested.
  private struct Tensor: Decodable {
    var name: String
    var shape: [Int]
    var datatype: String
    var data: Matrix

    static let integerTypes = ["INT64", "INT32", "INT16", "INT8", "UINT8", "UINT16", "UINT32"]

    func matrix() throws(HTTPProblem) -> Matrix {
      guard Self.integerTypes.contains(datatype) else {
        throw HTTPProblem(.badRequest, "\(name): datatype '\(datatype)' is not an integer type such as INT64")
      }
      guard shape.count == 2, (1...TokenInputs.mostRows).contains(shape[0]), (1...65536).contains(shape[1]) else {
        throw HTTPProblem(.badRequest, "\(name): shape \(shape) is not [batch, tokens], or is empty or too large")
      }
      guard data.values.count == shape[0] * shape[1] else {
        throw HTTPProblem(
          .badRequest, "\(name): has \(data.values.count) values; its shape asks for \(shape[0] * shape[1])")
      }
      return Matrix(batch: shape[0], tokens: shape[1], values: data.values)
    }
  }

  private static func problem(_ error: any Error) -> HTTPProblem {
    guard let error = error as? DecodingError else { return HTTPProblem(.badRequest, "the body is not JSON") }
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
      return path.isEmpty ? "the body" : path
    }
    switch error {
    case .keyNotFound(let key, let context):
      return HTTPProblem(.badRequest, "\(place(context)): \(key.stringValue) is missing")
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return HTTPProblem(.badRequest, "\(place(context)): is not of the type that is needed here")
    case .dataCorrupted(let context):
      return HTTPProblem(
        .badRequest,
        context.codingPath.isEmpty ? "the body is not JSON" : "\(place(context)): \(context.debugDescription)")
    @unknown default: return HTTPProblem(.badRequest, "the body is not JSON")
    }
  }
}
