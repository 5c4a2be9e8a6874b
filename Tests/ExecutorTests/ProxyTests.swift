import Executor
import Foundation
import FoundationNetworking
import LoadTest
import PlannerCore
import TestSupport
import Testing

private let binary = try? ServerBinary.locate(environment: [:])

/// One address for all models: the real HAProxy in front of real servers, under load while they change.
@Suite(
  .serialized,
  .enabled(
    if: binary != nil && FileManager.default.isExecutableFile(atPath: Tools.haproxy),
    "model-server is not built, or haproxy is not installed"))
struct ProxyTests {
  /// A deployment with models and a proxy.
  private struct Place {
    let scratch: Scratch
    let repository: String
    let runtime: LocalRuntime
    let proxy: LocalProxy
    let deployment = DeploymentID("front")!

    init(models: Int, names: [String]? = nil) async throws {
      scratch = try Scratch()
      repository = scratch.path + "/models"
      let status = try await ChildProcess.run(
        try #require(binary),
        arguments: [
          "synthesize", "--family", "bert-tiny", "--vocab", "300", "--count", "\(models)", "--seed", "1", "--out",
          repository,
        ])
      #expect(status.isSuccess)
      if let names { try Self.rename(names, in: repository + "/manifest.json") }
      runtime = LocalRuntime(
        binary: try #require(binary), stateFolder: scratch.path + "/state", logFolder: scratch.path,
        lifetime: .independent)
      proxy = try LocalProxy.make(
        for: deployment, on: runtime, at: NodeAddress(host: "127.0.0.1", port: 0),
        searched: [LocalProxy.environmentVariable: Tools.haproxy])
    }

    private static func rename(_ names: [String], in file: String) throws {
      let data = try Data(contentsOf: URL(fileURLWithPath: file))
      var manifest = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      var models = try #require(manifest["models"] as? [[String: Any]])
      for (index, name) in names.enumerated() { models[index]["name"] = name }
      manifest["models"] = models
      try JSONSerialization.data(withJSONObject: manifest).write(to: URL(fileURLWithPath: file))
    }

    /// Nodes with these models; another revision is another replica.
    func fleet(_ models: [[String]], revision: Int = 0) -> DesiredDeployment {
      DesiredDeployment(
        deployment,
        nodes: models.enumerated().map { index, names in
          var settings = NodeSettings(
            repository: repository, models: names, workers: 1, threadsPerWorker: 1, warmTokens: [8])
          settings.environment = ["REVISION": "\(revision)"]
          return DesiredNode(NodeID(index: index), settings)
        })
    }

    @discardableResult
    func roll(_ desired: DesiredDeployment) async throws -> ObservedDeployment {
      var rollout = Rollout(runtime)
      rollout.surplusAllowed = desired.nodes.count
      rollout.router = proxy
      return try await rollout.run(desired)
    }

    func get(
      _ path: String, method: String = "GET", at address: NodeAddress? = nil
    ) async throws -> (status: Int, body: [String: String], response: HTTPURLResponse) {
      let address = address ?? proxy.address
      var request = URLRequest(url: try #require(URL(string: "http://\(address.host):\(address.port)\(path)")))
      request.httpMethod = method
      let (data, answer) = try await URLSession.shared.data(for: request)
      let response = try #require(answer as? HTTPURLResponse)
      let body = (try? JSONSerialization.jsonObject(with: data) as? [String: Any]) ?? [:]
      return (response.statusCode, body.mapValues { "\($0)" }, response)
    }

    /// Asks models in turn, open-loop, and repeats nothing.
    func load(_ models: [String], ratePerSecond: Double, seconds: Double) async throws -> LoadResult {
      let template = RequestTemplate(host: proxy.address.host, port: proxy.address.port)
      let requests = models.enumerated().map { index, model in
        template.tokens(model: model, tokens: 8, vocabulary: 300, index: index)
      }
      let schedule = Schedule.make(
        models: models.count, ratePerModelPerSecond: ratePerSecond / Double(models.count), arrivals: .poisson,
        durationSeconds: seconds, seed: 1)
      var options = LoadOptions()
      options.timeoutSeconds = 60
      return try await LoadGenerator(port: proxy.address.port, options: options).run(
        schedule: schedule, requests: requests)
    }

    /// Processes of the proxy that are there.
    func proxies() -> [Int32] {
      let ids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }
      return ids.filter { id in
        let variables = FileManager.default.contents(atPath: "/proc/\(id)/environ") ?? Data()
        return variables.range(of: Data("PLANNER_PROXY=\(scratch.path)".utf8)) != nil
      }
    }

