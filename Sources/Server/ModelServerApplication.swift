import CLinux
import Foundation
import Hummingbird
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
    let pool = WorkerPool(
      options: WorkerPool.Options(
        workers: options.workers, threadsPerWorker: options.threadsPerWorker, queueCapacity: options.queueCapacity,
        pinnedCPUs: options.workerCPUs, idlePolling: Nanoseconds(seconds: options.idlePollingSeconds)))
    try pool.start()
    defer { pool.stop() }
    let state = ServerState(pool: pool)
    let failure = Mutex<(any Error)?>(nil)
    let bound = Bound()
    var configuration = ApplicationConfiguration(
      address: .hostname(options.host, port: options.port), serverName: nil)
    configuration.availableConnectionsDelegate = nil
    let group = MultiThreadedEventLoopGroup(numberOfThreads: options.httpThreads)
    let application = Application(
      responder: ServerResponder(state: state, options: options), configuration: configuration,
      onServerRunning: { channel in bound.set(port: channel.localAddress?.port ?? 0) },
      eventLoopGroupProvider: .shared(group), logger: logger)
    let services = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [
          .init(service: application), .init(service: DrainService(state: state)),
        ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    let loading = Thread { [options] in
      do {
        guard let port = bound.waitForPort() else { return }
        let table = try Self.load(options, pool: pool, logger: logger)
        state.becomeReady(table)
        if state.isReady {
          onReady(Ready(port: port, models: table.models.count, pid: ProcessInfo.processInfo.processIdentifier))
        }
      } catch is SchedulingError {
        // Told to stop while the models were still being warmed: an orderly end.
        return
      } catch {
        failure.withLock { $0 = error }
        Task { await services.triggerGracefulShutdown() }
      }
    }
    loading.stackSize = 16 << 20
    loading.start()
    if stopOnStdinEOF { Self.watchStdin { Task { await services.triggerGracefulShutdown() } } }
    let impatience = Impatience(limitSeconds: Self.drainSeconds)
    defer { impatience.cancel() }
    do {
      try await services.run()
    } catch {
      bound.giveUp()
      try await group.shutdownGracefully()
      throw error
    }
    bound.giveUp()
    try await group.shutdownGracefully()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Restricts all threads of this process, and those that they start later, to the CPUs that are not the workers';
  /// workers move to their own when they start.
  public func confineToIOCPUs() throws(EngineError) {
    guard !options.ioCPUs.isEmpty else { return }
    let status = options.ioCPUs.map { Int32($0) }.withUnsafeBufferPointer {
      cl_set_process_affinity($0.baseAddress, $0.count)
    }
    guard status == 0 else {
      throw EngineError(.unavailable, "CPUs \(options.ioCPUs)", "cannot be used: \(String(cString: strerror(status)))")
    }
  }

  // MARK: Loading

  private static func load(_ options: ServerOptions, pool: WorkerPool, logger: Logger) throws -> ModelTable {
    let lastShown = Mutex(0)
    let table = try RepositoryLoader(folder: options.repository).load(limit: options.limitModels) { done in
      let isDue = lastShown.withLock { last in
        guard done >= last + 100 else { return false }
        last = done
        return true
      }
      if isDue { logger.info("\(done) models loaded") }
    }
    let failure = Mutex<(any Error)?>(nil)
    let finished = DispatchSemaphore(value: 0)
    Task {
      do {
        try await warm(table, options, pool)
      } catch {
        failure.withLock { $0 = error }
      }
      finished.signal()
    }
    finished.wait()
    if let error = failure.withLock({ $0 }) { throw error }
    return table
  }

  /// Runs every model once at each length, on the workers that will serve it: first runs take many times the usual.
  private static func warm(_ table: ModelTable, _ options: ServerOptions, _ pool: WorkerPool) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      var next = 0
      func add() {
        guard next < table.models.count else { return }
        let model = table.models[next]
        next += 1
        group.addTask {
          for tokens in options.warmTokens {
            let count = min(tokens, model.maxTokens)
            let ids = (0..<count).map { Int64($0 % max(1, min(model.vocabulary, 1000))) }
            let inputs = model.inputs.map { name in
              HostTensor(
                shape: [1, count],
                elements: .int64(
                  name == "input_ids" ? ids : Array(repeating: name == "attention_mask" ? 1 : 0, count: count)))
            }
            do {
              let answer = try await pool.infer(model.session, inputs)
              model.learnOutputs(answer.outputs, batch: 1, tokens: count)
            } catch let error as EngineError {
              throw EngineError(.badModel, model.name, "does not run: \(error.message)")
            }
          }
        }
      }
      for _ in 0..<(2 * options.workers) { add() }
      while try await group.next() != nil { add() }
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

/// The port that the server was bound to, once it is.
private final class Bound: Sendable {
  private let value = Mutex<Int?>(nil)
  private let signal = DispatchSemaphore(value: 0)

  func set(port: Int) {
    value.withLock { $0 = port }
    signal.signal()
  }

  func giveUp() { signal.signal() }

  func waitForPort() -> Int? {
    signal.wait()
    return value.withLock { $0 }
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

/// Turns readiness off the moment a shutdown begins, before connections are closed.
private struct DrainService: Service {
  let state: ServerState

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await gracefulShutdown()
    } onGracefulShutdown: {
      state.startDraining()
    }
  }
}
