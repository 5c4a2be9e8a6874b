/// One answered request, taken apart. All times are in seconds.
public struct ServedSample: Hashable, Sendable {
  /// When the request was due, from the start of the run.
  public var due: Double
  /// The client's latency, from the time at which the request was due.
  public var latency: Double
  /// Time from the request's arrival in the server's queue to the start of its pass.
  public var queue: Double
  /// Time that a worker was occupied by the request.
  public var compute: Double
  /// Requests that this one found waiting or in service.
  public var ahead: Int
  /// What the worker spent between its last pass and this one; nil where it was idle.
  public var dispatchGap: Double?

  public init(
    due: Double, latency: Double, queue: Double, compute: Double, ahead: Int, dispatchGap: Double? = nil
  ) {
    self.due = due
    self.latency = latency
    self.queue = queue
    self.compute = compute
    self.ahead = ahead
    self.dispatchGap = dispatchGap
  }
}

extension MeasuredTimes {
  /// Takes served requests apart.
  ///
  /// Overhead is taken from requests that found the server idle: what they took beyond compute is HTTP, parsing and
  /// the answer's way back; the waking of a worker is kept by itself. Where none did, those speak that found the fewest
  /// others, and nothing is known of waking. Compute comes from all requests.
  public init(_ samples: [ServedSample]) {
    let fewest = samples.lazy.map(\.ahead).min() ?? 0
    let alone = samples.filter { $0.ahead == fewest }
    let dispatchGaps = samples.compactMap(\.dispatchGap)
    self.init(
      compute: samples.sorted { $0.due < $1.due }.map(\.compute),
      overhead: alone.map { max(0, $0.latency - $0.queue - $0.compute) },
      wake: fewest > 0 ? 0 : alone.reduce(0) { $0 + $1.queue } / Double(max(1, alone.count)),
      dispatchGap: dispatchGaps.isEmpty ? nil : dispatchGaps.reduce(0, +) / Double(dispatchGaps.count))
  }
}

/// What the requests of one served cell took, put together from several rounds of measuring.
public struct ServedTimes: Hashable, Sendable {
  /// Time that a worker is occupied by one request.
  public var computeSeconds: QuantileTable
  /// Request in to answer out as the client sees it, less queueing (waking included) and compute: HTTP and parsing.
  public var overheadSeconds: QuantileTable
  /// Relative standard deviation of the mean compute time between rounds of the measurement: how far the machine
  /// drifts by itself. It widens a prediction's interval.
  public var betweenRunCV: Double
  /// Mean time that a worker spends between one pass and the next when requests wait: handing the answer over, taking
  /// the next request. It keeps the worker busy without being part of either request's compute. nil: not seen.
  public var dispatchGapSeconds: Double?
  /// Mean time from a request's arrival at an idle worker to the start of its pass: waking the worker. It delays the
  /// next request as a dispatch gap does. nil: not measured.
  public var wakeUpSeconds: Double?

  public init(
    computeSeconds: QuantileTable, overheadSeconds: QuantileTable, betweenRunCV: Double,
    dispatchGapSeconds: Double? = nil, wakeUpSeconds: Double? = nil
  ) {
    self.computeSeconds = computeSeconds
    self.overheadSeconds = overheadSeconds
    self.betweenRunCV = betweenRunCV
    self.dispatchGapSeconds = dispatchGapSeconds
    self.wakeUpSeconds = wakeUpSeconds
  }

  /// - Returns: nil where no request was answered.
  public init?(rounds: [[ServedSample]]) {
    let times = MeasuredTimes(rounds.flatMap { $0 })
    guard let compute = QuantileTable(samples: times.compute), let overhead = QuantileTable(samples: times.overhead)
    else { return nil }
    self.init(
      computeSeconds: compute, overheadSeconds: overhead, betweenRunCV: Self.drift(between: rounds),
      dispatchGapSeconds: times.dispatchGap, wakeUpSeconds: times.wake)
  }

  /// What a few rounds within a minute cannot show of a machine's drift, as a relative standard deviation.
  static let leastDrift = 0.03

  /// Relative standard deviation of the rounds' mean compute times, with `leastDrift` added in squares.
  ///
  /// Each round is a run of its own, some time after the last; the error of its mean is small beside this.
  static func drift(between rounds: [[ServedSample]]) -> Double {
    let means = rounds.filter { !$0.isEmpty }.map { round in
      round.reduce(0) { $0 + $1.compute } / Double(round.count)
    }
    guard means.count > 1 else { return leastDrift }
    let mean = means.reduce(0, +) / Double(means.count)
    guard mean > 0 else { return leastDrift }
    let variance = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(means.count - 1)
    return (variance / (mean * mean) + leastDrift * leastDrift).squareRoot()
  }
}
