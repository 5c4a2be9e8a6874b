import Histogram
import PlannerCore
import ServerContract

/// What became of one request.
public enum LoadOutcome: String, Hashable, Sendable {
  /// Not settled yet; never in a finished result.
  case pending
  /// The server answered with a 2xx status.
  case completed
  /// Turned away: 429 or 503.
  case rejected
  /// No answer within the client's limit, or 504.
  case timedOut
  /// Any other status, or a connection that broke.
  case failed
}

/// One request of a run.
public struct LoadSample: Hashable, Sendable {
  /// When it was to be sent, seconds from the start.
  public var dueSeconds: Double
  public var model: Int
  /// Length of its varying dimension; 0 where there is none.
  public var size: Int
  /// Place of the server that it was sent to, among those of the run.
  public var target: Int
  public var outcome: LoadOutcome = .pending
  /// How late the generator itself came to it, seconds.
  public var lagSeconds = 0.0
  /// How long it then waited because every connection was busy, seconds.
  public var connectionWaitSeconds = 0.0
  /// From `dueSeconds` to the last byte of the answer, or to the moment it was given up, seconds.
  public var latencySeconds = 0.0
  /// What the server says of the request's way; nil where it sent no timings.
  public var timings: ServerTimings?
  /// Why it failed, as the server or the system put it; nil where it did not.
  public var complaint: String?

  public init(dueSeconds: Double, model: Int, size: Int = 0, target: Int = 0) {
    self.dueSeconds = dueSeconds
    self.model = model
    self.size = size
    self.target = target
  }

  /// Whether a schedule orders this request before the other.
  func isBefore(_ other: LoadSample) -> Bool { (dueSeconds, model) < (other.dueSeconds, other.model) }
}

/// A finished run, in full. Results of parts of one schedule, whether they were sent one after the other or by several
/// generators at once, merge to the result of the whole: `merged(with:)`.
public struct LoadResult: Sendable {
  /// Largest send lag at p99 that is always accepted, seconds: what a timer and a busy neighbour cost.
  public static let acceptedLagSeconds = 0.001
  /// Above that, the share of the median latency that the lag may reach.
  public static let acceptedLagShare = 0.1
  /// Largest share of one CPU that the generator's thread may have used.
  public static let acceptedBusyShare = 0.8

  /// In the order of the schedule, those that were due at or after `fromSeconds`.
  public let samples: [LoadSample]
  /// Start of the counted part, seconds from the start of the schedule.
  public let fromSeconds: Double
  /// End of the part that was sent, as scheduled, seconds from the start of the schedule.
  public let durationSeconds: Double
  /// Longest time for which a request was waited for, seconds.
  public let timeoutSeconds: Double
  /// Connections that were opened after the start because all were busy.
  public let lateConnections: Int
  /// CPU time of the generator's thread over the time of the run, spinning included; of several generators the busiest
  /// one's.
  public let generatorBusyShare: Double
  /// An example of what failed, as the server or the system put it: the earliest.
  public var firstFailure: String? { samples.first { $0.outcome == .failed }?.complaint }

  /// Outcomes and histogram of all counted requests.
  public let tally: LoadTally
  public var counts: RequestOutcomes { tally.outcomes }
  /// Latencies of completed requests, ascending, seconds.
  public let latenciesSeconds: [Double]
  /// Latencies of completed requests, nanoseconds, three digits; histograms of several runs may be added.
  public var histogram: Histogram<UInt64> { tally.histogram }
  /// Whether the generator kept to its schedule; the figures of an invalid run say nothing of the server.
  public var valid: Bool { invalidReason == nil }
  public let invalidReason: String?

  /// Complexity: O(n log n).
  public init(
    samples: [LoadSample], fromSeconds: Double = 0, durationSeconds: Double, timeoutSeconds: Double,
    lateConnections: Int = 0, generatorBusyShare: Double = 0
  ) {
    self.init(
      samples: samples, fromSeconds: fromSeconds, durationSeconds: durationSeconds, timeoutSeconds: timeoutSeconds,
      lateConnections: lateConnections, generatorBusyShare: generatorBusyShare, reasonAgainstRun: .none)
  }

