import Foundation
import ServiceLifecycle
import Serving
import Synchronization

/// The loading of the models, which begins once the port is bound.
final class StartUp: Sendable {
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
final class BoundPort: Sendable {
  private let value = Mutex<Int?>(nil)
  private let ends: AsyncStream<Void>
  private let end: AsyncStream<Void>.Continuation

  init() { (ends, end) = AsyncStream.makeStream() }

  /// Number of the port; nil until it is bound.
  var number: Int? { value.withLock { $0 } }

  func bind(to number: Int) {
    value.withLock { $0 = number }
    end.finish()
  }

  /// Returns once it is bound, or the task is cancelled.
  func wait() async { for await _ in ends {} }
}

/// A service that begins once a port of another is bound.
struct FollowingService: Service {
  let base: any Service
  let port: BoundPort

  func run() async throws {
    await port.wait()
    if port.number != nil { try await base.run() }
  }
}

final class Counter: Sendable {
  private let value = Atomic<Int>(0)
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}

/// Ends the process at once on a second signal, or where draining takes too long.
///
/// A forward pass that hangs cannot be interrupted; a second signal is taken as an order to stop at once.
final class Impatience: Sendable {
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

/// Holds a shutdown up for a while, in which everything goes on as before. A server that was never ready has nobody who
/// sends to it, and stops at once.
struct DelayService: Service {
  let seconds: Double
  let isReady: @Sendable () -> Bool

  init(seconds: Double, isReady: @escaping @Sendable () -> Bool) {
    self.seconds = seconds
    self.isReady = isReady
  }

  func run() async throws {
    try await gracefulShutdown()
    if isReady() { try await Task.sleep(for: .seconds(seconds)) }
  }
}

/// Does something the moment a shutdown begins, before connections are closed.
struct DrainService: Service {
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
