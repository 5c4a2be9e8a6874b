import PlannerCore
import RealModule

/// Everything that a node's latency follows from: what its devices are asked, and the times of its models.
///
/// Two nodes with the same load have the same prediction, whatever machine they are bought as.
package struct NodeLoad: Hashable, Sendable {
  var times: ServiceTimes
  /// Devices that share nothing; models are spread over them as evenly as they go.
  var devices: Int
  /// Workers of each device.
  var workers: Int
  /// Models of the node, over all its devices.
  var models: Int
  var ratePerModelPerSecond: Double
  var arrivals: ArrivalProcess

  /// The node's load under a demand.
  ///
  /// Precondition: one share, of a group of the demand, whose variant has figures. `OptimizationProblem.validate` and
  /// `PlanFile` let no other node pass.
  package init(_ spec: NodeSpec, _ demand: Workload, _ figures: NodeFigures) {
    precondition(spec.models.count == 1, "nodes of several groups cannot be predicted yet")
    let share = spec.models[0]
    guard let group = demand[group: share.group], let entry = figures[share.variant] else {
      preconditionFailure("a node names a group and variants that its plan knows")
    }
    times = entry.service.times
    devices = spec.server.devices
    workers = spec.server.workers
    models = share.count
    ratePerModelPerSecond = group.ratePerModelPerSecond
    arrivals = group.arrivals
  }

  /// Models on the fullest device: the one whose latency is the node's.
  var modelsOnFullestDevice: Int { (models + devices - 1) / devices }

  /// The fullest device by itself.
  package var fullestDevice: NodeLoad {
    var load = self
    load.models = modelsOnFullestDevice
    load.devices = 1
    return load
  }

  /// Offered load of the fullest device over its capacity; at 1 or above there is no steady state.
  var offeredUtilization: Double {
    Double(modelsOnFullestDevice) * ratePerModelPerSecond * (times.computeSeconds.mean + times.dispatchGapSeconds)
      / Double(workers)
  }
}

/// How many runs a prediction is made from.
public struct SimulationEffort: Sendable {
  public var replications: Int
  public var requestsPerReplication: Int

  public init(replications: Int, requestsPerReplication: Int) {
    self.replications = replications
    self.requestsPerReplication = requestsPerReplication
  }

  /// Effort of each try while looking for how many models fit.
  public static let search = SimulationEffort(replications: 8, requestsPerReplication: 4_000)
  /// Effort for the figure that is printed.
  public static let final = SimulationEffort(replications: 24, requestsPerReplication: 12_000)
}

/// The latency that a node will show in a run.
public struct NodePrediction: Sendable {
  /// Latency of one group's models.
  public struct Group: Sendable {
    public var name: String
    public var latencySeconds: LatencyEstimates
  }

  /// Latency on the fullest device. The interval is a 95 % prediction interval for one run: it holds both the chance
  /// of the requests and the drift of the machine between occasions.
  public var latencySeconds: LatencyEstimates
  /// Latency of each group of the node, with intervals as in `latencySeconds`.
  public var groups: [Group]
  /// Mean time from the front end to a worker, seconds.
  public var meanWaitSeconds: Estimate
  /// What became of the simulated requests, over all runs.
  public var requests: RequestCounts
  /// Simulated time, over all runs, the warm-up left out.
  public var simulatedSeconds: Double
  /// Busy workers over workers, of the fullest device.
  public var utilization: Double
  /// Completed requests a second, of the whole node.
  public var throughputPerSecond: Double
  /// Median of the runs' latency quantiles, and their 95 % interval.
  public var curve: LatencyCurve
  public var curveLow: LatencyCurve
  public var curveHigh: LatencyCurve

  /// This prediction in the form in which a scenario's simulation is summed up.
  public var summary: SimulationSummary {
    SimulationSummary(
      latencySeconds: latencySeconds, waitSeconds: .init(mean: meanWaitSeconds), requests: requests,
      utilization: utilization, simulatedSeconds: simulatedSeconds)
  }
}

/// Predicts nodes of plans by replicated simulation: the one rendering of a node, its demand and its figures into a
/// simulation, which search, check, `simulate --plan` and comparison with a run share.
public enum NodeSimulation {
  /// Probabilities at which curves are given: dense where the tail is.
  static let curveProbabilities: [Double] =
    stride(from: 0.0, through: 0.98, by: 0.02).map { $0 } + [0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999]

  /// The node in steady state, each replication with arrivals of its own.
  ///
  /// - Returns: nil where the offered load reaches the capacity.
  public static func predict(
    _ spec: NodeSpec, _ demand: Workload, _ figures: NodeFigures, seed: UInt64, effort: SimulationEffort
  ) -> NodePrediction? {
    let load = NodeLoad(spec, demand, figures)
    return predict(load, seed: seed, effort: effort).map { named($0, spec) }
  }

  /// The node under exactly these arrivals, from an empty queue, as a measured run will see them. A node with
  /// several devices sees the models' requests on the device model mod devices.
  ///
  /// Overload is simulated as it is: a finite run has a latency all the same.
  /// - Parameter warmupSeconds: requests that are due before it are simulated and not counted.
  /// - Returns: nil where no request is counted.
  public static func predict(
    _ spec: NodeSpec, _ demand: Workload, _ figures: NodeFigures, schedule: Schedule, warmupSeconds: Double = 0,
    seed: UInt64, replications: Int
  ) -> NodePrediction? {
    let prediction = predict(
      NodeLoad(spec, demand, figures), models: schedule.models, seed: seed, replications: replications,
      warmup: warmupSeconds, runsOn: true
    ) { _ in schedule }
    return prediction.map { named($0, spec) }
  }

