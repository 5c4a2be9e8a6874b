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
    case .queueFull(let seconds):
      self.init(.tooManyRequests, "as many requests wait as may; try again later", retryAfterSeconds: seconds)
    case .deadlinePassed: self.init(.gatewayTimeout, "the request's deadline passed before a worker was free")
    case .draining: self.init(.serviceUnavailable, "the server is shutting down", retryAfterSeconds: 5)
    }
  }

  init(_ error: RegistryError) {
    switch error {
    case .unknownModel(let name): self.init(.notFound, "there is no model '\(name.prefix(200))'")
    case .unavailable(let model, let reason):
      self.init(.serviceUnavailable, "the model '\(model.prefix(200))' is unavailable: \(reason)")
    case .tooManyWaiting(let seconds):
      self.init(
        .serviceUnavailable, "as many requests wait for models as may; try again later", retryAfterSeconds: seconds)
    case .deadlinePassed: self.init(.gatewayTimeout, "the request's deadline passed before its model was loaded")
    }
  }
}
