import Engine
import PlannerCore
import Serving
import Synchronization
import Testing

/// What a pool does with requests whose clients have gone.
@Suite struct CancellationTests {
  private static func pool(
    workers: Int = 1, queueCapacity: Int? = nil, batch: BatchPolicy = .single,
    clock: @escaping @Sendable () -> Nanoseconds = WorkerPool.monotonicNow
  ) throws -> WorkerPool {
    let pool = WorkerPool(
      options: .init(workers: workers, threadsPerWorker: 1, queueCapacity: queueCapacity, batch: batch), clock: clock)
    try pool.start()
    return pool
  }

  private static func request(
    _ number: Int64, _ session: HeldPasses, _ pool: WorkerPool, holding resource: (any AnyObject & Sendable)? = nil
  ) -> Task<WorkerPool.Answer, any Error> {
    Task { try await pool.infer(session, WorkerPoolTests.name(number), holding: resource) }
  }

  private static func wait(until condition: @Sendable () -> Bool) async throws {
    try await WorkerPoolTests.wait(until: condition)
  }

  /// What a session needs, and whether it is gone.
  private final class Resource: Sendable {
    final class End: Sendable {
      private let value = Atomic(false)
      var hasCome: Bool { value.load(ordering: .acquiring) }
      func come() { value.store(true, ordering: .releasing) }
    }

    private let end: End
    init(_ end: End) { self.end = end }
    deinit { end.come() }
  }

  @Test func aRequestThatWaitsLeavesAtOnceAndItsPlaceIsFree() async throws {
    let pool = try Self.pool(queueCapacity: 1)
    defer { pool.stop() }
    let session = HeldPasses()
    let first = Self.request(0, session, pool)
    try await Self.wait { session.passes == [[0]] }
    let second = Self.request(1, session, pool)
    try await Self.wait { pool.load.waiting == 1 }
    await #expect(throws: SchedulingError.self) { try await Self.request(2, session, pool).value }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    #expect(pool.load == WorkerPool.Load(waiting: 0, busyWorkers: 1))
    let third = Self.request(3, session, pool)
    try await Self.wait { pool.load.waiting == 1 }
    session.finish(2)
    #expect(try await first.value.outputs == WorkerPoolTests.name(0))
    #expect(try await third.value.outputs == WorkerPoolTests.name(3))
    #expect(session.passes == [[0], [3]])
  }

  @Test func aPassUnderWayIsNotWaitedForAndKeepsWhatItUses() async throws {
    let pool = try Self.pool()
    defer { pool.stop() }
    let session = HeldPasses()
    let end = Resource.End()
    let first = Self.request(0, session, pool, holding: Resource(end))
    try await Self.wait { session.passes == [[0]] }
    first.cancel()
    await #expect(throws: CancellationError.self) { try await first.value }
    #expect(pool.load.busyWorkers == 1 && !end.hasCome)
    let second = Self.request(1, session, pool)
    try await Self.wait { pool.load.waiting == 1 }
    session.finish(2)
    #expect(try await second.value.outputs == WorkerPoolTests.name(1))
    try await Self.wait { end.hasCome }
  }

  @Test func whatARequestThatWaitedUsedGoesWithIt() async throws {
    let pool = try Self.pool()
    defer { pool.stop() }
    let session = HeldPasses()
    let first = Self.request(0, session, pool)
    try await Self.wait { session.passes == [[0]] }
    let end = Resource.End()
    let second = Self.request(1, session, pool, holding: Resource(end))
    try await Self.wait { pool.load.waiting == 1 }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    try await Self.wait { end.hasCome }
    session.finish()
    _ = try await first.value
  }

  @Test func theMatesOfABatchThatGathersAreComputedWithoutIt() async throws {
    let clock = HandClock()
    let pool = try Self.pool(batch: BatchPolicy(max: 3, wait: Nanoseconds(seconds: 1))) { clock.now }
    defer { pool.stop() }
    let session = HeldPasses(isBatched: true)
    let requests = try await Self.inOrder(0..<2, session, pool)
    requests[0].cancel()
    await #expect(throws: CancellationError.self) { try await requests[0].value }
    #expect(pool.load == WorkerPool.Load(waiting: 1, busyWorkers: 0))
    let third = Self.request(2, session, pool)
    try await Self.wait { pool.load.waiting == 2 }
    clock.advance(1)
    pool.checkClock()
    session.finish()
    let answers = [try await requests[1].value, try await third.value]
    #expect(answers.map(\.outputs) == [WorkerPoolTests.name(1), WorkerPoolTests.name(2)])
    #expect(answers.allSatisfy { $0.timings.batchSize == 2 } && session.passes == [[1, 2]])
  }

