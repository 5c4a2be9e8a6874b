/// Why a request was not computed.
public enum SchedulingError: Error, Hashable, Sendable {
  /// As many wait as may: 429. Until then the queue will have been worked off, by the usual times.
  case queueFull(retryAfterSeconds: Int)
  /// Its deadline passed while it waited: 504.
  case deadlinePassed
  /// The server is shutting down: 503.
  case draining
}

/// Where a request's time went inside the server.
public struct RequestTimings: Hashable, Sendable {
  /// Waiting for a worker.
  public var queueSeconds: Double
  /// Waiting for company although a worker was free; not part of `queueSeconds`.
  public var batchWaitSeconds: Double
  /// Time that the worker was occupied.
  public var computeSeconds: Double
  /// Requests waiting or in service when it came.
  public var ahead: Int
  /// Requests that were computed in the same forward pass, this one included.
  public var batchSize: Int
  /// One request of each forward pass says so: passes can be counted.
  public var isFirstOfBatch: Bool
  /// What the worker spent on handing the previous answer over before it could start this one; nil where it
  /// was idle. Part of the queueing time.
  public var handoverSeconds: Double?

  public init(
    queueSeconds: Double, batchWaitSeconds: Double = 0, computeSeconds: Double, ahead: Int, batchSize: Int = 1,
    isFirstOfBatch: Bool = true, handoverSeconds: Double? = nil
  ) {
    self.queueSeconds = queueSeconds
    self.batchWaitSeconds = batchWaitSeconds
    self.computeSeconds = computeSeconds
    self.ahead = ahead
    self.batchSize = batchSize
    self.isFirstOfBatch = isFirstOfBatch
    self.handoverSeconds = handoverSeconds
  }
}
