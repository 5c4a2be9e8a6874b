/// Latency from request in to answer out, seconds.
public struct LatencyEstimates: Codable, Hashable, Sendable {
  public var mean: Estimate
  public var p50: Estimate
  public var p90: Estimate
  public var p95: Estimate
  public var p99: Estimate

  public init(mean: Estimate, p50: Estimate, p90: Estimate, p95: Estimate, p99: Estimate) {
    self.mean = mean
    self.p50 = p50
    self.p90 = p90
    self.p95 = p95
    self.p99 = p99
  }
}

/// What became of the requests that arrived inside the measured window. The fields after `arrived` add up to it.
public struct RequestCounts: Codable, Hashable, Sendable {
  public var arrived = 0
  public var completed = 0
  /// Turned away at a full queue.
  public var rejected = 0
  /// Not computed because the deadline had passed.
  public var timedOut = 0
  /// Unfinished at the end.
  public var inFlight = 0
  /// Their clients left before the answer. nil, and left out of the JSON, where clients wait for any time.
  public var cancelled: Int?

  public init() {}

  /// Counts of another run beside these.
  public mutating func add(_ other: RequestCounts) {
    arrived += other.arrived
    completed += other.completed
    rejected += other.rejected
    timedOut += other.timedOut
    inFlight += other.inFlight
  }
}

/// What a simulation says, as `planner simulate --json` prints it.
public struct SimulationSummary: Codable, Sendable {
  public struct Wait: Codable, Hashable, Sendable {
    public var mean: Estimate
    public init(mean: Estimate) { self.mean = mean }
  }

  /// What a memory budget did: requests that found their model in memory, and those that had to wait for it.
  public struct Residency: Codable, Hashable, Sendable {
    public var hits = 0
    public var misses = 0
    public var loads = 0
    public var evictions = 0
    /// Most bytes of models in memory or being loaded at one time, on any node.
    public var peakMemoryBytes: Int64 = 0
    /// Latency of requests whose model was in memory, seconds; nil where none completed.
    @ExplicitNull public var hitLatencySeconds: LatencyEstimates?
    /// Latency of requests that waited for their model, seconds; nil where none completed.
    @ExplicitNull public var missLatencySeconds: LatencyEstimates?

    public init() {
      hitLatencySeconds = nil
      missLatencySeconds = nil
    }
  }

  /// Latency of completed requests, seconds; nil where none completed.
  @ExplicitNull public var latencySeconds: LatencyEstimates?
  @ExplicitNull public var waitSeconds: Wait?
  public var requests: RequestCounts
  /// Busy workers over workers.
  public var utilization: Double
  public var simulatedSeconds: Double
  /// Loads, evictions and latency under memory budgets; nil, and left out of the JSON, where no node has a budget.
  public var residency: Residency?

  public init(
    latencySeconds: LatencyEstimates?, waitSeconds: Wait?, requests: RequestCounts, utilization: Double,
    simulatedSeconds: Double, residency: Residency? = nil
  ) {
    self.latencySeconds = latencySeconds
    self.waitSeconds = waitSeconds
    self.requests = requests
    self.utilization = utilization
    self.simulatedSeconds = simulatedSeconds
    self.residency = residency
  }
}
