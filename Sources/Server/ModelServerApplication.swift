import CLinux
import Foundation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import PlannerCore
import ServiceLifecycle
import Synchronization

/// A server from its options to its end: bind, load, warm, serve, drain.
public struct ModelServerApplication: Sendable {
  public struct Ready: Codable, Sendable {
    public var ready = true
    public var port: Int
    /// nil without gRPC.
    public var grpcPort: Int?
    public var models: Int
    public var pid: Int32
  }

  /// Longest time for requests that were accepted to be answered after the server was told to stop.
  static let drainSeconds = 30

  let options: ServerOptions
  let logger: Logger

  public init(options: ServerOptions, logger: Logger) {
    self.options = options
    self.logger = logger
  }

  /// Runs until a signal, or the end of standard input where `stopOnStdinEOF`.
  ///
  /// - Parameter onReady: called once, when every model is loaded and warm.
  /// - Throws: `EngineError`, `FileError`, `TokenizerError`, or an `IOError` where the port cannot be bound.
  public func run(stopOnStdinEOF: Bool, onReady: @escaping @Sendable (Ready) -> Void) async throws {
    let pools = options.devices.indices.map(makePool)
    for pool in pools { try pool.start() }
    let probe = options.probeSeconds.map { IsolationProbe(executable: Self.executable, timeLimitSeconds: $0) }
    let registry = makeRegistry(probe)
    // The library must not be at work when the process ends.
    defer {
      registry.stop()
      for pool in pools { pool.stop() }
    }
    let state = ServerState(pools: pools, registry: registry)
    let start = StartUp()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: options.httpThreads)
    let grpcPort = BoundPort()
    let grpc = try options.grpcPort.map { port in
      try GRPCFrontEnd(InferenceService(state: state, options: options), port: port, group: group) {
        grpcPort.bound(to: $0)
      }
    }
    let http = try makeHTTP(state, group) { port in
      start.begin {
        try await load(state)
        state.becomeReady()
        if state.isReady {
          onReady(
            Ready(
              port: port, grpcPort: grpcPort.number, models: state.registry.entries.count,
              pid: ProcessInfo.processInfo.processIdentifier))
        }
      }
    }
    let drain = DrainService {
      // Once the server is ready, requests may be waiting for what is being pulled or tried.
      if state.isLoading {
        options.remote?.cancel()
        probe?.cancel()
      }
      state.startDraining()
      start.cancel()
    }
    // HTTP waits for gRPC's port: where that cannot be had, nothing else has begun.
    let parts: [any Service] =
      if let grpc { [grpc, FollowingService(base: http, port: grpcPort), drain] } else { [http, drain] }
    let services = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: parts,
        gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    start.onFailure { Task { await services.triggerGracefulShutdown() } }
    if stopOnStdinEOF { Self.watchStdin { Task { await services.triggerGracefulShutdown() } } }
    let impatience = Impatience(limitSeconds: Self.drainSeconds)
    defer { impatience.cancel() }
    // The group stays for the process's last moments: gRPC's library still schedules on it.
    try await services.run()
    try await start.end()
  }

  /// - Parameter device: which of them; their workers take the CPUs in turn.
  private func makePool(ofDevice device: Int) -> WorkerPool {
    let cpus = options.workerCPUs
    let turn = cpus.isEmpty ? 0 : device * options.workers % cpus.count
    return WorkerPool(
      options: WorkerPool.Options(
        workers: options.workers, threadsPerWorker: options.threadsPerWorker, queueCapacity: options.queueCapacity,
        modelCapacity: options.queueCapacityPerModel, batch: options.batch,
        pinnedCPUs: Array(cpus[turn...] + cpus[..<turn]),
        idlePolling: Nanoseconds(seconds: options.idlePollingSeconds)))
  }

  private func makeRegistry(_ probe: IsolationProbe?) -> ModelRegistry {
    // Two lengths show a batch's layout.
    let shorter = options.batch.max > 1 ? options.warmTokens.map { max(1, $0 / 2) } : []
    let source = RepositorySource(
      folder: options.repository, limit: options.limitModels, warmTokens: options.warmTokens + shorter, probe: probe,
      remote: options.remote, devices: options.devices)
    let residency = ResidencyPolicy(budgetBytes: options.memoryBudgetBytes, maxWaiting: options.maxLoadsWaiting)
    return ModelRegistry(
      source: source, options: ModelRegistry.Options(residency: residency, loadThreads: options.loadThreads),
      prepareThread: { [options, logger] in
        // As the workers': the library keeps kernels by the number of threads.
        do { try Engine.setThreads(options.threadsPerWorker) } catch { logger.error("a loader thread: \(error)") }
      })
  }

  private static let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""

  /// Restricts all threads of this process, and those that they start later, to the CPUs that are not the workers';
  /// workers move to their own when they start.
  ///
  /// - Parameter cpus: empty leaves them all.
  public static func confine(toCPUs cpus: [Int]) throws(EngineError) {
    guard !cpus.isEmpty else { return }
    let status = cpus.map { Int32($0) }.withUnsafeBufferPointer {
      cl_set_process_affinity($0.baseAddress, $0.count)
    }
    guard status == 0 else {
      throw EngineError(.unavailable, "CPUs \(cpus)", "cannot be used: \(String(cString: strerror(status)))")
    }
  }

  /// - Parameter onBound: called with the port, once it is bound.
  private func makeHTTP(
    _ state: ServerState, _ group: MultiThreadedEventLoopGroup, onBound: @escaping @Sendable (Int) -> Void
  ) throws -> some Service {
    if let warning = ListeningAddress.warning(
      host: options.host, hasTLS: options.transportSecurity != nil, hasToken: options.token != nil)
    {
      logger.warning("\(warning)")
    }
    var configuration = ApplicationConfiguration(
      address: .hostname(options.host, port: options.port), serverName: nil)
    configuration.backlog = 1024
    configuration.availableConnectionsDelegate = ConnectionLimits.connections(logger)
    return Application(
      responder: AuthorizingResponder(
        ServerResponder(state: state, options: options, logger: logger), token: options.token,
        opensMetrics: options.opensMetrics, metrics: state.metrics),
      server: try Self.secured(ConnectionLimits.server(options), options.transportSecurity),
      configuration: configuration, onServerRunning: { onBound($0.localAddress?.port ?? 0) },
      eventLoopGroupProvider: .shared(group), logger: logger)
  }

  private static func secured(_ server: HTTPServerBuilder, _ security: TransportSecurity?) throws -> HTTPServerBuilder {
    guard let security else { return server }
    return try .tls(server, tlsConfiguration: security.configuration(protocols: ["http/1.1"]))
  }

  // MARK: Loading

  /// Loads the repository and warms the workers.
  private func load(_ state: ServerState) async throws {
    let lastShown = Mutex(0)
    try await state.registry.open(isTolerant: options.toleratesBadModels) { [logger] done in
      let isDue = lastShown.withLock { last in
        guard done >= last + 100 else { return false }
        last = done
        return true
      }
      if isDue { logger.info("\(done) models loaded") }
    }
    for entry in state.registry.entries {
      if case .unavailable(let reason) = entry.state { logger.warning("\(entry.name) is unavailable: \(reason)") }
    }
    try await warmWorkers(state)
  }

  /// The loaders have run every model; this lets each worker set up its own threads and caches, once a family.
  private func warmWorkers(_ state: ServerState) async throws {
    var seen: Set<String> = []
    let first = state.registry.entries.filter { entry in
      guard let model = entry.model, InputCheck.takesTokens(model.inputs) else { return false }
      return seen.insert("\(model.queue) \(entry.description.architecture) \(model.precision)").inserted
    }
    for entry in first {
      guard let lease = try? await state.registry.acquire(entry, for: .upkeep) else { continue }
      for tokens in options.warmTokens {
        let inputs = lease.model.exampleInputs(tokens: tokens)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<(2 * options.workers) {
            group.addTask {
              do {
                _ = try await state.pool(of: lease.model).infer(lease.model.session, inputs, model: entry.index)
              } catch SchedulingError.queueFull {
                // As many wait as may; the others are enough.
              }
            }
          }
          try await group.waitForAll()
        }
      }
    }
  }

  private static func watchStdin(_ onEnd: @escaping @Sendable () -> Void) {
    let thread = Thread {
      var byte: UInt8 = 0
      while true {
        let count = read(0, &byte, 1)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { break }
      }
      onEnd()
    }
    thread.start()
  }
}

