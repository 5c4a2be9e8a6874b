import LoadTest
import PlannerCore

extension ServedSample {
  /// - Returns: nil where the server sent no timings.
  public init?(_ sample: LoadSample) {
    guard let timings = sample.timings else { return nil }
    self.init(
      due: sample.dueSeconds, latency: sample.latencySeconds, queue: timings.queueSeconds,
      compute: timings.computeSeconds, ahead: timings.ahead, dispatchGap: timings.dispatchGapSeconds)
  }
}

extension MeasuredTimes {
  /// Takes served requests apart.
  ///
  /// Overhead is looked at in requests that found the server idle: what they took beyond compute is HTTP, parsing and
  /// the answer's way back; the waking of a worker is kept by itself. Compute comes from all requests.
  public init(_ samples: [ServedSample]) {
    let alone = samples.filter { $0.ahead == 0 }
    let dispatchGaps = samples.compactMap(\.dispatchGap)
    self.init(
      compute: samples.sorted { $0.due < $1.due }.map(\.compute),
      overhead: alone.map { max(0, $0.latency - $0.queue - $0.compute) },
      wake: alone.reduce(0) { $0 + $1.queue } / Double(max(1, alone.count)),
      dispatchGap: dispatchGaps.isEmpty ? nil : dispatchGaps.reduce(0, +) / Double(dispatchGaps.count))
  }
}
