/// A first-in-first-out queue in one array that grows and never shrinks.
///
/// Complexity: amortized O(1) to append and to remove at the front.
struct RingBuffer<Element: Sendable>: Sendable, Sequence {
  private var storage: [Element?] = Array(repeating: nil, count: 8)
  private var head = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  var first: Element? { storage[head] }

  mutating func append(_ element: Element) {
    if count == storage.count {
      // Doubling keeps the length a power of two, so an index wraps with a mask.
      var grown: [Element?] = Array(repeating: nil, count: storage.count * 2)
      for offset in 0..<count { grown[offset] = storage[(head + offset) & (storage.count - 1)] }
      storage = grown
      head = 0
    }
    storage[(head + count) & (storage.count - 1)] = element
    count += 1
  }

  mutating func removeFirst() -> Element {
    guard let first = storage[head] else { preconditionFailure("an empty queue has no first element") }
    storage[head] = nil
    head = (head + 1) & (storage.count - 1)
    count -= 1
    return first
  }

  func makeIterator() -> AnyIterator<Element> {
    var offset = 0
    return AnyIterator {
      guard offset < count else { return nil }
      defer { offset += 1 }
      return storage[(head + offset) & (storage.count - 1)]
    }
  }
}
