import Engine
import Foundation
import PlannerCore
import ServerHTTP
import Testing

/// What a user of the guidance's server finds again.
@Suite struct GuidanceTests {
  static func detail(_ server: ServerProcess, _ query: String) async throws -> String {
    let answer = try await server.ask("/predictions/model1" + query)
    #expect(answer.status == 200, "\(query): \(answer.body)")
    return try #require(try answer.json()["detail"] as? String)
  }

  static func words(_ count: Int, _ random: inout RandomStream) -> String {
    (0..<count).map { _ in String(UnicodeScalar(UInt8(97 + random.integer(below: 26)))) }.joined(separator: "+")
  }

  /// Texts of all lengths have the same answers at their own length and padded to 128.
  @Test func paddingChangesNoAnswer() async throws {
    let (own, padded) = (try ServerProcess.ready(), try ServerProcess.ready(["--pad-text"]))
    defer {
      own.terminate()
      padded.terminate()
    }
    var random = RandomStream(seed: 5, stream: "texts", index: 0)
    var answers: Set<String> = []
    for index in 0..<40 {
      let query =
        index == 0
        ? ""
        : "?seq_0=\(Self.words(1 + random.integer(below: 12), &random))"
          + "&seq_1=\(Self.words(1 + random.integer(below: index * 4), &random))"
      let answer = try await Self.detail(own, query)
      #expect(try await Self.detail(padded, query) == answer, "\(query)")
      answers.insert(answer)
    }
    #expect(answers.count > 20)
  }

  /// Two texts of 63 pieces or more share 125 places: the odd one goes to the context, or, as it once did, to the
  /// question.
  @Test func pairsMayBeCutTheOlderWay() async throws {
    // The raw tensor: an answer's text might be the same of other pieces.
    let raw = ["POSTPROCESS": "False"]
    let today = try ServerProcess.ready(environment: raw)
    let older = try ServerProcess.ready(["--pair-truncation", "oneByOne"], environment: raw)
    defer {
      today.terminate()
      older.terminate()
    }
    for (server, way) in [(today, "halves"), (older, "oneByOne")] {
      let configuration = try await server.ask("/v2/models/model1/config").json()
      let parameters = try #require(configuration["parameters"] as? [String: [String: String]])
      #expect(parameters["pair_truncation"] == ["string_value": way])
      let metadata = try await server.ask("/v2/models/model1").json()["parameters"] as? [String: String]
      #expect(metadata == ["pair_truncation": way, "variant": "fp32"])
    }
    let text = Array(repeating: "who", count: 63).joined(separator: "+")
    // As long as each other: of a longer question both ways keep the odd piece.
    let query = "?seq_0=\(text)&seq_1=\(text)"
    #expect(try await Self.detail(today, query) != (try await Self.detail(older, query)))
    // Texts that are not cut are the same either way.
    let short = "?seq_0=who+is+it&seq_1=a+big+cat"
    #expect(try await Self.detail(today, short) == (try await Self.detail(older, short)))
  }

