import GRPCCore
import Serving

/// A request that cannot be answered as asked, in gRPC's words and as metrics count it.
extension InferenceError {
  /// The code that clients of Triton and KServe look for.
  var rpcCode: RPCError.Code {
    switch kind {
    case .invalidArgument: .invalidArgument
    case .notFound: .notFound
    case .forbidden: .permissionDenied
    case .tooLarge, .queueFull: .resourceExhausted
    case .unavailable: .unavailable
    case .deadlineExceeded: .deadlineExceeded
    case .internalError: .internalError
    }
  }

  /// What HTTP answers in the same case: one set of metrics counts both protocols.
  var httpStatus: Int {
    switch kind {
    case .invalidArgument: 400
    case .notFound: 404
    case .forbidden: 403
    case .tooLarge: 413
    case .queueFull: 429
    case .unavailable: 503
    case .deadlineExceeded: 504
    case .internalError: 500
    }
  }

  /// The error that ends a call. gRPC's clients with a retry policy wait as long as it says.
  var rpcError: RPCError {
    var metadata: Metadata = [:]
    if let retryAfterSeconds {
      metadata.addString(String(retryAfterSeconds), forKey: "retry-after")
      metadata.addString(String(retryAfterSeconds * 1000), forKey: "grpc-retry-pushback-ms")
    }
    return RPCError(code: rpcCode, message: message, metadata: metadata)
  }
}
