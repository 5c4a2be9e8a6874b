import Foundation
import Testing

/// Models that hang or crash, beside good ones.
@Suite(.serialized) struct IsolationTests {
  /// Good models, and each bad one between them.
  static func repository(_ bad: [String: String]) throws -> String {
    let path = NSTemporaryDirectory() + "planner-isolation-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in ["model0.pt", "model1.pt"] {
      try FileManager.default.copyItem(atPath: ServerProcess.repository + "/" + name, toPath: path + "/" + name)
    }
    for (name, code) in bad { try CraftedModel.write(code, to: path + "/" + name + ".pt") }
    return path
  }

  static let request = #"{"inputs":[{"name":"input_ids","shape":[1,4],"datatype":"INT64","data":[2,17,256,3]}]}"#

  @Test func badModelsDoNotTakeTheOthersDown() async throws {
    let bad = [
      "a-crashes": CraftedModel.crashesInLoad, "b-hangs": CraftedModel.hangsInForward,
      "c-hangs": CraftedModel.hangsInLoad, "d-grows": CraftedModel.takesAllMemory,
    ]
    var all = bad
    all["e-good"] = CraftedModel.good
    let repository = try Self.repository(all)
    defer { try? FileManager.default.removeItem(atPath: repository) }
    let server = try ServerProcess.ready(
      ["--tolerate-bad-models", "--probe-time", "8s", "--request-timeout", "20s"], repository: repository)
    defer { server.terminate() }
    #expect(server.models == 7)
    for name in ["model0", "model1", "e-good"] {
      let answer = try await server.post("/v2/models/\(name)/infer", Self.request)
      #expect(answer.status == 200, "\(name): \(answer.body)")
    }
    for (name, word) in [("a-crashes", "crashes"), ("b-hangs", "finish"), ("c-hangs", "finish"), ("d-grows", "memory")]
    {
      let answer = try await server.post("/v2/models/\(name)/infer", Self.request)
      #expect(answer.status == 503 && answer.body.contains(word), "\(name): \(answer.status) \(answer.body)")
    }
    #expect(try await server.post("/v2/models/model0/infer", Self.request).status == 200)
  }

  /// Weights lie in the mapped file: reading them where it was cut off would end the process.
  @Test func aFileThatIsCutOffUnderItsModelHarmsNoOther() async throws {
    let repository = try Self.repository([:])
    defer { try? FileManager.default.removeItem(atPath: repository) }
    let server = try ServerProcess.ready(["--allow-management"], repository: repository)
    defer { server.terminate() }
    let path = "/v2/models/model1"
    let good = try await server.post(path + "/infer", Self.request)
    #expect(good.status == 200)
    #expect(truncate(repository + "/model1.pt", 100) == 0)
    for _ in 0..<3 {
      let answer = try await server.post(path + "/infer", Self.request)
      #expect(answer.status == 503 && answer.body.contains("renaming"), "\(answer.status) \(answer.body)")
      #expect(try await server.post("/v2/models/model0/infer", Self.request).status == 200)
    }
    #expect(try await server.ask(path + "/ready").status == 503)
    let refused = try await server.post("/v2/repository/models/model1/load", "{}")
    #expect(refused.status >= 400, "\(refused.body)")
    try FileManager.default.copyItem(
      atPath: ServerProcess.repository + "/model1.pt", toPath: repository + "/model1.new")
    #expect(rename(repository + "/model1.new", repository + "/model1.pt") == 0)
    #expect(try await server.post("/v2/repository/models/model1/load", "{}").status == 200)
    #expect(try await server.post(path + "/infer", Self.request).body == good.body)
  }

  @Test func withoutToleranceTheFirstBadModelIsNamed() throws {
    let repository = try Self.repository(["a-crashes": CraftedModel.crashesInLoad])
    defer { try? FileManager.default.removeItem(atPath: repository) }
    let (status, said) = try ServerProcess(["--port", "0"], repository: repository).end()
    #expect(status == 65 && said.contains("a-crashes.pt") && said.contains("crashes its process"), "\(said)")
  }

  /// A start-up that is being stopped does not wait for a model that never ends.
  @Test func terminatingEndsProbes() throws {
    let repository = try Self.repository(["a-hangs": CraftedModel.hangsInForward])
    defer { try? FileManager.default.removeItem(atPath: repository) }
    let server = try ServerProcess(["--port", "0"], repository: repository)
    // Once it has a child, the probe is under way.
    let children = "/proc/\(server.process.processIdentifier)/task"
    for _ in 0..<2_000 {
      let tasks = (try? FileManager.default.contentsOfDirectory(atPath: children)) ?? []
      if tasks.contains(where: { task in
        (try? String(contentsOfFile: "\(children)/\(task)/children", encoding: .utf8)).map { !$0.isEmpty } ?? false
      }) {
        break
      }
      usleep(5_000)
    }
    server.terminate()
    let (status, said) = server.end()
    #expect(status == 0, "\(said)")
  }

  /// Loads that take long are under way when the signal comes: who was accepted is answered.
  @Test func terminatingWaitsForLoadsUnderWay() async throws {
    let size = try #require(
      FileManager.default.attributesOfItem(atPath: ServerProcess.repository + "/model0.pt")[.size] as? Int)
    // Room for one model: every request for another is a load, which takes long since it is warmed at many lengths.
    let lengths = (384..<512).map(String.init).joined(separator: ",")
    let server = try ServerProcess.ready(["--memory-budget", "\(size + size / 2)", "--warm-tokens", lengths])
    let sockets = try (0..<6).map { _ in try server.connected(seconds: 30) }
    defer { sockets.forEach { close($0) } }
    let body = #"{"input_ids":[2,17,256,3]}"#
    for (index, socket) in sockets.enumerated() {
      let request =
        "POST /v2/models/model\(index % 3)/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
      _ = Array(request.utf8).withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
    // All six have been taken up once the server says that requests wait for models.
    for _ in 0..<1_000 {
      let metrics = try await server.ask("/metrics").body
      if metrics.contains("model_server_load_waiting_requests 4")
        || metrics.contains("model_server_load_waiting_requests 5")
      {
        break
      }
      try await Task.sleep(for: .milliseconds(2))
    }
    server.terminate()
    var closing = 0
    for socket in sockets {
      var answer = ""
      var buffer = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = recv(socket, &buffer, buffer.count, 0)
        if count <= 0 { break }
        answer += String(decoding: buffer.prefix(count), as: UTF8.self)
      }
      #expect(answer.hasPrefix("HTTP/1.1 200 OK"), "\(answer.prefix(200))")
      closing += answer.lowercased().contains("connection: close") ? 1 : 0
    }
    #expect(closing > 0)
    #expect(server.end().status == 0)
  }
}
