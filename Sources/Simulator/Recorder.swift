import PlannerCore

extension FleetRun {
  /// What a memory budget did, for requests that arrived in the measured window.
  struct ResidencyObservation: Sendable {
    var hits = 0
    var misses = 0
    var hitLatencySeconds: [Double] = []
    var missLatencySeconds: [Double] = []
    /// Loads that began in the measured window.
    var loads = 0
    /// Models that were taken out of memory in the measured window.
    var evictions = 0
    var peakBytes: Int64 = 0
  }

  /// What one run observed of the requests that arrived in the measured window, in order of completion.
  struct Observation: Sendable {
    var latencySeconds: [Double] = []
    /// Model of each latency; empty unless asked for.
    var latencyModels: [Int32] = []
    var waitSeconds: [Double] = []
    var counts = RequestCounts()
    /// Worker-nanoseconds of busyness inside the window.
    var busyNanoseconds = 0.0
    var workers = 0
    var windowSeconds = 0.0
    /// What was seen of models' loads and memory; nil where no node has a budget.
    var residency: ResidencyObservation?
  }
}

/// Writes down what happens in a run: counts, latencies, busyness, and on request every decision.
struct Recorder {
  private(set) var observation = FleetRun.Observation()
  /// Decisions in order; nil unless decisions are asked for.
  var decisions: [SimulatedDecision]?
  /// Whether the model of each latency is written down.
  var recordsModels = false

  private let warmup: Nanoseconds
  private var arrived = 0
  private var busyWorkers = 0
  private var busySince = Nanoseconds.zero

  /// - Parameter hasPatience: whether clients of some model leave.
  init(nodes: [FleetRun.Node], hasPatience: Bool, warmup: Nanoseconds, end: Nanoseconds) {
    self.warmup = warmup
    observation.workers = nodes.reduce(0) { $0 + $1.workers }
    observation.windowSeconds = (end - warmup).seconds
    if hasPatience { observation.counts.cancelled = 0 }
    if nodes.contains(where: { $0.residency != nil }) { observation.residency = FleetRun.ResidencyObservation() }
  }

  /// - Returns: the request's place in the order of arrival, and whether it is counted.
  mutating func arrival(now: Nanoseconds) -> (number: Int, isCounted: Bool) {
    defer { arrived += 1 }
    let isCounted = now >= warmup
    if isCounted { observation.counts.arrived += 1 }
    return (arrived, isCounted)
  }

  /// The request asks a node with a budget for its model.
  mutating func lookUp(_ request: SimulatedRequest) {
    guard request.isCounted else { return }
    if request.isMiss { observation.residency?.misses += 1 } else { observation.residency?.hits += 1 }
  }

  mutating func load(model: Int, now: Nanoseconds) {
    note(.load(model: model), now)
    if now >= warmup { observation.residency?.loads += 1 }
  }

  mutating func eviction(model: Int, now: Nanoseconds) {
    note(.evict(model: model), now)
    if now >= warmup { observation.residency?.evictions += 1 }
  }

  /// A worker starts a pass.
  mutating func passStart(now: Nanoseconds) {
    accountBusyness(until: now)
    busyWorkers += 1
  }

  /// The request's wait ends: it is in a pass that starts.
  mutating func waitEnd(_ request: SimulatedRequest, now: Nanoseconds) {
    if request.isCounted { observation.waitSeconds.append((now - request.entry).seconds) }
  }

  /// A worker is free again.
  mutating func passEnd(now: Nanoseconds) {
    accountBusyness(until: now)
    busyWorkers -= 1
  }

  /// - Parameter latencySeconds: from the request's arrival to its answer, at the client.
  mutating func completion(_ request: SimulatedRequest, latencySeconds: Double) {
    observation.counts.completed += 1
    observation.latencySeconds.append(latencySeconds)
    if recordsModels { observation.latencyModels.append(Int32(truncatingIfNeeded: request.model)) }
    guard observation.residency != nil else { return }
    if request.isMiss {
      observation.residency?.missLatencySeconds.append(latencySeconds)
    } else {
      observation.residency?.hitLatencySeconds.append(latencySeconds)
    }
  }

  mutating func rejection(_ request: SimulatedRequest, now: Nanoseconds) {
    note(.reject(request.number), now)
    if request.isCounted { observation.counts.rejected += 1 }
  }

  mutating func expiry(_ request: SimulatedRequest, now: Nanoseconds) {
    note(.expire(request.number), now)
    if request.isCounted { observation.counts.timedOut += 1 }
  }

  /// The request's client has left.
  mutating func cancellation(_ request: SimulatedRequest, now: Nanoseconds) {
    note(.cancel(request.number), now)
    if request.isCounted { observation.counts.cancelled? += 1 }
  }

  /// The run is over.
  ///
  /// - Parameters:
  ///   - inFlight: counted requests that were found in the fleet.
  ///   - peakBytes: most bytes of models on any node at one time.
  mutating func end(at end: Nanoseconds, inFlight: Int, peakBytes: Int64) {
    // No worker is busy any more where the clock ran on until the last answer.
    if busyWorkers > 0 { accountBusyness(until: end) }
    observation.counts.inFlight = inFlight
    observation.residency?.peakBytes = peakBytes
  }

  mutating func note(_ what: @autoclosure () -> SimulatedDecision.What, _ now: Nanoseconds) {
    if decisions != nil { decisions?.append(SimulatedDecision(time: now, what: what())) }
  }

  private mutating func accountBusyness(until now: Nanoseconds) {
    let from = max(busySince, warmup)
    if now > from { observation.busyNanoseconds += Double((now - from).rawValue) * Double(busyWorkers) }
    busySince = now
  }
}
