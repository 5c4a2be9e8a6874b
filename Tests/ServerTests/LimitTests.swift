import Foundation
import Testing

/// Bad input, slow and many clients: the server answers what it can and goes on.
@Suite(.serialized) struct LimitTests {
  static let body = #"{"inputs":[{"name":"input_ids","shape":[1,4],"datatype":"INT64","data":[2,17,256,3]}]}"#

  static func request(_ body: String = body, _ headers: String = "") -> String {
    "POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  static func statuses(_ answer: String) -> [Int] {
    answer.components(separatedBy: "HTTP/1.1 ").dropFirst().compactMap { Int($0.prefix(3)) }
  }

  @Test func headsAreBounded() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    func head(_ fields: String, target: String = "/ping") -> String {
      "GET \(target) HTTP/1.1\r\nHost: x\r\n\(fields)\r\n"
    }
    #expect(Self.statuses(try server.raw(head("X: \(String(repeating: "a", count: 10_000))\r\n"))) == [200])
    #expect(Self.statuses(try server.raw(head("X: \(String(repeating: "a", count: 200_000))\r\n"))) == [400])
    #expect(Self.statuses(try server.raw(head(String(repeating: "X: a\r\n", count: 90)))) == [200])
    #expect(Self.statuses(try server.raw(head(String(repeating: "X: a\r\n", count: 5_000)))) == [400])
    let long = try server.raw(head("", target: "/predictions/model0?seq_0=" + String(repeating: "a", count: 33_000)))
    #expect(Self.statuses(long) == [414])
    let infinite = try server.raw(head("", target: "/" + String(repeating: "a", count: 3_000_000)))
    #expect([[414], [400]].contains(Self.statuses(infinite)))
    #expect(try await server.ask("/ping").status == 200)
  }

  @Test func bodiesAreBounded() async throws {
    let server = try ServerProcess.ready(["--max-body", "4096"])
    defer { server.terminate() }
    let large = #"{"x":"\#(String(repeating: "a", count: 5_000))"}"#
    #expect(try await server.post("/v2/models/model0/infer", large).status == 413)
    #expect(try await server.post("/predictions/model0", large).status == 413)
    #expect(try await server.post("/v2/repository/index", large).status == 413)
    // Without a length beforehand it is counted as it comes.
    let chunk = "1000\r\n" + String(repeating: "a", count: 0x1000) + "\r\n"
    let chunked =
      "POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk
      + "0\r\n\r\n"
    #expect(Self.statuses(try server.raw(chunked)) == [413])
    #expect(Self.statuses(try server.raw(Self.request("", "Content-Length: 99999999999999999999\r\n"))) == [400])
    #expect(try await server.post("/v2/models/model0/infer", Self.body).status == 200)
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let bad = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    let get = "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    let answer = try server.raw(Self.request() + bad + Self.request("{") + get + Self.request())
    #expect(Self.statuses(answer) == [200, 404, 400, 200, 200])
    let many = try server.raw(String(repeating: get, count: 1_000))
    #expect(Self.statuses(many) == Array(repeating: 200, count: 1_000))
  }

  /// HEAD is GET without the body, on every route that GET has, and the connection goes on.
  @Test func headsAnswerHasNoBody() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    let paths = [
      "/", "/ping", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/model0",
      "/v2/models/model0/ready", "/v2/models/model0/config", "/v2/models/stats", "/predictions/model0",
    ]
    for path in paths {
      let said = try server.raw(
        "HEAD \(path) HTTP/1.1\r\nHost: x\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      let parts = said.components(separatedBy: "\r\n\r\n")
      #expect(parts.count == 3 && parts[1].hasPrefix("HTTP/1.1 200") && parts[2] == #"{"status":"Healthy"}"#, "\(said)")
      #expect(parts[0].hasPrefix("HTTP/1.1 200") && parts[0].lowercased().contains("content-length: "), "\(said)")
    }
    let missing = try server.raw("HEAD /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(missing.hasPrefix("HTTP/1.1 404") && missing.hasSuffix("\r\n\r\n"), "\(missing)")
    #expect(try await server.ask("/v2/models/model0/infer", method: "HEAD").status == 405)
  }

  /// A client that asks first is told to go on; one whose body is too long is told so instead.
  @Test func clientsThatWaitAreToldToGoOn() async throws {
    let server = try ServerProcess.ready(["--max-body", "1048576"])
    defer { server.terminate() }
    func receive(_ socket: Int32) -> String {
      var buffer = [UInt8](repeating: 0, count: 65536)
      let count = recv(socket, &buffer, buffer.count, 0)
      return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
    func say(_ text: String, _ socket: Int32) {
      _ = Array(text.utf8).withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
    let head =
      "POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n"
      + "Content-Length: \(Self.body.utf8.count)\r\n\r\n"
    let socket = try server.connected()
    defer { close(socket) }
    for _ in 0..<2 {
      say(head, socket)
      #expect(receive(socket) == "HTTP/1.1 100 Continue\r\n\r\n")
      say(Self.body, socket)
      #expect(receive(socket).hasPrefix("HTTP/1.1 200"))
    }
    // Not before the answer to the request ahead of it.
    say("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" + head, socket)
    var said = ""
    while !said.contains("100 Continue"), said.utf8.count < 4096 { said += receive(socket) }
    #expect(said.hasPrefix("HTTP/1.1 200") && said.hasSuffix("HTTP/1.1 100 Continue\r\n\r\n"), "\(said)")
    say(Self.body, socket)
    #expect(receive(socket).hasPrefix("HTTP/1.1 200"))
    let long = try server.raw(
      "POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
    #expect(long.hasPrefix("HTTP/1.1 413"), "\(long)")
  }

  @Test func connectionsOfHTTP10End() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    for lines in ["", "Connection: keep-alive\r\n"] {
      let socket = try server.connected(seconds: 60)
      defer { close(socket) }
      let request = Array("GET /ping HTTP/1.0\r\n\(lines)\r\n".utf8)
      _ = request.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      var said: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 4096)
      var count = recv(socket, &buffer, buffer.count, 0)
      while count > 0 {
        said += buffer.prefix(count)
        count = recv(socket, &buffer, buffer.count, 0)
      }
      #expect(String(decoding: said, as: UTF8.self).hasPrefix("HTTP/1.1 200"))
      // Reading ends with the connection (0), and not with the minute after which the test gives up (-1).
      #expect(count == 0)
    }
  }

  /// Half heads, half bodies, bodies that trickle and clients that never ask are closed; one that asks is not.
  @Test func slowClientsAreClosedAndOthersAreNot() async throws {
    let server = try ServerProcess.ready(["--idle-timeout", "3s", "--transfer-timeout", "3s"])
    defer { server.terminate() }
    func open(_ text: String) throws -> Int32 {
      let socket = try server.connected()
      _ = Array(text.utf8).withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      return socket
    }
    /// Whether the server has closed it; what it may have said before is passed over.
    func isClosed(_ socket: Int32) -> Bool {
      var byte: UInt8 = 0
      while true {
        let count = recv(socket, &byte, 1, Int32(MSG_DONTWAIT))
        if count == 0 || count < 0 && errno != EAGAIN { return true }
        if count < 0 { return false }
      }
    }
    let start = "POST /v2/models/model0/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
    let slow = [
      try open(""), try open("POST /v2/mod"), try open("GET /ping HTTP/1.1\r\nHost:"), try open(start),
    ]
    let trickling = try open(start)
    let busy = try server.connected()
    defer { (slow + [trickling, busy]).forEach { close($0) } }
    let get = Array("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
    var rounds = 0
    while rounds < 300, !(slow + [trickling]).allSatisfy(isClosed) {
      // One that asks every now and then, on the same connection, meanwhile.
      _ = get.withUnsafeBytes { send(busy, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      var buffer = [UInt8](repeating: 0, count: 4096)
      #expect(recv(busy, &buffer, buffer.count, 0) > 0)
      _ = send(trickling, [32], 1, Int32(MSG_NOSIGNAL))
      rounds += 1
      // Not a suspension: coming back from one may take longer than the server's patience where tests keep threads.
      usleep(100_000)
    }
    #expect((slow + [trickling]).allSatisfy(isClosed))
    #expect(!isClosed(busy))
    #expect(try await server.ask("/ping").status == 200)
  }

  /// Connections that ask for nothing, as many as this process may open.
  @Test func thousandsOfIdleConnectionsDoNoHarm() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let count = max(100, min(10_000, Int(clamping: limit.rlim_cur) - 1_000))
    var sockets: [Int32] = []
    defer { sockets.forEach { close($0) } }
    for _ in 0..<count { sockets.append(try server.connected()) }
    #expect(try await server.post("/v2/models/model0/infer", Self.body).status == 200)
    // Each of some is still served when it asks at last.
    let get = Array("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
    for socket in sockets.indices.filter({ $0 % (count / 10) == 0 }).map({ sockets[$0] }) {
      _ = get.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      var buffer = [UInt8](repeating: 0, count: 4096)
      #expect(recv(socket, &buffer, buffer.count, 0) > 0)
    }
  }

  @Test func modelNamesStayInTheRepository() async throws {
    let server = try ServerProcess.ready(["--allow-management"])
    defer { server.terminate() }
    for name in [
      "..%2Fmodel0", "%2e%2e", "..", "model0%2f..%2fmodel1", "%2Fetc%2Fpasswd", "model0.pt", "model0%00", "%F0%28",
    ] {
      #expect(try server.rawStatus("GET", "/v2/models/\(name)/ready") != 200, "\(name)")
      #expect(try server.rawStatus("POST", "/v2/repository/models/\(name)/load") == 404, "\(name)")
    }
  }

  @Test func managementIsOffUnlessAllowed() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    for verb in ["load", "unload"] {
      let answer = try await server.post("/v2/repository/models/model0/\(verb)", "")
      #expect(answer.status == 403)
      #expect(try answer.json()["error"] as? String != nil)
    }
    #expect(try await server.post("/v2/repository/index", "").status == 200)
    #expect(try await server.post("/v2/repository/index", #"{"ready":true}"#).body.contains("model2"))
    for bad in [#"{"ready":1}"#, "[", #"{"ready":true,"ready":true}"#] {
      #expect(try await server.post("/v2/repository/index", bad).status == 400)
    }
    #expect(try await server.post("/v2/repository/other/index", "").status == 400)
    #expect(try await server.ask("/v2/repository/index").status == 405)
    #expect(try await server.ask("/v2/models/model0/versions/1").status == 200)
    #expect(try await server.ask("/v2/models/model0/versions/2").status == 404)
    #expect(try await server.ask("/v2/models/model0/versions/1/ready").status == 200)
    #expect(try await server.ask("/v2/models/model0/versions/1/stats").status == 200)
    #expect(try await server.ask("/v2/models/model0/versions").status == 404)
    #expect(try await server.ask("/v2/models/model0/other").status == 404)
  }

  /// The parts that every answer's header names add up to its total, which is no longer than the client saw.
  @Test func timingsAddUp() async throws {
    let server = try ServerProcess.ready()
    defer { server.terminate() }
    for path in ["/v2/models/model0/infer", "/predictions/model0?seq_0=a&seq_1=b+c"] {
      for _ in 0..<20 {
        let before = ContinuousClock.now
        let answer = try await server.ask(
          path, method: path.hasSuffix("infer") ? "POST" : "GET",
          body: path.hasSuffix("infer") ? Data(Self.body.utf8) : nil)
        let seen = ContinuousClock.now - before
        let header = try #require(answer.headers["x-planner-timings"] as? String)
        let fields = Dictionary(
          uniqueKeysWithValues: header.split(separator: ";").map { field in
            let parts = field.split(separator: "=")
            return (String(parts[0]), String(parts[1]))
          })
        func seconds(_ name: String) throws -> Double { try #require(fields[name].flatMap { Double($0) }) }
        let parts = ["parse", "queue", "batch_wait", "compute", "resume", "render"]
        let sum = try parts.reduce(0.0) { $0 + (try seconds($1)) }
        let total = try seconds("total")
        #expect(abs(sum - total) <= 0.02 * total, "\(header)")
        #expect(.seconds(total) <= seen && fields["variant"] == "fp32" && fields["batch_size"] == "1")
        #expect(try seconds("compute") > 0)
      }
    }
  }
}

extension ServerProcess {
  /// Status of a request whose target goes over the wire as it is.
  func rawStatus(_ method: String, _ target: String) throws -> Int? {
    LimitTests.statuses(try raw("\(method) \(target) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).first
  }
}
