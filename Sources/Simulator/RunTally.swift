import PlannerCore

/// What several runs of the same devices have shown.
struct RunTally {
  private var runs: [[Double]] = []
  /// Latencies of each stream in each run, ascending.
  private var byStream: [[[Double]]]
  private var utilization: [Double] = []
  private var throughput: [Double] = []
  private var waits: [Double] = []
  private var counts = RequestCounts()
  private var simulatedSeconds = 0.0

  init(streams: Int) { byStream = Array(repeating: [], count: streams) }

  /// - Parameters:
  ///   - factor: of all times in the run.
  ///   - rare: times of each stream, where streams with few requests may borrow the waits of all.
  mutating func add(
    _ observation: FleetRun.Observation, _ rendering: FleetRendering, factor: Double, dispatchGapSeconds: Double,
    rare: [ServiceTimes], seed: UInt64
  ) {
    guard !observation.latencySeconds.isEmpty else { return }
    if byStream.count > 1 { addStreams(observation, rendering, factor: factor, rare: rare, seed: seed) }
    runs.append(observation.latencySeconds.sortedAscending())
    // Busy as the server counts it: in forward passes, without the handing over between them.
    let dispatchGaps = Double(observation.counts.completed) * dispatchGapSeconds * factor
    let busySeconds = max(0, observation.busyNanoseconds * 1e-9 - dispatchGaps)
    utilization.append(busySeconds / (Double(observation.workers) * observation.windowSeconds))
    throughput.append(Double(observation.counts.completed) / observation.windowSeconds)
    waits.append(observation.waitSeconds.reduce(0, +) / Double(max(1, observation.waitSeconds.count)))
    counts.add(observation.counts)
    simulatedSeconds += observation.windowSeconds
  }

  private mutating func addStreams(
    _ observation: FleetRun.Observation, _ rendering: FleetRendering, factor: Double, rare: [ServiceTimes],
    seed: UInt64
  ) {
    var own = [[Double]](repeating: [], count: byStream.count)
    for (seconds, model) in zip(observation.latencySeconds, observation.latencyModels) {
      own[rendering.streams[Int(model)]].append(seconds)
    }
    for stream in own.indices {
      if stream < rare.count, own[stream].count < RareRequests.enough {
        var random = RandomStream(seed: seed, stream: "rare requests", index: UInt64(stream))
        own[stream] = RareRequests.latencies(
          waits: observation.waitSeconds, times: rare[stream], factor: factor, random: &random)
      }
      if !own[stream].isEmpty { byStream[stream].append(own[stream].sortedAscending()) }
    }
  }

  /// What the runs say of the next one; nil where no run has answered a request.
  var prediction: NodePrediction? {
    guard !runs.isEmpty else { return nil }
    let spread = RunSpread(runs: runs)
    let groups =
      byStream.count == 1
      ? [NodePrediction.Group(name: "", stream: 0, latencySeconds: spread.latencies)]
      : byStream.indices.filter { !byStream[$0].isEmpty }.map {
        NodePrediction.Group(name: "", stream: $0, latencySeconds: RunSpread(runs: byStream[$0]).latencies)
      }
    return NodePrediction(
      latencySeconds: spread.latencies, groups: groups, meanWaitSeconds: RunSpread.estimate(waits), requests: counts,
      simulatedSeconds: simulatedSeconds, utilization: utilization.reduce(0, +) / Double(utilization.count),
      throughputPerSecond: throughput.reduce(0, +) / Double(throughput.count),
      curve: spread.curve(\.estimate), curveLow: spread.curve(\.low), curveHigh: spread.curve(\.high))
  }
}

/// Quantiles of several runs, and how they spread from run to run.
struct RunSpread {
  /// Sorted latencies of each run.
  let runs: [[Double]]

  var latencies: LatencyEstimates {
    LatencyEstimates(
      mean: estimate { $0.reduce(0, +) / Double($0.count) }, p50: quantile(0.50), p90: quantile(0.90),
      p95: quantile(0.95), p99: quantile(0.99))
  }

  func curve(_ part: KeyPath<Estimate, Double>) -> LatencyCurve {
    LatencyCurve(
      probabilities: NodeSimulation.curveProbabilities,
      seconds: NodeSimulation.curveProbabilities.map { quantile($0)[keyPath: part] })
  }

  func quantile(_ probability: Double) -> Estimate { estimate { $0.quantile(probability) } }

  /// Median over runs with the 95 % prediction interval for one further run, t · s · √(1 + 1/n).
  ///
  /// The median and not the mean: latency grows faster than linearly with a machine's slowness, so that drift to both
  /// sides lifts the mean above what an ordinary run shows.
  private func estimate(_ statistic: ([Double]) -> Double) -> Estimate {
    Self.estimate(runs.map(statistic))
  }

  static func estimate(_ values: [Double]) -> Estimate {
    let middle = values.sorted().quantile(0.5)
    guard values.count > 1 else { return Estimate(estimate: middle, low: middle, high: middle) }
    let half =
      OutputAnalysis.studentT975(degreesOfFreedom: values.count - 1)
      * OutputAnalysis.standardDeviation(values) * (1 + 1 / Double(values.count)).squareRoot()
    return Estimate(estimate: middle, low: max(0, middle - half), high: middle + half)
  }
}
