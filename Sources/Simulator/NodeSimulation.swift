import PlannerCore

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
    /// Which stream of the simulation it is.
    package var stream: Int
    public var latencySeconds: LatencyEstimates
  }

  /// Latency on the fullest device. The interval is a 95 % prediction interval for one run: it holds both the chance
  /// of the requests and the drift of the machine between occasions.
  public var latencySeconds: LatencyEstimates
  /// Latency of each share of the node that has requests, in their order, with intervals as in `latencySeconds`.
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

  /// The fullest device of a node in steady state, each replication with arrivals of its own.
  ///
  /// Precondition: a node of one share, whose models are all asked alike and have one copy.
  /// - Returns: nil where the offered load reaches the capacity.
  public static func predict(
    _ spec: NodeSpec, _ demand: Workload, _ figures: NodeFigures, seed: UInt64, effort: SimulationEffort
  ) -> NodePrediction? {
    let load = DeviceLoad(spec, demand, figures)
    guard var prediction = predict(load, seed: seed, effort: effort) else { return nil }
    prediction.throughputPerSecond *= Double(spec.modelCount) / Double(load.models)
    return named(prediction, spec.models.map(\.group))
  }

  /// One device of a plan in steady state, with the copies that live there.
  ///
  /// - Returns: nil where the offered load reaches the capacity, or where nothing is asked.
  public static func predict(
    _ device: Placement.Device, of node: NodeGroup, _ demand: Workload, seed: UInt64, effort: SimulationEffort
  ) -> NodePrediction? {
    let load = DeviceLoad(device, of: node, demand)
    return predict(load, seed: seed, effort: effort).map {
      named($0, device.contents.map { node.spec.models[$0.share].group })
    }
  }

  /// The node under exactly these arrivals, from an empty queue, as a measured run will see them. A node with
  /// several devices sees the models' requests on the device model mod devices.
  ///
  /// Overload is simulated as it is: a finite run has a latency all the same.
  ///
  /// Precondition: a node of one share.
  /// - Parameter warmupSeconds: requests that are due before it are simulated and not counted.
  /// - Returns: nil where no request is counted.
  public static func predict(
    _ spec: NodeSpec, _ demand: Workload, _ figures: NodeFigures, schedule: Schedule, warmupSeconds: Double = 0,
    seed: UInt64, replications: Int
  ) -> NodePrediction? {
    let devices = spec.server.devices
    var loads: [DeviceLoad] = []
    // Models 0, devices, 2 · devices, … are the first device's.
    var places = [Int](repeating: 0, count: schedule.models)
    var next = 0
    for device in 0..<devices {
      let own = Array(Swift.stride(from: device, to: schedule.models, by: devices))
      for model in own {
        places[model] = next
        next += 1
      }
      var load = DeviceLoad(spec, demand, figures)
      load.streams[0].requests.models = own.count
      loads.append(load)
    }
    let requests = schedule.requests.map { ScheduledRequest(due: $0.due, model: places[$0.model], size: $0.size) }
    let own = Schedule(requests: requests, durationSeconds: schedule.durationSeconds, models: schedule.models)
    let prediction = predict(
      loads, numbers: loads.map { _ in [0] }, streams: 1, seed: seed, replications: replications,
      warmup: warmupSeconds, end: .never
    ) { _ in own }
    return prediction.map { named($0, spec.models.map(\.group)) }
  }

  /// Nodes of a plan under exactly these arrivals, from empty queues, as a measured run will see them.
  ///
  /// Overload is simulated as it is: a finite run has a latency all the same.
  /// - Parameters:
  ///   - devices: of the nodes that run, as the plan's places say.
  ///   - nodes: the plan's kinds of nodes.
  ///   - schedule: model m is the m-th copy over all devices, in the order of their contents.
  ///   - warmupSeconds: requests that are due before it are simulated and not counted.
  /// - Returns: latency over all these nodes, and of each group that has requests; nil where no request is counted.
  public static func predict(
    _ devices: [Placement.Device], of nodes: [NodeGroup], _ demand: Workload, schedule: Schedule,
    warmupSeconds: Double = 0, seed: UInt64, replications: Int
  ) -> NodePrediction? {
    let loads = devices.map { DeviceLoad($0, of: nodes[$0.kind], demand) }
    let groups = devices.map { $0.contents.map { $0.copies[0].group } }
    let prediction = predict(
      loads, numbers: groups, streams: demand.groups.count, seed: seed, replications: replications,
      warmup: warmupSeconds, end: .never
    ) { _ in schedule }
    return prediction.map { named($0, demand.groups.map(\.name)) }
  }

  /// A device in steady state; its streams carry no names.
  package static func predict(_ load: DeviceLoad, seed: UInt64, effort: SimulationEffort) -> NodePrediction? {
    guard load.models > 0, load.ratePerSecond > 0, load.offeredUtilization < 0.995 else { return nil }
    // A tenth more, which is the warm-up: it starts with an empty queue.
    let duration = Double(effort.requestsPerReplication) / load.ratePerSecond * 1.1
    return predict(
      [load], numbers: [Array(load.streams.indices)], streams: load.streams.count, seed: seed,
      replications: effort.replications, warmup: duration / 11, end: Nanoseconds(seconds: duration)
    ) { Schedule.make(load.streams.map(\.requests), durationSeconds: duration, seed: $0) }
  }

  /// - Parameter names: of the groups of the prediction's streams; a group may have several.
  private static func named(_ prediction: NodePrediction, _ names: [String]) -> NodePrediction {
    var prediction = prediction
    for index in prediction.groups.indices { prediction.groups[index].name = names[prediction.groups[index].stream] }
    return prediction
  }

  /// - Parameters:
  ///   - numbers: which of the `streams` of the answer each stream of each device belongs to.
  ///   - end: when the clock stops; `never` runs until the last request is answered, as a measured run does.
  private static func predict(
    _ devices: [DeviceLoad], numbers: [[Int]], streams: Int, seed: UInt64, replications: Int, warmup: Double,
    end: Nanoseconds, schedule: @Sendable (_ seed: UInt64) -> Schedule
  ) -> NodePrediction? {
    var drift = RandomStream(seed: seed, stream: "drift")
    let betweenRunCV = devices.flatMap(\.streams).map(\.times.betweenRunCV).max() ?? 0
    // The machine of each day: all of a run's times are longer or shorter together.
    let factors = (0..<replications).map { _ in min(max(1 + betweenRunCV * drift.normal(), 0.5), 2) }
    let runs = Replications.map(replications) { replication in
      let runSeed = Scenario.seed(seed, replication: replication)
      let factor = factors[replication]
      let rendering = FleetRendering(devices, numbers: numbers, factor: factor)
      let arrivals = schedule(runSeed)
      var run = FleetRun(
        models: rendering.models, nodes: rendering.nodes, traces: rendering.traces, routing: .random,
        warmup: Nanoseconds(seconds: warmup), end: end, schedule: rendering.rendered(arrivals), seed: runSeed)
      var observation = streams > 1 ? run.runByModel() : run.run()
      observation.windowSeconds = arrivals.durationSeconds - warmup
      let isSteady = end != .never
      return RunSummary(
        observation, rendering, streams: streams, factor: factor,
        dispatchGapSeconds: devices[0].streams.first?.times.dispatchGapSeconds ?? 0,
        rare: isSteady ? devices[0].streams.map(\.times) : [], seed: runSeed)
    }
    return NodePrediction(runs.compactMap(\.self), streams: streams)
  }
}
