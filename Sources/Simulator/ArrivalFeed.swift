import PlannerCore

/// Brings the requests of a run: each model's own arrivals, or a schedule that was made before.
///
/// Holds one future arrival of each model, or of the schedule, in the event queue. Model m draws from the sub-stream
/// "arrivals" m.
struct ArrivalFeed {
  private struct ModelSource {
    var draw: Arrivals.Draw
    var random: RandomStream

    mutating func next() -> NextArrival? { draw.next(from: &random) }
  }

  /// Arrivals of each model, nil for a model without arrivals; empty where there is a schedule.
  private var models: [ModelSource?]
  /// Requests of the schedule; empty where there is none.
  private let schedule: [ScheduledRequest]
  private let isScheduled: Bool
  private var scheduled = 0

  /// - Parameter schedule: replaces the models' own arrivals where given.
  init(models: [FleetRun.Model], schedule: Schedule?, seed: UInt64) {
    self.schedule = schedule?.requests ?? []
    isScheduled = schedule != nil
    self.models =
      schedule != nil
      ? []
      : models.enumerated().map { index, model in
        model.arrivals.map {
          ModelSource(
            draw: Arrivals.Draw($0), random: RandomStream(seed: seed, stream: "arrivals", index: UInt64(index)))
        }
      }
  }

  /// Puts the first arrivals into the queue.
  mutating func start(_ events: inout EventQueue) {
    if isScheduled {
      advance(model: 0, now: .zero, &events)
    } else {
      for model in models.indices { advance(model: model, now: .zero, &events) }
    }
  }

  /// Puts the arrival that follows the one at hand into the queue.
  mutating func advance(model: Int, now: Nanoseconds, _ events: inout EventQueue) {
    if isScheduled {
      guard scheduled < schedule.count else { return }
      events.insert(.arrival(model: schedule[scheduled].model), at: schedule[scheduled].due)
      scheduled += 1
    } else if let next = models[model]?.next() {
      events.insert(.arrival(model: model), at: next.time(after: now))
    }
  }
}
