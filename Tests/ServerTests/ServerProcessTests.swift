import Foundation
import Testing

/// The server as its clients see it: the real program, the real engine, real sockets.
@Suite(.serialized) struct ServerProcessTests {
  static let tensor = #"{"name":"input_ids","shape":[1,4],"datatype":"INT64","data":[2,17,256,3]}"#

  @Test func everyRouteAnswers() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    #expect(server.models == 3)
    let home = try await server.ask("/")
    #expect(home.status == 200 && home.body == #"{"Status":"Healthy"}"#)
    for path in [
      "/ping", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/model1", "/v2/models/model1/ready",
    ] {
      #expect(try await server.ask(path).status == 200, "\(path)")
    }
    let answer = try await server.ask("/predictions/model0?seq_0=who+is%20it&seq_1=it+is+me")
    #expect(answer.status == 200)
    #expect(try answer.json()["detail"] is String)
    // Both texts are optional.
    #expect(try await server.ask("/predictions/model2").json()["detail"] is String)
    let form = try await server.ask(
      "/predictions/model0", method: "POST", body: Data("seq_0=who+is%20it&seq_1=it+is+me".utf8),
      type: "application/x-www-form-urlencoded")
    #expect(form.body == answer.body)
    let ids = try await server.post("/predictions/model0", #"{"input_ids":[2,5,6,3,7,3]}"#)
    #expect(ids.status == 200)
    let unknown = try await server.ask("/predictions/modelX")
    #expect(unknown.status == 404)
    #expect(
      try unknown.json()["detail"] as? String == "Model modelX does not exist. Try a model name up to model2")
  }

  @Test func openInferenceAnswersWithLogits() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let answer = try await server.post("/v2/models/model1/infer", #"{"id":"a\"b","inputs":[\#(Self.tensor)]}"#)
    #expect(answer.status == 200)
    let json = try answer.json()
    #expect(json["id"] as? String == "a\"b" && json["model_name"] as? String == "model1")
    let outputs = try #require(json["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["name"] as? String } == ["start_logits", "end_logits"])
    #expect(outputs.allSatisfy { $0["shape"] as? [Int] == [1, 4] && ($0["data"] as? [Double])?.count == 4 })
    // A batch of two equal rows gives each row the answer of one.
    let pair = try await server.post(
      "/v2/models/model1/infer",
      #"{"inputs":[{"name":"input_ids","shape":[2,4],"datatype":"INT64","data":[[2,17,256,3],[2,17,256,3]]}]}"#
    ).json()
    let both = try #require((pair["outputs"] as? [[String: Any]])?.first?["data"] as? [Double])
    let one = try #require(outputs[0]["data"] as? [Double])
    #expect(zip(both, one + one).allSatisfy { abs($0 - $1) < 1e-5 } && both.count == 8)
    let timings = try #require(answer.headers["x-planner-timings"] as? String)
    for part in ["queue=", "compute=", "total=", "ahead=0"] { #expect(timings.contains(part)) }
    let metadata = try await server.ask("/v2/models/model1").json()
    #expect((metadata["outputs"] as? [[String: Any]])?.map { $0["name"] as? String } == ["start_logits", "end_logits"])
  }

  @Test func badRequestsGetAnErrorAndTheServerLives() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let infer = "/v2/models/model0/infer"
    let deep = String(repeating: "[", count: 100_000)
    let bodies = [
      "", "{", "[]", "null", "{}", deep, #"{"inputs":\#(deep)"#, #"{"inputs":[]}"#, #"{"inputs":[{}]}"#,
      #"{"input_ids":[]}"#, #"{"input_ids":[[1,2],[3]]}"#, #"{"input_ids":[1.5]}"#, #"{"input_ids":[true]}"#,
      #"{"input_ids":[1e400]}"#, #"{"input_ids":[300]}"#, #"{"input_ids":[-1]}"#, #"{"input_ids":["1"]}"#,
      #"{"input_ids":[\#(Array(repeating: "1", count: 513).joined(separator: ","))]}"#,
      #"{"input_ids":[1,2],"attention_mask":[1]}"#, #"{"input_ids":[1,2],"attention_mask":[1,7]}"#,
      #"{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2]}]}"#,
      #"{"inputs":[{"name":"input_ids","shape":[9223372036854775807,2],"datatype":"INT64","data":[1,2]}]}"#,
      #"{"inputs":[{"name":"input_ids","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#,
      #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"INT64","data":[1,2]}]}"#,
      #"{"inputs":[\#(Self.tensor),\#(Self.tensor)]}"#,
    ]
    for body in bodies {
      let answer = try await server.post(infer, body)
      #expect(answer.status == 400, "\(body.prefix(80)): \(answer.status)")
      #expect(try answer.json()["error"] is String)
    }
    #expect(try await server.ask(infer, method: "POST", body: Data([0xff, 0xfe, 0x00])).status == 400)
    #expect(try await server.post("/v2/models/none/infer", "{}").status == 404)
    #expect(try await server.ask("/nothing/here").status == 404)
    #expect(try await server.ask("/predictions/..%2F..%2Fetc").status == 404)
    #expect(try await server.ask("/", method: "DELETE").status == 405)
    #expect(try await server.ask(infer).status == 405)
    let huge = try await server.ask(infer, method: "POST", body: Data(count: 17 << 20))
    #expect(huge.status == 413)
    #expect(try await server.post(infer, #"{"inputs":[\#(Self.tensor)]}"#).status == 200)
  }

  @Test func rawConnectionsDoNoHarm() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    #expect(try server.raw("\u{1}\u{2} garbage\r\n\r\n").hasPrefix("HTTP/1.1 400"))
    // Half a request, and then nothing.
    _ = try server.raw("POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"inp")
    let get = "GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    let answers = try server.raw(get + get + get)
    #expect(answers.components(separatedBy: "HTTP/1.1 200 OK").count == 4)
    let idle = try (0..<50).map { _ in try server.connected() }
    defer { idle.forEach { close($0) } }
    #expect(try await server.ask("/").status == 200)
  }

  @Test func fiftyAtOnceAreAllAnsweredAlike() async throws {
    let server = try ServerProcess.ready(["--workers", "2"])
    defer { server.terminate() }
    let body = #"{"inputs":[\#(Self.tensor)]}"#
    let bodies = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<50 { group.addTask { try await server.post("/v2/models/model0/infer", body).body } }
      return try await group.reduce(into: [String]()) { $0.append($1) }
    }
    #expect(bodies.count == 50 && Set(bodies).count == 1 && bodies[0].contains("start_logits"))
  }

  @Test func metricsAreWellFormedAndCount() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    for _ in 0..<7 { _ = try await server.ask("/predictions/model1") }
    _ = try await server.ask("/predictions/modelX")
    let text = try await server.ask("/metrics").body
    let lines = text.split(separator: "\n")
    #expect(lines.contains(#"model_server_model_requests_total{model="model1"} 7"#))
    #expect(lines.contains(#"model_server_compute_duration_seconds_count{variant="fp32"} 7"#))
    #expect(lines.contains(#"model_server_request_failures_total{reason="not_found"} 1"#))
    let families = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
    #expect(Set(families).count == families.count && families.count >= 9)
    var previous: (bound: Double, count: Int) = (0, 0)
    for line in lines where line.hasPrefix("model_server_compute_duration_seconds_bucket") && !line.contains("+Inf") {
      let bound = try #require(line.split(separator: "\"").dropLast().last.flatMap { Double($0) })
      let count = try #require(line.split(separator: " ").last.flatMap { Int($0) })
      #expect(bound > previous.bound && count >= previous.count)
      if previous.bound >= 0.001, bound <= 0.1 { #expect(bound / previous.bound <= 1.05) }
      previous = (bound, count)
    }
    #expect(previous.count == 7)
  }

  // MARK: Beginning and end

  @Test func terminatingAnswersWhatIsUnderWay() async throws {
    let server = try ServerProcess.ready()
    let idle = try server.connected()
    defer { close(idle) }
    // Five long requests on one worker are under way when the signal comes; the client opens no more connections.
    let ids = Array(repeating: "5", count: 512).joined(separator: ",")
    async let answers = withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<5 {
        group.addTask { try await server.post("/v2/models/model0/infer", #"{"input_ids":[\#(ids)]}"#).status }
      }
      return try await group.reduce(into: [Int]()) { $0.append($1) }
    }
    // All five have come, however long the client took to send them.
    for _ in 0..<3000 {
      let lines = try await server.ask("/metrics").body.split(separator: "\n")
      let counts = ["queue_length ", "busy_workers ", "requests_total{"].flatMap { name in
        lines.filter { $0.hasPrefix("model_server_" + name) }.compactMap { $0.split(separator: " ").last }
      }
      if counts.compactMap({ Int($0) }).reduce(0, +) >= 5 { break }
    }
    server.terminate()
    let statuses = try await answers
    #expect(statuses.count == 5 && statuses.allSatisfy { $0 == 200 || $0 == 503 })
    #expect(statuses.contains(200))
    #expect(server.end().status == 0)
  }

  @Test func aDelayedShutdownServesOnUntilItIsOver() async throws {
    let server = try ServerProcess.ready(["--shutdown-delay", "2s"])
    server.terminate()
    // Told to stop, and as before: new connections are taken and answered.
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await server.ask("/v2/health/ready").status == 200)
    #expect(try await server.ask("/predictions/model0?seq_0=a&seq_1=b").status == 200)
    #expect(server.end().status == 0)
    let (status, said) = try ServerProcess(["--port", "0", "--shutdown-delay", "soon"]).end()
    #expect(status == 64 && said.contains("--shutdown-delay"))
  }

  @Test func theEndOfStandardInputEndsIt() throws {
    let server = try ServerProcess.ready(["--stop-on-stdin-eof"])
    try server.input.fileHandleForWriting.close()
    #expect(server.end().status == 0)
  }

  @Test func terminatingWhileLoadingIsOrderly() throws {
    let server = try ServerProcess(["--port", "0", "--warm-tokens", "512,511,510,509,508,507,506,505"])
    usleep(150_000)
    server.terminate()
    let status = server.end().status
    #expect(status == 0 || status == -SIGTERM, "\(status)")
  }

  @Test func aPortInUseIsOneSentence() throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let (status, said) = try ServerProcess(["--port", "\(server.port)"]).end()
    #expect(status == 69 && said.contains("port is in use") && said.split(separator: "\n").count == 1, "\(said)")
  }

  @Test func damagedRepositoriesAreNamed() throws {
    let (status, said) = try ServerProcess(["--port", "0"], repository: "/nonexistent/models").end()
    #expect(status == 69 && said.contains("/nonexistent/models"), "\(said)")
    let folder = NSTemporaryDirectory() + "planner-server-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: ServerProcess.repository, toPath: folder)
    let model = URL(fileURLWithPath: folder + "/model1.pt")
    let whole = try Data(contentsOf: model)
    for damaged in [whole.prefix(whole.count / 2), Data("garbage".utf8), Data()] {
      try damaged.write(to: model)
      let (status, said) = try ServerProcess(["--port", "0"], repository: folder).end()
      #expect(status == 65 && said.contains("model1.pt"), "\(said)")
    }
    try FileManager.default.removeItem(atPath: folder + "/manifest.json")
    try FileManager.default.removeItem(at: model)
    // Without a manifest, what is there is served.
    let server = try ServerProcess(["--port", "0"], repository: folder)
    usleep(200_000)
    server.terminate()
    #expect([0, -SIGTERM].contains(server.end().status))
  }

  @Test func theGuidancesVariablesWork() async throws {
    let server = try ServerProcess.ready(environment: ["NUM_MODELS": "2", "POSTPROCESS": "False", "QUIET": "True"])
    defer { server.terminate() }
    #expect(server.models == 2)
    #expect(try await server.ask("/predictions/model2").status == 404)
    let raw = try #require(try await server.ask("/predictions/model1?seq_0=a&seq_1=b").json()["detail"] as? String)
    #expect(raw.hasPrefix("tensor([[") && raw.hasSuffix("]])") && raw.split(separator: ",").count == 5)
    let (status, said) = try ServerProcess(["--port", "0"], environment: ["NUM_MODELS": "many"]).end()
    #expect(status == 64 && said.contains("NUM_MODELS"))
  }
}
