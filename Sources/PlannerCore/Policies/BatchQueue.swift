import DequeModule

/// The machine of `BatchPolicy.grouped`: requests that wait, by priority and, within one, by what may be computed
/// together.
///
/// A group is the requests of one model with one `PendingRequest.batchKey`. It may start once it has
/// a preferred size, or once its oldest request has waited long enough; of those that may, the one with the oldest
/// request of the highest priority starts first.
///
/// Two orders find it without looking at every group: all requests of a priority by arrival, whose first is the first
/// to have waited long enough; and the groups that have a preferred size, by their oldest request. Both keep entries
/// of requests that are gone, pass over them when they come up, and throw them out where they have become many.
/// Complexity: amortized O(log n) to append, to take a request and to expire one; O(priorities) to look.
struct BatchQueue: WaitingMachine {
  private struct Key: Hashable, Sendable {
    var model: Int
    var batchKey: Int?

    init(_ request: PendingRequest) {
      model = request.model
      batchKey = request.batchKey
    }
  }

  private struct Group: Sendable {
    /// With room for a usual batch, since groups come and go with their requests.
    var members = Deque<UInt64>(minimumCapacity: 8)
    /// Members that still wait.
    var count = 0
  }

  /// A group that has a preferred size, by its oldest request.
  private struct Full: Comparable, Sendable {
    var oldest: UInt64
    var key: Key

    static func < (a: Full, b: Full) -> Bool { a.oldest < b.oldest }
  }

  private struct PriorityClass: Sendable {
    var priority: Int
    var order = Deque<UInt64>()
    var groups: [Key: Group] = [:]
    var full = BinaryHeap<Full>()
    var count = 0
  }

  private let policy: GroupedBatching
  /// Highest priority first; there are as many as were ever seen.
  private var classes: [PriorityClass] = []
  private var byNumber: [UInt64: PendingRequest] = [:]
  private var deadlines = DeadlineQueue()
  private var modelCounts: [Int: Int] = [:]
  private var nextSequence: UInt64 = 0

  init(policy: GroupedBatching) { self.policy = policy }

  var count: Int { byNumber.count }

  var requests: [PendingRequest] { classes.flatMap { $0.order.compactMap { byNumber[$0] } } }

  func count(ofModel model: Int) -> Int { modelCounts[model] ?? 0 }

  /// Entries in all orders, those of requests that are gone included.
  var entryCount: Int {
    byNumber.count + classes.reduce(0) { $0 + $1.order.count + $1.full.count + $1.groups.count }
  }

  mutating func append(_ request: PendingRequest) {
    let sequence = nextSequence
    nextSequence += 1
    byNumber[sequence] = request
    deadlines.insert(sequence, deadline: request.deadline)
    modelCounts[request.model, default: 0] += 1
    var index = 0
    while index < classes.count, classes[index].priority > request.priority { index += 1 }
    if index == classes.count || classes[index].priority != request.priority {
      classes.insert(PriorityClass(priority: request.priority), at: index)
    }
    let key = Key(request)
    classes[index].order.append(sequence)
    classes[index].count += 1
    classes[index].groups[key, default: Group()].members.append(sequence)
    classes[index].groups[key, default: Group()].count += 1
    if classes[index].groups[key]?.count == smallestFull(key) { noteFull(key, inClass: index) }
  }

  /// Takes out the first batch that may start now.
  mutating func takePass(now: Nanoseconds) -> [PendingRequest]? {
    for index in classes.indices where classes[index].count > 0 {
      guard let oldest = oldest(inClass: index) else { continue }
      if oldest.arrival + policy.wait <= now { return take(Key(oldest), inClass: index) }
      while let full = classes[index].full.first {
        if isFull(full, inClass: index) { return take(full.key, inClass: index) }
        classes[index].full.removeFirst()
      }
    }
    return nil
  }

  /// When the next batch may start without another request coming; nil where none waits.
  mutating func nextStart() -> Nanoseconds? {
    var earliest: Nanoseconds?
    for index in classes.indices where classes[index].count > 0 {
      guard let oldest = oldest(inClass: index) else { continue }
      earliest = min(earliest ?? .never, oldest.arrival + policy.wait)
    }
    return earliest
  }

