import Synchronization

/// What all routes of a server share.
final class ServerState: Sendable {
  /// The queues, one for each device.
  let pools: [WorkerPool]
  /// Without models until the repository has been read.
  let registry: ModelRegistry
  let metrics: ServerMetrics
  private let phase = Atomic<ServerPhase>(.loading)

  /// - Parameter pools: at least one.
  init(pools: [WorkerPool], registry: ModelRegistry) {
    self.pools = pools
    self.registry = registry
    metrics = ServerMetrics(threadsPerWorker: pools[0].options.threadsPerWorker)
  }

  /// Of the device that the model is on.
  func pool(of model: ServedModel) -> WorkerPool { pools[model.queue] }

  /// Of all queues together.
  var load: WorkerPool.Load {
    pools.reduce(into: WorkerPool.Load(waiting: 0, busyWorkers: 0)) { sum, pool in
      let load = pool.load
      sum.waiting += load.waiting
      sum.busyWorkers += load.busyWorkers
    }
  }

  var workers: Int { pools.reduce(0) { $0 + $1.options.workers } }

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