  /// A load in steady state; its groups carry no names.
  package static func predict(_ load: NodeLoad, seed: UInt64, effort: SimulationEffort) -> NodePrediction? {
    guard load.models > 0, load.offeredUtilization < 0.995 else { return nil }
    let models = load.modelsOnFullestDevice
    let rate = Double(models) * load.ratePerModelPerSecond
    // A tenth more, which is the warm-up: it starts with an empty queue.
    let duration = Double(effort.requestsPerReplication) / rate * 1.1
    return predict(
      load, models: models, seed: seed, replications: effort.replications, warmup: duration / 11, runsOn: false
    ) {
      Schedule.make(
        models: models, ratePerModelPerSecond: load.ratePerModelPerSecond, arrivals: load.arrivals,
        durationSeconds: duration, seed: $0)
    }
  }

  private static func named(_ prediction: NodePrediction, _ spec: NodeSpec) -> NodePrediction {
    var prediction = prediction
    prediction.groups = spec.models.map { .init(name: $0.group, latencySeconds: prediction.latencySeconds) }
    return prediction
  }

  private static func predict(
    _ load: NodeLoad, models: Int, seed: UInt64, replications: Int, warmup: Double, runsOn: Bool,
    schedule: (_ seed: UInt64) -> Schedule
  ) -> NodePrediction? {
    var runs: [[Double]] = []
    var utilization: [Double] = []
    var throughput: [Double] = []
    var waits: [Double] = []
    var counts = RequestCounts()
    var simulated = 0.0
    var drift = RandomStream(seed: seed, stream: "drift")
    for replication in 0..<replications {
      let runSeed = Scenario.seed(seed, replication: replication)
      // The machine of that day: all of a run's times are longer or shorter together.
      let factor = min(max(1 + load.times.betweenRunCV * drift.normal(), 0.5), 2)
      let arrivals = schedule(runSeed)
      let observation = observe(
        load, schedule: arrivals, models: models, factor: factor, warmup: warmup, runsOn: runsOn, seed: runSeed)
      guard !observation.latencySeconds.isEmpty else { continue }
      runs.append(observation.latencySeconds.sortedAscending())
      // Busy as the server counts it: in forward passes, without the handing over between them.
      let dispatchGaps = Double(observation.counts.completed) * load.times.dispatchGapSeconds * factor
      let busySeconds = max(0, observation.busyNanoseconds * 1e-9 - dispatchGaps)
      utilization.append(busySeconds / (Double(observation.workers) * observation.windowSeconds))
      throughput.append(Double(observation.counts.completed) / observation.windowSeconds)
      waits.append(observation.waitSeconds.reduce(0, +) / Double(max(1, observation.waitSeconds.count)))
      counts.add(observation.counts)
      simulated += observation.windowSeconds
    }
    guard !runs.isEmpty else { return nil }
    let spread = RunSpread(runs: runs)
    let share = Double(load.models) / Double(models)
    return NodePrediction(
      latencySeconds: spread.latencies, groups: [], meanWaitSeconds: RunSpread.estimate(waits), requests: counts,
      simulatedSeconds: simulated, utilization: utilization.reduce(0, +) / Double(utilization.count),
      throughputPerSecond: throughput.reduce(0, +) / Double(throughput.count) * share,
      curve: spread.curve(\.estimate), curveLow: spread.curve(\.low), curveHigh: spread.curve(\.high))
  }

  private static func observe(
    _ load: NodeLoad, schedule: Schedule, models: Int, factor: Double, warmup: Double, runsOn: Bool, seed: UInt64
  ) -> FleetRun.Observation {
    // A given schedule is the whole node's; otherwise only its fullest queue is looked at.
    let devices = runsOn ? load.devices : 1
    let service = TimeDistribution.empirical(
      factor == 1 ? load.times.computeSeconds : load.times.computeSeconds.scaled(by: factor))
    let trace = load.times.computeTraceSeconds.flatMap { ServiceTrace($0.map { $0 * factor }) }
    let runModels = (0..<models).map {
      FleetRun.Model(service: trace == nil ? .drawn(service) : .replayed(trace: 0), hosts: .node($0 % devices))
    }
    let node = FleetRun.Node(
      workers: load.workers, queueCapacity: nil, batch: .single,
      dispatchGap: Nanoseconds(seconds: load.times.dispatchGapSeconds * factor),
      wake: Nanoseconds(seconds: load.times.wakeUpSeconds * factor),
      frontEnd: FrontEnd(delay: load.times.overheadSeconds.scaled(by: factor)))
    // A given schedule runs on until its last request is answered, as a measured run does.
    let end = runsOn ? Nanoseconds.never : Nanoseconds(seconds: schedule.durationSeconds)
    var run = FleetRun(
      models: runModels, nodes: Array(repeating: node, count: devices), traces: trace.map { [$0] } ?? [],
      routing: .random, warmup: Nanoseconds(seconds: warmup), end: end, schedule: schedule, seed: seed)
    var observation = run.run()
    observation.windowSeconds = schedule.durationSeconds - warmup
    return observation
  }
}

/// Quantiles of several runs, and how they spread from run to run.
private struct RunSpread {
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
