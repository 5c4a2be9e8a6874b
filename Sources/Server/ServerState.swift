import Synchronization

/// What all routes of a server share.
final class ServerState: Sendable {
  let pool: WorkerPool
  let metrics = ServerMetrics()
  private let phase = Atomic<ServerPhase>(.loading)
  private let models = Mutex<ModelTable?>(nil)

  init(pool: WorkerPool) { self.pool = pool }

  /// nil until the models are loaded and warm.
  var table: ModelTable? { models.withLock { $0 } }
  var isReady: Bool { phase.load(ordering: .acquiring) == .ready }

  func becomeReady(_ table: ModelTable) {
    models.withLock { $0 = table }
    // A shutdown that came while the models were loading stays.
    _ = phase.compareExchange(expected: .loading, desired: .ready, ordering: .acquiringAndReleasing)
  }

  func startDraining() {
    phase.store(.draining, ordering: .releasing)
    pool.drain()
  }
}
