/// A request of a schedule: when it is due, counted from the start, and for which model.
public struct ScheduledRequest: Hashable, Sendable {
  public var due: Nanoseconds
  public var model: Int

  public init(due: Nanoseconds, model: Int) {
    self.due = due
    self.model = model
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

  /// Arrivals at `models` models with `ratePerModelPerSecond` each, over `durationSeconds`.
  ///
  /// Where the arrivals at all models together are a process of the same kind, they are drawn as one, each with a
  /// uniform choice of model; otherwise model by model.
  /// Complexity: O(n log n) in the number of requests.
  public static func make(
    models: Int, ratePerModelPerSecond: Double, arrivals: ArrivalProcess, durationSeconds: Double, seed: UInt64
  ) -> Schedule {
    precondition(models > 0 && ratePerModelPerSecond > 0 && durationSeconds > 0)
    var random = RandomStream(seed: seed, stream: "schedule")
    var requests: [ScheduledRequest] = []
    let each = Arrivals(arrivals, ratePerSecond: ratePerModelPerSecond)
    func draw(_ arrivals: Arrivals, model: (inout RandomStream) -> Int) {
      var source = Arrivals.Draw(arrivals)
      var time = 0.0
      while let next = source.next(from: &random) {
        time = next.seconds(after: time)
        guard time < durationSeconds else { return }
        requests.append(ScheduledRequest(due: Nanoseconds(seconds: time), model: model(&random)))
      }
    }
    if let all = each.merged(models: models) {
      draw(all) { $0.integer(below: models) }
    } else {
      for model in 0..<models { draw(each) { _ in model } }
      requests.sort { ($0.due, $0.model) < ($1.due, $1.model) }
    }
    return Schedule(requests: requests, durationSeconds: durationSeconds, models: models)
  }
}
