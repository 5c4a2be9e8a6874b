import PlannerCore

/// Tallies a log without the few lines at its beginning or end that a long silence parts from all others: the stale
/// first line of a rotated log, or one that was written days after the service had ended. The time between would be
/// taken for time in which the service was asked, and every rate be too low.
struct SilenceTally {
  /// More lines than these are part of the log, whatever the silence.
  static let mostLines = 3
  /// Requests that the others must be, and that would have come in the silence at their rate.
  private static let fewestRequests = 100.0
  /// A shorter silence, as a share of the others' time, changes no rate by much.
  private static let smallestShare = 0.1

  private var whole: LogTally
  private let make: () -> LogTally
  /// Without the first few lines, which are in `leading`; nil where no silence follows these.
  private var rest: (tally: LogTally, silence: Int64)?
  private var leading: [Int] = []
  /// The log's first lines that count.
  private var early: [Int] = []
  /// As it was before a silence that only the lines in `trailing` have followed so far.
  private var before: LogTally?
  private var trailing: [Int] = []

  init(_ make: @escaping () -> LogTally) {
    self.make = make
    whole = make()
  }

  mutating func leaveOut(_ reason: LeftOut, line: Int) { whole.leaveOut(reason, line: line) }

  /// - Throws: `AccessLogError`, as a tally does.
  mutating func add(
    milliseconds time: Int64, name: UnsafeBufferPointer<UInt8>, size: Int, line: Int
  ) throws(AccessLogError) {
    let counted = whole.requests
    let silence = counted > 0 ? time - whole.newest : 0
    let isSilence = silence > LogTally.toleranceMilliseconds
    let saved = isSilence && before == nil && Self.parts(silence, current) ? current : nil
    try whole.add(milliseconds: time, name: name, size: size, line: line)
    // A line in the wrong place says nothing.
    guard whole.requests > counted else { return }
    if isSilence, counted <= Self.mostLines {
      rest = (make(), silence)
      leading = early
    }
    try rest?.tally.add(milliseconds: time, name: name, size: size, line: line)
    if counted < Self.mostLines { early.append(line) }
    if let saved {
      before = saved
      trailing = [line]
    } else if before != nil {
      trailing.append(line)
      if trailing.count > Self.mostLines { before = nil }
    }
    // Once the others' time is long enough, it only grows.
    if whole.requests & 0xFFF == 0, let rest, Self.isShort(rest.silence, rest.tally) { self.rest = nil }
  }

  /// The log's tally, and those lines among what was left out.
  mutating func finish() -> LogTally {
    let far = (isRestAlone ? leading : []) + (before == nil ? [] : trailing)
    var tally = before ?? current
    tally.takeLeftOut(from: whole)
    for line in far { tally.leaveOut(.farFromOthers, line: line) }
    tally.finish()
    return tally
  }

  private var isRestAlone: Bool { rest.map { Self.parts($0.silence, $0.tally) } ?? false }

  private var current: LogTally { isRestAlone ? rest?.tally ?? whole : whole }

  private static func span(_ tally: LogTally) -> Double { Double(tally.newest - (tally.first ?? tally.newest)) }

  private static func isShort(_ silence: Int64, _ tally: LogTally) -> Bool {
    Double(silence) < smallestShare * span(tally)
  }

  /// Whether a silence so long before or after all requests of a tally is none of theirs.
  private static func parts(_ silence: Int64, _ tally: LogTally) -> Bool {
    let requests = Double(tally.requests)
    guard requests >= fewestRequests, !isShort(silence, tally) else { return false }
    return requests * Double(silence) >= fewestRequests * span(tally)
  }
}
