import Foundation
import Histogram
import NIOCore
import NIOHTTP1
import NIOPosix
import PlannerCore
import ServerContract

/// The state of one run.
///
/// Unchecked because every property is touched on `loop` only, but for those that `init` sets before any caller
/// has the object; `run` and `cancel`, which are called from elsewhere, hop onto it.
final class LoadEngine: @unchecked Sendable {
  private let loop: any EventLoop
  private let options: LoadOptions
  private let durationSeconds: Double
  private let report: @Sendable (LoadProgress) -> Void
  private let handOut: @Sendable (LoadWindow) -> Void
  private let done: EventLoopPromise<Void>

  /// Intended send times, nanoseconds from the start.
  private let due: [Int64]
  private let steps: [(target: Int, request: Int)]
  private let buffers: [ByteBuffer]
  private var samples: [LoadSample]

  /// On the event loop's clock, nanoseconds; 0 before the start.
  private var start: Int64 = 0
  /// First request that has not been taken up.
  private var next = 0
  /// No request before this one is unsettled.
  private var oldest = 0
  private var settled = 0
  private var completed = 0
  private var finished = false

  private var lanes: [LoadLane]
  private var lateConnections = 0

  private var spin: Int64
  private let spinLimit: Int64
  private var histogram = LoadTally.emptyHistogram()
  private var reports = 0
  private var cutter: WindowCutter?
  /// First request that is in no window yet.
  private var firstUncut = 0
  private var busyAtStart: Int64 = 0
  private var busyShare = 0.0

  init(
    loop: any EventLoop, targets: [LoadTarget], options: LoadOptions, load: AddressedSchedule,
    report: @escaping @Sendable (LoadProgress) -> Void, handOut: @escaping @Sendable (LoadWindow) -> Void = { _ in }
  ) {
    self.loop = loop
    lanes = targets.map { LoadLane(target: $0) }
    self.options = options
    self.report = report
    self.handOut = handOut
    cutter = options.windowSeconds.map { WindowCutter(lengthSeconds: $0, fromSeconds: options.warmupSeconds) }
    durationSeconds = load.schedule.durationSeconds
    done = loop.makePromise()
    due = load.schedule.requests.map(\.due.rawValue)
    steps = load.steps
    buffers = load.requests.map { ByteBuffer(bytes: $0.bytes) }
    samples = zip(load.schedule.requests, load.steps).map { request, step in
      LoadSample(dueSeconds: request.due.seconds, model: request.model, size: request.size, target: step.target)
    }
    spinLimit = Int64(options.spinSeconds * 1e9)
    spin = spinLimit
  }

  func run() async throws -> LoadResult {
    loop.execute { self.connectFirst() }
    try await done.futureResult.get()
    return try await loop.submit { self.result() }.get()
  }

  func cancel() {
    loop.execute { self.finish(.failure(CancellationError())) }
  }

  private func result() -> LoadResult {
    LoadResult(
      samples: samples, fromSeconds: options.warmupSeconds, durationSeconds: durationSeconds,
      timeoutSeconds: options.timeoutSeconds, lateConnections: lateConnections, generatorBusyShare: busyShare)
  }