/// The loading of the models, which begins once the port is bound.
private final class StartUp: Sendable {
  private struct State {
    var task: Task<Void, any Error>?
    var isCancelled = false
    var onFailure: @Sendable () -> Void = {}
  }

  private let state = Mutex(State())

  func onFailure(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.onFailure = action } }

  func begin(_ work: @escaping @Sendable () async throws -> Void) {
    state.withLock { state in
      guard !state.isCancelled else { return }
      state.task = Task { [self] in
        do {
          try await work()
        } catch {
          self.state.withLock { $0.onFailure }()
          throw error
        }
      }
    }
  }

  func cancel() {
    state.withLock { state in
      state.isCancelled = true
      state.task?.cancel()
    }
  }

  /// Waits for its end.
  ///
  /// - Throws: what went wrong; being told to stop is an orderly end.
  func end() async throws {
    do {
      try await state.withLock { $0.task }?.value
    } catch is CancellationError {
    } catch is SchedulingError {}
  }
}

/// The number of a port, once it is bound.
private final class BoundPort: Sendable {
  private let value = Mutex<Int?>(nil)
  private let ends: AsyncStream<Void>
  private let end: AsyncStream<Void>.Continuation

  init() { (ends, end) = AsyncStream.makeStream() }

  /// nil until it is bound.
  var number: Int? { value.withLock { $0 } }

