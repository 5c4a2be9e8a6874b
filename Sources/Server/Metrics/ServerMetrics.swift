import Foundation
import HTTPTypes
import Synchronization

/// Counters and latency histograms of a server, in Prometheus' text format.
///
/// Bucket bounds grow by 4 % from 0.1 ms to 10 s, so that a quantile read off them is within 4 % anywhere a
/// target may lie. One set for the whole server: models have counters only.
final class ServerMetrics: Sendable {
  /// Upper bounds, seconds, ascending.
  static let bounds: [Double] = {
    var bounds = [0.0001]
    while let last = bounds.last, last < 10 { bounds.append(last * 1.04) }
    return bounds
  }()

  struct Histogram {
    var counts = Array(repeating: 0, count: ServerMetrics.bounds.count + 1)
    var sum = 0.0

    mutating func record(_ seconds: Double) {
      var low = 0
      var high = ServerMetrics.bounds.count
      while low < high {
        let middle = (low + high) / 2
        if ServerMetrics.bounds[middle] < seconds { low = middle + 1 } else { high = middle }
      }
      counts[low] += 1
      sum += seconds
    }
  }

  private struct State {
    var total = Histogram()
    var queue = Histogram()
    var compute = Histogram()
    var failures: [Int: Int] = [:]
  }

  private let state = Mutex(State())

  func completed(totalSeconds: Double, timings: RequestTimings) {
    state.withLock { state in
      state.total.record(totalSeconds)
      state.queue.record(timings.queueSeconds)
      state.compute.record(timings.computeSeconds)
    }
  }

  func failed(status: Int) { state.withLock { $0.failures[status, default: 0] += 1 } }

  func text(registry: ModelRegistry, load: WorkerPool.Load, workers: Int) -> String {
    let snapshot = state.withLock { $0 }
    var text = ""
    func family(_ name: String, _ type: String, _ help: String) {
      text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }
    func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
      family(name, "histogram", help)
      var cumulative = 0
      for (bound, count) in zip(Self.bounds, histogram.counts) {
        cumulative += count
        text += "\(name)_bucket{le=\"\(bound)\"} \(cumulative)\n"
      }
      cumulative += histogram.counts.last ?? 0
      text += "\(name)_bucket{le=\"+Inf\"} \(cumulative)\n\(name)_sum \(histogram.sum)\n\(name)_count \(cumulative)\n"
    }
    histogram("model_server_request_duration_seconds", "Request in to answer ready.", snapshot.total)
    histogram("model_server_queue_duration_seconds", "Waiting for a worker.", snapshot.queue)
    histogram("model_server_compute_duration_seconds", "Time that a worker was occupied.", snapshot.compute)
    family("model_server_request_failures_total", "counter", "Requests answered with an error, by status.")
    for status in snapshot.failures.keys.sorted() {
      text += "model_server_request_failures_total{status=\"\(status)\"} \(snapshot.failures[status] ?? 0)\n"
    }
    family("model_server_queue_length", "gauge", "Requests waiting for a worker.")
    text += "model_server_queue_length \(load.waiting)\n"
    family("model_server_workers", "gauge", "Workers that compute.")
    text += "model_server_workers \(workers)\n"
    family("model_server_busy_workers", "gauge", "Workers that compute at this moment.")
    text += "model_server_busy_workers \(load.busyWorkers)\n"
    let entries = registry.entries
    family("model_server_resident_models", "gauge", "Models that are loaded.")
    text += "model_server_resident_models \(entries.count { $0.isResident })\n"
    family("model_server_resident_weight_bytes", "gauge", "Bytes of all loaded models' weights.")
    text += "model_server_resident_weight_bytes \(entries.reduce(0) { $0 + $1.weightBytes })\n"
    let totals = registry.totals
    for (name, type, help, value) in [
      ("model_hits_total", "counter", "Requests that found their model in memory.", totals.hits),
      ("model_misses_total", "counter", "Requests that waited for their model to be loaded.", totals.misses),
      ("model_loads_total", "counter", "Models that were loaded.", totals.loads),
      ("model_load_failures_total", "counter", "Models that could not be loaded.", totals.failedLoads),
      ("model_evictions_total", "counter", "Models that made room for others.", totals.evictions),
      ("load_waiting_requests", "gauge", "Requests that wait for their model to be loaded.", totals.waitingRequests),
    ] {
      family("model_server_\(name)", type, help)
      text += "model_server_\(name) \(value)\n"
    }
    for (name, help, value) in [
      ("model_load_seconds_total", "Time of all loads.", totals.loadSeconds),
      ("model_miss_wait_seconds_total", "Time for which requests waited for their models.", totals.missWaitSeconds),
    ] {
      family("model_server_\(name)", "counter", help)
      text += "model_server_\(name) \(value)\n"
    }
    family("model_server_model_requests_total", "counter", "Requests answered, by model.")
    for entry in entries {
      let count = entry.counters.requests.load(ordering: .relaxed)
      text += "model_server_model_requests_total{model=\"\(Self.label(entry.name))\"} \(count)\n"
    }
    return text
  }

  /// Escaped as Prometheus' text format wants label values.
  private static func label(_ value: String) -> String {
    value.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      .replacingOccurrences(of: "\n", with: "\\n")
  }
}