  /// - Parameter reason: what stands against the run that these samples are a part of, if anything does; `.none` where
  ///   they are the run.
  private init(
    samples all: [LoadSample], fromSeconds: Double, durationSeconds: Double, timeoutSeconds: Double,
    lateConnections: Int, generatorBusyShare: Double, reasonAgainstRun reason: String??
  ) {
    let samples = fromSeconds > 0 ? all.filter { $0.dueSeconds >= fromSeconds } : all
    var tally = LoadTally()
    var latencies: [Double] = []
    latencies.reserveCapacity(samples.count)
    for sample in samples {
      tally.add(sample)
      if sample.outcome == .completed { latencies.append(sample.latencySeconds) }
    }
    latencies.sort()
    self.samples = samples
    self.fromSeconds = fromSeconds
    self.durationSeconds = durationSeconds
    self.timeoutSeconds = timeoutSeconds
    self.lateConnections = lateConnections
    self.generatorBusyShare = generatorBusyShare
    self.tally = tally
    latenciesSeconds = latencies
    if let reason, !samples.isEmpty {
      invalidReason = reason
    } else {
      invalidReason = Self.reasonAgainst(samples: samples, latencies: latencies, busyShare: generatorBusyShare)
    }
  }

  /// This run without the requests that were due in its first `seconds`.
  public func excludingFirst(seconds: Double) -> LoadResult {
    LoadResult(
      samples: samples, fromSeconds: max(fromSeconds, seconds), durationSeconds: durationSeconds,
      timeoutSeconds: timeoutSeconds, lateConnections: lateConnections, generatorBusyShare: generatorBusyShare)
  }

  /// Those requests of this run that `belongs` picks, such as the ones of a group of models, as a result of their own:
  /// parts that share no request merge to the whole, but for the connections, which each of them counts in full.
  ///
  /// The generator is judged by the whole run: a part is valid where the run is, and has requests.
  public func part(where belongs: (LoadSample) -> Bool) -> LoadResult {
    LoadResult(
      samples: samples.filter(belongs), fromSeconds: fromSeconds, durationSeconds: durationSeconds,
      timeoutSeconds: timeoutSeconds, lateConnections: lateConnections, generatorBusyShare: generatorBusyShare,
      reasonAgainstRun: .some(invalidReason))
  }

  /// The result of a schedule of which this and `other` are parts, each request in one of them: the series of samples
  /// in the order of the whole schedule, and with it every figure and verdict that rests on the series.
  ///
  /// A part may be a stretch of time or the share of one generator among several; times of both count from the start
  /// of the schedule. Complexity: O(n log n).
  public func merged(with other: LoadResult) -> LoadResult {
    var merged: [LoadSample] = []
    merged.reserveCapacity(samples.count + other.samples.count)
    var rest = other.samples[...]
    for sample in samples {
      while let next = rest.first, next.isBefore(sample) { merged.append(rest.removeFirst()) }
      merged.append(sample)
    }
    merged += rest
    return LoadResult(
      samples: merged, fromSeconds: min(fromSeconds, other.fromSeconds),
      durationSeconds: max(durationSeconds, other.durationSeconds),
      timeoutSeconds: max(timeoutSeconds, other.timeoutSeconds),
      lateConnections: lateConnections + other.lateConnections,
      generatorBusyShare: max(generatorBusyShare, other.generatorBusyShare))
  }

  /// The generator fell behind where its own send lag at p99 exceeds 1 ms *and* a tenth of the median
  /// latency, or where its thread was busy for more than 80 % of the time.
  ///
  /// Latency counts from the intended time, so a late send makes the server look slow, never fast; below
  /// the first limit it moves neither p50 nor p99 by more than a few percent. A saturated thread may still
  /// send in time and read the answers late, which only the second limit sees. Waiting for a free
  /// connection is not the generator's lag: with every connection busy, it is the server that queues.
  private static func reasonAgainst(samples: [LoadSample], latencies: [Double], busyShare: Double) -> String? {
    guard !samples.isEmpty else { return "no request was due in the counted part of the run" }
    let remedy = "leave it a core of its own or lower the rate"
    let lag = samples.map(\.lagSeconds).sorted().quantile(0.99)
    let limit = max(acceptedLagSeconds, latencies.isEmpty ? 0 : acceptedLagShare * latencies.quantile(0.5))
    if lag > limit {
      return "the load generator fell behind: 1 % of requests were sent more than \(milliseconds(lag)) late, "
        + "accepted are \(milliseconds(limit)); \(remedy)"
    }
    if busyShare > acceptedBusyShare {
      let percent = Int((busyShare * 100).rounded())
      return "the load generator fell behind: its thread was busy for \(percent) % of the run, "
        + "accepted are \(Int(acceptedBusyShare * 100)) %; \(remedy)"
    }
    return nil
  }
}

