import PlannerCore
import ServerContract
import Synchronization

/// What a server counts for Prometheus.
///
/// Latencies are kept by variant, over all models; models have counters and sums only, so that 3,000 of them fit into
/// one answer. Recording is on every request's path: additions to sharded counters, no lock, no allocation.
package final class ServerMetrics: Sendable {
  package enum Transport: Int, CaseIterable, Sendable {
    case http, grpc
  }

  /// Why requests were not answered: the words of the metric's label.
  package enum FailureReason: String, CaseIterable, Sendable {
    case invalidArgument = "invalid_argument"
    case notFound = "not_found"
    case forbidden
    case tooLarge = "too_large"
    case queueFull = "queue_full"
    case unavailable
    case deadlineExceeded = "deadline_exceeded"
    /// The client has gone.
    case cancelled
    case internalError = "internal"

    package init(status: Int) {
      self =
        switch status {
        case 401, 403: .forbidden
        case 404: .notFound
        case 408, 504: .deadlineExceeded
        case 413, 414, 431: .tooLarge
        case 429: .queueFull
        case 499: .cancelled
        case 503: .unavailable
        case 500...: .internalError
        default: .invalidArgument
        }
    }
  }

  /// One variant's histograms; there are three.
  private struct Stages: Sendable {
    let total = LatencyHistogram(.seconds)
    let queue = LatencyHistogram(.seconds)
    let batchWait = LatencyHistogram(.seconds)
    let compute = LatencyHistogram(.seconds)
    let missWait = LatencyHistogram(.seconds)
  }

  private let stages = Precision.allCases.map { _ in Stages() }
  private let batchSize = LatencyHistogram(.batchSizes)
  private let requests = ShardedCounters(count: Precision.allCases.count * Transport.allCases.count)
  private let failures = ShardedCounters(count: FailureReason.allCases.count)

  private let isReady = Atomic<Bool>(false)
  private let threadsPerWorker: Int

  package init(threadsPerWorker: Int = 1) { self.threadsPerWorker = threadsPerWorker }

  // MARK: Recording

  package func becomeReady(_ isReady: Bool) { self.isReady.store(isReady, ordering: .relaxed) }

  /// Counts an answered request.
  ///
  /// - Parameter missWaitSeconds: how long it waited for its model to be loaded; nil where that was in memory.
  package func completed(
    totalSeconds: Double, timings: RequestTimings, missWaitSeconds: Double?, variant: Precision, transport: Transport
  ) {
    let index = Self.index(variant)
    let stages = stages[index]
    stages.total.record(totalSeconds)
    stages.queue.record(timings.queueSeconds)
    stages.batchWait.record(timings.batchWaitSeconds)
    stages.compute.record(timings.computeSeconds)
    if let missWaitSeconds { stages.missWait.record(missWaitSeconds) }
    if timings.isFirstOfBatch { batchSize.record(Double(timings.batchSize)) }
    requests.add(to: index * Transport.allCases.count + transport.rawValue)
  }

  package func failed(_ reason: FailureReason) {
    failures.add(to: FailureReason.allCases.firstIndex(of: reason) ?? 0)
  }

  package func failed(status: Int) { failed(FailureReason(status: status)) }

  private static func index(_ variant: Precision) -> Int {
    switch variant {
    case .fp32: 0
    case .bf16: 1
    case .int8: 2
    }
  }

  // MARK: Text

  /// What the rest of the server says of itself at the moment of a scrape.
  package struct Situation: Sendable {
    package var waitingRequests = 0
    package var workers = 0
    package var busyWorkers = 0
    package var models: [ModelReading] = []
    package var residency = Residency()

    package init() {}

    package struct Residency: Sendable {
      package var models = 0
      package var bytes: Int64 = 0
      package var waitingRequests = 0
      package var hits = 0
      package var misses = 0
      package var loads = 0
      package var loadFailures = 0
      package var loadSeconds = 0.0
      package var evictions = 0

      package init() {}
    }
  }

  package struct ModelReading: Sendable {
    package var name: String
    package var requests: Int
    package var failures: Int
    package var queueSeconds: Double
    package var computeSeconds: Double
    package var loads: Int

    package init(
      name: String, requests: Int = 0, failures: Int = 0, queueSeconds: Double = 0, computeSeconds: Double = 0,
      loads: Int = 0
    ) {
      self.name = name
      self.requests = requests
      self.failures = failures
      self.queueSeconds = queueSeconds
      self.computeSeconds = computeSeconds
      self.loads = loads
    }
  }

  /// Bytes that the models' series may take; the rest of an answer takes some 150 kB.
  package static let maxModelBytes = 1_700_000

  /// The whole answer.
  package func text(_ situation: Situation) -> [UInt8] {
    var text = PrometheusText(capacity: 200_000 + 400 * situation.models.count)
    text.family("model_server_build_info", .gauge, "Always 1, with the server's version.")
    text.sample("model_server_build_info", PrometheusText.label("version", ServerProgram.version), 1)
    writeRequests(&text)
    writeLoad(&text, situation)
    writeResidency(&text, situation.residency)
    ProcessReading.current.write(&text)
    Self.writeModels(&text, situation.models)
    return text.bytes
  }

  private func writeRequests(_ text: inout PrometheusText) {
    let counts = requests.values()
    text.family("model_server_requests_total", .counter, "Inference requests answered, by variant and protocol.")
    for (index, variant) in Precision.allCases.enumerated() {
      for transport in Transport.allCases {
        text.sample(
          "model_server_requests_total", "variant=\"\(variant.rawValue)\",protocol=\"\(transport)\"",
          counts[index * Transport.allCases.count + transport.rawValue])
      }
    }
    text.family("model_server_request_failures_total", .counter, "Requests not answered as asked, by reason.")
    for (reason, count) in zip(FailureReason.allCases, failures.values()) {
      text.sample("model_server_request_failures_total", "reason=\"\(reason.rawValue)\"", count)
    }
    let families: [(String, String, KeyPath<Stages, LatencyHistogram>)] = [
      ("request_duration_seconds", "Request in to answer ready.", \.total),
      ("queue_duration_seconds", "Waiting for a worker.", \.queue),
      ("batch_wait_duration_seconds", "Waiting for other requests of a batch although a worker was free.", \.batchWait),
      ("compute_duration_seconds", "Time that a worker was occupied by the request's forward pass.", \.compute),
      ("miss_wait_duration_seconds", "Waiting for a model that was not in memory.", \.missWait),
    ]
    // Two servers' buckets can be added up whichever variants they serve; those without a request are left out.
    let seen = Precision.allCases.indices.filter { stages[$0].total.reading.count > 0 }
    for (name, help, stage) in families {
      text.family("model_server_" + name, .histogram, help)
      for index in seen.isEmpty ? [0] : seen {
        let histogram = stages[index][keyPath: stage]
        text.histogram(
          "model_server_" + name, "variant=\"\(Precision.allCases[index].rawValue)\"", histogram.bounds,
          histogram.reading)
      }
    }
    text.family("model_server_batch_size", .histogram, "Requests of a forward pass.")
    text.histogram("model_server_batch_size", "", batchSize.bounds, batchSize.reading)
  }

  private func writeLoad(_ text: inout PrometheusText, _ situation: Situation) {
    let gauges: [(String, String, Int)] = [
      (
        "ready", "1 where the server takes requests, 0 while it starts or ends.",
        isReady.load(ordering: .relaxed) ? 1 : 0
      ),
      ("queue_length", "Requests waiting for a worker.", situation.waitingRequests),
      ("workers", "Forward passes that are possible at once.", situation.workers),
      ("busy_workers", "Forward passes under way.", situation.busyWorkers),
      ("threads", "Threads of all workers.", situation.workers * threadsPerWorker),
      ("busy_threads", "Threads of busy workers.", situation.busyWorkers * threadsPerWorker),
    ]
    for (name, help, value) in gauges {
      text.family("model_server_" + name, .gauge, help)
      text.sample("model_server_" + name, "", value)
    }
  }

  private func writeResidency(_ text: inout PrometheusText, _ residency: Situation.Residency) {
    let figures: [(String, PrometheusText.Kind, String, Int)] = [
      ("resident_models", .gauge, "Models in memory.", residency.models),
      ("resident_bytes", .gauge, "Memory of the models that are in memory or being loaded.", Int(residency.bytes)),
      ("load_waiting_requests", .gauge, "Requests waiting for their model to be loaded.", residency.waitingRequests),
      ("residency_hits_total", .counter, "Requests that found their model in memory.", residency.hits),
      ("residency_misses_total", .counter, "Requests that waited for their model.", residency.misses),
      ("load_failures_total", .counter, "Loads that failed.", residency.loadFailures),
      ("evictions_total", .counter, "Models that made room for others.", residency.evictions),
    ]
    for (name, kind, help, value) in figures {
      text.family("model_server_" + name, kind, help)
      text.sample("model_server_" + name, "", value)
    }
    text.family("model_server_load_duration_seconds", .summary, "Successful loads, and the time they took.")
    text.sample("model_server_load_duration_seconds_sum", "", residency.loadSeconds)
    text.sample("model_server_load_duration_seconds_count", "", residency.loads)
  }

  /// The most telling families first; those that would make the answer too long for a scrape are left out whole.
  private static func writeModels(_ text: inout PrometheusText, _ models: [ModelReading]) {
    let labels = models.map { PrometheusText.label("model", $0.name) }
    let labelBytes = labels.reduce(0) { $0 + $1.utf8.count }
    let families: [(String, String, (inout PrometheusText, String, String, ModelReading) -> Void)] = [
      ("requests_total", "Requests answered, by model.", { $0.sample($1, $2, $3.requests) }),
      ("failures_total", "Requests not answered, by model.", { $0.sample($1, $2, $3.failures) }),
      ("compute_seconds_total", "Time of forward passes, by model.", { $0.sample($1, $2, $3.computeSeconds) }),
      (
        "queue_seconds_total", "Waiting for a worker or for other requests of a batch, by model.",
        { $0.sample($1, $2, $3.queueSeconds) }
      ),
      ("loads_total", "Successful loads, by model.", { $0.sample($1, $2, $3.loads) }),
    ]
    var left = maxModelBytes
    var leftOut = 0
    for (suffix, help, write) in families {
      let name = "model_server_model_" + suffix
      left -= labelBytes + models.count * (name.utf8.count + 24)
      guard left >= 0 else {
        leftOut += 1
        continue
      }
      text.family(name, .counter, help)
      for (label, model) in zip(labels, models) { write(&text, name, label, model) }
    }
    text.family(
      "model_server_model_families_left_out", .gauge, "Families by model that would have made this answer too long.")
    text.sample("model_server_model_families_left_out", "", leftOut)
  }
}
