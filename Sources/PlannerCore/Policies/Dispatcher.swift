/// When a request that waits beyond its deadline is given up.
public enum ExpiryPolicy: Hashable, Sendable {
  /// When a worker would start it; with batching, at any event.
  case atStart
  /// As soon as it passes, which takes a timer: its place in the queue is free at once, and its client is told.
  case atDeadline
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
  private var queue: WaitingRequests
  /// Whether a free worker takes the next request alone, without asking the queue.
  private let startsAlone: Bool

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
    startsAlone = batch.max == 1
    queue = WaitingRequests(policy: batch, isOrdered: startsAlone && expiry == .atStart && modelCapacity == nil)
  }

  public var busyWorkers: Int { workers - idle.count }

  public var waiting: Int { queue.count }

  /// The requests that wait, in an order that depends on nothing but the events. Complexity: O(requests waiting).
  public var waitingRequests: [PendingRequest] { queue.requests }

  public mutating func arrived(_ request: PendingRequest, now: Nanoseconds, actions: inout [DispatchAction]) {
    if expiry == .atDeadline { expireWaiting(now: now, actions: &actions) }
    // The common case by far: a free worker and no request ahead.
    if waiting == 0, startsAlone, expiry == .atStart || request.deadline > now, let worker = idle.popLast() {
      actions.append(.start(worker: worker, first: request, others: []))
      return
    }
    if isFull(for: request) {
      actions.append(.reject(request))
      return
    }
    queue.append(request)
    startWhatCan(now: now, actions: &actions)
  }

  public mutating func finished(worker: Int, now: Nanoseconds, actions: inout [DispatchAction]) {
    idle.append(worker)
    startWhatCan(now: now, actions: &actions)
  }

  public mutating func woke(now: Nanoseconds, actions: inout [DispatchAction]) {
    startWhatCan(now: now, actions: &actions)
  }

  /// The request's client has gone. A request that waits leaves its place at once; one that is being computed stays.
  ///
  /// Complexity: O(requests waiting).
  /// - Returns: whether it waited.
  public mutating func cancelled(_ request: PendingRequest) -> Bool { queue.remove(request) }

  /// Entries that the queue holds, those of requests that are gone included: bounded by those that wait.
  package var entryCount: Int { queue.entryCount }

  private func isFull(for request: PendingRequest) -> Bool {
    if let queueCapacity, waiting >= queueCapacity, idle.isEmpty || !startsAlone { return true }
    guard let modelCapacity else { return false }
    return queue.count(ofModel: request.model) >= modelCapacity
  }

  private mutating func startWhatCan(now: Nanoseconds, actions: inout [DispatchAction]) {
    guard queue.isOrdered else { return startPasses(now: now, actions: &actions) }
    while let worker = idle.last, let request = queue.takeFirst() {
      if request.deadline <= now {
        actions.append(.expire(request))
      } else {
        idle.removeLast()
        actions.append(.start(worker: worker, first: request, others: []))
      }
    }
  }

  private mutating func startPasses(now: Nanoseconds, actions: inout [DispatchAction]) {
    expireWaiting(now: now, actions: &actions)
    while let worker = idle.last, let members = queue.takePass(now: now) {
      idle.removeLast()
      actions.append(.start(worker: worker, first: members[0], others: Array(members.dropFirst())))
    }
    guard waiting > 0 else { return }
    var next = idle.isEmpty ? nil : queue.nextStart()
    if expiry == .atDeadline, let deadline = queue.nextDeadline() { next = min(next ?? .never, deadline) }
    if let next { actions.append(.wake(at: next)) }
  }

  private mutating func expireWaiting(now: Nanoseconds, actions: inout [DispatchAction]) {
    while let late = queue.takeExpired(now: now) { actions.append(.expire(late)) }
  }
}
