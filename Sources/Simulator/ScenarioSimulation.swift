import PlannerCore

extension Scenario {
  /// Simulates the scenario, replication by replication.
  ///
  /// The scenario is taken as valid: readers of files check it. Replication r draws from streams of its own.
  /// Complexity: O(replications · requests · log(models + workers)).
  public func simulate() -> SimulationSummary {
    let observations = Replications.map(replications) { replication in
      var run = run(replication: replication)
      return run.run()
    }
    return summarize(observations)
  }

  /// What the first replication decides, in order: starts, rejections, expiries, loads and evictions, each with its
  /// time. Requests are numbered as they arrive.
  package func decisions() -> [SimulatedDecision] {
    var run = run(replication: 0)
    return run.decide()
  }

  private func run(replication: Int) -> FleetRun {
    let copies = models.flatMap { model in Array(repeating: model, count: model.count) }
    let machines = nodes.flatMap { node in
      Array(
        repeating: FleetRun.Node(
          workers: node.workers, queueCapacity: node.queueCapacity, batch: node.batch, residency: node.residency,
          expiry: node.expiry),
        count: node.count)
    }
    let runModels = copies.enumerated().map { index, model in
      FleetRun.Model(
        arrivals: model.arrivals, service: .drawn(model.service), networkDelay: model.networkDelay,
        priority: model.priority, deadline: model.deadlineSeconds.map(Nanoseconds.init(seconds:)),
        hosts: FleetRun.Hosts(placement.hosts(ofCopy: index, nodes: machines.count)), memoryBytes: model.memoryBytes,
        load: model.load,
        patience: model.patience, retries: model.retries)
    }
    return FleetRun(
      models: runModels, nodes: machines, routing: routing, warmup: Nanoseconds(seconds: warmupSeconds),
      end: Nanoseconds(seconds: durationSeconds), seed: Self.seed(seed, replication: replication))
  }

  private func summarize(_ observations: [FleetRun.Observation]) -> SimulationSummary {
    var counts = RequestCounts()
    for one in observations {
      counts.arrived += one.counts.arrived
      counts.completed += one.counts.completed
      counts.rejected += one.counts.rejected
      counts.timedOut += one.counts.timedOut
      counts.inFlight += one.counts.inFlight
      if let cancelled = one.counts.cancelled { counts.cancelled = (counts.cancelled ?? 0) + cancelled }
    }
    let busy = observations.reduce(0) { $0 + $1.busyNanoseconds }
    let available = observations.reduce(0) { $0 + Double($1.workers) * $1.windowSeconds * 1e9 }
    return SimulationSummary(
      latencySeconds: OutputAnalysis.latencies(of: observations.map(\.latencySeconds)),
      waitSeconds: OutputAnalysis.mean(of: observations.map(\.waitSeconds)).map(SimulationSummary.Wait.init(mean:)),
      requests: counts, utilization: available > 0 ? busy / available : 0,
      simulatedSeconds: durationSeconds * Double(replications),
      residency: nodes.contains { $0.residency != nil } ? residency(observations.compactMap(\.residency)) : nil)
  }

  private func residency(_ runs: [FleetRun.ResidencyObservation]) -> SimulationSummary.Residency {
    var sum = SimulationSummary.Residency()
    for run in runs {
      sum.hits += run.hits
      sum.misses += run.misses
      sum.loads += run.loads
      sum.evictions += run.evictions
      sum.peakMemoryBytes = max(sum.peakMemoryBytes, run.peakBytes)
    }
    sum.hitLatencySeconds = OutputAnalysis.latencies(of: runs.map(\.hitLatencySeconds))
    sum.missLatencySeconds = OutputAnalysis.latencies(of: runs.map(\.missLatencySeconds))
    return sum
  }

  /// Replication 0 uses the seed itself, so that one run is the same alone and as the first of several.
  static func seed(_ seed: UInt64, replication: Int) -> UInt64 {
    guard replication > 0 else { return seed }
    var stream = RandomStream(seed: seed, stream: "replication", index: UInt64(replication))
    return stream.next()
  }
}
