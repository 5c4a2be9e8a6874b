import PlannerCore

/// Network, HTTP and tokenizer of a node: one thread, in which no request overtakes another on its way in.
///
/// A front end that is held up for a moment lets all requests that came meanwhile go at once, and so makes queues that
/// independent delays would not. Of a request's delay, half of what is usual is spent on either way; what is
/// beyond it falls on one of them, either as likely. On the way out the measured delays hold the waiting already.
///
/// A class, because every request looks at one, and a reference is cheaper to hold than two tables.
final class FrontEnd: Sendable {
  let delay: QuantileTable
  private let usual: Double

  init(delay: QuantileTable) {
    self.delay = delay
    usual = delay.quantile(0.5)
  }

  /// Seconds in and out.
  func draw(from random: inout RandomStream) -> (in: Double, out: Double) {
    let whole = delay.quantile(random.uniform())
    let excess = max(0, whole - usual)
    let half = (whole - excess) / 2
    return random.uniform() < 0.5 ? (half + excess, half) : (half, half + excess)
  }
}

/// A front end at work. That of node n draws from the sub-stream "front end" n.
struct FrontEndQueue {
  private var random: RandomStream
  /// When the last request came through.
  private var lastEntry = Nanoseconds.zero

  init(node: Int, seed: UInt64) {
    random = RandomStream(seed: seed, stream: "front end", index: UInt64(node))
  }

  /// - Parameter frontEnd: the delays of such requests.
  /// - Returns: when a request that comes now is through, and the seconds of its way out.
  mutating func pass(_ frontEnd: FrontEnd, now: Nanoseconds) -> (entry: Nanoseconds, wayOutSeconds: Double) {
    let way = frontEnd.draw(from: &random)
    lastEntry = max(now + Nanoseconds(seconds: way.in), lastEntry)
    return (lastEntry, way.out)
  }
}
