import PlannerCore

/// What happens at a time in a fleet.
enum EventKind: Hashable, Sendable {
  case arrival(model: Int)
  /// A client asks again.
  case retry(request: Int)
  /// The patience of the client of request `number`, in slot `request`, has ended.
  case impatience(request: Int, number: Int)
  /// A request has come through the node's front end.
  case entry(request: Int)
  case completion(node: Int, worker: Int)
  /// The time has come that the node's dispatcher asked for.
  case queueWake(node: Int)
  case loaded(node: Int, model: Int)
  /// The time has come that the node's residency asked for.
  case loadsWake(node: Int)
}

/// Events are ordered by (time, sequence).
struct Event: Comparable, Sendable {
  var time: Nanoseconds
  var sequence: UInt64
  var kind: EventKind

  static func < (a: Event, b: Event) -> Bool {
    a.time != b.time ? a.time < b.time : a.sequence < b.sequence
  }
}

/// Future events: those of one instant come out in the order they went in.
///
/// Complexity: O(log n) to insert and to remove.
struct EventQueue {
  private var heap = BinaryHeap<Event>()
  private var nextSequence: UInt64 = 0

  init(capacity: Int) { heap.reserveCapacity(capacity) }

  var isEmpty: Bool { heap.count == 0 }

  /// Requests that have arrived and are not yet through a front end. Complexity: O(n).
  var requestsOnTheWay: [Int] {
    heap.unordered.compactMap { event in
      if case .entry(let request) = event.kind { request } else { nil }
    }
  }

  mutating func insert(_ kind: EventKind, at time: Nanoseconds) {
    // Were the sequence to begin again at 0, later events would overtake earlier ones of the same instant.
    precondition(nextSequence < .max, "a run cannot have more than 2⁶⁴ events")
    heap.insert(Event(time: time, sequence: nextSequence, kind: kind))
    nextSequence &+= 1
  }

  /// Takes out the first event; nil where it is not before `end`, or there is none.
  mutating func popFirst(before end: Nanoseconds) -> Event? {
    guard let first = heap.first, first.time < end else { return nil }
    heap.removeFirst()
    return first
  }
}
