import PlannerCore
import Synchronization

/// What the server is doing, as its health routes tell.
enum ServerPhase: UInt8, AtomicRepresentable, Sendable {
  case loading
  case ready
  case draining
}

/// What all routes of a server share.
package final class ServerState: Sendable {
  /// The queues, one for each device.
  package let pools: [WorkerPool]
  /// The repository's models; it has none until the repository has been read.
  package let registry: ModelRegistry
  package let metrics: ServerMetrics
  private let phase = Atomic<ServerPhase>(.loading)

  /// - Parameter pools: at least one.
  package init(pools: [WorkerPool], registry: ModelRegistry) {
    self.pools = pools
    self.registry = registry
    metrics = ServerMetrics(threadsPerWorker: pools[0].options.threadsPerWorker)
  }

  /// The queue of the device that the model is on.
  package func pool(of model: ServedModel) -> WorkerPool { pools[model.queue] }

  /// Requests waiting and workers busy, in all queues together.
  package var load: WorkerPool.Load {
    pools.reduce(into: WorkerPool.Load(waiting: 0, busyWorkers: 0)) { sum, pool in
      let load = pool.load
      sum.waiting += load.waiting
      sum.busyWorkers += load.busyWorkers
    }
  }

  package var workers: Int { pools.reduce(0) { $0 + $1.options.workers } }

  package var isReady: Bool { phase.load(ordering: .acquiring) == .ready }
  package var isLoading: Bool { phase.load(ordering: .acquiring) == .loading }
  package var isDraining: Bool { phase.load(ordering: .acquiring) == .draining }

  package func becomeReady() {
    // A shutdown that came while the models were loading stays.
    let (isReady, _) = phase.compareExchange(expected: .loading, desired: .ready, ordering: .acquiringAndReleasing)
    if isReady { metrics.becomeReady(true) }
  }

  /// Turns readiness off. Requests that are under way are still served: the listener is closed and
  /// connections end with their answers, so there will be no others.
  package func startDraining() {
    phase.store(.draining, ordering: .releasing)
    metrics.becomeReady(false)
  }

  /// What a scrape answers. Locks are held for single readings only.
  package var metricsText: [UInt8] {
    let totals = registry.totals
    let load = load
    var situation = ServerMetrics.Situation()
    situation.waitingRequests = load.waiting
    situation.workers = workers
    situation.busyWorkers = load.busyWorkers
    situation.models = registry.entries.map { entry in
      let record = entry.record
      return ServerMetrics.ModelReading(
        name: entry.name, requests: record.success.count, failures: record.failure.count + record.cancelled.count,
        queueSeconds: record.queue.seconds, computeSeconds: record.compute.seconds, loads: record.loads.count)
    }
    situation.residency.models = totals.residentModels
    situation.residency.bytes = totals.residentBytes
    situation.residency.waitingRequests = totals.waitingRequests
    situation.residency.hits = totals.hits
    situation.residency.misses = totals.misses
    situation.residency.loads = totals.loads
    situation.residency.loadFailures = totals.failedLoads
    situation.residency.loadSeconds = totals.loadSeconds
    situation.residency.evictions = totals.evictions
    return metrics.text(situation)
  }
}
