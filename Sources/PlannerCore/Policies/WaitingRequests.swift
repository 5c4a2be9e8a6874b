import DequeModule

/// What a dispatcher needs of the requests that wait: one machine for each kind of `BatchPolicy`.
protocol WaitingMachine: Sendable {
  /// Requests that wait.
  var count: Int { get }
  /// Entries that the machine holds, those of requests that are gone included.
  var entryCount: Int { get }
  /// The requests that wait, in an order that depends on nothing but the events.
  var requests: [PendingRequest] { get }

  func count(ofModel model: Int) -> Int
  mutating func append(_ request: PendingRequest)
  /// Takes out the requests of the first pass that may start now, the oldest first; nil where none may.
  mutating func takePass(now: Nanoseconds) -> [PendingRequest]?
  /// When the next pass may start without another request coming; nil where no request waits.
  mutating func nextStart() -> Nanoseconds?
  /// Takes out one request whose deadline has passed; nil where there is none.
  mutating func takeExpired(now: Nanoseconds) -> PendingRequest?
  /// The soonest deadline of the requests that wait; nil where none has one.
  mutating func nextDeadline() -> Nanoseconds?
  /// Takes out a request that waits.
  ///
  /// - Returns: whether it waited.
  mutating func remove(_ request: PendingRequest) -> Bool
}

/// The requests that wait at a dispatcher. Forwards each call to the machine of its policy's kind.
///
/// A policy of a further kind has its machine here, as one more optional to forward to.
struct WaitingRequests: Sendable {
  /// The machine of a policy that decides nothing but the order of priority and arrival; nil for other policies.
  private var ordered: OrderedQueue?
  /// The machine of `BatchPolicy.grouped`.
  private var grouped: BatchQueue?

  /// - Parameter isOrdered: requests are computed alone, expire when they would start, and are not counted by model.
  init(policy: BatchPolicy, isOrdered: Bool) {
    switch policy {
    case .grouped where isOrdered: ordered = OrderedQueue()
    case .grouped(let knobs): grouped = BatchQueue(policy: knobs)
    }
  }

  /// Whether requests are taken with `takeFirst` and not with `takePass`.
  var isOrdered: Bool { ordered != nil }

  var count: Int { ordered?.count ?? grouped?.count ?? 0 }
  var entryCount: Int { ordered?.count ?? grouped?.entryCount ?? 0 }
  var requests: [PendingRequest] { ordered?.requests ?? grouped?.requests ?? [] }

  func count(ofModel model: Int) -> Int { grouped?.count(ofModel: model) ?? 0 }

  mutating func append(_ request: PendingRequest) {
    if ordered != nil { ordered?.append(request) } else { grouped?.append(request) }
  }

  /// Takes out the first of ordered requests, whether or not its deadline has passed.
  mutating func takeFirst() -> PendingRequest? { ordered?.takeFirst() }

  mutating func takePass(now: Nanoseconds) -> [PendingRequest]? { grouped?.takePass(now: now) }
  mutating func nextStart() -> Nanoseconds? { grouped?.nextStart() }
  mutating func takeExpired(now: Nanoseconds) -> PendingRequest? { grouped?.takeExpired(now: now) }
  mutating func nextDeadline() -> Nanoseconds? { grouped?.nextDeadline() }

  mutating func remove(_ request: PendingRequest) -> Bool {
    ordered?.remove(request) ?? grouped?.remove(request) ?? false
  }
}

/// Requests that wait, first come first served within a priority.
///
/// Complexity: O(priorities in use).
struct OrderedQueue: Sendable {
  private struct PriorityClass: Sendable {
    var priority: Int
    var queue = Deque<PendingRequest>()
  }

  /// Highest priority first; there are as many as were ever seen.
  private var classes: [PriorityClass] = []
  private(set) var count = 0

  var requests: [PendingRequest] { classes.flatMap(\.queue) }

  mutating func append(_ request: PendingRequest) {
    count += 1
    var index = 0
    while index < classes.count, classes[index].priority > request.priority { index += 1 }
    if index == classes.count || classes[index].priority != request.priority {
      classes.insert(PriorityClass(priority: request.priority), at: index)
    }
    classes[index].queue.append(request)
  }

  mutating func remove(_ request: PendingRequest) -> Bool {
    guard let index = classes.firstIndex(where: { $0.priority == request.priority }),
      let place = classes[index].queue.firstIndex(where: { $0.id == request.id })
    else { return false }
    classes[index].queue.remove(at: place)
    count -= 1
    return true
  }

  mutating func takeFirst() -> PendingRequest? {
    guard count > 0, let index = classes.firstIndex(where: { !$0.queue.isEmpty }) else { return nil }
    count -= 1
    return classes[index].queue.removeFirst()
  }
}