  /// A form's fields and the query's count together; a body that is neither form nor JSON is not taken for none.
  @Test func textsOfAPostAreReadWhereverTheyStand() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let expected = try await Self.detail(server, "?seq_0=who+is+it&seq_1=a+big+cat")
    let form = "application/x-www-form-urlencoded"
    for (query, type, body) in [
      ("?seq_0=who+is+it&seq_1=a+big+cat", form, ""), ("", form, "seq_0=who+is+it&seq_1=a+big+cat"),
      ("?seq_0=who+is+it", form, "seq_1=a+big+cat"),
      ("?seq_1=a+big+cat", "Application/X-WWW-Form-URLencoded; charset=utf-8", "seq_0=who+is+it"),
      ("?seq_0=x", form, "seq_0=who+is+it&seq_1=a+big+cat"),
    ] {
      let answer = try await server.ask(
        "/predictions/model1" + query, method: "POST", body: Data(body.utf8), type: type)
      #expect(try answer.json()["detail"] as? String == expected, "\(query) \(type) \(body)")
    }
    for type in ["multipart/form-data; boundary=x", "text/plain"] {
      let answer = try await server.ask("/predictions/model1", method: "POST", body: Data("x".utf8), type: type)
      let detail = try answer.json()["detail"] as? String
      #expect(answer.status == 415 && detail?.contains("neither") == true, "\(type)")
    }
    let json = try await server.ask(
      "/predictions/model1", method: "POST", body: Data(#"{"input_ids":[[2,3]]}"#.utf8), type: "Application/JSON")
    #expect(json.status == 200)
  }

  @Test func emptyRepeatedAndEscapedFieldsAreReadAsThereToo() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let plain = try await Self.detail(server, "?seq_0=a&seq_1=b+c+d")
    // The last of several counts; what has another name does not.
    #expect(try await Self.detail(server, "?seq_0=x+y&seq_0=a&other=1&seq_1=b%20c%20d") == plain)
    // An empty text is a text, and not the default.
    let empty = try await Self.detail(server, "?seq_0=&seq_1=")
    #expect(try await Self.detail(server, "?seq_0&seq_1") == empty)
    #expect(empty.split(separator: " ").allSatisfy { $0.hasPrefix("[") })
    // Texts of any length are cut to 128 word pieces.
    _ = try await Self.detail(server, "?seq_0=a&seq_1=" + String(repeating: "b+", count: 5_000))
    _ = try await Self.detail(server, "?seq_0=%FF%00%F0%9F&seq_1=%")
    for (path, method, status) in [
      ("/predictions/model1", "DELETE", 405), ("/predictions/modelX", "GET", 404), ("/predictions/", "GET", 404),
      ("/predictions/model1%00", "GET", 404), ("/predictions/%2E%2E", "GET", 404),
      ("/predictions/model1/x", "GET", 404),
    ] {
      let answer = try await server.ask(path, method: method)
      #expect(answer.status == status, "\(path)")
    }
    #expect(try await server.ask("/predictions/model1", method: "PUT").json()["detail"] is String)
  }

  @Test func theSpanIsTheGuidances() throws {
    func span(_ starts: [Float], _ ends: [Float], length: Int? = nil) -> [Int64]? {
      AnswerSpan([.float32(starts), .float32(ends)], tokens: starts.count, length: length ?? starts.count)?
        .ids(of: (0..<Int64(starts.count)).map { $0 }, padding: -1)
    }
    #expect(span([0, 9, 1, 0], [0, 1, 9, 0]) == [1, 2])
    #expect(span([0, 9, 1, 0], [0, 9, 1, 0]) == [1])
    // An end before the start: to the end of a row of 128.
    #expect(span([0, 0, 9, 0], [9, 0, 0, 0]) == [2, 3] + Array(repeating: -1, count: 124))
    // The first of equals; padding is never chosen.
    #expect(span([5, 5, 5], [5, 5, 5]) == [0])
    #expect(span([0, 1, 9], [0, 1, 9], length: 2) == [1])
    #expect(AnswerSpan([.float32([1])], tokens: 1, length: 1) == nil)
    #expect(AnswerSpan([.float32([1]), .int64([1])], tokens: 1, length: 1) == nil)
    #expect(AnswerSpan([.float32([]), .float32([])], tokens: 0, length: 0) == nil)
  }

  @Test func tensorsArePrintedAsPyTorchDoes() {
    func text(_ shape: [Int], _ values: [Float]) -> String {
      TensorText.describe(HostTensor(shape: shape, elements: .float32(values)))
    }
    #expect(text([1, 3], [-0.1, 0.25, 10]) == "tensor([[-0.1000,  0.2500, 10.0000]])")
    #expect(text([3], [1, 2, 3]) == "tensor([1., 2., 3.])")
    #expect(text([2], [0.00001, 1]) == "tensor([1.0000e-05, 1.0000e+00])")
    #expect(text([2, 2], [0.5, -1, 0, 2]) == "tensor([[ 0.5000, -1.0000],\n        [ 0.0000,  2.0000]])")
    // Eight columns of seven characters fit in a line of eighty.
    let row = text([1, 10], Array(repeating: 0.5, count: 10))
    #expect(
      row == "tensor([[0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000,\n         0.5000]])")
  }

  /// What print() of PyTorch 2.13 says of the same tensors.
  @Test(arguments: PrintedTensor.all)
  func tensorsOfEveryTypeArePrintedAsPyTorchDoes(_ sample: PrintedTensor) {
    #expect(TensorText.describe(HostTensor(shape: sample.shape, elements: sample.elements)) == sample.text)
  }
}

