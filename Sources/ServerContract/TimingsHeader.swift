import PlannerCore

/// The `x-planner-timings` header, in which a server says of each answer where its time went:
/// `parse=<s>;queue=<s>;batch_wait=<s>;compute=<s>;resume=<s>;render=<s>;total=<s>;ahead=<n>;batch_size=<n>;…`.
///
/// `AnswerTimings` writes its value, `ServerTimings` reads it.
public enum TimingsHeader {
  public static let name = "x-planner-timings"

  fileprivate enum Key: String {
    case parse, load, queue, compute, resume, render, total, ahead, variant, handover
    case batchWait = "batch_wait"
    case batchSize = "batch_size"
  }
}

/// Where an answer's time went, part by part. The parts are whole nanoseconds and add up to the total.
public struct AnswerTimings: Hashable, Sendable {
  /// Reading the request and making tensors of it.
  public var parse: Nanoseconds
  /// Waiting for the model to be loaded; nil where it was in memory.
  public var load: Nanoseconds?
  /// Waiting for a worker.
  public var queue: Nanoseconds
  /// Waiting for company although a worker was free.
  public var batchWait: Nanoseconds
  /// The forward pass.
  public var compute: Nanoseconds
  /// From the end of the forward pass until the request's own task ran again.
  public var resume: Nanoseconds
  /// Writing the answer.
  public var render: Nanoseconds
  /// From the request's last byte in to the answer written.
  public var total: Nanoseconds
  /// Requests that were queued or in service when this one came.
  public var ahead: Int
  /// Requests of the forward pass, this one included.
  public var batchSize: Int
  /// What the model computes with.
  public var variant: Precision
  /// What the worker spent between its last pass and this one, a part of the queueing time; nil where it was idle.
  public var handover: Nanoseconds?

  public init(
    parse: Nanoseconds, load: Nanoseconds?, queue: Nanoseconds, batchWait: Nanoseconds, compute: Nanoseconds,
    resume: Nanoseconds, render: Nanoseconds, total: Nanoseconds, ahead: Int, batchSize: Int, variant: Precision,
    handover: Nanoseconds?
  ) {
    self.parse = parse
    self.load = load
    self.queue = queue
    self.batchWait = batchWait
    self.compute = compute
    self.resume = resume
    self.render = render
    self.total = total
    self.ahead = ahead
    self.batchSize = batchSize
    self.variant = variant
    self.handover = handover
  }

  /// Names and lengths of the parts, in the order in which they pass, and their sum.
  public var parts: [(name: String, length: Nanoseconds)] { spans.map { ($0.key.rawValue, $0.length) } }

  private var spans: [(key: TimingsHeader.Key, length: Nanoseconds)] {
    var spans: [(key: TimingsHeader.Key, length: Nanoseconds)] = [(.parse, parse)]
    if let load { spans.append((.load, load)) }
    spans += [
      (.queue, queue), (.batchWait, batchWait), (.compute, compute), (.resume, resume), (.render, render),
      (.total, total),
    ]
    return spans
  }

  /// The header's value: seconds with nine digits after the point, and counts.
  public var headerValue: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256)
    func begin(_ key: TimingsHeader.Key) {
      if !bytes.isEmpty { bytes.append(UInt8(ascii: ";")) }
      bytes.append(contentsOf: key.rawValue.utf8)
      bytes.append(UInt8(ascii: "="))
    }
    for span in spans {
      begin(span.key)
      span.length.appendSeconds(to: &bytes)
    }
    for (key, text) in [
      (TimingsHeader.Key.ahead, String(ahead)), (.batchSize, String(batchSize)), (.variant, variant.rawValue),
    ] {
      begin(key)
      bytes.append(contentsOf: text.utf8)
    }
    if let handover {
      begin(.handover)
      handover.appendSeconds(to: &bytes)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Nanoseconds {
  /// Writes a span that is not negative as seconds with nine digits after the point, which is all of it.
  public func appendSeconds(to bytes: inout [UInt8]) {
    let (whole, rest) = max(0, rawValue).quotientAndRemainder(dividingBy: 1_000_000_000)
    bytes.append(contentsOf: String(whole).utf8)
    bytes.append(UInt8(ascii: "."))
    var divisor: Int64 = 100_000_000
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(rest / divisor % 10))
      divisor /= 10
    }
  }
}

/// What a client reads from the header.
public struct ServerTimings: Hashable, Sendable {
  /// Waiting for a worker, seconds.
  public var queueSeconds: Double
  /// Waiting for company although a worker was free, seconds; not part of `queueSeconds`.
  public var batchWaitSeconds: Double
  /// Time that a worker was occupied, seconds.
  public var computeSeconds: Double
  /// From the request's last byte in to the answer's hand-over, seconds.
  public var totalSeconds: Double
  /// Requests that were queued or in service when this one came.
  public var ahead: Int
  /// What the worker spent between its last pass and this one, where it went from one to the next; seconds.
  public var dispatchGapSeconds: Double?
  /// How long it waited for its model to be loaded; nil where the model was in memory. Not part of the queueing time.
  public var loadSeconds: Double?

  public init(
    queueSeconds: Double, batchWaitSeconds: Double = 0, computeSeconds: Double, totalSeconds: Double, ahead: Int,
    dispatchGapSeconds: Double? = nil, loadSeconds: Double? = nil
  ) {
    self.queueSeconds = queueSeconds
    self.batchWaitSeconds = batchWaitSeconds
    self.computeSeconds = computeSeconds
    self.totalSeconds = totalSeconds
    self.ahead = ahead
    self.dispatchGapSeconds = dispatchGapSeconds
    self.loadSeconds = loadSeconds
  }

  /// Reads a header's value; fields may come in any order and unknown ones are skipped.
  ///
  /// - Returns: nil unless queue, compute, total and ahead are there, and all are finite and not negative.
  public init?(header: String) {
    var queue: Double?
    var compute: Double?
    var total: Double?
    var ahead: Int?
    var batchWait: Double?
    var handover: Double?
    var load: Double?
    for field in header.split(separator: ";") {
      guard let equals = field.firstIndex(of: "=") else { return nil }
      let name = field[..<equals].drop(while: { $0 == " " })
      let value = field[field.index(after: equals)...]
      switch TimingsHeader.Key(rawValue: String(name)) {
      case .queue: queue = Double(value)
      case .batchWait: batchWait = Double(value)
      case .compute: compute = Double(value)
      case .total: total = Double(value)
      case .ahead: ahead = Int(value)
      case .handover: handover = Double(value)
      case .load: load = Double(value)
      case .parse, .resume, .render, .batchSize, .variant, nil: continue
      }
    }
    guard let queue, let compute, let total, let ahead, ahead >= 0,
      [queue, batchWait ?? 0, compute, total, handover ?? 0, load ?? 0].allSatisfy({ $0.isFinite && $0 >= 0 })
    else { return nil }
    self.init(
      queueSeconds: queue, batchWaitSeconds: batchWait ?? 0, computeSeconds: compute, totalSeconds: total, ahead: ahead,
      dispatchGapSeconds: handover, loadSeconds: load)
  }
}
