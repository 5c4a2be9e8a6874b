import PlannerCore

/// Draws from measured times in spells: runs of consecutive measurements, each from a random place.
///
/// A machine is slow for a while and fast for a while. Independent draws lose that, and with it the length of the
/// queues that slow spells build up (moving block bootstrap: Künsch, 1989).
struct ServiceTrace: Sendable {
  /// Shortest spell: long beside those that matter to a queue.
  static let leastSpell = 400

  /// Length of a spell, in measurements. A long trace has an eighth: a machine also drifts over many seconds, and short
  /// spells would mix that away.
  let spell: Int
  let seconds: [Double]
  var random = RandomStream(seed: 0, stream: "service trace")
  private var position = 0
  private var remaining = 0

  /// - Returns: nil for a trace too short to hold spells.
  init?(_ seconds: [Double]) {
    guard seconds.count >= 2 * Self.leastSpell else { return nil }
    self.seconds = seconds
    spell = max(Self.leastSpell, seconds.count / 8)
  }

  mutating func next() -> Double {
    if remaining == 0 {
      position = random.integer(below: seconds.count)
      remaining = spell
    }
    remaining -= 1
    defer { position = position + 1 == seconds.count ? 0 : position + 1 }
    return seconds[position]
  }
}
