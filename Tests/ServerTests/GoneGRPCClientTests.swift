import Foundation
import PlannerCore
import Serving
import Testing

/// Clients of gRPC that go before they have their answers: calls that are cancelled, streams, and connections.
@Suite struct GoneGRPCClientTests {
  private static func with(
    _ server: HeldServer, _ body: (HeldServer, CommandedClient) async throws -> Void
  ) async throws {
    let client = try CommandedClient("gone_grpc_client.py", ["\(server.grpcPort)"])
    try await HeldServer.with(server) {
      // An idle client of gRPC looks at its connection every five seconds only, and the server waits for it.
      defer { client.kill() }
      try await body($0, client)
    }
  }

  @Test func cancelledCallsLeaveTheQueueAtOnce() async throws {
    try await Self.with(try await HeldServer(queueCapacity: 1)) { server, client in
      #expect(client.ask("infer first 0") == "done")
      try await server.waitForQueue(0)
      #expect(client.ask("infer gone 1") == "done")
      try await server.waitForQueue(1)
      #expect(client.ask("infer refused 2") == "done")
      #expect(client.ask("outcome refused") == "RESOURCE_EXHAUSTED")
      #expect(client.ask("cancel gone") == "done")
      try await server.waitForCancelled(1)
      #expect(client.ask("outcome gone") == "CANCELLED")
      #expect(client.ask("infer next 3") == "done")
      try await server.waitForQueue(1)
      server.session.finish(2)
      #expect(client.ask("outcome first") == "0" && client.ask("outcome next") == "3")
      #expect(server.session.passes == [[0], [3]])
    }
  }

  @Test func aPassUnderWayIsNotWaitedForAndNoSuccess() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      #expect(client.ask("infer gone 0") == "done")
      try await server.waitForQueue(0)
      #expect(client.ask("cancel gone") == "done")
      try await server.waitForCancelled(1)
      #expect(server.state.load.busyWorkers == 1)
      #expect(client.ask("infer next 1") == "done")
      try await server.waitForQueue(1)
      server.session.finish(2)
      #expect(client.ask("outcome next") == "1")
      let record = try #require(server.state.registry.entries.first).record
      #expect(record.success.count == 1 && record.cancelled.count == 1 && record.failure.count == 0)
      #expect(record.batches.values.map(\.count) == [1])
    }
  }

  @Test func aCancelledStreamTakesAllItsRequestsWithIt() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      #expect(client.ask("stream gone 0 1 2 3") == "done")
      try await server.waitForQueue(3)
      #expect(client.ask("stream stays 4") == "done")
      try await server.waitForQueue(4)
      #expect(client.ask("cancel gone") == "done")
      try await server.waitForCancelled(4)
      #expect(server.state.load == WorkerPool.Load(waiting: 1, busyWorkers: 1))
      server.session.finish(2)
      #expect(client.ask("end stays -") == "done")
      #expect(client.ask("outcome stays") == "[4]")
      // Which of the stream's requests came first is not said.
      #expect(server.session.passes.count == 2 && server.session.passes.last == [4])
    }
  }

  @Test func aConnectionThatBreaksTakesAllItsCallsWithIt() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      let other = try RawConnection(port: server.port)
      other.send(RawConnection.request(0))
      try await server.waitForQueue(0)
      for command in ["infer a 1", "infer b 2", "stream c 3 4", "stream d 5"] {
        #expect(client.ask(command) == "done")
      }
      try await server.waitForQueue(5)
      client.kill()
      try await server.waitForCancelled(5)
      #expect(server.state.load == WorkerPool.Load(waiting: 0, busyWorkers: 1))
      server.session.finish()
      #expect(other.receive().hasPrefix("HTTP/1.1 200"))
      #expect(server.session.passes == [[0]])
    }
  }

  @Test func callsThatAreCancelledAtOnceHarmNobody() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      #expect(client.ask("infer first 0") == "done")
      try await server.waitForQueue(0)
      #expect(client.ask("hasty calls 200") == "done")
      #expect(client.ask("hasty streams 100") == "done")
      #expect(client.ask("infer next 3") == "done")
      // How many of them came so far as to be counted is not said.
      try await server.waitForQueue(1)
      server.session.finish(2)
      #expect(client.ask("outcome first") == "0" && client.ask("outcome next") == "3")
      #expect(server.session.passes == [[0], [3]])
    }
  }

  /// gRPC's library tells nobody of a reset that has been read before the call's task begins.
  @Test func callsThatAreResetBeforeTheyBeginAreNotComputed() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      #expect(client.ask("infer first 0") == "done")
      try await server.waitForQueue(0)
      #expect(client.ask("hasty resets 150") == "done")
      try await server.waitForCancelled(150)
      #expect(client.ask("infer next 3") == "done")
      try await server.waitForQueue(1)
      server.session.finish(2)
      #expect(client.ask("outcome first") == "0" && client.ask("outcome next") == "3")
      #expect(server.session.passes == [[0], [3]])
    }
  }

  /// The number by which a call finds its stream is the server's alone: a client's would end its own call, or that of
  /// another.
  @Test func aNumberThatAClientClaimsMeansNothing() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      #expect(client.ask("claim first 0") == "done")
      server.session.finish()
      #expect(client.ask("outcome first") == "0")
    }
  }

  /// A client resets its call when its deadline passes, which is when the server gives the request up by its own clock.
  @Test func aDeadlineEndsTheWaitOnce() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      #expect(client.ask("infer first 0") == "done")
      try await server.waitForQueue(0)
      #expect(client.ask("infer late 1 0.3") == "done")
      #expect(client.ask("outcome late") == "DEADLINE_EXCEEDED")
      try await server.waitForQueue(0)
      let entry = try #require(server.state.registry.entries.first)
      try await server.wait { entry.record.failure.count + entry.record.cancelled.count == 1 }
      server.session.finish()
      #expect(client.ask("outcome first") == "0")
      #expect(server.session.passes == [[0]])
    }
  }

  @Test func aServerThatEndsAnswersThoseWhoAreThere() async throws {
    try await Self.with(try await HeldServer()) { server, client in
      for (index, name) in ["first", "gone", "stays"].enumerated() {
        #expect(client.ask("infer \(name) \(index)") == "done")
        try await server.waitForQueue(index)
      }
      #expect(client.ask("cancel gone") == "done")
      try await server.waitForCancelled(1)
      let ending = Task { try await server.shutDown() }
      try await server.wait { server.state.isDraining }
      server.session.finish(2)
      #expect(client.ask("outcome first") == "0" && client.ask("outcome stays") == "2")
      try await ending.value
      #expect(server.session.passes == [[0], [2]])
    }
  }
}
