/// What a server says of one request's way through it, in its `x-planner-timings` header:
/// `queue=<s>;batch_wait=<s>;compute=<s>;total=<s>;ahead=<n>`.
public struct ServerTimings: Hashable, Sendable {
  public static let headerName = "x-planner-timings"

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
  public init?(header: some StringProtocol) {
    var queue: Double?
    var compute: Double?
    var total: Double?
    var ahead: Int?
    var batchWait: Double?
    var dispatchGap: Double?
    var load: Double?
    for field in header.split(separator: ";") {
      guard let equals = field.firstIndex(of: "=") else { return nil }
      let name = field[..<equals].drop(while: { $0 == " " })
      let value = field[field.index(after: equals)...]
      switch name {
      case "queue": queue = Double(value)
      case "batch_wait": batchWait = Double(value)
      case "compute": compute = Double(value)
      case "total": total = Double(value)
      case "ahead": ahead = Int(value)
      case "handover": dispatchGap = Double(value)
      case "load": load = Double(value)
      default: continue
      }
    }
    guard let queue, let compute, let total, let ahead, ahead >= 0,
      [queue, batchWait ?? 0, compute, total, dispatchGap ?? 0, load ?? 0].allSatisfy({ $0.isFinite && $0 >= 0 })
    else { return nil }
    self.init(
      queueSeconds: queue, batchWaitSeconds: batchWait ?? 0, computeSeconds: compute, totalSeconds: total, ahead: ahead,
      dispatchGapSeconds: dispatchGap, loadSeconds: load)
  }
}
