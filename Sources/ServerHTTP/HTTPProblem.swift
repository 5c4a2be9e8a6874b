import HTTPTypes
import Serving

/// A request that cannot be answered as asked: status and one sentence.
struct HTTPProblem: Error {
  var status: HTTPResponse.Status
  var message: String
  /// The guidance's clients look for `detail` where others look for `error`.
  var key = "error"
  var retryAfterSeconds: Int?
  var allowedMethods: [HTTPRequest.Method] = []

  init(_ status: HTTPResponse.Status, _ message: String, retryAfterSeconds: Int? = nil) {
    self.status = status
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  init(_ error: InferenceError) {
    self.init(
      HTTPResponse.Status(code: error.httpStatus), error.message, retryAfterSeconds: error.retryAfterSeconds)
  }
}
