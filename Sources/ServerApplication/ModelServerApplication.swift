import CLinux
import Engine
import Foundation
import Logging
import NIOCore
import NIOPosix
import PlannerCore
import RemoteModels
import ServerContract
import ServerGRPC
import ServerHTTP
import ServerSecurity
import ServiceLifecycle
import Serving
import Synchronization

/// A server from its options to its end: bind, load, warm, serve, drain.
package struct ModelServerApplication: Sendable {
  private let options: ServerOptions
  private let access: ServerAccess
  private let remote: RemoteRepository?
  private let logger: Logger
  private let warnings: LoadWarnings

  /// - Parameter remote: where the folder's models come from; nil where they are the user's own.
  package init(
    options: ServerOptions, access: ServerAccess = ServerAccess(), remote: RemoteRepository? = nil, logger: Logger
  ) {
    self.options = options
    self.access = access
    self.remote = remote
    self.logger = logger
    warnings = LoadWarnings(mayBatch: options.batch.max > 1) { logger.warning("\($0)") }
  }

  /// Runs until a signal, or the end of standard input where `stopOnStdinEOF`.
  ///
  /// - Parameter onReady: called once, when every model is loaded and warm.
  /// - Throws: `EngineError`, `FileError`, `TokenizerError`, or an `IOError` where the port cannot be bound.
  package func run(stopOnStdinEOF: Bool, onReady: @escaping @Sendable (ReadyLine) -> Void) async throws {
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
    let service = InferenceService(state: state, options: options)
    let grpc = try options.grpcPort.map { port in
      try GRPCFrontEnd(service, access: access, port: port, group: group) { grpcPort.bind(to: $0) }
    }
    let http = try HTTPFrontEnd.make(service, access: access, group: group, logger: logger) { port in
      start.begin {
        try await load(state)
        state.becomeReady()
        if state.isReady {
          onReady(
            ReadyLine(
              port: port, grpcPort: grpcPort.number, models: state.registry.entries.count,
              pid: ProcessInfo.processInfo.processIdentifier))
        }
      }
    }
    let drain = DrainService {
      // Once the server is ready, requests may be waiting for what is being pulled or tried.
      if state.isLoading {
        remote?.cancel()
        probe?.cancel()
      }
      state.startDraining()
      start.cancel()
    }
    // HTTP waits for gRPC's port: where that cannot be had, nothing else has begun.
    var parts: [any Service] =
      if let grpc { [grpc, FollowingService(base: http, port: grpcPort), drain] } else { [http, drain] }
    // The last one is told first, and the others once it has ended.
    let delay = options.shutdownDelaySeconds
    if delay > 0 { parts.append(DelayService(seconds: delay) { state.isReady }) }
    let services = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: parts,
        gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    start.onFailure { Task { await services.triggerGracefulShutdown() } }
    if stopOnStdinEOF { Self.watchStdin { Task { await services.triggerGracefulShutdown() } } }
    let impatience = Impatience(limitSeconds: ServerOptions.drainSeconds + Int(delay.rounded(.up)))
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
      folder: options.repository, selection: options.models, warmTokens: options.warmTokens + shorter, probe: probe,
      origin: remote.map(RemoteOrigin.init), devices: options.devices, pairTruncation: options.pairTruncation,
      warn: { [warnings] in warnings.note($0) })
    let residency = ResidencyPolicy(budgetBytes: options.memoryBudgetBytes, maxWaiting: options.maxLoadsWaiting)
    return ModelRegistry(
      source: source, options: ModelRegistry.Options(residency: residency, loadThreads: options.loadThreads),
      prepareThread: { [options, logger] in
        // As the workers': the library keeps kernels by the number of threads.
        do { try Engine.setThreads(options.threadsPerWorker) } catch { logger.error("a loader thread: \(error)") }
      },
      onLoad: { [warnings] in warnings.loaded($0) })
  }

  private static let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""

  /// Restricts all threads of this process, and those that they start later, to the CPUs that are not the workers';
  /// workers move to their own when they start.
  ///
  /// - Parameter cpus: empty leaves them all.
  package static func confine(toCPUs cpus: [Int]) throws(EngineError) {
    guard !cpus.isEmpty else { return }
    let status = cpus.map { Int32($0) }.withUnsafeBufferPointer {
      cl_set_process_affinity($0.baseAddress, $0.count)
    }
    guard status == 0 else {
      throw EngineError(.unavailable, "CPUs \(cpus)", "cannot be used: \(String(cString: strerror(status)))")
    }
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
    for warning in state.registry.tokenizer?.warnings ?? [] { logger.warning("\(warning)") }
    warnings.started(state.registry.entries)
    try await warmWorkers(state)
  }

  /// The loaders have run every model; this lets each worker set up its own threads and caches, once a family.
  private func warmWorkers(_ state: ServerState) async throws {
    var seen: Set<String> = []
    let first = state.registry.entries.filter { entry in
      guard let model = entry.model, TokenInputs.areAll(of: model.inputs), !model.interface.keepsState,
        model.warmFailure == nil
      else { return false }
      return seen.insert("\(model.queue) \(entry.description.architecture) \(model.precision)").inserted
    }
    for entry in first {
      guard let lease = try? await state.registry.acquireForUpkeep(entry) else { continue }
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
