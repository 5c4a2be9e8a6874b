import Foundation
import PlannerCore
import Synchronization

/// What Triton's statistics count beyond what the scheduler's own counters tell, by model.
///
/// One lock for all models: it is held for additions only.
final class RequestStatistics: Sendable {
  struct Record: Sendable {
    var rows = 0
    var lastInference: Int64 = 0
    var success = DurationStatistic(count: 0, nanoseconds: 0)
    var failure = DurationStatistic(count: 0, nanoseconds: 0)
    var queue = DurationStatistic(count: 0, nanoseconds: 0)
    var parse = DurationStatistic(count: 0, nanoseconds: 0)
    var compute = DurationStatistic(count: 0, nanoseconds: 0)
    var render = DurationStatistic(count: 0, nanoseconds: 0)
    var batches: [Int: DurationStatistic] = [:]
    /// As an answered request showed them, of models whose inputs are not token ids.
    var inputs: [TensorMetadata]?
  }

  private let records = Mutex<[Int: Record]>([:])

  /// - Parameter model: the entry's index.
  subscript(model: Int) -> Record { records.withLock { $0[model] ?? Record() } }

  func answered(model: Int, rows: Int, timings: AnswerTimings, isFirstOfBatch: Bool) {
    let now = Self.millisecondsSince1970()
    records.withLock { records in
      records[model, default: Record()].answered(rows: rows, timings, isFirstOfBatch: isFirstOfBatch, at: now)
    }
  }

  func failed(model: Int, after time: Nanoseconds) {
    let now = Self.millisecondsSince1970()
    records.withLock { records in
      records[model, default: Record()].failure.add(time)
      records[model]?.lastInference = now
    }
  }

  /// Keeps the names and types of a model's inputs; sizes that differ between requests may be any.
  func learn(model: Int, inputs: [NamedTensor]) {
    records.withLock { records in
      guard records[model]?.inputs == nil else { return }
      records[model, default: Record()].inputs = inputs.map {
        TensorMetadata(name: $0.name, datatype: $0.datatype, shape: Array(repeating: -1, count: $0.shape.count))
      }
    }
  }

  private static func millisecondsSince1970() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}

extension RequestStatistics.Record {
  fileprivate mutating func answered(rows count: Int, _ timings: AnswerTimings, isFirstOfBatch: Bool, at now: Int64) {
    rows += count
    lastInference = now
    success.add(timings.total)
    queue.add(timings.queue + timings.batchWait)
    parse.add(timings.parse)
    compute.add(timings.compute)
    render.add(timings.render)
    guard isFirstOfBatch else { return }
    batches[max(count, timings.batchSize), default: DurationStatistic(count: 0, nanoseconds: 0)].add(timings.compute)
  }
}

extension DurationStatistic {
  fileprivate mutating func add(_ time: Nanoseconds) {
    count += 1
    nanoseconds += time.rawValue
  }
}
