import PlannerCore

/// What happens at a time in a fleet.
enum EventKind: Hashable, Sendable {
  case arrival(model: Int)
  /// A request has come through the node's front end.
  case entry(request: Int)
  case completion(node: Int, worker: Int)
  case wake(node: Int)
  case loaded(node: Int, model: Int)
  case residencyWake(node: Int)
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

  mutating func insert(_ kind: EventKind, at time: Nanoseconds) {
    heap.insert(Event(time: time, sequence: nextSequence, kind: kind))
    nextSequence += 1
  }

  mutating func popFirst() -> Event? {
    guard let first = heap.first else { return nil }
    heap.removeFirst()
    return first
  }
}
