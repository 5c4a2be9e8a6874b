import Engine

/// What the layers below throw, as clients are told.
extension InferenceError {
  /// What a layer below threw.
  package init(_ error: any Error) {
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
    case is CancellationError: self.init(.cancelled, "the client has gone")
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

  package static func unknownModel(_ name: String) -> InferenceError {
    InferenceError(.notFound, "there is no model '\(name.prefix(200))'")
  }
}
