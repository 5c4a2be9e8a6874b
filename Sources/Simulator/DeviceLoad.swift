import PlannerCore

/// Everything that the latency on one device follows from: what it is asked, and the times of its models.
///
/// Two devices with the same load have the same prediction, whatever machine they are bought as.
package struct DeviceLoad: Hashable, Sendable {
  /// Models of one share of a node, and the requests that come to them here.
  package struct Stream: Hashable, Sendable {
    var times: ServiceTimes
    var requests: RequestStream
    /// Requests a second that come here.
    var ratePerSecond: Double
  }

  package var workers: Int
  /// One for each share of the node that has models here, in the order of the shares.
  package var streams: [Stream]

  /// The fullest device of a node whose models are of one share and all asked alike.
  ///
  /// Precondition: a group of the demand, and figures. `OptimizationProblem.validate` and `PlanFile` let no other node
  /// pass.
  package init(_ spec: NodeSpec, _ demand: Workload, _ figures: NodeFigures) {
    precondition(spec.models.count == 1, "nodes of several shares are predicted from their places")
    guard let group = demand[group: spec.models[0].group], let entry = figures.entries.first else {
      preconditionFailure("a node names a group that its plan knows, and has figures of it")
    }
    let models = (spec.models[0].count + spec.server.devices - 1) / spec.server.devices
    self.init(
      models: models, of: group, ratePerModelPerSecond: group.ratePerModelPerSecond, times: entry.service.times,
      workers: spec.server.workers)
  }

  /// So many models of a group that are all asked alike.
  package init(models: Int, of group: ModelGroup, ratePerModelPerSecond rate: Double, times: ServiceTimes, workers: Int)
  {
    self.workers = workers
    streams = [
      Stream(
        times: Self.times(times, group),
        requests: RequestStream(
          models: models, ratePerModelPerSecond: rate, process: group.arrivals, sizes: Self.sizes(times, group)),
        ratePerSecond: Double(models) * rate)
    ]
  }

  /// One copy of a model that has several, which are asked in turn.
  ///
  /// - Parameter rate: requests a second to the model, over all its copies.
  package init(
    oneOf copies: Int, of group: ModelGroup, modelRatePerSecond rate: Double, times: ServiceTimes, workers: Int
  ) {
    self.workers = workers
    streams = [
      Self.stream(
        [Placement.Copy(group: 0, model: 0, replica: 0, replicas: copies, modelRatePerSecond: rate)], of: group,
        times: times)
    ]
  }

  /// A device of a plan as its places say.
  package init(_ device: Placement.Device, of node: NodeGroup, _ demand: Workload) {
    workers = node.workers
    streams = device.contents.map { content in
      let group = demand.groups[content.copies[0].group]
      return Self.stream(content.copies, of: group, times: node.figures.entries[content.share].service.times)
    }
  }

  private static func stream(_ copies: [Placement.Copy], of group: ModelGroup, times: ServiceTimes) -> Stream {
    let isShared = copies.contains { $0.replicas > 1 }
    let rates = copies.map(\.modelRatePerSecond)
    let mean = rates.reduce(0, +) / Double(copies.count)
    let isAlike = rates.allSatisfy { $0 == rates[0] }
    return Stream(
      times: Self.times(times, group),
      requests: RequestStream(
        models: copies.count, ratePerModelPerSecond: isAlike ? rates[0] : mean,
        popularity: isAlike ? .uniform : .shares(rates), process: group.arrivals, sizes: sizes(times, group),
        turns: isShared ? copies.map { Turns(replica: $0.replica, replicas: $0.replicas) } : nil),
      ratePerSecond: copies.reduce(0) { $0 + $1.ratePerSecond })
  }

  /// A proxy adds to what is no queueing and no compute.
  private static func times(_ times: ServiceTimes, _ group: ModelGroup) -> ServiceTimes {
    group.requests.isProxied ? times.behindProxy : times
  }

  /// Sizes are drawn only where times depend on them.
  private static func sizes(_ times: ServiceTimes, _ group: ModelGroup) -> RequestSizes {
    times.sizes.isEmpty ? .none : group.requests.sizes
  }

  package var ratePerSecond: Double { streams.reduce(0) { $0 + $1.ratePerSecond } }
  package var models: Int { streams.reduce(0) { $0 + $1.requests.models } }

  /// Offered load over capacity; at 1 or above there is no steady state.
  package var offeredUtilization: Double {
    streams.reduce(0) { $0 + $1.ratePerSecond * $1.times.meanBusySeconds } / Double(workers)
  }
}
