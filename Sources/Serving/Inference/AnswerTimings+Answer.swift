import PlannerCore
import ServerContract

extension AnswerTimings {
  /// - Parameter finished: when the answer was rendered.
  package init(_ answer: InferenceAnswer, finished: Nanoseconds) {
    let timings = answer.timings
    let load = answer.loadSeconds.map { Nanoseconds(seconds: $0) }
    let queue = Nanoseconds(seconds: timings.queueSeconds)
    let batchWait = Nanoseconds(seconds: timings.batchWaitSeconds)
    let compute = Nanoseconds(seconds: timings.computeSeconds)
    self.init(
      parse: max(.zero, answer.submitted - answer.arrival - (load ?? .zero)), load: load, queue: queue,
      batchWait: batchWait, compute: compute,
      resume: max(.zero, answer.returned - answer.submitted - queue - batchWait - compute),
      render: finished - answer.returned, total: finished - answer.arrival, ahead: timings.ahead,
      batchSize: timings.batchSize, variant: answer.variant,
      handover: timings.dispatchGapSeconds.map { Nanoseconds(seconds: $0) })
  }
}
