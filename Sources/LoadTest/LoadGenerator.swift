import CLinux
import NIOCore
import NIOPosix
import PlannerCore

/// How a run is sent. The defaults fit nodes on loopback.
public struct LoadOptions: Hashable, Sendable {
  /// Opened to each target before the start, so that connecting is not measured.
  public var connections = 16
  /// No more are opened to a target; requests beyond it wait, and their latency counts from the intended time all the
  /// same.
  public var connectionCap = 256
  /// From the intended time; an unanswered request is then given up and its connection closed, seconds.
  public var timeoutSeconds = 10.0
  /// For each of the connections opened before the start, seconds.
  public var connectTimeoutSeconds = 5.0
  /// At most so long before a request is due the generator stops sleeping and spins, seconds: a sleeping
  /// thread wakes tens of microseconds late. The window shrinks by itself where wakes are punctual.
  public var spinSeconds = 60e-6
  /// CPU to which the generator's thread is bound; nil leaves it to the system.
  public var cpu: Int?
  /// Requests due earlier are sent but not counted, seconds.
  public var warmupSeconds = 0.0
  /// Length of the windows that are handed out while the run goes on, seconds; nil hands out none.
  public var windowSeconds: Double?

  public init() {}

  func check() throws(LoadTestError) {
    func refuse(_ name: String, _ problem: String) -> LoadTestError { .option(name: name, problem: problem) }
    guard connections >= 1 else { throw refuse("connections", "must be at least 1") }
    guard connectionCap >= connections else {
      throw refuse("connectionCap", "(\(connectionCap)) must not be below connections (\(connections))")
    }
    guard timeoutSeconds.isFinite, timeoutSeconds > 0, timeoutSeconds <= 3600 else {
      throw refuse("timeoutSeconds", "must be above 0 and at most 3600")
    }
    guard connectTimeoutSeconds > 0, connectTimeoutSeconds <= 3600 else {
      throw refuse("connectTimeoutSeconds", "must be above 0 and at most 3600")
    }
    guard spinSeconds >= 0, spinSeconds <= 0.001 else { throw refuse("spinSeconds", "must lie between 0 and 1 ms") }
    guard warmupSeconds >= 0 else { throw refuse("warmupSeconds", "must not be negative") }
    guard windowSeconds ?? 1 > 0 else { throw refuse("windowSeconds", "must be above 0") }
  }
}

/// How far a run is.
public struct LoadProgress: Hashable, Sendable {
  public var elapsedSeconds: Double
  public var durationSeconds: Double
  /// Requests that the schedule holds.
  public var scheduled: Int
  public var sent: Int
  public var completed: Int
  /// Rejected, timed out or failed.
  public var notCompleted: Int
  /// Median latency of the requests completed so far, seconds; 0 before the first.
  public var p50Seconds: Double
  /// The 99th percentile of latency so far, seconds; 0 before the first completed request.
  public var p99Seconds: Double
}

/// Sends a schedule made before the run over HTTP/1.1, open-loop: each request goes out when it is due,
/// whether or not earlier ones were answered, and its latency counts from that moment to the last byte of
/// the answer. A server that stalls therefore shows in every request that was due meanwhile.
///
/// One event loop thread owns all state, so sending and receiving take no lock. It talks to the targets that it is
/// given and nobody else; redirects are not followed and no request is repeated. Each target has connections of its
/// own: one that stalls holds up no request to another.
public struct LoadGenerator: Sendable {
  /// The servers that are asked; at least one.
  public let targets: [LoadTarget]
  public let options: LoadOptions

  public init(targets: [LoadTarget], options: LoadOptions = LoadOptions()) {
    precondition(!targets.isEmpty, "a load generator has a target")
    self.targets = targets
    self.options = options
  }

  public init(host: String = "127.0.0.1", port: Int, options: LoadOptions = LoadOptions()) {
    self.init(targets: [LoadTarget(host: host, port: port)], options: options)
  }

  /// Runs a schedule whose requests differ by their models alone, on the first target.
  ///
  /// - Parameter requests: rendered bytes, one for each model that the schedule may name.
  /// - Throws: as `run` of an addressed schedule, and `LoadTestError.missingRequest`.
  public func run(
    schedule: Schedule, requests: [RequestBytes], progress: (@Sendable (LoadProgress) -> Void)? = nil,
    window: (@Sendable (LoadWindow) -> Void)? = nil
  ) async throws -> LoadResult {
    try await run(try AddressedSchedule(schedule, requests: requests), progress: progress, window: window)
  }

  /// Runs the whole schedule and waits for the last answers.
  ///
  /// - Parameters:
  ///   - progress: called about once a second, away from the thread that sends.
  ///   - window: called with each of the windows of `LoadOptions.windowSeconds` once the last of its requests is
  ///     settled, in order, away from the thread that sends; the last calls come before this function returns.
  /// - Throws: `LoadTestError`; `CancellationError` as soon as the task is cancelled, all connections then closed.
  public func run(
    _ load: AddressedSchedule, progress: (@Sendable (LoadProgress) -> Void)? = nil,
    window: (@Sendable (LoadWindow) -> Void)? = nil
  ) async throws -> LoadResult {
    try options.check()
    guard !load.schedule.requests.isEmpty else { throw LoadTestError.emptySchedule }
    if let target = load.steps.first(where: { $0.target >= targets.count })?.target {
      throw LoadTestError.missingTarget(target: target, targets: targets.count)
    }
    try Task.checkCancellation()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let outcome: Result<LoadResult, any Error>
    do {
      outcome = .success(
        try await run(on: group.next(), load, progress: progress, window: window))
    } catch {
      outcome = .failure(error)
    }
    try await group.shutdownGracefully()
    return try outcome.get()
  }

  private func run(
    on loop: any EventLoop, _ load: AddressedSchedule, progress: (@Sendable (LoadProgress) -> Void)?,
    window: (@Sendable (LoadWindow) -> Void)?
  ) async throws -> LoadResult {
    if let cpu = options.cpu {
      try await loop.submit {
        var cpus = [Int32(clamping: cpu)]
        let problem = cl_set_thread_affinity(&cpus, 1)
        guard problem == 0 else { throw LoadTestError.affinity(cpu: cpu, errno: problem) }
      }.get()
    }
    let (reports, feed) = AsyncStream.makeStream(of: LoadProgress.self, bufferingPolicy: .bufferingNewest(1))
    let (windows, windowFeed) = AsyncStream.makeStream(of: LoadWindow.self)
    let engine = LoadEngine(
      loop: loop, targets: targets, options: options, load: load,
      report: { feed.yield($0) }, handOut: { windowFeed.yield($0) })
    async let reporting: Void = {
      for await report in reports { progress?(report) }
    }()
    async let handingOut: Void = {
      for await complete in windows { window?(complete) }
    }()
    defer {
      feed.finish()
      windowFeed.finish()
    }
    let result = try await withTaskCancellationHandler {
      try await engine.run()
    } onCancel: {
      engine.cancel()
    }
    feed.finish()
    windowFeed.finish()
    await reporting
    await handingOut
    return result
  }
}