  private func now() -> Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }

  /// CPU time that the loop's thread has used, nanoseconds.
  private func busy() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  // MARK: Start and end

  private func connectFirst() {
    let opening = lanes.indices.flatMap { lane in
      (0..<options.connections).map { _ in
        connect(lane).flatMapErrorThrowing { [target = lanes[lane].target] error in
          throw LoadTestError.connect(host: target.host, port: target.port, reason: "\(error)")
        }
      }
    }
    EventLoopFuture.andAllSucceed(opening, on: loop).assumeIsolated().whenComplete { outcome in
      switch outcome {
      case .success: self.begin()
      case .failure(let error): self.finish(.failure(error))
      }
    }
  }

  private func begin() {
    guard !finished else { return }
    // A moment of quiet, so that the first request does not pay for the end of the connecting.
    start = now() + 20_000_000
    busyAtStart = busy()
    scheduleNext()
    tick()
  }

  private func finish(_ outcome: Result<Void, any Error>) {
    guard !finished else { return }
    finished = true
    if start > 0 { busyShare = Double(busy() - busyAtStart) / Double(max(1, now() - start)) }
    for connection in lanes.flatMap(\.open.values) { connection.close() }
    if case .success = outcome {
      cutWindows(before: samples.count)
      cutter?.finish(at: durationSeconds, emit: handOut)
    }
    done.completeWith(outcome)
  }

  // MARK: Sending

  /// Takes up every request that is due. Between the start and the last request exactly one call is pending.
  private func pump() {
    guard !finished else { return }
    adapt()
    var time = now()
    while next < due.count {
      let target = start + due[next]
      if target > time {
        // Answers that come in during these microseconds are read after the send.
        guard target - time <= spin else { break }
        repeat { time = now() } while time < target
      }
      takeUp(next, lateness: time - target)
      next += 1
      time = now()
    }
    scheduleNext()
  }

  private func scheduleNext() {
    guard next < due.count else { return }
    let wake = NIODeadline.uptimeNanoseconds(UInt64(max(0, start + due[next] - spin)))
    loop.assumeIsolated().scheduleTask(deadline: wake) { self.pump() }
  }

  /// Widens the spinning by a good step after a wake that came too late and narrows it by a small one after
  /// each other: with steps of 100 to 1, about one wake in a hundred comes late.
  private func adapt() {
    guard next < due.count else { return }
    let late = now() > start + due[next]
    spin = late ? min(spinLimit, spin + 10_000) : max(min(5_000, spinLimit), spin - 100)
  }

  private func takeUp(_ request: Int, lateness: Int64) {
    samples[request].lagSeconds = Double(lateness) * 1e-9
    let lane = steps[request].target
    if let connection = lanes[lane].idle.popLast() {
      send(request, on: connection)
      return
    }
    lanes[lane].waiting.append(request)
    openForWaiting(lane)
  }

  private func send(_ request: Int, on connection: LoadConnection) {
    connection.send(buffers[steps[request].request], request: request)
  }

  private func openForWaiting(_ lane: Int) {
    guard !finished, lanes[lane].mayOpen(cap: options.connectionCap) else { return }
    lateConnections += 1
    connect(lane).assumeIsolated().whenFailure { error in
      // No request waits for it any more: the request that asked for this connection has failed.
      guard let request = self.popWaiting(lane) else { return }
      self.settle(request, .failed, complaint: "cannot connect: \(error)")
      self.openForWaiting(lane)
    }
  }

  private func popWaiting(_ lane: Int) -> Int? {
    while let request = lanes[lane].waiting.popFirst() {
      // Some may have been given up while they waited.
      if samples[request].outcome == .pending { return request }
    }
    return nil
  }

  // MARK: Connections

  private func connect(_ lane: Int) -> EventLoopFuture<Void> {
    lanes[lane].connecting += 1
    let target = lanes[lane].target
    let bootstrap = ClientBootstrap(group: loop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .connectTimeout(.nanoseconds(Int64(options.connectTimeoutSeconds * 1e9)))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let writer = RenderedRequestWriter()
          let decoder = ByteToMessageHandler(HTTPResponseDecoder(informationalResponseStrategy: .drop))
          let connection = LoadConnection(engine: self, lane: lane, writer: writer)
          try channel.pipeline.syncOperations.addHandlers([writer, decoder, connection])
        }
      }
    return bootstrap.connect(host: target.host, port: target.port).assumeIsolated().map { channel in
      self.lanes[lane].connecting -= 1
      guard let connection = try? channel.pipeline.syncOperations.handler(type: LoadConnection.self) else { return }
      if self.finished {
        connection.close()
      } else if channel.isActive {
        self.lanes[lane].open[ObjectIdentifier(connection)] = connection
        self.becameFree(connection)
      } else {
        self.openForWaiting(lane)
      }
    }.flatMapErrorThrowing { error in
      self.lanes[lane].connecting -= 1
      throw error
    }.nonisolated()
  }

  private func becameFree(_ connection: LoadConnection) {
    guard let request = popWaiting(connection.lane) else {
      lanes[connection.lane].idle.append(connection)
      return
    }
    samples[request].connectionWaitSeconds =
      Double(now() - start - due[request]) * 1e-9 - samples[request].lagSeconds
    send(request, on: connection)
  }

  /// Called by a connection whose request was answered in full.
  func answered(
    _ connection: LoadConnection, request: Int, status: Int, timings: ServerTimings?, keepAlive: Bool,
    complaint: String
  ) {
    samples[request].timings = timings
    switch status {
    case 200..<300: settle(request, .completed)
    case 429, 503: settle(request, .rejected)
    case 504: settle(request, .timedOut)
    default: settle(request, .failed, complaint: "HTTP \(status) \(complaint)")
    }
    guard !finished else { return }
    if keepAlive { becameFree(connection) } else { connection.close() }
  }

  /// Called by a connection that was closed, by whichever side.
  func connectionBroke(_ connection: LoadConnection, request: Int?, reason: String) {
    lanes[connection.lane].remove(connection)
    if let request { settle(request, .failed, complaint: reason) }
    openForWaiting(connection.lane)
  }

  private func settle(_ request: Int, _ outcome: LoadOutcome, complaint: String? = nil) {
    guard !finished, samples[request].outcome == .pending else { return }
    let latency = now() - start - due[request]
    samples[request].outcome = outcome
    samples[request].latencySeconds = Double(latency) * 1e-9
    settled += 1
    if outcome == .completed {
      completed += 1
      histogram.record(UInt64(max(0, latency)))
    } else if outcome == .failed {
      samples[request].complaint = complaint
    }
    if settled == samples.count { finish(.success(())) }
  }

  // MARK: Time limits and reports

  /// Ten times a second: gives up what has waited too long, hands out windows, and reports once a second.
  private func tick() {
    guard !finished else { return }
    let elapsed = now() - start
    giveUp(before: elapsed - Int64(options.timeoutSeconds * 1e9))
    guard !finished else { return }
    cutWindows(before: oldest)
    if elapsed >= Int64(reports + 1) * 1_000_000_000 {
      reports = Int(elapsed / 1_000_000_000)
      report(progress(elapsedSeconds: Double(elapsed) * 1e-9))
    }
    loop.assumeIsolated().scheduleTask(in: .milliseconds(100)) { self.tick() }
  }

  private func giveUp(before limit: Int64) {
    var expired = Set<Int>()
    while oldest < next, due[oldest] < limit || samples[oldest].outcome != .pending {
      if samples[oldest].outcome == .pending {
        expired.insert(oldest)
        settle(oldest, .timedOut)
      }
      oldest += 1
    }
    guard !expired.isEmpty else { return }
    // A late answer would be taken for the next request's.
    for connection in lanes.flatMap(\.open.values) {
      if let request = connection.request, expired.contains(request) { connection.close() }
    }
  }

  /// Hands out the windows that the settled requests before `end` complete.
  private func cutWindows(before end: Int) {
    guard cutter != nil else { return }
    while firstUncut < end {
      cutter?.add(samples[firstUncut], emit: handOut)
      firstUncut += 1
    }
  }

  private func progress(elapsedSeconds: Double) -> LoadProgress {
    func quantile(_ percent: Double) -> Double {
      completed > 0 ? Double(histogram.valueAtPercentile(percent)) * 1e-9 : 0
    }
    return LoadProgress(
      elapsedSeconds: elapsedSeconds, durationSeconds: durationSeconds, scheduled: samples.count,
      sent: next - lanes.reduce(0) { $0 + $1.waiting.count }, completed: completed, notCompleted: settled - completed,
      p50Seconds: quantile(50), p99Seconds: quantile(99))
  }
}
