import Foundation
import PlannerCore
import ServerSecurity
import Serving
import TestSupport
import Testing

/// Clients of HTTP that go before they have their answers. Passes end when the test says so, and states are waited for:
/// nothing here depends on how fast anything is.
@Suite struct GoneClientTests {
  private static func client(_ number: Int, _ server: HeldServer) throws -> RawConnection {
    let connection = try RawConnection(port: server.port)
    connection.send(RawConnection.request(number))
    return connection
  }

  @Test func closedAndResetConnectionsLeaveTheQueueAtOnce() async throws {
    try await HeldServer.with(try await HeldServer(queueCapacity: 2)) { server in
      let first = try Self.client(0, server)
      try await server.waitForQueue(0)
      let closed = try Self.client(1, server)
      try await server.waitForQueue(1)
      let reset = try Self.client(2, server)
      try await server.waitForQueue(2)
      let refused = try Self.client(3, server)
      #expect(refused.receive().hasPrefix("HTTP/1.1 429"))
      closed.close()
      try await server.waitForQueue(1)
      reset.reset()
      try await server.waitForQueue(0)
      try await server.waitForCancelled(2)
      // Their places are free.
      let others = try [4, 5].map { try Self.client($0, server) }
      try await server.waitForQueue(2)
      server.session.finish(3)
      for connection in [first] + others { #expect(connection.receive(until: "]}]}").hasPrefix("HTTP/1.1 200")) }
      #expect(server.session.passes.map { $0[0] }.sorted() == [0, 4, 5])
      let statistics = try RawConnection(port: server.port)
      statistics.send("GET /v2/models/slow/stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      let answer = statistics.receiveAll()
      for (name, count) in [("cancel", 2), ("success", 3)] {
        #expect(answer.contains("\"\(name)\":{\"count\":\(count),"), "\(answer)")
      }
      #expect(answer.contains(#""execution_count":3,"#), "\(answer)")
      // Triton counts them among those that failed, of which the third was refused.
      #expect(answer.contains(#""fail":{"count":3,"#) && answer.contains(#""fail":{"count":1,"#), "\(answer)")
    }
  }

  @Test func aPassUnderWayIsNotWaitedForAndNoSuccess() async throws {
    try await HeldServer.with(try await HeldServer()) { server in
      let first = try Self.client(0, server)
      try await server.waitForQueue(0)
      first.close()
      // The pass has not ended.
      try await server.waitForCancelled(1)
      #expect(server.state.load.busyWorkers == 1)
      let second = try Self.client(1, server)
      try await server.waitForQueue(1)
      server.session.finish(2)
      #expect(second.receive().hasPrefix("HTTP/1.1 200"))
      let record = try #require(server.state.registry.entries.first).record
      #expect(record.success.count == 1 && record.cancelled.count == 1 && record.failure.count == 0)
      #expect(record.batches.values.map(\.count) == [1])
      #expect(server.session.passes == [[0], [1]])
    }
  }

  /// TCP tells no difference between the two: the start of the answer, which goes ahead of it, does.
  @Test func whoOnlySendsNoMoreGetsTheAnswerUnlessGoneLater() async throws {
    try await HeldServer.with(try await HeldServer()) { server in
      let first = try Self.client(0, server)
      first.shutDownWriting()
      try await server.waitForQueue(0)
      // Two requests, one after the other, and a half-close behind them.
      let pair = try RawConnection(port: server.port)
      pair.send(RawConnection.request(1) + RawConnection.request(2))
      pair.shutDownWriting()
      try await server.waitForQueue(1)
      let gone = try Self.client(3, server)
      gone.shutDownWriting()
      try await server.waitForQueue(2)
      #expect("HTTP/1.1 ".hasPrefix(gone.receive()))
      gone.close()
      try await server.waitForQueue(1)
      try await server.waitForCancelled(1)
      server.session.finish(3)
      let answer = first.receiveAll()
      #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\"data\":[0]}]}"), "\(answer)")
      let answers = pair.receiveAll()
      #expect(answers.components(separatedBy: "HTTP/1.1 200 OK\r\n").count == 3 && answers.hasPrefix("HTTP"))
      #expect(answers.contains("\"data\":[1]}]}HTTP/1.1 200") && answers.hasSuffix("\"data\":[2]}]}"), "\(answers)")
      #expect(server.session.passes == [[0], [1], [2]])
    }
  }

  @Test func whatAGoneClientHasSentAheadIsNeverRead() async throws {
    try await HeldServer.with(try await HeldServer()) { server in
      let first = try Self.client(0, server)
      try await server.waitForQueue(0)
      let eager = try RawConnection(port: server.port)
      eager.send((1...5).map { RawConnection.request($0) }.joined())
      try await server.waitForQueue(1)
      eager.close()
      try await server.waitForQueue(0)
      try await server.waitForCancelled(1)
      server.session.finish()
      #expect(first.receive(until: "]}]}").hasPrefix("HTTP/1.1 200"))
      // A connection that is closed between requests, or with its answer read, has no request to give up.
      first.send(RawConnection.request(6))
      try await server.waitForQueue(0)
      server.session.finish()
      #expect(first.receive(until: "]}]}").hasPrefix("HTTP/1.1 200"))
      first.close()
      let last = try Self.client(7, server)
      try await server.waitForQueue(0)
      server.session.finish()
      #expect(last.receive().hasPrefix("HTTP/1.1 200"))
      try await server.waitForCancelled(1)
      #expect(server.session.passes == [[0], [6], [7]])
    }
  }

  @Test func theMatesOfABatchAreAnsweredRightly() async throws {
    let batch = BatchPolicy(max: 3, wait: Nanoseconds(seconds: 600))
    try await HeldServer.with(try await HeldServer(batch: batch)) { server in
      let first = try Self.client(0, server)
      let gone = try Self.client(1, server)
      try await server.wait { server.state.load.waiting == 2 }
      gone.close()
      try await server.waitForCancelled(1)
      #expect(server.state.load == WorkerPool.Load(waiting: 1, busyWorkers: 0))
      // The third would have filled it; now the fourth does.
      let others = try [2, 3].map { try Self.client($0, server) }
      server.session.finish()
      for (number, connection) in zip([0, 2, 3], [first] + others) {
        #expect(connection.receive(until: "]}]}").hasSuffix("\"data\":[\(number)]}]}"))
      }
      #expect(server.session.passes.map { $0.sorted() } == [[0, 2, 3]])
    }
  }

  @Test func aRequestThatWaitsForItsModelLeavesAtOnce() async throws {
    let source = TestSource(["a", "b", "c"], holdsLoads: true)
    let registry = ModelRegistryTests.registry(source, budget: 10)
    let opening = Task { try await registry.open(isTolerant: false) }
    source.finishLoad()
    try await opening.value
    try await HeldServer.with(try await HeldServer(registry: registry)) { server in
      let clients = try ["b", "c"].map { model in
        let connection = try RawConnection(port: server.port)
        connection.send(RawConnection.request(0, model: model, input: "x"))
        return connection
      }
      try await server.wait { registry.totals.waitingRequests == 2 && registry.totals.loadsUnderWay == 1 }
      let begun = source.loads
      clients[0].close()
      clients[1].reset()
      try await server.waitForCancelled(2)
      #expect(registry.totals.waitingRequests == 0 && registry.totals.loadsUnderWay == 1)
      source.finishLoad()
      try await server.wait { registry.totals.loadsUnderWay == 0 }
      #expect(source.loads == begun && registry.totals.misses == 0)
    }
  }

  @Test func aServerThatEndsAnswersThoseWhoAreThere() async throws {
    try await HeldServer.with(try await HeldServer()) { server in
      let clients = try await Self.inOrder(4, server)
      clients[1].close()
      try await server.waitForCancelled(1)
      let ending = Task { try await server.shutDown() }
      try await server.wait { server.state.isDraining }
      clients[0].close()
      clients[2].reset()
      try await server.waitForCancelled(3)
      server.session.finish(2)
      #expect(clients[3].receiveAll().contains("\"data\":[3]}]}"))
      try await ending.value
      #expect(server.session.passes == [[0], [3]])
    }
  }

  private static func inOrder(_ count: Int, _ server: HeldServer) async throws -> [RawConnection] {
    var clients: [RawConnection] = []
    for number in 0..<count {
      clients.append(try client(number, server))
      try await server.waitForQueue(number)
    }
    return clients
  }

  /// A client of TLS that is killed says no goodbye; one that says it may still read.
  @Test(arguments: ["close", "kill", "stay"]) func theSameOverTLS(_ end: String) async throws {
    let files = try Certificates()
    var access = ServerAccess()
    access.transportSecurity = try TransportSecurity(certificate: files.server, key: files.serverKey)
    try await HeldServer.with(try await HeldServer(access: access)) { server in
      let client = try CommandedClient("tls_client.py", ["\(server.port)", files.authority])
      client.say(RawConnection.request(0).replacing("\r\n", with: "\\r\\n"))
      try await server.waitForQueue(0)
      switch end {
      case "kill": client.kill()
      case "close": client.say("close")
      default:
        client.say("goodbye")
        server.session.finish()
        #expect(client.hear().contains("HTTP/1.1 200 OK"))
        return
      }
      try await server.waitForCancelled(1)
    }
  }
}
