import Foundation
import FoundationNetworking
import PlannerCore
import TestSupport
import Testing

/// Two servers, scraped by a real Prometheus; its answers beside what the client saw, and the shipped dashboard's
/// questions.
@Suite struct PrometheusTests {
  @Test func aFleetsPercentilesAndTheDashboardComeOutRight() async throws {
    let servers = try (0..<2).map { _ in try ServerProcess.ready() }
    defer { for server in servers { server.terminate() } }
    let prometheus = try Prometheus(targets: servers.map { "127.0.0.1:\($0.port)" })
    // Seen at zero first: what counters have when they are seen first is no rate.
    try await prometheus.wait(until: "count(model_server_requests_total) == 12")
    let totals = try await Self.load(servers)
    _ = try await servers[0].ask("/predictions/nobody")

    try await prometheus.wait(until: "sum(model_server_request_duration_seconds_count) == \(totals.count)")
    try await prometheus.wait(until: "min(count_over_time(model_server_build_info[5m])) >= 3")
    #expect(try await prometheus.value("sum(model_server_model_requests_total)") == Double(totals.count))
    #expect(try await prometheus.value("sum(model_server_request_failures_total{reason=\"not_found\"})") == 1)
    for probability in [0.5, 0.9, 0.99] {
      let rank = Int((probability * Double(totals.count)).rounded(.up))
      let seen = totals.sorted()[rank - 1]
      let told = try await prometheus.value(
        "histogram_quantile(\(probability), sum by (le) (model_server_request_duration_seconds_bucket))")
      #expect(abs(told / seen - 1) <= 0.05, "p\(probability): Prometheus \(told), client \(seen)")
    }
    try await Self.checkDashboard(prometheus, String(decoding: try await servers[0].metrics(), as: UTF8.self))
    for server in servers { #expect(try Promtool.check(try await server.metrics()) == "") }
  }

  /// Requests of many lengths, one after the other; the server's own total of each.
  static func load(_ servers: [ServerProcess]) async throws -> [Double] {
    var totals: [Double] = []
    for round in 0..<120 {
      for (index, server) in servers.enumerated() {
        // From some 160 tokens on a forward pass takes more than a millisecond, where buckets are narrow.
        let count = 160 + (round * 37 + index * 101) % 350
        let ids = (0..<count).map { "\($0 % 300)" }.joined(separator: ",")
        let answer = try await server.post(
          "/v2/models/model\(round % 3)/infer",
          "{\"inputs\":[{\"name\":\"input_ids\",\"datatype\":\"INT64\",\"shape\":[1,\(count)],\"data\":[\(ids)]}]}")
        #expect(answer.status == 200, "\(answer.body)")
        let header = try #require(
          answer.headers.first { "\($0.key)".lowercased() == "x-planner-timings" }.map { "\($0.value)" })
        let total = header.split(separator: ";").first { $0.hasPrefix("total=") }
        totals.append(try #require(total.flatMap { Double($0.dropFirst(6)) }))
      }
    }
    return totals
  }

  static func checkDashboard(_ prometheus: Prometheus, _ metrics: String) async throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let data = try #require(FileManager.default.contents(atPath: root + "/deploy/grafana/model-server.json"))
    struct Dashboard: Decodable {
      struct Panel: Decodable {
        struct Target: Decodable { var expr: String }
        var title: String
        var targets: [Target]
      }
      var panels: [Panel]
    }
    let samples = Set(
      metrics.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { String($0.prefix { $0 != "{" && $0 != " " }) })
    let name = /\b(model_server|process)_[a-z_]+/
    let panels = try JSONDecoder().decode(Dashboard.self, from: data).panels
    #expect(panels.count > 15)
    for panel in panels {
      for target in panel.targets {
        for match in target.expr.matches(of: name) {
          #expect(samples.contains(String(match.output.0)), "\(panel.title): \(match.output.0) does not exist")
        }
        let query = target.expr.replacing("$__rate_interval", with: "1m").replacing("$instance", with: ".*")
        let result = try await prometheus.query(query)
        #expect(!result.isEmpty, "\(panel.title): \(query) gives nothing")
      }
    }
  }
}

extension ServerProcess {
  func metrics() async throws -> [UInt8] {
    let answer = try await ask("/metrics")
    #expect(answer.status == 200)
    return Array(answer.body.utf8)
  }
}

/// Debian's Prometheus on a free port, with a folder of its own.
final class Prometheus {
  private let folder: TemporaryFolder
  private let process = Process()
  private let port: Int

  init(targets: [String]) throws {
    folder = try TemporaryFolder()
    port = try Self.freePort()
    let list = targets.map { "\"\($0)\"" }.joined(separator: ", ")
    let configuration = try folder.file(
      "prometheus.yml",
      """
      global:
        scrape_interval: 500ms
      scrape_configs:
        - job_name: servers
          static_configs:
            - targets: [\(list)]
      """)
    process.executableURL = URL(fileURLWithPath: Tools.prometheus)
    process.arguments = [
      "--config.file=\(configuration)", "--storage.tsdb.path=\(folder.path)/data",
      "--web.listen-address=127.0.0.1:\(port)", "--log.level=error",
    ]
    try process.run()
  }

  deinit {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// The values of an instant query's result.
  func query(_ text: String) async throws -> [Double] {
    struct Answer: Decodable {
      struct Body: Decodable {
        struct Series: Decodable { var value: [Value] }
        var result: [Series]
      }
      enum Value: Decodable {
        case time(Double)
        case number(String)
        init(from decoder: any Decoder) throws {
          let container = try decoder.singleValueContainer()
          if let time = try? container.decode(Double.self) {
            self = .time(time)
          } else {
            self = .number(try container.decode(String.self))
          }
        }
      }
      var status: String
      var error: String?
      var data: Body?
    }
    var parts = URLComponents(string: "http://127.0.0.1:\(port)/api/v1/query")!
    parts.queryItems = [URLQueryItem(name: "query", value: text)]
    parts.percentEncodedQuery = parts.percentEncodedQuery?.replacing("+", with: "%2B")
    let (data, _) = try await URLSession.shared.data(from: try #require(parts.url))
    let answer = try JSONDecoder().decode(Answer.self, from: data)
    #expect(answer.status == "success", "\(text): \(answer.error ?? "")")
    return (answer.data?.result ?? []).compactMap { series in
      if case .number(let number) = series.value.last { Double(number) } else { nil }
    }
  }

  func value(_ text: String) async throws -> Double { try #require(try await query(text).first, "\(text)") }

  /// Until a question has an answer; five minutes at most.
  func wait(until text: String) async throws {
    for _ in 0..<3000 {
      guard process.isRunning else { break }
      if let found = try? await query(text), !found.isEmpty { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("Prometheus never saw: \(text)")
  }

  private static func freePort() throws -> Int {
    let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(handle) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return try withUnsafeMutablePointer(to: &address) { pointer in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        try #require(bind(handle, $0, length) == 0 && getsockname(handle, $0, &length) == 0)
      }
      return Int(UInt16(bigEndian: pointer.pointee.sin_port))
    }
  }
}
