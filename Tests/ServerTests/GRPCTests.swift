import Foundation
import TestSupport
import Testing

/// The server over gRPC, as unmodified tritonclient sees it: `Clients/grpc_client.py` has the cases.
@Suite(.serialized) struct GRPCTests {
  private static func play(_ cases: String, _ server: ServerProcess, _ more: [String] = []) throws {
    let (status, said) = try Program.run(
      Tools.python,
      [
        Program.client("grpc_client.py"), "\(try #require(server.grpcPort))", "\(server.port)",
        cases,
      ] + more,
      // Its own messages about refused connections are not ours.
      environment: ["GRPC_VERBOSITY": "NONE"])
    #expect(status == 0, "\(said)")
    #expect(
      said.components(separatedBy: " passed").count == cases.components(separatedBy: ",").count + 1,
      "\(said)")
  }

  private static func server(_ arguments: [String] = []) throws -> ServerProcess {
    try ServerProcess.ready(["--grpc-port", "0"] + arguments)
  }

  @Test func everyCallIsAnswered() throws {
    let server = try Self.server(["--allow-management"])
    defer { server.terminate() }
    try Self.play("health,descriptions,infer,typed_contents,parameters,asynchronous", server)
    try Self.play("statistics,repository", server)
  }

  @Test func modelsThatAreNoBERTAreDescribed() throws {
    let folder = try InterfaceTests.repository(["dict", "float", "named", "number", "optional", "rows"])
    let server = try ServerProcess.ready(["--grpc-port", "0", "--batch-max", "4"], repository: folder.path)
    defer { server.terminate() }
    try Self.play("interfaces", server)
  }

  @Test func streamsAnswerInOrder() throws {
    let server = try Self.server(["--workers", "2"])
    defer { server.terminate() }
    try Self.play("stream", server)
  }

  @Test func badRequestsGetTheirCodeAndTheServerLives() throws {
    let server = try Self.server()
    defer { server.terminate() }
    try Self.play("errors,management_off", server)
  }

  @Test func failuresAreCountedAsOverHTTP() async throws {
    let server = try Self.server()
    defer { server.terminate() }
    try Self.play("errors", server)
    let metrics = try await server.ask("/metrics").body
    #expect(
      metrics.contains(#"model_server_request_failures_total{reason="not_found"} 2"#),
      "\(metrics.prefix(3000))")
    #expect(metrics.contains(#"model_server_request_failures_total{reason="invalid_argument"} "#))
    #expect(metrics.contains(#"model_server_request_failures_total{reason="too_large"} 3"#))
    // Those that were not refused.
    #expect(metrics.contains(#"model_server_requests_total{variant="fp32",protocol="grpc"} 3"#))
  }

  @Test func deadlinesAreKept() throws {
    let server = try Self.server()
    defer { server.terminate() }
    try Self.play("deadlines", server)
  }

  @Test func aFullQueueRefuses() throws {
    let server = try Self.server(["--queue-capacity", "1"])
    defer { server.terminate() }
    try Self.play("queue_full", server)
  }

  @Test func bytesThatAreNoHTTP2DoNoHarm() throws {
    let server = try Self.server()
    defer { server.terminate() }
    let port = try #require(server.grpcPort)
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for noise in [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u{0}\u{1}\u{2}\u{3}",
      preface + "garbage garbage garbage", preface,
    ] {
      _ = try server.raw(noise, port: port)
    }
    let idle = try (0..<50).map { _ in try server.connected(port: port) }
    defer { idle.forEach { close($0) } }
    try Self.play("health,infer", server)
    // Connections that never speak do not hold the end up.
    server.terminate()
    #expect(server.end().status == 0)
  }

  @Test func terminatingAnswersWhatIsUnderWay() throws {
    let server = try Self.server()
    let client = Process()
    let output = Pipe()
    client.executableURL = URL(fileURLWithPath: Tools.python)
    client.arguments = [
      Program.client("grpc_client.py"), "\(try #require(server.grpcPort))", "\(server.port)",
      "drained",
    ]
    client.standardOutput = output
    try client.run()
    #expect(
      String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("under way"))
    server.terminate()
    client.waitUntilExit()
    #expect(client.terminationStatus == 0)
    #expect(server.end().status == 0)
  }

  @Test(arguments: [false, true]) func tlsAndTokenKeepOthersOut(asksForCertificate: Bool) throws {
    let files = try Certificates()
    let server = try ServerProcess.ready(
      ["--grpc-port", "0", "--tls-certificate", files.server, "--tls-key", files.serverKey]
        + (asksForCertificate ? ["--tls-client-ca", files.authority] : []),
      environment: ["MODEL_SERVER_TOKEN": SecurityTests.token])
    defer { server.terminate() }
    try Self.play(
      "secured", server,
      [files.authority, SecurityTests.token]
        + (asksForCertificate ? [files.client, files.clientKey] : ["-", "-"]))
  }

  @Test func aPortInUseIsOneSentence() throws {
    let server = try Self.server()
    defer { server.terminate() }
    let (status, said) = try ServerProcess([
      "--port", "0", "--grpc-port", "\(try #require(server.grpcPort))",
    ]).end()
    #expect(status == 69 && said.hasPrefix("model-server: the port is in use"), "\(said)")
    #expect(said.split(separator: "\n").count == 1, "\(said)")
  }
}
