import PlannerCore

/// Where the time of a pool's requests goes: what was waited for a worker and what for company, and what a request
/// takes as a rule. Under the pool's lock; it reads no clock.
struct PoolTimes {
  /// One request's waiting.
  struct Waiting {
    let arrival: Nanoseconds
    /// How long there had been a free worker when it came.
    fileprivate let freeBefore: Nanoseconds
    /// How long it has waited although a worker was free; zero until it is assigned.
    fileprivate(set) var batchWait = Nanoseconds.zero
  }

  /// One forward pass.
  struct Pass {
    /// When the worker finished its last pass, where it has not slept since.
    var previous: Nanoseconds?
    var started: Nanoseconds
    var finished: Nanoseconds
    /// Requests that it computed.
    var requests: Int

    func timings(of waiting: Waiting, ahead: Int, isFirstOfBatch: Bool) -> RequestTimings {
      RequestTimings(
        queueSeconds: (started - waiting.arrival - waiting.batchWait).seconds,
        batchWaitSeconds: waiting.batchWait.seconds, computeSeconds: (finished - started).seconds, ahead: ahead,
        batchSize: requests, isFirstOfBatch: isFirstOfBatch, dispatchGapSeconds: previous.map { (started - $0).seconds }
      )
    }
  }

  /// Time in which a worker was free, up to the last change.
  private var freePast = Nanoseconds.zero
  /// Since when a worker has been free; nil where none is.
  private var freeSince: Nanoseconds? = .zero
  /// Mean time of a worker for a request, the latest counting most.
  private var secondsPerRequest = 0.0

  private func freeTotal(now: Nanoseconds) -> Nanoseconds { freePast + (freeSince.map { now - $0 } ?? .zero) }

  /// A request has come.
  func arrived(now: Nanoseconds) -> Waiting { Waiting(arrival: now, freeBefore: freeTotal(now: now)) }

  /// A request has been given to a worker.
  func assigned(_ waiting: inout Waiting, now: Nanoseconds) {
    // Events are told of in the order of the lock, with times that were read before it.
    let free = freeTotal(now: now) - waiting.freeBefore
    waiting.batchWait = min(max(.zero, free), max(.zero, now - waiting.arrival))
  }

  /// After each event: whether a worker is free from now on.
  mutating func note(hasFreeWorker: Bool, now: Nanoseconds) {
    if hasFreeWorker, freeSince == nil {
      freeSince = now
    } else if !hasFreeWorker, let start = freeSince {
      freePast += now - start
      freeSince = nil
    }
  }

  /// A worker has computed so many requests in one pass.
  mutating func computed(requests: Int, in time: Nanoseconds) {
    let each = time.seconds / Double(requests)
    secondsPerRequest += (each - secondsPerRequest) * (secondsPerRequest == 0 ? 1 : 0.05)
  }

  /// When, by the usual times, what waits now will have been computed: whole seconds, 1 to 60.
  func drainSeconds(waiting: Int, workers: Int) -> Int {
    let seconds = Double(waiting) * secondsPerRequest / Double(workers)
    return Int(min(60, max(1, seconds.rounded(.up))))
  }
}
