import Dispatch
import Engine
import PlannerCore
import Serving
import Synchronization
import Testing

/// A session that computes when the test says so, and notes in which order it was asked.
private final class HeldSession: InferenceSession {
  let started = Mutex<[Int64]>([])
  private let turn = DispatchSemaphore(value: 0)

  func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
    guard case .int64(let values)? = inputs.first?.elements, let name = values.first else {
      throw EngineError(.badInput, "test", "no name")
    }
    started.withLock { $0.append(name) }
    turn.wait()
    return inputs
  }

  func finishOne() { turn.signal() }
}

/// Answers with what it was asked.
private struct EchoSession: InferenceSession {
  func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] { inputs }
}

/// What became of requests, in order.
private final class Notes: Sendable {
  let seen = Mutex<[String]>([])
  let rejected = Mutex(0)
}

/// A clock that is a millisecond later each time.
private final class SteppingClock: Sendable {
  private let time = Mutex(Nanoseconds.zero)
  func next() -> Nanoseconds {
    time.withLock { time in
      time = time + Nanoseconds(1_000_000)
      return time
    }
  }
}

/// A clock that the test moves.
final class HandClock: Sendable {
  private let value = Mutex(Nanoseconds.zero)
  var now: Nanoseconds { value.withLock { $0 } }
  func advance(_ seconds: Double) { value.withLock { $0 = $0 + Nanoseconds(seconds: seconds) } }
}

@Suite struct WorkerPoolTests {
  static func name(_ id: Int64) -> [HostTensor] { [HostTensor(shape: [1], elements: .int64([id]))] }

  static func wait(until condition: @Sendable () -> Bool) async throws {
    for _ in 0..<60_000 {
      if condition() { return }
      try await Task.sleep(for: .milliseconds(2))
    }
    Issue.record("waited in vain")
  }

  private static func pool(
    workers: Int, queueCapacity: Int? = nil, clock: HandClock = HandClock()
  ) throws -> WorkerPool {
    let pool = WorkerPool(
      options: .init(workers: workers, threadsPerWorker: 1, queueCapacity: queueCapacity), clock: { clock.now })
    try pool.start()
    return pool
  }

  @Test func firstComeFirstServedAndNothingIdles() async throws {
    let pool = try Self.pool(workers: 2)
    defer { pool.stop() }
    let session = HeldSession()
    try await withThrowingTaskGroup(of: Int64.self) { group in
      for id in 0..<6 {
        group.addTask {
          let answer = try await pool.infer(session, Self.name(Int64(id)))
          guard case .int64(let values)? = answer.outputs.first?.elements else { return -1 }
          return values[0]
        }
        // One after the other, so that the order of arrival is known.
        try await Self.wait { pool.load.busyWorkers + pool.load.waiting == id + 1 }
      }
      #expect(pool.load == WorkerPool.Load(waiting: 4, busyWorkers: 2))
      for served in 1...6 {
        session.finishOne()
        try await Self.wait { pool.load.busyWorkers + pool.load.waiting == 6 - served }
        #expect(pool.load.busyWorkers == min(2, 6 - served))
      }
      var answered: Set<Int64> = []
      for try await id in group { answered.insert(id) }
      #expect(answered == Set(0..<6))
    }
    #expect(session.started.withLock { Set($0.prefix(2)) } == [0, 1])
    #expect(session.started.withLock { Array($0.dropFirst(2)) } == [2, 3, 4, 5])
  }

