import PlannerCore

/// Where an answer's time went, part by part. The parts are whole nanoseconds and add up to the total.
package struct AnswerTimings: Hashable, Sendable {
  /// Reading the request and making tensors of it.
  package var parse: Nanoseconds
  /// Waiting for the model to be loaded; nil where it was in memory.
  package var load: Nanoseconds?
  /// Waiting for a worker.
  package var queue: Nanoseconds
  /// Waiting for company although a worker was free.
  package var batchWait: Nanoseconds
  package var compute: Nanoseconds
  /// From the end of the forward pass until the request's own task ran again.
  package var resume: Nanoseconds
  /// Writing the answer.
  package var render: Nanoseconds
  package var total: Nanoseconds
  package var ahead: Int
  package var batchSize: Int
  package var variant: Precision
  /// Part of the queueing time; nil where the worker was idle.
  package var handoverSeconds: Double?

  /// - Parameter finished: when the answer was rendered.
  init(_ answer: InferenceAnswer, finished: Nanoseconds) {
    let timings = answer.timings
    load = answer.loadSeconds.map { Nanoseconds(seconds: $0) }
    queue = Nanoseconds(seconds: timings.queueSeconds)
    batchWait = Nanoseconds(seconds: timings.batchWaitSeconds)
    compute = Nanoseconds(seconds: timings.computeSeconds)
    parse = max(.zero, answer.submitted - answer.arrival - (load ?? .zero))
    resume = max(.zero, answer.returned - answer.submitted - queue - batchWait - compute)
    render = finished - answer.returned
    total = finished - answer.arrival
    ahead = timings.ahead
    batchSize = timings.batchSize
    variant = answer.variant
    handoverSeconds = timings.handoverSeconds
  }

  /// Names and lengths of the parts, in the order in which they pass, and their sum.
  package var parts: [(name: StaticString, length: Nanoseconds)] {
    var parts: [(name: StaticString, length: Nanoseconds)] = [("parse", parse)]
    if let load { parts.append(("load", load)) }
    parts += [
      ("queue", queue), ("batch_wait", batchWait), ("compute", compute), ("resume", resume), ("render", render),
      ("total", total),
    ]
    return parts
  }

  /// The value of the `x-planner-timings` header: seconds, and counts.
  package var headerValue: String {
    var text = JSONText(capacity: 256)
    for part in parts {
      text.raw(part.name)
      text.raw("=")
      text.seconds(part.length)
      text.raw(";")
    }
    text.raw("ahead=")
    text.number(ahead)
    text.raw(";batch_size=")
    text.number(batchSize)
    text.raw(";variant=")
    text.text(variant.rawValue)
    if let handoverSeconds {
      text.raw(";handover=")
      text.seconds(Nanoseconds(seconds: handoverSeconds))
    }
    return String(decoding: text.bytes, as: UTF8.self)
  }
}
