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