  func bound(to number: Int) {
    value.withLock { $0 = number }
    end.finish()
  }

  /// Returns once it is bound, or the task is cancelled.
  func wait() async { for await _ in ends {} }
}

/// A service that begins once a port of another is bound.
private struct FollowingService: Service {
  let base: any Service
  let port: BoundPort

  func run() async throws {
    await port.wait()
    if port.number != nil { try await base.run() }
  }
}

private final class Counter: Sendable {
  private let value = Atomic<Int>(0)
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}

/// Ends the process at once on a second signal, or where draining takes too long.
///
/// A forward pass that hangs cannot be interrupted; whoever asked the server to stop twice means it.
private final class Impatience: Sendable {
  private static let signals = [SIGTERM, SIGINT]
  /// Dispatch sources may be used from any thread; their protocol does not say so. Never changed after `init`.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  init(limitSeconds: Int) {
    let queue = DispatchQueue(label: "impatience")
    let counter = Counter()
    sources = Self.signals.map { DispatchSource.makeSignalSource(signal: $0, queue: queue) }
    for (number, source) in zip(Self.signals, sources) {
      source.setEventHandler {
        if counter.next() > 1 { _exit(128 + number) }
        queue.asyncAfter(deadline: .now() + .seconds(limitSeconds)) { _exit(1) }
      }
      source.resume()
    }
  }

  func cancel() { for source in sources { source.cancel() } }
}

/// Does something the moment a shutdown begins, before connections are closed.
private struct DrainService: Service {
  let onShutdown: @Sendable () -> Void

  init(onShutdown: @escaping @Sendable () -> Void) { self.onShutdown = onShutdown }

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await gracefulShutdown()
    } onGracefulShutdown: {
      onShutdown()
    }
  }
}
