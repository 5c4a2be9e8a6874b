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
    /// As many requests wait as may: 429, RESOURCE_EXHAUSTED.
    case queueFull
    /// The model or the server cannot answer now: 503, UNAVAILABLE.
    case unavailable
    /// The deadline passed before the request was computed: 504, DEADLINE_EXCEEDED.
    case deadlineExceeded
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

  /// What a layer below threw.
  init(_ error: any Error) {
    switch error {
    case let error as InferenceError: self = error
    case let error as EngineError:
      let kind: Kind =
        switch error.kind {
        case .badInput: .invalidArgument
        case .badModel: .unavailable
        case .unavailable: .internalError
        }
      self.init(kind, error.message)
    case SchedulingError.queueFull(let seconds):
      self.init(.queueFull, "as many requests wait as may; try again later", retryAfterSeconds: seconds)
    case SchedulingError.deadlinePassed:
      self.init(.deadlineExceeded, "the request's deadline passed before a worker was free")
    case SchedulingError.draining:
      self.init(.unavailable, "the server is shutting down", retryAfterSeconds: 5)
    case let error as RegistryError: self.init(registry: error)
    case is CancellationError: self.init(.unavailable, "the request was given up")
    default: self.init(.internalError, "the request could not be answered")
    }
  }

  private init(registry error: RegistryError) {
    switch error {
    case .unknownModel(let name): self = .unknownModel(name)
    case .unavailable(let model, let reason):
      self.init(.unavailable, "model '\(model.prefix(200))' is not available: \(reason)", retryAfterSeconds: 5)
    case .tooManyWaiting(let seconds):
      self.init(.unavailable, "as many requests wait for models as may", retryAfterSeconds: seconds)
    case .deadlinePassed: self.init(.deadlineExceeded, "the request's deadline passed while its model was loaded")
    }
  }

  static func unknownModel(_ name: String) -> InferenceError {
    InferenceError(.notFound, "there is no model '\(name.prefix(200))'")
  }

  static let bytesTensor = InferenceError(
    .invalidArgument, "is of datatype BYTES, which TorchScript models do not take; send text to /predictions")
  static let beyondInt64 = InferenceError(.invalidArgument, "has a number beyond the range of INT64")

  /// The same, said of one tensor.
  func about(_ tensor: String) -> InferenceError {
    var error = self
    error.message = "\(tensor.prefix(200)): \(message)"
    return error
  }
}
