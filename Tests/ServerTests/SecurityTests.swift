import Foundation
import ServerSecurity
import Testing

/// TLS and tokens over HTTP, with curl and openssl as clients.
@Suite(.serialized) struct SecurityTests {
  static let token = "secret-0123456789.of_these~tests+/="
  static let curl = "/usr/bin/curl"
  static let openssl = "/usr/bin/openssl"

  private func status(_ port: Int, _ path: String, _ arguments: [String]) throws -> String {
    let scheme = arguments.contains("--cacert") || arguments.contains("--insecure") ? "https" : "http"
    return try Program.run(
      Self.curl,
      ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "\(scheme)://localhost:\(port)\(path)"]
        + arguments
    ).said
  }

  @Test func httpSpeaksTLSOneTwoOrNewer() throws {
    let files = try Certificates()
    let server = try ServerProcess.ready(["--tls-certificate", files.server, "--tls-key", files.serverKey])
    defer { server.terminate() }
    let trusting = ["--cacert", files.authority]
    #expect(try status(server.port, "/v2/health/ready", trusting) == "200")
    let body = #"{"inputs":[\#(ServerProcessTests.tensor)]}"#
    #expect(
      try status(
        server.port, "/v2/models/model0/infer", trusting + ["--json", body]) == "200")
    // An authority that the client does not know, and plain text.
    #expect(
      try Program.run(Self.curl, ["--silent", "https://localhost:\(server.port)/ping"]).status == 60)
    #expect(try status(server.port, "/ping", []) == "000")
    for (version, isSpoken) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
      let (status, said) = try Program.run(
        Self.openssl,
        [
          "s_client", "-connect", "localhost:\(server.port)", "-CAfile", files.authority, version, "-cipher",
          "DEFAULT@SECLEVEL=0", "-verify_return_error",
        ])
      #expect((status == 0) == isSpoken && said.contains("Cipher is (NONE)") != isSpoken, "\(version): \(said)")
    }
    server.terminate()
    #expect(server.end().status == 0)
  }

  @Test func clientsShowACertificateWhereOneIsAskedFor() throws {
    let files = try Certificates()
    let others = try Certificates()
    let server = try ServerProcess.ready([
      "--tls-certificate", files.server, "--tls-key", files.serverKey, "--tls-client-ca", files.authority,
    ])
    defer { server.terminate() }
    let trusting = ["--cacert", files.authority]
    #expect(try status(server.port, "/ping", trusting) == "000")
    #expect(
      try status(server.port, "/ping", trusting + ["--cert", others.client, "--key", others.clientKey]) == "000")
    #expect(try status(server.port, "/ping", trusting + ["--cert", files.client, "--key", files.clientKey]) == "200")
  }

  @Test func filesThatCannotBeUsedAreOneSentence() throws {
    let files = try Certificates()
    let garbage = files.folder + "/garbage.pem"
    try Data("garbage".utf8).write(to: URL(fileURLWithPath: garbage))
    let empty = files.folder + "/empty"
    try Data("\n \n".utf8).write(to: URL(fileURLWithPath: empty))
    let spaced = files.folder + "/spaced"
    try Data("two words\n".utf8).write(to: URL(fileURLWithPath: spaced))
    let cases: [(arguments: [String], names: String, status: Int32)] = [
      (["--tls-certificate", "/nonexistent.pem", "--tls-key", files.serverKey], "/nonexistent.pem", 65),
      (["--tls-certificate", garbage, "--tls-key", files.serverKey], garbage, 65),
      (["--tls-certificate", files.server, "--tls-key", garbage], garbage, 65),
      (["--tls-certificate", files.server, "--tls-key", files.clientKey], "is not the key", 65),
      (["--tls-certificate", files.serverKey, "--tls-key", files.server], files.serverKey, 65),
      (
        ["--tls-certificate", files.server, "--tls-key", files.serverKey, "--tls-client-ca", garbage], garbage, 65
      ),
      (["--token-file", "/nonexistent"], "/nonexistent", 65), (["--token-file", empty], "has no token", 65),
      (["--token-file", spaced], spaced, 65), (["--tls-certificate", files.server], "--tls-key", 64),
      (["--tls-client-ca", files.authority], "--tls-certificate", 64),
    ]
    for (arguments, names, expected) in cases {
      let (status, said) = try ServerProcess(["--port", "0"] + arguments).end()
      #expect(status == expected && said.contains(names), "\(arguments): \(status) \(said)")
      if expected == 65 { #expect(said.split(separator: "\n").count == 1, "\(said)") }
      #expect(!said.contains("two words"))
    }
    let (code, said) = try ServerProcess(["--port", "0"], environment: ["MODEL_SERVER_TOKEN": ""]).end()
    #expect(code == 65 && said.contains("MODEL_SERVER_TOKEN"), "\(said)")
  }

  @Test func everyRouteButHealthAsksForTheToken() async throws {
    let folder = NSTemporaryDirectory() + "planner-token-" + UUID().uuidString
    try Data("\(Self.token)\r\n\nthe-next-token\n".utf8).write(to: URL(fileURLWithPath: folder))
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let server = try ServerProcess.ready(["--token-file", folder])
    defer { server.terminate() }
    for path in ["/", "/ping", "/v2/health/live", "/v2/health/ready"] {
      #expect(try await server.ask(path).status == 200, "\(path)")
    }
    for path in [
      "/metrics", "/v2", "/v2/models/model0", "/v2/models/model0/ready", "/predictions/model0", "/nothing",
      // Other spellings of open paths are not open.
      "//ping", "/%70ing", "/ping/", "/ping/../metrics", "/v2/health/live/../../models/model0",
    ] {
      let answer = try await server.ask(path)
      #expect(answer.status == 401, "\(path): \(answer.status)")
      #expect(answer.headers["WWW-Authenticate"] as? String == "Bearer realm=\"model-server\"", "\(answer.headers)")
      #expect(try answer.json()["error"] is String)
    }
    #expect(try await server.post("/v2/models/model0/infer", "{}").status == 401)
    let header = { (value: String) in ["--header", "Authorization: \(value)"] }
    for right in ["Bearer \(Self.token)", "bearer \(Self.token)", "Bearer the-next-token"] {
      #expect(try status(server.port, "/v2/models/model0", header(right)) == "200", "\(right)")
      #expect(try status(server.port, "/metrics", header(right)) == "200")
    }
    for wrong in [
      "Bearer", "Bearer ", "Bearer \(Self.token)x", "Bearer x\(Self.token)", "Bearer \(Self.token.dropLast())",
      "Basic \(Self.token)",
      Self.token, "Bearer the-next-token \(Self.token)",
    ] {
      #expect(try status(server.port, "/v2/models/model0", header(wrong)) == "401", "\(wrong)")
    }
    server.terminate()
    let (code, said) = server.end()
    #expect(code == 0 && !said.contains("secret-"), "\(said)")
  }

  @Test func metricsCanBeOpened() async throws {
    let server = try ServerProcess.ready(["--open-metrics"], environment: ["MODEL_SERVER_TOKEN": Self.token])
    defer { server.terminate() }
    #expect(try await server.ask("/v2").status == 401)
    let metrics = try await server.ask("/metrics")
    #expect(
      metrics.status == 200 && metrics.body.contains(#"model_server_request_failures_total{reason="forbidden"} 1"#))
  }

  @Test func anOpenAddressIsWarnedOf() throws {
    for (arguments, warning) in [
      (["--host", "0.0.0.0"], "serving on 0.0.0.0 without TLS and token"), (["--host", "127.0.0.1"], nil),
    ] as [([String], String?)] {
      let server = try ServerProcess.ready(arguments)
      server.terminate()
      let (status, said) = server.end()
      #expect(status == 0)
      if let warning { #expect(said.contains(warning), "\(said)") } else { #expect(!said.contains("serving on")) }
    }
  }

  @Test func tokensAreComparedWholeAndNeverShown() throws {
    let token = try BearerToken("abc\nde", source: "test")
    #expect(token.allows(authorization: "Bearer abc") && token.allows(authorization: "BEARER de"))
    for wrong in [nil, "", "Bearer", "Bearer a", "Bearer abcabc", "Bearer abd", "Bearer dea", "Bearer ab", "abc"] {
      #expect(!token.allows(authorization: wrong), "\(wrong ?? "nil")")
    }
    var text = ""
    dump(token, to: &text)
    for shown in ["\(token)", String(reflecting: token), text] {
      #expect(!shown.contains("abc") && !shown.contains("97"))
    }
  }
}