  /// A worker may poll, sleep, or be about to do either when a request comes: none is ever left lying.
  @Test(arguments: [Nanoseconds.zero, Nanoseconds(1), Nanoseconds(20_000), Nanoseconds(seconds: 3600)])
  func noRequestIsLeftLying(_ idlePolling: Nanoseconds) async throws {
    let pool = WorkerPool(
      options: .init(workers: 2, threadsPerWorker: 1, queueCapacity: nil, idlePolling: idlePolling))
    try pool.start()
    defer { pool.stop() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in 0..<3 {
        group.addTask {
          for id in 0..<3_000 {
            let name = Int64(client * 10_000 + id)
            let answer = try await pool.infer(EchoSession(), Self.name(name))
            #expect(answer.outputs == Self.name(name))
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(pool.load == WorkerPool.Load(waiting: 0, busyWorkers: 0))
  }

  /// Equal arrivals and completions lead to equal decisions in the dispatcher alone and in the server's pool, which is
  /// what makes a simulation speak for the server.
  @Test(arguments: [Int?.none, 0, 2])
  func decidesAsTheDispatcherAlone(_ capacity: Int?) async throws {
    let script: [Character] = Array("aaaafafaaffafff")
    var expected: [String] = []
    var dispatcher = Dispatcher(workers: 1, queueCapacity: capacity)
    var next = 0
    for event in script {
      var actions: [DispatchAction] = []
      if event == "a" {
        dispatcher.arrived(PendingRequest(id: next, model: 0, arrival: .zero), now: .zero, actions: &actions)
        next += 1
      } else if dispatcher.busyWorkers == 1 {
        dispatcher.finished(worker: 0, now: .zero, actions: &actions)
      }
      for action in actions {
        switch action {
        case .start(_, let request, _): expected.append("start \(request.id)")
        case .reject(let request): expected.append("reject \(request.id)")
        default: Issue.record("\(action)")
        }
      }
    }

    let pool = try Self.pool(workers: 1, queueCapacity: capacity)
    defer { pool.stop() }
    let session = HeldSession()
    let notes = Notes()
    await withTaskGroup(of: Void.self) { group in
      var arrivals = 0
      for event in script {
        let before = (pool.load, notes.rejected.withLock { $0 }, session.started.withLock { $0.count })
        if event == "a" {
          let id = arrivals
          arrivals += 1
          group.addTask {
            do {
              _ = try await pool.infer(session, Self.name(Int64(id)))
            } catch {
              notes.seen.withLock { $0.append("reject \(id)") }
              notes.rejected.withLock { $0 += 1 }
            }
          }
          try? await Self.wait { pool.load != before.0 || notes.rejected.withLock { $0 } > before.1 }
        } else if pool.load.busyWorkers == 1 {
          session.finishOne()
          try? await Self.wait { pool.load != before.0 }
        }
        try? await Self.wait { session.started.withLock { $0.count } - before.2 <= 1 }
        // A start shows in the session a moment after the pool has decided it.
        let busy = pool.load.busyWorkers
        let starts = session.started.withLock { $0.count }
        if busy == 1, starts == before.2, before.0.busyWorkers == 0 || event == "f" {
          try? await Self.wait { session.started.withLock { $0.count } > before.2 }
        }
        let all = session.started.withLock { $0 }
        for id in all.dropFirst(before.2) { notes.seen.withLock { $0.append("start \(id)") } }
      }
      while pool.load.busyWorkers > 0 {
        let load = pool.load
        session.finishOne()
        try? await Self.wait { pool.load != load }
      }
    }
    #expect(notes.seen.withLock { $0 } == expected)
    #expect(expected.count > 6)
  }

  @Test func aLateRequestIsNotComputed() async throws {
    let clock = HandClock()
    let pool = try Self.pool(workers: 1, clock: clock)
    defer { pool.stop() }
    let session = HeldSession()
    async let first = pool.infer(session, Self.name(0))
    try await Self.wait { pool.load.busyWorkers == 1 }
    let late = Task { try await pool.infer(session, Self.name(1), timeoutSeconds: 0.5) }
    try await Self.wait { pool.load.waiting == 1 }
    clock.advance(1)
    session.finishOne()
    _ = try await first
    await #expect(throws: SchedulingError.deadlinePassed) { try await late.value }
    #expect(session.started.withLock { $0 } == [0])
  }

  /// The worker is free, and its waking takes longer than the request may wait.
  @Test func aDeadlineHoldsUntilTheWorkerHasBegun() async throws {
    let clock = SteppingClock()
    let pool = WorkerPool(
      options: .init(workers: 1, threadsPerWorker: 1, queueCapacity: nil), clock: { clock.next() })
    try pool.start()
    defer { pool.stop() }
    // Each look at the clock finds it a millisecond later: the first is the request's, the second the worker's.
    await #expect(throws: SchedulingError.deadlinePassed) {
      try await pool.infer(EchoSession(), Self.name(1), timeoutSeconds: 0.0005)
    }
    #expect(try await pool.infer(EchoSession(), Self.name(2), timeoutSeconds: 60).outputs == Self.name(2))
  }

  @Test func drainingAnswersWhatWasAccepted() async throws {
    let pool = try Self.pool(workers: 1)
    defer { pool.stop() }
    let session = HeldSession()
    let accepted = (0..<2).map { id in Task { try await pool.infer(session, Self.name(Int64(id))) } }
    try await Self.wait { pool.load.busyWorkers + pool.load.waiting == 2 }
    pool.drain()
    await #expect(throws: SchedulingError.draining) { try await pool.infer(session, Self.name(9)) }
    session.finishOne()
    session.finishOne()
    for task in accepted { _ = try await task.value }
    #expect(session.started.withLock { $0.sorted() } == [0, 1])
  }

  /// A worker that computed for others meanwhile, and was free before and after.
  @Test func waitingForCompanyIsAllTheTimeThatAWorkerWasFree() async throws {
    let session = BatchedSession(EchoSession(), layout: BatchLayout(inputs: ["x"]))
    let clock = HandClock()
    let pool = WorkerPool(
      options: .init(
        workers: 1, threadsPerWorker: 1, queueCapacity: nil,
        batch: BatchPolicy(max: 4, wait: Nanoseconds(seconds: 0.1))), clock: { clock.now })
    try pool.start()
    defer { pool.stop() }
    let first = Task { try await pool.infer(session, Self.name(0), model: 0) }
    try await Self.wait { pool.load.waiting == 1 }
    clock.advance(0.01)
    let second = Task { try await pool.infer(session, Self.name(1), model: 1) }
    try await Self.wait { pool.load.waiting == 2 }
    clock.advance(0.09)
    pool.checkClock()
    #expect(try await first.value.timings.batchWaitSeconds == 0.1)
    clock.advance(0.01)
    pool.checkClock()
    let timings = try await second.value.timings
    #expect(timings.batchWaitSeconds == 0.1 && timings.queueSeconds == 0)
  }

  @Test func timingsAddUp() async throws {
    let clock = HandClock()
    let pool = try Self.pool(workers: 1, clock: clock)
    defer { pool.stop() }
    let session = HeldSession()
    let first = Task { try await pool.infer(session, Self.name(0)) }
    try await Self.wait { session.started.withLock { $0.count } == 1 }
    clock.advance(0.25)
    let second = Task { try await pool.infer(session, Self.name(1)) }
    try await Self.wait { pool.load.waiting == 1 }
    clock.advance(0.75)
    session.finishOne()
    try await Self.wait { session.started.withLock { $0.count } == 2 }
    clock.advance(0.5)
    session.finishOne()
    let (one, two) = (try await first.value.timings, try await second.value.timings)
    #expect(one == RequestTimings(queueSeconds: 0, computeSeconds: 1, ahead: 0))
    #expect(two == RequestTimings(queueSeconds: 0.75, computeSeconds: 0.5, ahead: 1, dispatchGapSeconds: 0))
  }
}
