import APIClient
import Foundation

/// When something that failed is tried again, and after how long.
package struct RetryPolicy: Sendable {
  package var mostTries = 6
  package var firstPauseSeconds = 0.5
  package var longestPauseSeconds = 30.0

  package init() {}

  package static let statuses: Set = [408, 429, 500, 502, 503, 504]

  /// Pause before the next try, seconds; nil where none is left.
  ///
  /// - Parameters:
  ///   - tries: how many there were.
  ///   - wanted: what the other side asks for, seconds; a longer wait than the longest pause is cut to it.
  package func pause(after tries: Int, wanted: Double?) -> Double? {
    guard tries < mostTries else { return nil }
    if let wanted { return min(max(wanted, 0), longestPauseSeconds) }
    // Drawn from half to all of it, so that those who failed together do not return together.
    let pause = min(firstPauseSeconds * pow(2, Double(tries - 1)), longestPauseSeconds)
    return pause * Double.random(in: 0.5...1)
  }

  /// Seconds that an answer's `Retry-After` asks for; nil for a date or none.
  package static func wanted(_ headers: [String: String]) -> Double? {
    headers["retry-after"].flatMap { Int($0) }.map(Double.init)
  }

  /// Whether the same call may succeed later.
  package static func mayPass(_ error: APIError) -> Bool {
    switch error {
    case .unreachable, .timedOut: true
    case .tls, .tooLarge: false
    }
  }
}
