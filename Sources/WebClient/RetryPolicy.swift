import Foundation

/// How often a call is tried again, and how long it waits before.
package struct RetryPolicy: Sendable {
  /// Attempts in a row that bring nothing.
  package var attempts = 6
  package var baseSeconds = 0.2
  package var longestSeconds = 10.0

  package init() {}

  /// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): uniform in
  /// [0, base · 2ⁿ], cut off at the longest; at least what the other side asked for, up to a minute.
  package func pause(afterFailures count: Int, asked: Double?) -> Double {
    let most = min(longestSeconds, baseSeconds * Double(sign: .plus, exponent: min(count - 1, 30), significand: 1))
    return max(Double.random(in: 0...most), min(asked ?? 0, 60))
  }

  /// Repeats `work` while it fails with `transient` errors.
  ///
  /// - Throws: the last error, or `cancelled`.
  package func run<Value>(
    _ cancellation: Cancellation, _ work: () throws(RemoteError) -> Value
  ) throws(RemoteError) -> Value {
    var failures = 0
    while true {
      do throws(RemoteError) {
        return try work()
      } catch  where error.kind == .transient {
        failures += 1
        guard failures < attempts else { throw exhausted(error) }
        try sleep(pause(afterFailures: failures, asked: error.retryAfterSeconds), cancellation)
      }
    }
  }

  package func exhausted(_ error: RemoteError) -> RemoteError {
    var error = error
    error.message += ", \(attempts) times in a row"
    return error
  }

  /// Sleeps in short pieces, so that giving up takes effect.
  package func sleep(_ seconds: Double, _ cancellation: Cancellation) throws(RemoteError) {
    let end = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
    while true {
      if cancellation.isCancelled { throw .cancelled }
      let now = DispatchTime.now().uptimeNanoseconds
      guard now < end else { return }
      Thread.sleep(forTimeInterval: min(0.05, Double(end - now) / 1e9))
    }
  }
}
