import Synchronization

/// What all routes of a server share.
final class ServerState: Sendable {
  let pool: WorkerPool
  /// Without models until the repository has been read.
  let registry: ModelRegistry
  let metrics: ServerMetrics
  let statistics = RequestStatistics()
  private let phase = Atomic<ServerPhase>(.loading)

  init(pool: WorkerPool, registry: ModelRegistry) {
    self.pool = pool
    self.registry = registry
    metrics = ServerMetrics(threadsPerWorker: pool.options.threadsPerWorker)
  }

  var isReady: Bool { phase.load(ordering: .acquiring) == .ready }
  var isLoading: Bool { phase.load(ordering: .acquiring) == .loading }
  var isDraining: Bool { phase.load(ordering: .acquiring) == .draining }

  func becomeReady() {
    // A shutdown that came while the models were loading stays.
    let (isReady, _) = phase.compareExchange(expected: .loading, desired: .ready, ordering: .acquiringAndReleasing)
    if isReady { metrics.becomeReady(true) }
  }

  /// Turns readiness off. Requests that are under way, in whatever part, are still served: the listener is closed and
  /// connections end with their answers, so there will be no others.
  func startDraining() {
    phase.store(.draining, ordering: .releasing)
    metrics.becomeReady(false)
  }
}
