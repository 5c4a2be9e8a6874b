import Foundation
import PlannerCore
import ServerContract

/// What became of a model's requests, and of the model itself, since the server was started.
///
/// Prometheus' counters and Triton's statistics are two readings of this one record.
package struct ModelRecord: Sendable {
  /// Rows of the requests that were answered.
  package private(set) var rows = 0
  /// Milliseconds since 1970 of the last request; 0 where there was none.
  package private(set) var lastInference: Int64 = 0
  /// Answered requests, from their arrival until the answer was rendered.
  package private(set) var success = DurationStatistic()
  /// Requests that were refused, failed or were late, from their arrival on.
  package private(set) var failure = DurationStatistic()
  /// Requests whose clients went before they had their answers, from their arrival until then.
  package private(set) var cancelled = DurationStatistic()
  /// Waiting for a worker, or for company although one was free.
  package private(set) var queue = DurationStatistic()
  package private(set) var parse = DurationStatistic()
  package private(set) var compute = DurationStatistic()
  package private(set) var render = DurationStatistic()
  /// Forward passes, by the rows that they computed.
  package private(set) var batches: [Int: DurationStatistic] = [:]

  /// Successful loads, and their time.
  package private(set) var loads = DurationStatistic()
  package var evictions = 0

  package init() {}

  package mutating func answered(rows count: Int, _ timings: AnswerTimings, isFirstOfBatch: Bool) {
    rows += count
    lastInference = Self.millisecondsSince1970()
    success.add(timings.total)
    queue.add(timings.queue + timings.batchWait)
    parse.add(timings.parse)
    compute.add(timings.compute)
    render.add(timings.render)
    if isFirstOfBatch { batches[max(count, timings.batchSize), default: DurationStatistic()].add(timings.compute) }
  }

  package mutating func failed(after time: Nanoseconds) {
    failure.add(time)
    lastInference = Self.millisecondsSince1970()
  }

  package mutating func cancelled(after time: Nanoseconds) {
    cancelled.add(time)
    lastInference = Self.millisecondsSince1970()
  }

  package mutating func loaded(in time: Nanoseconds) { loads.add(time) }

  private static func millisecondsSince1970() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