  /// Requests that come one after the other.
  private static func inOrder(
    _ numbers: Range<Int64>, _ session: HeldPasses, _ pool: WorkerPool
  ) async throws -> [Task<WorkerPool.Answer, any Error>] {
    var requests: [Task<WorkerPool.Answer, any Error>] = []
    for number in numbers {
      let before = pool.load.waiting + pool.load.busyWorkers
      requests.append(request(number, session, pool))
      try await wait { pool.load.waiting + pool.load.busyWorkers > before }
    }
    return requests
  }

  /// Whoever stands for the pass in the statistics has gone: another of its requests does.
  @Test func theMatesOfABatchUnderWayAreAnsweredAndThePassIsCountedOnce() async throws {
    let clock = HandClock()
    let pool = try Self.pool(batch: BatchPolicy(max: 4, wait: Nanoseconds(seconds: 1))) { clock.now }
    defer { pool.stop() }
    let session = HeldPasses(isBatched: true)
    let requests = try await Self.inOrder(0..<3, session, pool)
    clock.advance(1)
    pool.checkClock()
    try await Self.wait { session.passes == [[0, 1, 2]] }
    requests[0].cancel()
    await #expect(throws: CancellationError.self) { try await requests[0].value }
    session.finish()
    let timings = [try await requests[1].value.timings, try await requests[2].value.timings]
    #expect(timings.map(\.isFirstOfBatch) == [true, false] && timings.map(\.batchSize) == [3, 3])
    #expect(try await requests[2].value.outputs == WorkerPoolTests.name(2))
  }

  @Test func aClientThatHasGoneBeforeIsNotComputed() async throws {
    let pool = try Self.pool()
    defer { pool.stop() }
    let session = HeldPasses()
    let gone = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await pool.infer(session, WorkerPoolTests.name(0))
    }
    await #expect(throws: CancellationError.self) { try await gone.value }
    session.finish()
    _ = try await Self.request(1, session, pool).value
    #expect(session.passes == [[1]])
  }

  /// Wherever a request is when its client goes (on its way in, waiting, handed to a worker, computed, on its way out),
  /// it ends once, in one of two ways, and nothing of it is left.
  @Test(arguments: [BatchPolicy.single, BatchPolicy(max: 4, wait: Nanoseconds(20_000))])
  func everyRequestEndsOnce(_ batch: BatchPolicy) async throws {
    let pool = try Self.pool(workers: 2, batch: batch)
    defer { pool.stop() }
    let session = HeldPasses(isBatched: batch.max > 1)
    session.finish(20_000)
    let counts = await withTaskGroup(of: (answered: Int, cancelled: Int).self) { group in
      for client in 0..<4 {
        group.addTask {
          var random = RandomStream(seed: 7, stream: "gone", index: UInt64(client))
          var counts = (answered: 0, cancelled: 0)
          for index in 0..<1_500 {
            let number = Int64(client * 10_000 + index)
            let request = Self.request(number, session, pool)
            for _ in 0..<random.integer(below: 4) { await Task.yield() }
            request.cancel()
            do {
              #expect(try await request.value.outputs == WorkerPoolTests.name(number))
              counts.answered += 1
            } catch {
              #expect(error is CancellationError)
              counts.cancelled += 1
            }
          }
          return counts
        }
      }
      return await group.reduce((0, 0)) { ($0.0 + $1.answered, $0.1 + $1.cancelled) }
    }
    #expect(counts.0 + counts.1 == 6_000)
    try await Self.wait { pool.load == WorkerPool.Load(waiting: 0, busyWorkers: 0) }
    #expect(try await Self.request(-1, session, pool).value.outputs == WorkerPoolTests.name(-1))
  }
}
