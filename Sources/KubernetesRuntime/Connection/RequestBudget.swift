import Synchronization

/// How often a cluster may be asked: so many requests a second, and so many at once after a pause.
public struct RequestRate: Hashable, Sendable {
  public var perSecond: Double
  public var burst: Int

  /// What client-go allows its users where they say nothing (rest.DefaultQPS and rest.DefaultBurst).
  public static let standard = RequestRate(perSecond: 5, burst: 10)

  public init(perSecond: Double, burst: Int) {
    precondition(perSecond > 0 && burst > 0, "a rate lets requests through")
    self.perSecond = perSecond
    self.burst = burst
  }
}

/// What was asked of a cluster so far.
public struct RequestCounts: Hashable, Sendable {
  /// Requests by what they do: `get`, `list`, `watch`, `create`, `patch`, …
  public var byVerb: [String: Int] = [:]
  /// How long requests waited for their turn, over all of them, seconds.
  public var waitedSeconds = 0.0
  public var total: Int { byVerb.values.reduce(0, +) }
}

/// Keeps a client to its rate: a bucket that fills with tokens, one for each request (the generic cell rate algorithm).
package final class RequestBudget: Sendable {
  private struct State {
    /// When the bucket would be full again, counted from the start.
    var full: Duration = .zero
    var counts = RequestCounts()
  }

  private let interval: Duration
  private let tolerance: Duration
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  package init(_ rate: RequestRate) {
    interval = .seconds(1 / rate.perSecond)
    tolerance = interval * (rate.burst - 1)
  }

  package var counts: RequestCounts { state.withLock { $0.counts } }

  /// Waits for the next turn.
  ///
  /// - Throws: `CancellationError`.
  package func take(_ verb: String) async throws {
    let now = ContinuousClock.now - start
    let wait = state.withLock { state in
      state.full = max(state.full, now) + interval
      let wait = max(.zero, state.full - interval - tolerance - now)
      state.counts.byVerb[verb, default: 0] += 1
      state.counts.waitedSeconds += wait / .seconds(1)
      return wait
    }
    if wait > .zero { try await Task.sleep(for: wait) }
  }
}
