import LoadTest
import PlannerCore
import Testing

/// One schedule that goes to several servers. Serialized: they measure time on a machine with few cores.
@Suite(.serialized) struct TargetTests {
  /// `count` requests, evenly spaced: models 0, 1, 2 in turn, in sizes 8 and 16 in turn.
  private func schedule(_ count: Int, every gapSeconds: Double) -> Schedule {
    let requests = (0..<count).map {
      ScheduledRequest(
        due: Nanoseconds(seconds: Double($0) * gapSeconds), model: $0 % 3, size: $0.isMultiple(of: 2) ? 8 : 16)
    }
    return Schedule(requests: requests, durationSeconds: Double(count) * gapSeconds, models: 3)
  }

  /// Each request says in its path what it was rendered for.
  private func addressed(
    _ schedule: Schedule, targets: [Int]?, note: (AddressedSchedule.Rendering) -> Void = { _ in }
  ) throws -> AddressedSchedule {
    try AddressedSchedule(schedule, targets: targets) { rendering in
      note(rendering)
      let path = "/\(rendering.target)/\(rendering.model)/\(rendering.size)"
      return RequestBytes(Array("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n".utf8))
    }
  }

  private func withServers<T>(
    _ behave: [@Sendable (String, Int) -> TestServer.Action], _ body: ([TestServer]) async throws -> T
  ) async throws -> T {
    var servers: [TestServer] = []
    let outcome: Result<T, any Error>
    do {
      for behave in behave { servers.append(try await TestServer.start(behave)) }
      outcome = .success(try await body(servers))
    } catch { outcome = .failure(error) }
    for server in servers { try await server.stop() }
    return try outcome.get()
  }

  private func generator(_ servers: [TestServer], connections: Int = 1) -> LoadGenerator {
    var options = LoadOptions()
    options.connections = connections
    options.connectionCap = connections
    return LoadGenerator(targets: servers.map { LoadTarget(port: $0.port) }, options: options)
  }

  @Test func eachRequestGoesToItsTargetInItsSize() async throws {
    let schedule = schedule(120, every: 0.002)
    // Model 0 has two replicas and is asked on them in turn; the others live on one server each.
    var asked = 0
    let targets = schedule.requests.map { request -> Int in
      guard request.model == 0 else { return request.model - 1 }
      defer { asked += 1 }
      return asked % 2
    }
    var renderings: [AddressedSchedule.Rendering] = []
    let load = try addressed(schedule, targets: targets) { renderings.append($0) }
    // Two sizes of model 0 on two servers where both occur there, two of each other one: rendered once each.
    #expect(Set(renderings).count == renderings.count)
    let expected = zip(schedule.requests, targets).map { request, target in
      AddressedSchedule.Rendering(model: request.model, size: request.size, target: target)
    }
    #expect(Set(renderings) == Set(expected))
    try await withServers([{ _, _ in .answer(200) }, { _, _ in .answer(200) }]) { servers in
      let result = try await generator(servers).run(load)
      #expect(result.counts.completed == 120)
      for (place, server) in servers.enumerated() {
        let expected = zip(schedule.requests, targets).filter { $1 == place }.map { "/\($1)/\($0.model)/\($0.size)" }
        #expect(server.seen.uris == expected)
        #expect(server.seen.connections == 1)
      }
      #expect(result.samples.map(\.target) == targets)
      #expect(result.samples.map(\.size) == schedule.requests.map(\.size))
      let hot = result.samples.filter { $0.model == 0 }
      #expect(hot.count { $0.target == 0 } == 20 && hot.count { $0.target == 1 } == 20)
    }
  }

