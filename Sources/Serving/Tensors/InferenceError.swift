/// Why a request was not answered. The renderers turn the kind into an HTTP status or a gRPC code.
package struct InferenceError: Error, Hashable, Sendable {
  package enum Kind: Sendable {
    /// The request is at fault: 400, INVALID_ARGUMENT.
    case invalidArgument
    /// There is no such model, version or route: 404, NOT_FOUND.
    case notFound
    /// The verb is not allowed on this server: 403, PERMISSION_DENIED.
    case forbidden
    /// The body is above the limit: 413, RESOURCE_EXHAUSTED.
    case tooLarge
    /// The queue holds as many requests as it may: 429, RESOURCE_EXHAUSTED.
    case queueFull
    /// The model or the server cannot answer now: 503, UNAVAILABLE.
    case unavailable
    /// The deadline passed before the request was computed: 504, DEADLINE_EXCEEDED.
    case deadlineExceeded
    /// The client has gone, and nobody waits for an answer: counted as 499, which is nginx's; CANCELLED.
    case cancelled
    /// The server is at fault: 500, INTERNAL.
    case internalError
  }

  package var kind: Kind
  /// One sentence for the client.
  package var message: String
  package var retryAfterSeconds: Int?

  package init(_ kind: Kind, _ message: String, retryAfterSeconds: Int? = nil) {
    self.kind = kind
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  package static let bytesTensor = InferenceError(
    .invalidArgument, "is of datatype BYTES, which TorchScript models do not take; send text to /predictions")
  package static let beyondInt64 = InferenceError(.invalidArgument, "has a number beyond the range of INT64")

  /// What HTTP answers; one set of metrics counts all protocols by it.
  package var httpStatus: Int {
    switch kind {
    case .invalidArgument: 400
    case .notFound: 404
    case .forbidden: 403
    case .tooLarge: 413
    case .queueFull: 429
    case .unavailable: 503
    case .deadlineExceeded: 504
    case .cancelled: 499
    case .internalError: 500
    }
  }

  /// This error, said of one tensor.
  package func about(_ tensor: String) -> InferenceError {
    var error = self
    error.message = "\(tensor.prefix(200)): \(message)"
    return error
  }
}
