import PlannerCore

/// What one run of some devices has shown.
struct RunSummary: Sendable {
  /// Latencies of all requests that were answered, ascending.
  let latencySeconds: [Double]
  /// Latencies of each stream, ascending; empty where there is one stream.
  let byStream: [[Double]]
  let utilization: Double
  let throughputPerSecond: Double
  let meanWaitSeconds: Double
  let counts: RequestCounts
  let simulatedSeconds: Double

  /// - Parameters:
  ///   - factor: of all times in the run.
  ///   - rare: times of each stream, where streams with few requests may borrow the waits of all.
  /// - Returns: nil where no request was answered.
  init?(
    _ observation: FleetRun.Observation, _ rendering: FleetRendering, streams: Int, factor: Double,
    dispatchGapSeconds: Double, rare: [ServiceTimes], seed: UInt64
  ) {
    guard !observation.latencySeconds.isEmpty else { return nil }
    byStream =
      streams > 1
      ? Self.byStream(observation, rendering, streams: streams, factor: factor, rare: rare, seed: seed) : []
    latencySeconds = observation.latencySeconds.sortedAscending()
    // Busy as the server counts it: in forward passes, without the handing over between them.
    let dispatchGaps = Double(observation.counts.completed) * dispatchGapSeconds * factor
    let busySeconds = max(0, observation.busyNanoseconds * 1e-9 - dispatchGaps)
    utilization = busySeconds / (Double(observation.workers) * observation.windowSeconds)
    throughputPerSecond = Double(observation.counts.completed) / observation.windowSeconds
    meanWaitSeconds = observation.waitSeconds.reduce(0, +) / Double(max(1, observation.waitSeconds.count))
    counts = observation.counts
    simulatedSeconds = observation.windowSeconds
  }

  private static func byStream(
    _ observation: FleetRun.Observation, _ rendering: FleetRendering, streams: Int, factor: Double,
    rare: [ServiceTimes], seed: UInt64
  ) -> [[Double]] {
    var own = [[Double]](repeating: [], count: streams)
    for (seconds, model) in zip(observation.latencySeconds, observation.latencyModels) {
      own[rendering.streams[Int(model)]].append(seconds)
    }
    for stream in own.indices {
      if stream < rare.count, own[stream].count < RareRequests.enough {
        var random = RandomStream(seed: seed, stream: "rare requests", index: UInt64(stream))
        own[stream] = RareRequests.latencies(
          waits: observation.waitSeconds, times: rare[stream], factor: factor, random: &random)
      }
      own[stream] = own[stream].sortedAscending()
    }
    return own
  }
}

extension NodePrediction {
  /// What runs of the same devices say of the next one.
  ///
  /// - Returns: nil where there are none.
  init?(_ runs: [RunSummary], streams: Int) {
    guard !runs.isEmpty else { return nil }
    let spread = RunSpread(runs: runs.map(\.latencySeconds))
    let byStream = (0..<(streams > 1 ? streams : 0)).map { stream in
      runs.map { $0.byStream[stream] }.filter { !$0.isEmpty }
    }
    var counts = RequestCounts()
    for run in runs { counts.add(run.counts) }
    self.init(
      latencySeconds: spread.latencies,
      groups: streams == 1
        ? [Group(name: "", stream: 0, latencySeconds: spread.latencies)]
        : byStream.indices.filter { !byStream[$0].isEmpty }.map {
          Group(name: "", stream: $0, latencySeconds: RunSpread(runs: byStream[$0]).latencies)
        },
      meanWaitSeconds: RunSpread.estimate(runs.map(\.meanWaitSeconds)), requests: counts,
      simulatedSeconds: runs.reduce(0) { $0 + $1.simulatedSeconds },
      utilization: runs.reduce(0) { $0 + $1.utilization } / Double(runs.count),
      throughputPerSecond: runs.reduce(0) { $0 + $1.throughputPerSecond } / Double(runs.count),
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
