import GRPCCore
import Serving

/// A request that cannot be answered as asked, in gRPC's words.
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
    case .cancelled: .cancelled
    case .internalError: .internalError
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
