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
  /// Ascending in time.
  public let requests: [ScheduledRequest]
  public let durationSeconds: Double
  /// Number of models that requests may name.
  public let models: Int

  public init(requests: [ScheduledRequest], durationSeconds: Double, models: Int) {
    self.requests = requests
    self.durationSeconds = durationSeconds
    self.models = models
  }

  /// Arrivals at `models` models with `ratePerModelPerSecond` each, uniform popularity, over `durationSeconds`.
  ///
  /// The sum of independent Poisson processes is one Poisson process with a uniform choice of model, which
  /// is how they are drawn. Deterministic arrivals are evenly spaced for each model, from a random phase.
  /// Complexity: O(n log n) in the number of requests.
  public static func make(
    models: Int, ratePerModelPerSecond: Double, arrivals: Workload.ArrivalKind, durationSeconds: Double, seed: UInt64
  ) -> Schedule {
    precondition(models > 0 && ratePerModelPerSecond > 0 && durationSeconds > 0)
    var random = RandomStream(seed: seed, stream: "schedule")
    var requests: [ScheduledRequest] = []
    switch arrivals {
    case .poisson:
      let rate = ratePerModelPerSecond * Double(models)
      var time = random.exponential() / rate
      while time < durationSeconds {
        requests.append(ScheduledRequest(due: Nanoseconds(seconds: time), model: random.integer(below: models)))
        time += random.exponential() / rate
      }
    case .deterministic:
      let gap = 1 / ratePerModelPerSecond
      for model in 0..<models {
        var time = random.uniform() * gap
        while time < durationSeconds {
          requests.append(ScheduledRequest(due: Nanoseconds(seconds: time), model: model))
          time += gap
        }
      }
      requests.sort { ($0.due, $0.model) < ($1.due, $1.model) }
    }
    return Schedule(requests: requests, durationSeconds: durationSeconds, models: models)
  }
}
