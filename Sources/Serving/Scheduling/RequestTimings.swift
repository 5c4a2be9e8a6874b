/// Why a request was not computed.
package enum SchedulingError: Error, Hashable, Sendable {
  /// As many wait as may: 429. Until then the queue will have been worked off, by the usual times.
  case queueFull(retryAfterSeconds: Int)
  /// The request's deadline passed while it waited: 504.
  case deadlinePassed
  /// The server is shutting down: 503.
  case draining
}

/// Where a request's time went inside the server.
package struct RequestTimings: Hashable, Sendable {
  /// Waiting for a worker.
  package var queueSeconds: Double
  /// Waiting for company although a worker was free; not part of `queueSeconds`.
  package var batchWaitSeconds: Double
  /// Time that the worker was occupied.
  package var computeSeconds: Double
  /// Requests waiting or in service when it came.
  package var ahead: Int
  /// Requests that were computed in the same forward pass, this one included.
  package var batchSize: Int
  /// One request of each forward pass says so: passes can be counted.
  package var isFirstOfBatch: Bool
  /// What the worker spent on handing the previous answer over before it could start this one; nil where it
  /// was idle. Part of the queueing time.
  package var dispatchGapSeconds: Double?

  package init(
    queueSeconds: Double, batchWaitSeconds: Double = 0, computeSeconds: Double, ahead: Int, batchSize: Int = 1,
    isFirstOfBatch: Bool = true, dispatchGapSeconds: Double? = nil
  ) {
    self.queueSeconds = queueSeconds
    self.batchWaitSeconds = batchWaitSeconds
    self.computeSeconds = computeSeconds
    self.ahead = ahead
    self.batchSize = batchSize
    self.isFirstOfBatch = isFirstOfBatch
    self.dispatchGapSeconds = dispatchGapSeconds
  }
}
