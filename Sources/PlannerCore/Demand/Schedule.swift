/// A request of a schedule: when it is due, counted from the start, for which model, and how long.
public struct ScheduledRequest: Hashable, Sendable {
  public var due: Nanoseconds
  public var model: Int
  /// Length of the varying dimension; 0 where requests have none, or all have the one that goes without saying.
  public var size: Int

  public init(due: Nanoseconds, model: Int, size: Int = 0) {
    self.due = due
    self.model = model
    self.size = size
  }
}

/// Open-loop arrivals made before a run, so that the simulator and the load generator see the same ones.
public struct Schedule: Hashable, Sendable {
  /// Requests of the run, ascending in time.
  public let requests: [ScheduledRequest]
  public let durationSeconds: Double
  /// Number of models that requests may name.
  public let models: Int

  public init(requests: [ScheduledRequest], durationSeconds: Double, models: Int) {
    self.requests = requests
    self.durationSeconds = durationSeconds
    self.models = models
  }

  /// Arrivals at `models` models with `ratePerModelPerSecond` each, over `durationSeconds`; sizes go without saying.
  ///
  /// Where the arrivals at all models together are a process of the same kind, they are drawn as one, each with a
  /// uniform choice of model; otherwise model by model.
  /// Complexity: O(n log n) in the number of requests.
  public static func make(
    models: Int, ratePerModelPerSecond: Double, arrivals: ArrivalProcess, durationSeconds: Double, seed: UInt64
  ) -> Schedule {
    precondition(models > 0 && ratePerModelPerSecond > 0 && durationSeconds > 0)
    var random = RandomStream(seed: seed, stream: "schedule")
    let requests = GroupArrivals(
      models: models, ratePerModelPerSecond: ratePerModelPerSecond, popularity: .uniform, process: arrivals
    ).draw(durationSeconds: durationSeconds, from: &random)
    return Schedule(requests: requests, durationSeconds: durationSeconds, models: models)
  }

  /// Arrivals at all models of a workload over `durationSeconds`, with their sizes. Models are counted through all
  /// groups, in the order of the groups.
  ///
  /// Group g draws its arrivals from the sub-stream "schedule" g and its sizes from "sizes" g: what is added to a
  /// workload leaves the requests of the groups before it as they are. The first group, where all its models are asked
  /// alike, is asked at the same times as in a schedule that is made of a rate alone.
  ///
  /// Precondition: each group has a rate above 0 or a trace.
  /// Complexity: O(n log n) in the number of requests, and O(n) in the number of models.
  public static func make(_ workload: Workload, durationSeconds: Double, seed: UInt64) -> Schedule {
    make(workload.groups.map(RequestStream.init), durationSeconds: durationSeconds, seed: seed)
  }

  /// Arrivals of several streams together, as of the groups of a workload.
  public static func make(_ streams: [RequestStream], durationSeconds: Double, seed: UInt64) -> Schedule {
    precondition(durationSeconds > 0)
    var requests: [ScheduledRequest] = []
    var models = 0
    for (index, stream) in streams.enumerated() {
      var random = RandomStream(seed: seed, stream: "schedule", index: UInt64(index))
      var sizeRandom = RandomStream(seed: seed, stream: "sizes", index: UInt64(index))
      let size = RequestSizes.Draw(stream.sizes)
      var drawn = stream.arrivals.draw(durationSeconds: durationSeconds, from: &random)
      if streams.count == 1, stream.turns == nil, let only = stream.sizes == .none ? 0 : stream.sizes.only {
        // Nothing to choose: most of what a search simulates.
        for index in drawn.indices { drawn[index].size = only }
        return Schedule(requests: drawn, durationSeconds: durationSeconds, models: stream.models)
      }
      requests.reserveCapacity(requests.count + drawn.count)
      var turns = stream.turns.map { $0.map { Turns.Counter($0) } }
      for request in drawn {
        let length = size.next(from: &sizeRandom)
        if turns?[request.model].isOwn() == false { continue }
        requests.append(ScheduledRequest(due: request.due, model: models + request.model, size: length))
      }
      models += stream.models
    }
    if streams.count > 1 { requests.sort { ($0.due, $0.model) < ($1.due, $1.model) } }
    return Schedule(requests: requests, durationSeconds: durationSeconds, models: models)
  }
}