extension LoadResult: CustomStringConvertible {
  /// One line for logs.
  public var description: String {
    "\(counts.sent) sent, \(counts.completed) completed, \(counts.rejected) rejected, \(counts.timedOut) timed out, "
      + "\(counts.failed) failed; p50 \(text(quantileSeconds(0.5))), p99 \(text(quantileSeconds(0.99))); "
      + (invalidReason ?? "valid")
  }
}

extension LoadResult {
  /// Latency at probability p over *all* requests: one that was not answered counts as infinite.
  ///
  /// - Returns: seconds; infinity where so many were not answered; 0 for an empty run.
  public func quantileSeconds(_ p: Double) -> Double {
    guard counts.sent > 0 else { return 0 }
    let position = p * Double(counts.sent - 1)
    let index = Int(position.rounded(.down))
    let share = position - Double(index)
    guard let low = latency(rank: index) else { return .infinity }
    guard share > 0 else { return low }
    guard let high = latency(rank: index + 1) else { return .infinity }
    return low + (high - low) * share
  }

  /// Latency of the request at `rank` (from 0) among all, ascending; nil for one that was not answered.
  func latency(rank: Int) -> Double? { rank < latenciesSeconds.count ? latenciesSeconds[rank] : nil }

  /// Send lag of the generator at probability p, seconds.
  public func lagQuantileSeconds(_ p: Double) -> Double {
    samples.isEmpty ? 0 : samples.map(\.lagSeconds).sorted().quantile(p)
  }

  /// Requests that had to wait for a connection.
  public var waitedForConnection: Int { samples.count { $0.connectionWaitSeconds > 0 } }

  /// Length of the counted part, from its start to the last answer where that came after the schedule's end, seconds.
  public var elapsedSeconds: Double {
    let last = samples.reduce(durationSeconds) { max($0, $1.dueSeconds + $1.latencySeconds) }
    return last - fromSeconds
  }

  /// Completed requests a second.
  public var throughputPerSecond: Double { elapsedSeconds > 0 ? Double(counts.completed) / elapsedSeconds : 0 }

  /// Mean of busy workers over `workers`: the server's own compute times, summed, over the elapsed time.
  ///
  /// - Returns: nil unless every completed request carried its timings.
  public func utilization(workers: Int) -> Double? {
    guard workers > 0, elapsedSeconds > 0, counts.completed > 0 else { return nil }
    var busy = 0.0
    for sample in samples where sample.outcome == .completed {
      guard let timings = sample.timings else { return nil }
      busy += timings.computeSeconds
    }
    return busy / (Double(workers) * elapsedSeconds)
  }

  /// The run's figures with finite numbers: a quantile that falls on unanswered requests is shown as the
  /// client's limit, which it is at least.
  public func figures(memoryBytes: Int64) -> RunFigures {
    let quantiles = [("p50Seconds", 0.5), ("p90Seconds", 0.9), ("p95Seconds", 0.95), ("p99Seconds", 0.99)]
    let bounds = quantiles.filter { !quantileSeconds($0.1).isFinite }.map(\.0)
    return RunFigures(
      p50Seconds: finite(0.50), p90Seconds: finite(0.90), p95Seconds: finite(0.95), p99Seconds: finite(0.99),
      throughputPerSecond: throughputPerSecond, memoryBytes: memoryBytes, atLeast: bounds.isEmpty ? nil : bounds)
  }

  /// Latency quantiles for a percentile plot, seconds; finite as in `figures`.
  public func curve(probabilities: [Double] = QuantileTable.standardProbabilities) -> LatencyCurve {
    LatencyCurve(probabilities: probabilities, seconds: probabilities.map(finite))
  }

  private func finite(_ p: Double) -> Double {
    let value = quantileSeconds(p)
    return value.isFinite ? value : leastUnansweredSeconds
  }

  /// What a request that was not answered took at least, seconds: the client's limit.
  var leastUnansweredSeconds: Double { max(timeoutSeconds, latenciesSeconds.last ?? 0) }

  /// A latency as people read it, `≥` the client's limit where it lies among requests that were not answered.
  func text(_ seconds: Double) -> String {
    seconds.isFinite ? milliseconds(seconds) : "≥ \(milliseconds(leastUnansweredSeconds))"
  }
}

/// Seconds as milliseconds with two decimals, from a second on as seconds with one, without locale.
func milliseconds(_ seconds: Double) -> String {
  guard seconds.isFinite else { return "—" }
  if seconds >= 0.9995 {
    let tenths = Int((seconds * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) s"
  }
  let hundredths = Int((seconds * 1e5).rounded())
  let fraction = hundredths % 100
  return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) ms"
}
