/// A binary heap in one array: the least element first. Equal elements come out in any order, so elements that must
/// come out in the order of their insertion carry a sequence number.
///
/// Own code beside the `Heap` of swift-collections, which promises no order among equals either, cannot throw out
/// entries whose requests are gone (`keepDistinct`), and is a min-max heap, which pays on each removal for an end that
/// is not used here. This one is inlinable across targets of this package, so that events, its most frequent use, are
/// compared without a call through a table.
/// Complexity: O(log n) to insert and to remove, O(1) to look at the first.
@usableFromInline
package struct BinaryHeap<Element: Comparable & Sendable>: Sendable {
  @usableFromInline var elements: [Element] = []

  @inlinable package init() {}

  @inlinable package var count: Int { elements.count }
  @inlinable package var first: Element? { elements.first }
  /// All elements, in the heap's own order.
  package var unordered: [Element] { elements }

  package mutating func reserveCapacity(_ capacity: Int) { elements.reserveCapacity(capacity) }

  @inlinable package mutating func insert(_ element: Element) {
    elements.append(element)
    // Within one access to the memory: whether the array is shared is asked once, not at each level.
    elements.withUnsafeMutableBufferPointer { elements in
      var index = elements.count - 1
      while index > 0 {
        let parent = (index - 1) / 2
        guard element < elements[parent] else { break }
        elements[index] = elements[parent]
        index = parent
      }
      elements[index] = element
    }
  }

  @inlinable package mutating func removeFirst() {
    guard let last = elements.popLast(), !elements.isEmpty else { return }
    elements.withUnsafeMutableBufferPointer { elements in
      var index = 0
      while true {
        var child = 2 * index + 1
        guard child < elements.count else { break }
        if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
        guard elements[child] < last else { break }
        elements[index] = elements[child]
        index = child
      }
      elements[index] = last
    }
  }

  /// Throws out the elements that are not to be kept, and all but one of equal elements.
  ///
  /// Complexity: O(n log n).
  mutating func keepDistinct(where isKept: (Element) -> Bool) {
    var kept: [Element] = []
    for element in elements.sorted() where isKept(element) {
      if let last = kept.last, !(last < element) { continue }
      kept.append(element)
    }
    // A sorted array is a heap.
    elements = kept
  }
}

/// Deadlines of waiting requests, soonest first. Requests that no longer wait are passed over when they come up.
struct DeadlineQueue: Sendable {
  private struct Entry: Comparable, Sendable {
    var deadline: Nanoseconds
    var sequence: UInt64

    static func < (a: Entry, b: Entry) -> Bool {
      a.deadline != b.deadline ? a.deadline < b.deadline : a.sequence < b.sequence
    }
  }

  private var heap = BinaryHeap<Entry>()

  mutating func insert(_ sequence: UInt64, deadline: Nanoseconds) {
    if deadline < .never { heap.insert(Entry(deadline: deadline, sequence: sequence)) }
  }

  /// Takes out the request whose deadline passed first; nil where all that wait are in time.
  mutating func popPassed(now: Nanoseconds, isWaiting: (UInt64) -> Bool) -> UInt64? {
    while let first = heap.first, first.deadline <= now {
      heap.removeFirst()
      if isWaiting(first.sequence) { return first.sequence }
    }
    return nil
  }

  /// When the next deadline of a waiting request passes.
  mutating func next(waiting: Int, isWaiting: (UInt64) -> Bool) -> Nanoseconds? {
    // Requests are seldom late: most entries are of requests long answered, and would pile up until their deadlines.
    if heap.count > 2 * waiting + 64 { heap.keepDistinct { isWaiting($0.sequence) } }
    while let first = heap.first {
      if isWaiting(first.sequence) { return first.deadline }
      heap.removeFirst()
    }
    return nil
  }
}