  @Test func aServerThatStallsHoldsUpNoRequestToAnother() async throws {
    let schedule = schedule(300, every: 0.004)
    let targets = schedule.requests.map { $0.model == 0 ? 0 : 1 }
    let load = try addressed(schedule, targets: targets)
    try await withServers([{ _, _ in .never }, { _, _ in .answer(200) }]) { servers in
      var options = LoadOptions()
      options.connections = 2
      options.connectionCap = 2
      options.timeoutSeconds = 1
      let result = try await LoadGenerator(targets: servers.map { LoadTarget(port: $0.port) }, options: options)
        .run(load)
      let parts = [0, 1].map { target in result.part { $0.target == target } }
      #expect(parts[0].counts.timedOut == 100 && parts[0].counts.sent == 100)
      #expect(parts[1].counts.completed == 200 && parts[1].waitedForConnection < 200)
      #expect(parts[1].quantileSeconds(0.5) < 0.5)
    }
  }

  @Test func aServerThatIsNotThereIsNamed() async throws {
    try await withServers([{ _, _ in .answer(200) }]) { servers in
      let gone = try await TestServer.start { _, _ in .answer(200) }
      try await gone.stop()
      let load = try addressed(schedule(4, every: 0.01), targets: [0, 1, 0, 1])
      let error = await #expect(throws: LoadTestError.self) {
        try await LoadGenerator(targets: [LoadTarget(port: servers[0].port), LoadTarget(port: gone.port)]).run(load)
      }
      #expect(error?.description.contains("127.0.0.1:\(gone.port)") == true)
      await #expect(throws: LoadTestError.missingTarget(target: 1, targets: 1)) {
        try await generator(servers).run(load)
      }
    }
  }
}

/// A group of models' requests as a result of their own.
@Suite struct PartTests {
  private func sample(_ index: Int, _ outcome: LoadOutcome = .completed) -> LoadSample {
    var sample = LoadSample(dueSeconds: Double(index) * 0.01, model: index % 4)
    sample.outcome = outcome
    sample.latencySeconds = 0.001 * Double(index % 4 + 1)
    if outcome == .failed { sample.complaint = "request \(index)" }
    return sample
  }

  private func result(_ samples: [LoadSample], busy: Double = 0) -> LoadResult {
    LoadResult(
      samples: samples, fromSeconds: 1, durationSeconds: 10, timeoutSeconds: 5, generatorBusyShare: busy)
  }

  @Test func partsMergeToTheWhole() {
    let whole = result((0..<1000).map { sample($0, $0 % 400 == 7 ? .timedOut : $0 == 403 ? .failed : .completed) })
    let first = whole.part { $0.model < 2 }
    let second = whole.part { $0.model >= 2 }
    #expect(first.counts.sent == 450 && second.counts.sent == 450)
    let merged = first.merged(with: second)
    #expect(merged.samples == whole.samples && merged.counts == whole.counts)
    #expect(merged.figures(memoryBytes: 0) == whole.figures(memoryBytes: 0))
    // Of each part its own latencies and its own failures.
    #expect(first.quantileSeconds(0.9) == 0.002 && second.quantileSeconds(0.4) == 0.003)
    #expect(first.firstFailure == nil && second.firstFailure == "request 403")
    #expect(VerdictRule(targetSeconds: 0.0025).judge(first).verdict == .pass)
    #expect(!VerdictRule(targetSeconds: 0.0025).judge(second).valid)
  }

  @Test func noPartOfAnInvalidRunIsValid() {
    let late = result(
      (0..<1000).map {
        var sample = sample($0)
        // Only model 3 is sent late; which requests a thread that is busy is late with is chance.
        if sample.model == 3 { sample.lagSeconds = 0.1 }
        return sample
      })
    #expect(!late.valid)
    let punctual = late.part { $0.model == 0 }
    #expect(punctual.invalidReason == late.invalidReason)
    #expect(!VerdictRule(targetSeconds: 1).judge(punctual).valid)
    // What one of a few requests was late with says nothing of the generator, where it was in time with all others.
    let fine = result(
      (0..<1000).map {
        var sample = sample($0)
        if $0 == 500 { sample.lagSeconds = 0.1 }
        return sample
      })
    #expect(fine.valid && fine.part { (4.9...5.1).contains($0.dueSeconds) }.valid)
    #expect(fine.part { $0.model == 0 }.valid)
    #expect(fine.part { _ in false }.invalidReason == "no request was due in the counted part of the run")
  }
}
