import Foundation
import LoadTest
import PlannerCore
import ServerContract
import Synchronization
import Testing

/// Against a real server on loopback. Serialized: they measure time on a machine with few cores.
@Suite(.serialized) struct LoadGeneratorTests {
  /// `count` requests, evenly spaced, models in turn.
  private func evenly(_ count: Int, every gapSeconds: Double, models: Int = 1) -> Schedule {
    let requests = (0..<count).map {
      ScheduledRequest(due: Nanoseconds(seconds: Double($0) * gapSeconds), model: $0 % models)
    }
    return Schedule(requests: requests, durationSeconds: Double(count) * gapSeconds, models: models)
  }

  private func gets(_ paths: [String]) -> [RequestBytes] {
    paths.map { RequestBytes(Array("GET \($0) HTTP/1.1\r\nHost: test\r\n\r\n".utf8)) }
  }

  private func withServer<T>(
    _ behave: @escaping @Sendable (String, Int) -> TestServer.Action,
    _ body: (TestServer) async throws -> T
  ) async throws -> T {
    let server = try await TestServer.start(behave)
    let outcome: Result<T, any Error>
    do { outcome = .success(try await body(server)) } catch { outcome = .failure(error) }
    try await server.stop()
    return try outcome.get()
  }

  @Test func sendsEveryRequestOnceInScheduleOrderOverTheConnectionsOpenedBefore() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      var options = LoadOptions()
      options.connections = 1
      options.connectionCap = 1
      let order = (0..<300).map { ($0 * 7919) % 5 }
      let schedule = Schedule(
        requests: order.enumerated().map {
          ScheduledRequest(due: Nanoseconds(seconds: Double($0.offset) * 0.001), model: $0.element)
        }, durationSeconds: 0.3, models: 5)
      let result = try await LoadGenerator(port: server.port, options: options)
        .run(schedule: schedule, requests: gets((0..<5).map { "/\($0)" }))
      #expect(server.seen.uris == order.map { "/\($0)" })
      #expect(server.seen.connections == 1)
      #expect(result.counts.sent == 300 && result.counts.completed == 300)
      #expect(result.latenciesSeconds.count == 300)
      #expect(result.histogram.totalCount == 300)
      #expect(result.samples.map(\.model) == order)
      #expect(result.latenciesSeconds == result.latenciesSeconds.sorted())
      #expect(result.samples.allSatisfy { $0.latencySeconds > 0 && $0.lagSeconds >= 0 })
    }
  }

  @Test func windowsAreHandedOutInOrderAndAddUp() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      var options = LoadOptions()
      options.warmupSeconds = 0.1
      options.windowSeconds = 0.25
      let windows = Mutex<[LoadWindow]>([])
      let result = try await LoadGenerator(port: server.port, options: options).run(
        schedule: evenly(400, every: 0.0025), requests: gets(["/"]),
        window: { window in
          windows.withLock { $0.append(window) }
        })
      let seen = windows.withLock { $0 }
      let expected = result.windows(of: 0.25)
      #expect(seen.map(\.fromSeconds) == expected.map(\.fromSeconds))
      #expect(seen.map(\.tally.outcomes) == expected.map(\.tally.outcomes))
      #expect(seen.count == 4 && seen.reduce(0) { $0 + $1.tally.outcomes.sent } == result.counts.sent)
    }
  }

  @Test func keepsConnectionsOpenAndReportsOnceASecond() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      var options = LoadOptions()
      options.connections = 8
      let reports = Mutex<[LoadProgress]>([])
      let result = try await LoadGenerator(port: server.port, options: options).run(
        schedule: evenly(440, every: 0.005), requests: gets(["/"])
      ) { report in reports.withLock { $0.append(report) } }
      #expect(result.counts.completed == 440)
      #expect(server.seen.connections == 8 + result.lateConnections)
      // Connections are used again: a machine that stalls opens some more of them, and not one for each request.
      #expect(result.lateConnections < 400)
      let seen = reports.withLock { $0 }
      #expect(!seen.isEmpty && seen.count <= Int(result.elapsedSeconds) + 1)
      #expect(seen.allSatisfy { $0.scheduled == 440 && $0.completed <= $0.sent && $0.sent <= 440 })
      #expect((seen.last?.completed ?? 0) > 0 && (seen.last?.p50Seconds ?? 0) > 0)
      // It is not sent faster than scheduled, and throughput says so: as many as were answered over the time it took.
      #expect(result.throughputPerSecond < 202)
      #expect(abs(result.throughputPerSecond * result.elapsedSeconds - 440) < 1e-6)
    }
  }

  /// The test of coordinated omission: a client that waits for an answer before it sends the next request
  /// would see one slow request.
  @Test(arguments: [1, 64])
  func aStallShowsInEveryRequestDueDuringIt(connectionCap: Int) async throws {
    try await withServer({ _, index in index == 100 ? .stall(milliseconds: 200) : .answer(200) }) { server in
      var options = LoadOptions()
      options.connections = 1
      options.connectionCap = connectionCap
      let result = try await LoadGenerator(port: server.port, options: options)
        .run(schedule: evenly(400, every: 0.005), requests: gets(["/"]))
      #expect(result.counts.completed == 400)
      // 40 requests are due in 200 ms; those of the first 150 ms wait for more than 50 ms.
      let slow = result.latenciesSeconds.count { $0 > 0.050 }
      #expect(slow >= 25, "only \(slow) requests show the stall")
      #expect(result.quantileSeconds(0.99) > 0.150)
      let stalled = result.samples[101]
      #expect(stalled.latencySeconds > 0.150, "due 5 ms after the stall began, took \(stalled.latencySeconds) s")
      if connectionCap == 1 { #expect(result.waitedForConnection >= 25) }
    }
  }

  @Test func countsEachOutcomeAsWhatItIs() async throws {
    let paths = ["/200", "/429", "/503", "/504", "/500", "/404", "/drop", "/midway", "/never", "/close"]
    let server = try await TestServer.start { uri, _ in
      switch uri {
      case "/drop": .drop
      case "/midway": .dropMidway
      case "/never": .never
      case "/close": .answerAndClose
      default: .answer(UInt(uri.dropFirst()) ?? 0, body: #"{"error": "as asked"}"#)
      }
    }
    var options = LoadOptions()
    // Long beside any answer, however busy the machine is.
    options.timeoutSeconds = 4
    let result = try await LoadGenerator(port: server.port, options: options)
      .run(schedule: evenly(100, every: 0.004, models: 10), requests: gets(paths))
    try await server.stop()
    #expect(result.counts.sent == 100)
    #expect(result.counts.completed == 20)
    #expect(result.counts.rejected == 20)
    #expect(result.counts.timedOut == 20)
    #expect(result.counts.failed == 40)
    #expect(result.firstFailure?.contains("HTTP 500") == true)
    #expect(result.firstFailure?.contains("as asked") == true)
    let unanswered = result.samples.filter { $0.model == 8 }
    #expect(unanswered.allSatisfy { $0.outcome == .timedOut && $0.latencySeconds >= 4 })
    #expect(result.quantileSeconds(0.1).isFinite && result.quantileSeconds(0.5) == .infinity)
    #expect(result.figures(memoryBytes: 1).p99Seconds == 4)
    // Dropped connections were replaced.
    #expect(server.seen.connections > options.connections)
  }

  @Test func readsTheServersOwnTimings() async throws {
    let behave: @Sendable (String, Int) -> TestServer.Action = { uri, _ in
      uri == "/none"
        ? .answer(200)
        : .answer(200, headers: [("X-Planner-Timings", "queue=0.0005;compute=0.002;total=0.0031;ahead=3")])
    }
    try await withServer(behave) { server in
      let generator = LoadGenerator(port: server.port)
      let result = try await generator.run(schedule: evenly(100, every: 0.005), requests: gets(["/"]))
      let expected = ServerTimings(queueSeconds: 0.0005, computeSeconds: 0.002, totalSeconds: 0.0031, ahead: 3)
      #expect(result.samples.allSatisfy { $0.timings == expected })
      let utilization = try #require(result.utilization(workers: 2))
      #expect(abs(utilization - 0.002 * 100 / (2 * result.elapsedSeconds)) < 1e-9)
      let without = try await generator.run(schedule: evenly(10, every: 0.005), requests: gets(["/none"]))
      #expect(without.utilization(workers: 2) == nil)
    }
  }

  /// 400 requests due at the same instant take one thread milliseconds to send.
  @Test func aGeneratorThatFallsBehindIsFlagged() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      var options = LoadOptions()
      options.connections = 400
      options.connectionCap = 400
      let requests = (0..<4000).flatMap { index in
        let request = ScheduledRequest(due: Nanoseconds(seconds: Double(index) * 0.0005), model: 0)
        return [ScheduledRequest](repeating: request, count: index % 1000 == 500 ? 400 : 1)
      }
      let result = try await LoadGenerator(port: server.port, options: options)
        .run(schedule: Schedule(requests: requests, durationSeconds: 2, models: 1), requests: gets(["/"]))
      let reason = result.invalidReason
      #expect(result.counts.completed == requests.count)
      #expect(reason?.contains("fell behind") == true)
      let verdict = VerdictRule(targetSeconds: 1000).judge(result)
      #expect(verdict.verdict == .undecided && !verdict.valid && verdict.confidence == 0)
    }
  }

  @Test func cancellingStopsAtOnceAndClosesEveryConnection() async throws {
    try await withServer({ _, index in index % 2 == 0 ? .answer(200) : .never }) { server in
      let generator = LoadGenerator(port: server.port)
      let schedule = evenly(6000, every: 0.01)
      let requests = gets(["/"])
      let run = Task { try await generator.run(schedule: schedule, requests: requests) }
      while server.seen.uris.count < 5 { try await Task.sleep(for: .milliseconds(10)) }
      run.cancel()
      await #expect(throws: CancellationError.self) { try await run.value }
      // What was not due yet, nearly all of it, was not sent.
      #expect(server.seen.uris.count < 6000)
      for _ in 0..<500 where server.seen.openConnections > 0 { try await Task.sleep(for: .milliseconds(10)) }
      #expect(server.seen.openConnections == 0)
    }
  }

  @Test func aTaskCancelledBeforehandSendsNothing() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      let generator = LoadGenerator(port: server.port)
      let schedule = evenly(10, every: 0.01)
      let requests = gets(["/"])
      let run = Task {
        while !Task.isCancelled { await Task.yield() }
        return try await generator.run(schedule: schedule, requests: requests)
      }
      run.cancel()
      await #expect(throws: CancellationError.self) { try await run.value }
      #expect(server.seen.uris.isEmpty)
    }
  }

  @Test func anUnreachableServerIsAnErrorThatSaysSo() async throws {
    let server = try await TestServer.start { _, _ in .answer(200) }
    try await server.stop()
    let error = await #expect(throws: LoadTestError.self) {
      try await LoadGenerator(port: server.port).run(schedule: evenly(1, every: 1), requests: gets(["/"]))
    }
    #expect(error?.description.contains("cannot connect to 127.0.0.1:\(server.port)") == true)
  }

  @Test func aServerThatGoesAwayMakesFailuresNotAHang() async throws {
    let server = try await TestServer.start { _, _ in .answer(200) }
    let generator = LoadGenerator(port: server.port)
    // Three seconds, of which the server sees the first tenth.
    let schedule = evenly(600, every: 0.005)
    let requests = gets(["/"])
    let run = Task { try await generator.run(schedule: schedule, requests: requests) }
    while server.seen.uris.count < 20 { try await Task.sleep(for: .milliseconds(2)) }
    try await server.stop()
    let result = try await run.value
    #expect(result.counts.sent == 600 && result.counts.completed >= 20 && result.counts.failed >= 20)
    #expect(result.counts.completed + result.counts.failed == 600)
  }

  @Test func refusesWhatCannotBeRun() async throws {
    let generator = LoadGenerator(port: 1)
    let empty = Schedule(requests: [], durationSeconds: 1, models: 1)
    await #expect(throws: LoadTestError.emptySchedule) { try await generator.run(schedule: empty, requests: []) }
    await #expect(throws: LoadTestError.missingRequest(model: 1, rendered: 1)) {
      try await generator.run(schedule: evenly(4, every: 0.1, models: 2), requests: gets(["/"]))
    }
    var options = LoadOptions()
    options.connections = 10
    options.connectionCap = 5
    await #expect(throws: LoadTestError.self) {
      try await LoadGenerator(port: 1, options: options).run(schedule: evenly(1, every: 1), requests: gets(["/"]))
    }
  }

  @Test func requestsDueDuringWarmupAreSentAndNotCounted() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      var options = LoadOptions()
      options.warmupSeconds = 0.2
      let start = ContinuousClock.now
      let result = try await LoadGenerator(port: server.port, options: options)
        .run(schedule: evenly(100, every: 0.004), requests: gets(["/"]))
      let whole = (ContinuousClock.now - start) / .seconds(1)
      #expect(server.seen.uris.count == 100)
      #expect(result.counts.sent == 50 && result.samples.allSatisfy { $0.dueSeconds >= 0.2 })
      // The other half of the schedule, and not the warm-up besides.
      #expect(result.elapsedSeconds > 0.199 && result.elapsedSeconds <= whole - 0.2)
    }
  }

  @Test func renderedRequestsArriveAsTheyWereMeant() async throws {
    try await withServer({ _, _ in .answer(200) }) { server in
      let template = RequestTemplate(host: "127.0.0.1", port: server.port)
      let requests = [
        try template.text(model: "model0", tokens: 8, index: 0),
        template.tokenIDs(model: "a b", ids: [101, 7, 102]),
      ]
      var options = LoadOptions()
      options.connections = 1
      let result = try await LoadGenerator(port: server.port, options: options)
        .run(schedule: evenly(2, every: 0.05, models: 2), requests: requests)
      #expect(result.counts.completed == 2)
      let seen = server.seen
      #expect(seen.hosts == ["127.0.0.1:\(server.port)", "127.0.0.1:\(server.port)"])
      #expect(seen.uris.first?.hasPrefix("/predictions/model0?seq_0=") == true)
      #expect(seen.uris.last == "/v2/models/a%20b/infer")
      let body = try #require(
        try JSONSerialization.jsonObject(with: Data(seen.bodies[1].utf8)) as? [String: [[String: Any]]])
      let input = try #require(body["inputs"]?.first)
      #expect(input["name"] as? String == "input_ids" && input["datatype"] as? String == "INT64")
      #expect(input["shape"] as? [Int] == [1, 3] && input["data"] as? [Int] == [101, 7, 102])
    }
  }
}
