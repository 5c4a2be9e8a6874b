import HTTPTypes

/// A request that cannot be answered as asked: status and one sentence.
struct HTTPProblem: Error {
  var status: HTTPResponse.Status
  var message: String
  /// The guidance's clients look for `detail` where others look for `error`.
  var key = "error"
  var retryAfterSeconds: Int?

  init(_ status: HTTPResponse.Status, _ message: String, retryAfterSeconds: Int? = nil) {
    self.status = status
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  init(_ error: SchedulingError) {
    switch error {
    case .queueFull:
      self.init(.tooManyRequests, "as many requests wait as may; try again later", retryAfterSeconds: 1)
    case .deadlinePassed: self.init(.gatewayTimeout, "the request's deadline passed before a worker was free")
    case .draining: self.init(.serviceUnavailable, "the server is shutting down", retryAfterSeconds: 5)
    }
  }
}