struct PrintedTensor: Sendable {
  var shape: [Int]
  var elements: HostTensor.Element
  var text: String

  static let all = [
    PrintedTensor(
      shape: [1, 2], elements: .int64([1, 5]),
      text: "tensor([[1, 5]])"),
    PrintedTensor(
      shape: [3], elements: .int32([3, -12, 100]),
      text: "tensor([  3, -12, 100], dtype=torch.int32)"),
    PrintedTensor(
      shape: [2], elements: .bool([1, 0]),
      text: "tensor([ True, False])"),
    PrintedTensor(
      shape: [], elements: .int64([7]),
      text: "tensor(7)"),
    PrintedTensor(
      shape: [2, 2], elements: .uint8([1, 2, 3, 4]),
      text: "tensor([[1, 2],\n        [3, 4]], dtype=torch.uint8)"),
    PrintedTensor(
      shape: [2], elements: .int8([-1, 1]),
      text: "tensor([-1,  1], dtype=torch.int8)"),
    PrintedTensor(
      shape: [1], elements: .int16([300]),
      text: "tensor([300], dtype=torch.int16)"),
    PrintedTensor(
      shape: [2], elements: .float64([0.5, 1.25]),
      text: "tensor([0.5000, 1.2500], dtype=torch.float64)"),
    PrintedTensor(
      shape: [2], elements: .float16([0x3c00, 0x4000]),
      text: "tensor([1., 2.], dtype=torch.float16)"),
    PrintedTensor(
      shape: [2], elements: .bfloat16([0x3f00, 0xc040]),
      text: "tensor([ 0.5000, -3.0000], dtype=torch.bfloat16)"),
    PrintedTensor(
      shape: [0], elements: .float32([]),
      text: "tensor([])"),
    PrintedTensor(
      shape: [0, 3], elements: .float32([]),
      text: "tensor([], size=(0, 3))"),
    PrintedTensor(
      shape: [0], elements: .int64([]),
      text: "tensor([], dtype=torch.int64)"),
    PrintedTensor(
      shape: [2, 0], elements: .float64([]),
      text: "tensor([], size=(2, 0), dtype=torch.float64)"),
    PrintedTensor(
      shape: [3], elements: .float32([.nan, .infinity, -.infinity]),
      text: "tensor([nan, inf, -inf])"),
    PrintedTensor(
      shape: [2], elements: .float32([.nan, 1.5]),
      text: "tensor([   nan, 1.5000])"),
    PrintedTensor(
      shape: [2], elements: .float32([.infinity, 2.0]),
      text: "tensor([inf, 2.])"),
    PrintedTensor(
      shape: [11], elements: .float64([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
      text:
        "tensor([0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000,\n"
        + "        0.1000, 0.1000], dtype=torch.float64)"
    ),
    PrintedTensor(
      shape: [9], elements: .int32([123456, 123456, 123456, 123456, 123456, 123456, 123456, 123456, 123456]),
      text:
        "tensor([123456, 123456, 123456, 123456, 123456, 123456, 123456, 123456, 123456],\n"
        + "       dtype=torch.int32)"),
    PrintedTensor(
      shape: [2], elements: .float32([0.0, 0.0]),
      text: "tensor([0., 0.])"),
    PrintedTensor(
      shape: [], elements: .float32([2.5]),
      text: "tensor(2.5000)"),
  ]
}
