import PlannerCore

/// What happens at a time in a fleet.
enum EventKind: Hashable, Sendable {
  case arrival(model: Int)
  case completion(node: Int, worker: Int)
  case wake(node: Int)
  case loaded(node: Int, model: Int)
  case residencyWake(node: Int)
}

struct Event: Sendable {
  var time: Nanoseconds
  var sequence: UInt64
  var kind: EventKind
}

/// Future events in the order (time, sequence): events of one instant come out in the order they went in.
///
/// A binary heap in one array. The standard library has no heap, and equal times need the sequence number
/// anyhow. Complexity: O(log n) to insert and to remove.
struct EventQueue {
  private var heap: [Event] = []
  private var nextSequence: UInt64 = 0

  init(capacity: Int) { heap.reserveCapacity(capacity) }

  var isEmpty: Bool { heap.isEmpty }

  mutating func insert(_ kind: EventKind, at time: Nanoseconds) {
    let event = Event(time: time, sequence: nextSequence, kind: kind)
    nextSequence += 1
    var index = heap.count
    heap.append(event)
    while index > 0 {
      let parent = (index - 1) / 2
      guard Self.precedes(event, heap[parent]) else { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = event
  }

  mutating func popFirst() -> Event? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    let count = heap.count
    guard count > 0 else { return first }
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < count else { break }
      if child + 1 < count, Self.precedes(heap[child + 1], heap[child]) { child += 1 }
      guard Self.precedes(heap[child], last) else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = last
    return first
  }

  private static func precedes(_ a: Event, _ b: Event) -> Bool {
    a.time != b.time ? a.time < b.time : a.sequence < b.sequence
  }
}