    func end() async throws {
      try await runtime.stop(deployment)
      #expect(proxies().isEmpty)
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/state").isEmpty)
    }
  }

  private static let models = ["model0", "model1", "model2", "model3"]

  @Test func everyModelIsFoundAndNoOther() async throws {
    let place = try await Place(models: 4)
    let found = try await place.roll(place.fleet([["model0", "model1"], ["model2", "model3"]]))
    let nodes = try found.replicas.map { try #require($0.address) }
    #expect(place.proxies().count == 1)
    for model in Self.models {
      #expect(try await place.get("/predictions/\(model)").status == 200)
      #expect(try await place.get("//predictions//\(model)").status == 200)
      #expect(try await place.get("/%70redictions/\(model)?seq_0=what%20is&seq_1=a%2Fb").status == 200)
      let metadata = try await place.get("/v2/models/\(model)/versions/1")
      #expect(metadata.status == 200 && metadata.body["name"] == model)
      #expect(try await place.get("/v2/models/\(model)/stats").status == 200)
      #expect(try await place.get("/v2/models/\(model)/versions/2").status == 404)
    }
    // What the server says of a model that there is not, in its own words; only the last name is the fleet's.
    for name in ["model4", "a%20%22b%22", "%5C%0a", "%C3%BC", "50%25", "50%", "%00", "a%2Fb", "x'y"] {
      for path in ["/predictions/", "/v2/models/"] {
        let (own, node) = (try await place.get(path + name), try await place.get(path + name, at: nodes[1]))
        #expect(own.status == 404 && own.body == node.body, "\(path)\(name): \(own.body) and \(node.body)")
        #expect(own.response.value(forHTTPHeaderField: "Content-Type") == "application/json")
      }
    }
    for path in ["/", "/ping", "/v2", "/v2/health/live", "/v2/health/ready"] {
      #expect(try await place.get(path).status == 200, "\(path)")
    }
    for path in ["/predictions", "/nothing", "/v2/models", "/v2/nothing"] {
      #expect(try await place.get(path).status == 404, "\(path)")
    }
    for path in ["/metrics", "/v2/models/stats"] { #expect(try await place.get(path).status == 501, "\(path)") }
    #expect(try await place.get("/v2/repository/index", method: "POST").status == 501)
    #expect(try await place.get("/v2/repository/models/model0/load", method: "POST").status == 403)
    #expect(try await place.get("/v2/repository/models/modelX/load", method: "POST").status == 404)
    #expect(try await place.get("/predictions/model0", method: "DELETE").status == 405)
    // A question of 30 KiB comes through, as the server takes it.
    let long = String(repeating: "why%20", count: 5000)
    #expect(try await place.get("/predictions/model3?seq_0=\(long)").status == 200)
    try await place.end()
  }

  /// The proxy finds the models that the server finds, whatever they are called.
  @Test func hostileNamesAreNames() async throws {
    let names = [
      "a b", "#", "'", "\"", "$HOME", "%[env(HOME)]", "%41", "a pool-1", "ü", "日本 🦊", "a;b", "`reboot`", "\\", "*", "%",
      "a+b", "a?b", "a&b=c", "stats", "..",
    ]
    let place = try await Place(models: names.count, names: names)
    let half = names.count / 2
    try await place.roll(place.fleet([Array(names[..<half]), Array(names[half...])]))
    for name in names {
      // Clients take a name of dots for a place in the path.
      let encoded = PercentEncoding.component(name).replacingOccurrences(of: ".", with: "%2E")
      let answer = try await place.get("/v2/models/\(encoded)/ready")
      #expect(answer.status == 200, "\(name): \(answer.body)")
    }
    try await place.end()
  }

  /// Requests go to the copies in turn.
  @Test func copiesTakeTurns() async throws {
    let place = try await Place(models: 3)
    let found = try await place.roll(place.fleet([["model0", "model1"], ["model0", "model2"]]))
    for _ in 0..<20 { #expect(try await place.get("/predictions/model0").status == 200) }
    let counts = try await withThrowingTaskGroup(of: Int.self) { group in
      for replica in found.replicas {
        let address = try #require(replica.address)
        group.addTask {
          let url = try #require(URL(string: "http://\(address.host):\(address.port)/v2/models/model0/stats"))
          let text = String(decoding: try await URLSession.shared.data(from: url).0, as: UTF8.self)
          let count = try #require(text.firstMatch(of: /"inference_count":(\d+)/))
          return try #require(Int(count.output.1))
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(counts == [10, 10])
    try await place.end()
  }

  /// A fleet changes to another and back under 200 requests a second: a model with a second copy, one that moves, and
  /// one whose node gets other settings are answered all the time.
  @Test func aPlanThatChangesLosesNoRequest() async throws {
    let place = try await Place(models: 4)
    let first = place.fleet([["model0", "model1"], ["model0", "model2"]])
    let second = place.fleet([["model0", "model2"], ["model0", "model1", "model3"]], revision: 1)
    try await place.roll(first)
    async let loaded = place.load(["model0", "model1", "model2"], ratePerSecond: 200, seconds: 20)
    for desired in [second, first, second] {
      try await Task.sleep(for: .seconds(1))
      try await place.roll(desired)
    }
    let result = try await loaded
    #expect(result.counts.completed == result.samples.count, "\(result.counts): \(result.firstFailure ?? "")")
    #expect(result.samples.count > 3000)
    #expect(try await place.get("/predictions/model3").status == 200)
    try await place.end()
  }

  /// A server that is killed under load takes no request of a model with another copy with it.
  @Test func aServerThatIsKilledLosesNoRequestOfAModelWithACopy() async throws {
    let place = try await Place(models: 3)
    let fleet = place.fleet([["model0", "model1"], ["model0", "model2"]])
    let found = try await place.roll(fleet)
    let victim = try #require(found.replicas[0].handle.split(separator: " ").last.flatMap { Int32($0) })
    async let loaded = place.load(["model0"], ratePerSecond: 200, seconds: 6)
    try await Task.sleep(for: .seconds(2))
    kill(victim, SIGKILL)
    let result = try await loaded
    #expect(result.counts.completed == result.samples.count, "\(result.counts): \(result.firstFailure ?? "")")
    // What had no other copy is to be asked again, and nobody says that it does not exist.
    let alone = try await place.get("/predictions/model1")
    #expect(alone.status == 503 && alone.body["detail"] != nil)
    #expect(alone.response.value(forHTTPHeaderField: "Retry-After") == "1")
    #expect(try await place.get("/v2/models/model1").body["error"] != nil)
    #expect(try await place.get("/predictions/model2").status == 200)
    try await place.roll(fleet)
    #expect(try await place.get("/predictions/model1").status == 200)
    try await place.end()
  }

  @Test func whatIsInTheWayIsSaid() async throws {
    let place = try await Place(models: 1)
    let missing = #expect(throws: RuntimeError.self) {
      try LocalProxy.make(
        for: place.deployment, on: place.runtime, at: place.proxy.address,
        searched: [LocalProxy.environmentVariable: "/nowhere/haproxy"])
    }
    #expect(missing?.description.contains("/nowhere/haproxy") == true)
    try await place.roll(place.fleet([["model0"]]))
    let other = try #require(DeploymentID("other"))
    let taken = #expect(throws: RuntimeError.self) {
      try LocalProxy.make(
        for: other, on: place.runtime, at: place.proxy.address,
        searched: [LocalProxy.environmentVariable: Tools.haproxy])
    }
    #expect(taken?.kind == .unavailable && taken?.description.contains("--proxy") == true)
    // The same again is nothing new.
    let process = place.proxies()
    #expect(try LocalProxy(of: place.deployment, on: place.runtime)?.address == place.proxy.address)
    try await place.roll(place.fleet([["model0"]]))
    #expect(place.proxies() == process)
    try await place.end()
  }
}
