import Histogram
import PlannerCore

/// What became of some requests: counts and a histogram. Tallies of several stretches of time, or of several
/// generators, add up.
public struct LoadTally: Sendable {
  public private(set) var outcomes = RequestOutcomes()
  /// Latencies of completed requests, nanoseconds, three digits.
  public private(set) var histogram = Self.emptyHistogram()

  public init() {}

  /// Counts one settled request; one that was never settled counts as failed.
  public mutating func add(_ sample: LoadSample) {
    outcomes.sent += 1
    switch sample.outcome {
    case .completed:
      outcomes.completed += 1
      histogram.record(UInt64(max(0, sample.latencySeconds) * 1e9))
    case .rejected: outcomes.rejected += 1
    case .timedOut: outcomes.timedOut += 1
    case .failed, .pending: outcomes.failed += 1
    }
  }

  public mutating func add(_ other: LoadTally) {
    outcomes = outcomes + other.outcomes
    histogram.add(other.histogram)
  }

  /// Latency of completed requests at probability p, to three digits, seconds; nil where none completed.
  public func quantileSeconds(_ p: Double) -> Double? {
    outcomes.completed > 0 ? Double(histogram.valueAtPercentile(p * 100)) * 1e-9 : nil
  }

  /// Histograms that are to be added must come from here: their layout has to agree.
  static func emptyHistogram() -> Histogram<UInt64> {
    var histogram = Histogram<UInt64>(
      lowestDiscernibleValue: 1000, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
    histogram.autoResize = true
    return histogram
  }
}

/// The requests that were due in one stretch of a run, handed out while the run goes on.
public struct LoadWindow: Sendable {
  /// Start of the stretch, seconds from the start of the schedule.
  public let fromSeconds: Double
  /// End of the stretch, not part of it, seconds from the start of the schedule.
  public let toSeconds: Double
  public let tally: LoadTally
}

/// Cuts a series of settled samples into windows of equal length. Samples come in the order of their schedule, as early
/// as they are settled; a window is complete once a sample of a later one is due, or the series ends.
struct WindowCutter {
  let lengthSeconds: Double
  private var fromSeconds: Double
  private var tally = LoadTally()

  /// - Parameter fromSeconds: start of the first window; earlier samples are left out.
  init(lengthSeconds: Double, fromSeconds: Double) {
    precondition(lengthSeconds > 0)
    self.lengthSeconds = lengthSeconds
    self.fromSeconds = fromSeconds
  }

  private var toSeconds: Double { fromSeconds + lengthSeconds }

  /// Takes the next sample and hands out the windows that it completes.
  mutating func add(_ sample: LoadSample, emit: (LoadWindow) -> Void) {
    guard sample.dueSeconds >= fromSeconds else { return }
    complete(until: sample.dueSeconds, emit: emit)
    tally.add(sample)
  }

  /// Every sample that is due before `seconds` has been added: hands out the windows that end by then.
  mutating func complete(until seconds: Double, emit: (LoadWindow) -> Void) {
    while toSeconds <= seconds {
      emit(LoadWindow(fromSeconds: fromSeconds, toSeconds: toSeconds, tally: tally))
      fromSeconds = toSeconds
      tally = LoadTally()
    }
  }

  /// Hands out the rest of the series, which ends at `seconds`.
  mutating func finish(at seconds: Double, emit: (LoadWindow) -> Void) {
    complete(until: seconds, emit: emit)
    guard tally.outcomes.sent > 0 || fromSeconds < seconds else { return }
    emit(LoadWindow(fromSeconds: fromSeconds, toSeconds: max(seconds, fromSeconds), tally: tally))
    fromSeconds = max(seconds, fromSeconds)
    tally = LoadTally()
  }
}

extension LoadResult {
  /// The counted part in windows of `seconds`, the last one shorter where it does not fill one.
  public func windows(of seconds: Double) -> [LoadWindow] {
    var windows: [LoadWindow] = []
    var cutter = WindowCutter(lengthSeconds: seconds, fromSeconds: fromSeconds)
    for sample in samples { cutter.add(sample) { windows.append($0) } }
    cutter.finish(at: durationSeconds) { windows.append($0) }
    return windows
  }
}
