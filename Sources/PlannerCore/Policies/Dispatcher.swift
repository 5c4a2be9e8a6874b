/// Requests of one model that may be computed together.
public struct BatchPolicy: Hashable, Sendable {
  /// Most requests in one forward pass.
  public let max: Int
  /// Longest that a free worker leaves a request waiting for company.
  public var wait: Nanoseconds
  /// Time of each further request of a batch, as a share of its time alone: 1 gains nothing, 0 is free.
  public var batchCostFactor: Double
  /// Sizes that are started as soon as so many wait, ascending; `max` always is one.
  public let preferred: [Int]

  /// - Parameter preferred: those outside 1 ... `max` are left out.
  public init(max: Int, wait: Nanoseconds, batchCostFactor: Double = 1, preferred: [Int] = []) {
    self.max = max
    self.wait = wait
    self.batchCostFactor = batchCostFactor
    self.preferred = Set(preferred.filter { (1..<max).contains($0) } + [max]).sorted()
  }

  /// Every request for itself.
  public static let single = BatchPolicy(max: 1, wait: .zero)

  /// Fewest requests that need not wait for more.
  var smallestFull: Int { preferred.first ?? max }

  /// Requests to take of so many that may start: the largest preferred size among them; all where there is none.
  func size(waiting: Int) -> Int { preferred.last { $0 <= waiting } ?? waiting }
}

/// When a request that waits beyond its deadline is given up.
public enum ExpiryPolicy: Hashable, Sendable {
  /// When a worker would start it; with batching, at any event.
  case atStart
  /// As soon as it passes, which takes a timer: its place in the queue is free at once, and whoever waits is told.
  case atDeadline
}

/// A request as the dispatcher sees it. `id` is the caller's.
public struct PendingRequest: Hashable, Sendable {
  public var id: Int
  public var model: Int
  /// Larger is served first; equal priorities first come, first served.
  public var priority: Int
  public var arrival: Nanoseconds
  /// When computing it is no longer worth starting.
  public var deadline: Nanoseconds
  /// Requests of one model with equal keys may be computed together; what the key says is the caller's affair.
  /// nil is computed alone, and waits for no company.
  public var batchKey: Int?

  public init(
    id: Int, model: Int, priority: Int = 0, arrival: Nanoseconds, deadline: Nanoseconds = .never, batchKey: Int? = 0
  ) {
    self.id = id
    self.model = model
    self.batchKey = batchKey
    self.priority = priority
    self.arrival = arrival
    self.deadline = deadline
  }
}

/// What the owner of a dispatcher has to do after an event.
public enum DispatchAction: Hashable, Sendable {
  /// Let `worker` compute `first` and, in the same forward pass, `others`.
  case start(worker: Int, first: PendingRequest, others: [PendingRequest])
  /// Answer that the queue is full.
  case reject(PendingRequest)
  /// Answer that the deadline has passed.
  case expire(PendingRequest)
  /// Call `woke` at that time, unless an earlier event has come.
  case wake(at: Nanoseconds)
}

/// One node's queue and workers: the admission, ordering, deadline and batching decisions, as a pure
/// state machine. The simulator and the server both run it; it reads no clock and does no work itself.
///
/// Models: one queue a node, first come first served within a priority, without pre-emption; the most
/// recently freed worker is used first, since its caches are warm. A full queue rejects; one model may be held to a
/// share of it, so that it cannot keep the others out.
///
/// Each event appends its actions to `actions`, in the order in which they are to be done.
/// Complexity: O(1) an event where requests are neither batched, nor expired at their deadline, nor counted by model
/// (O(priorities in use) with several); else amortized O(log requests waiting).
public struct Dispatcher: Sendable {
  public let workers: Int
  public let queueCapacity: Int?
  /// Most requests of one model that may wait; nil is no limit of its own.
  public let modelCapacity: Int?
  public let batch: BatchPolicy
  public let expiry: ExpiryPolicy

  private var idle: [Int]
  /// First come, first served, and nothing else: where that is all there is to decide.
  private var simple = SimpleQueue()
  /// nil where `simple` does.
  private var batches: BatchQueue?