/// Which of a model's requests go to one of its copies: the copies are asked in turn.
public struct Turns: Hashable, Sendable {
  /// Which copy, from 0.
  public var replica: Int
  public var replicas: Int

  public init(replica: Int, replicas: Int) {
    self.replica = replica
    self.replicas = replicas
  }

  fileprivate struct Counter {
    let turns: Turns
    var next = 0

    init(_ turns: Turns) { self.turns = turns }

    /// Whether the model's next request is this copy's.
    mutating func isOwn() -> Bool {
      defer { next = next + 1 == turns.replicas ? 0 : next + 1 }
      return next == turns.replica
    }
  }
}

/// Requests to models that are alike but for how often they are asked.
public struct RequestStream: Hashable, Sendable {
  public var models: Int
  /// Mean over the models, each as a whole where only some of its requests are the stream's.
  public var ratePerModelPerSecond: Double
  public var popularity: Popularity
  public var process: ArrivalProcess
  public var sizes: RequestSizes
  /// One for each model; nil where all requests are the stream's.
  public var turns: [Turns]?

  public init(
    models: Int, ratePerModelPerSecond: Double, popularity: Popularity = .uniform, process: ArrivalProcess,
    sizes: RequestSizes = .none, turns: [Turns]? = nil
  ) {
    self.models = models
    self.ratePerModelPerSecond = ratePerModelPerSecond
    self.popularity = popularity
    self.process = process
    self.sizes = sizes
    self.turns = turns
  }

  /// The requests to a group of a workload.
  public init(_ group: ModelGroup) {
    self.init(
      models: group.models, ratePerModelPerSecond: group.ratePerModelPerSecond, popularity: group.popularity,
      process: group.arrivals, sizes: group.requests.sizes)
  }

  fileprivate var arrivals: GroupArrivals {
    GroupArrivals(
      models: models, ratePerModelPerSecond: ratePerModelPerSecond, popularity: popularity, process: process)
  }
}

/// The arrivals at the models of one group.
private struct GroupArrivals {
  var models: Int
  /// Mean over the models.
  var ratePerModelPerSecond: Double
  var popularity: Popularity
  var process: ArrivalProcess

  /// Requests without sizes, ascending in time and, at one time, in the models' order.
  func draw(durationSeconds: Double, from random: inout RandomStream) -> [ScheduledRequest] {
    var requests: [ScheduledRequest] = []
    func draw(_ arrivals: Arrivals, model: (inout RandomStream) -> Int) {
      var source = Arrivals.Draw(arrivals, isStationary: true)
      var time = 0.0
      while let next = source.next(from: &random) {
        time = next.seconds(after: time)
        guard time < durationSeconds else { return }
        requests.append(ScheduledRequest(due: Nanoseconds(seconds: time), model: model(&random)))
      }
    }
    if let all = Arrivals(process, ratePerSecond: ratePerModelPerSecond).merged(models: models) {
      // The sum of independent Poisson processes is one, in which each arrival is of a model by the share of its rate.
      if popularity == .uniform {
        draw(all) { $0.integer(below: models) }
      } else if let choice = WeightedChoice(weights: popularity.shares(models: models)) {
        draw(all) { choice.draw(from: &$0) }
      }
      return requests
    }
    let shares = popularity == .uniform ? nil : popularity.shares(models: models)
    for model in 0..<models {
      let rate = shares.map { $0[model] * ratePerModelPerSecond * Double(models) } ?? ratePerModelPerSecond
      // A model that nobody asks has no first request.
      if rate > 0 { draw(Arrivals(process, ratePerSecond: rate)) { _ in model } }
    }
    requests.sort { ($0.due, $0.model) < ($1.due, $1.model) }
    return requests
  }
}