  /// Takes out a request whose deadline has passed.
  mutating func takeExpired(now: Nanoseconds) -> PendingRequest? {
    guard let sequence = deadlines.popPassed(now: now, isWaiting: { byNumber[$0] != nil }) else { return nil }
    let request = remove(sequence)
    guard let index = classes.firstIndex(where: { $0.priority == request.priority }) else { return request }
    forget(request, inClass: index)
    return request
  }

  /// Takes out a request that waits. Complexity: O(requests of its group); amortized O(1) for the oldest of them, so
  /// that clients who give up in the order in which they came cost no more than others.
  mutating func remove(_ request: PendingRequest) -> Bool {
    guard let index = classes.firstIndex(where: { $0.priority == request.priority }),
      oldestMember(of: Key(request), inClass: index) != nil,
      let sequence = classes[index].groups[Key(request)]?.members.first(where: { byNumber[$0]?.id == request.id })
    else { return false }
    forget(remove(sequence), inClass: index)
    return true
  }

  /// After a request has been removed by itself.
  private mutating func forget(_ request: PendingRequest, inClass index: Int) {
    classes[index].count -= 1
    shrink(Key(request), inClass: index, by: 1)
  }

  mutating func nextDeadline() -> Nanoseconds? {
    deadlines.next(waiting: byNumber.count) { byNumber[$0] != nil }
  }

  // MARK: Groups

  private mutating func oldest(inClass index: Int) -> PendingRequest? {
    while let sequence = classes[index].order.first {
      if let request = byNumber[sequence] { return request }
      _ = classes[index].order.removeFirst()
    }
    return nil
  }

  private mutating func oldestMember(of key: Key, inClass index: Int) -> UInt64? {
    while let sequence = classes[index].groups[key]?.members.first {
      if byNumber[sequence] != nil { return sequence }
      _ = classes[index].groups[key]?.members.removeFirst()
    }
    return nil
  }

  private mutating func isFull(_ full: Full, inClass index: Int) -> Bool {
    guard let group = classes[index].groups[full.key], group.count >= smallestFull(full.key) else { return false }
    return oldestMember(of: full.key, inClass: index) == full.oldest
  }

  /// From how many members on the group need not wait.
  private func smallestFull(_ key: Key) -> Int { key.batchKey == nil ? 1 : policy.smallestFull }

  private mutating func noteFull(_ key: Key, inClass index: Int) {
    // Where requests do not wait for company, the oldest starts, and full groups are not looked for.
    guard policy.wait > .zero, let oldest = oldestMember(of: key, inClass: index) else { return }
    classes[index].full.insert(Full(oldest: oldest, key: key))
    // Groups that are taken because they have waited long enough leave their entries behind.
    if classes[index].full.count > 2 * classes[index].groups.count + 64 { cleanFull(inClass: index) }
  }

  /// Throws out entries of groups that are no longer full, and all but one of equal entries. Every full group has an
  /// entry: it is made when the group becomes full and whenever its oldest request changes.
  private mutating func cleanFull(inClass index: Int) {
    var full = classes[index].full
    classes[index].full = BinaryHeap()
    full.keepDistinct { isFull($0, inClass: index) }
    classes[index].full = full
  }

  private mutating func take(_ key: Key, inClass index: Int) -> [PendingRequest] {
    let count = classes[index].groups[key]?.count ?? 0
    let size = key.batchKey == nil ? min(1, count) : policy.size(waiting: count)
    var taken: [PendingRequest] = []
    taken.reserveCapacity(size)
    while taken.count < size, let sequence = oldestMember(of: key, inClass: index) { taken.append(remove(sequence)) }
    classes[index].count -= taken.count
    shrink(key, inClass: index, by: taken.count)
    return taken
  }

  private mutating func remove(_ sequence: UInt64) -> PendingRequest {
    guard let request = byNumber.removeValue(forKey: sequence) else { preconditionFailure("the request waits") }
    let remaining = (modelCounts[request.model] ?? 1) - 1
    modelCounts[request.model] = remaining > 0 ? remaining : nil
    return request
  }

  /// After members have gone: an empty group is forgotten, one that is still full has a new oldest member.
  private mutating func shrink(_ key: Key, inClass index: Int, by count: Int) {
    let remaining = (classes[index].groups[key]?.count ?? 0) - count
    guard remaining > 0 else {
      classes[index].groups[key] = nil
      return
    }
    classes[index].groups[key]?.count = remaining
    if remaining >= smallestFull(key) { noteFull(key, inClass: index) }
  }
}