  public init(
    workers: Int, queueCapacity: Int? = nil, modelCapacity: Int? = nil, batch: BatchPolicy = .single,
    expiry: ExpiryPolicy = .atStart
  ) {
    precondition(workers > 0 && batch.max > 0)
    self.workers = workers
    self.queueCapacity = queueCapacity
    self.modelCapacity = modelCapacity
    self.batch = batch
    self.expiry = expiry
    idle = Array((0..<workers).reversed())
    let isSimple = batch.max == 1 && expiry == .atStart && modelCapacity == nil
    batches = isSimple ? nil : BatchQueue(policy: batch)
  }

  public var busyWorkers: Int { workers - idle.count }

  public var waiting: Int { batches?.count ?? simple.count }

  public mutating func arrived(_ request: PendingRequest, now: Nanoseconds, actions: inout [DispatchAction]) {
    if expiry == .atDeadline { expireWaiting(now: now, actions: &actions) }
    // The common case by far: a free worker and nobody ahead.
    if waiting == 0, batch.max == 1, expiry == .atStart || request.deadline > now, let worker = idle.popLast() {
      actions.append(.start(worker: worker, first: request, others: []))
      return
    }
    if isFull(for: request) {
      actions.append(.reject(request))
      return
    }
    append(request)
    startWhatCan(now: now, actions: &actions)
  }

  public mutating func finished(worker: Int, now: Nanoseconds, actions: inout [DispatchAction]) {
    idle.append(worker)
    startWhatCan(now: now, actions: &actions)
  }

  public mutating func woke(now: Nanoseconds, actions: inout [DispatchAction]) {
    startWhatCan(now: now, actions: &actions)
  }

  /// Entries that the queue holds, those of requests that are gone included: bounded by those that wait.
  package var entryCount: Int { batches?.entryCount ?? simple.count }

  private func isFull(for request: PendingRequest) -> Bool {
    if let queueCapacity, waiting >= queueCapacity, idle.isEmpty || batch.max > 1 { return true }
    guard let modelCapacity, let batches else { return false }
    return batches.count(ofModel: request.model) >= modelCapacity
  }

  private mutating func append(_ request: PendingRequest) {
    if batches == nil { simple.append(request) } else { batches?.append(request) }
  }

  private mutating func startWhatCan(now: Nanoseconds, actions: inout [DispatchAction]) {
    guard batches == nil else { return startBatches(now: now, actions: &actions) }
    while let worker = idle.last, let request = simple.takeFirst() {
      if request.deadline <= now {
        actions.append(.expire(request))
      } else {
        idle.removeLast()
        actions.append(.start(worker: worker, first: request, others: []))
      }
    }
  }

  /// A batch is started once it has a preferred size or its oldest request has waited long enough.
  private mutating func startBatches(now: Nanoseconds, actions: inout [DispatchAction]) {
    expireWaiting(now: now, actions: &actions)
    while let worker = idle.last, let members = batches?.takeBatch(now: now) {
      idle.removeLast()
      actions.append(.start(worker: worker, first: members[0], others: Array(members.dropFirst())))
    }
    guard waiting > 0 else { return }
    var next = idle.isEmpty ? nil : batches?.nextStart()
    if expiry == .atDeadline, let deadline = batches?.nextDeadline() { next = min(next ?? .never, deadline) }
    if let next { actions.append(.wake(at: next)) }
  }

  private mutating func expireWaiting(now: Nanoseconds, actions: inout [DispatchAction]) {
    while let late = batches?.takeExpired(now: now) { actions.append(.expire(late)) }
  }
}

/// Requests that wait, first come first served within a priority.
///
/// Complexity: O(priorities in use).
private struct SimpleQueue: Sendable {
  private struct PriorityClass: Sendable {
    var priority: Int
    var queue = RingBuffer<PendingRequest>()
  }

  /// Highest priority first; there are as many as were ever seen.
  private var classes: [PriorityClass] = []
  private(set) var count = 0

  mutating func append(_ request: PendingRequest) {
    count += 1
    var index = 0
    while index < classes.count, classes[index].priority > request.priority { index += 1 }
    if index == classes.count || classes[index].priority != request.priority {
      classes.insert(PriorityClass(priority: request.priority), at: index)
    }
    classes[index].queue.append(request)
  }

  mutating func takeFirst() -> PendingRequest? {
    guard count > 0, let index = classes.firstIndex(where: { !$0.queue.isEmpty }) else { return nil }
    count -= 1
    return classes[index].queue.removeFirst()
  }
}
