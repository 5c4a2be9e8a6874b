/// Requests of one model that may be computed together.
public struct BatchPolicy: Hashable, Sendable {
  /// Most requests in one forward pass.
  public var max: Int
  /// Longest that a free worker leaves a request waiting for company.
  public var wait: Nanoseconds
  /// Time of each further request of a batch, as a share of its time alone: 1 gains nothing, 0 is free.
  public var marginalCost: Double

  public init(max: Int, wait: Nanoseconds, marginalCost: Double = 1) {
    self.max = max
    self.wait = wait
    self.marginalCost = marginalCost
  }

  /// Every request for itself.
  public static let single = BatchPolicy(max: 1, wait: .zero)
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

  public init(id: Int, model: Int, priority: Int = 0, arrival: Nanoseconds, deadline: Nanoseconds = .never) {
    self.id = id
    self.model = model
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
/// recently freed worker is used first, since its caches are warm. Deadlines are looked at when a worker
/// would start the request, so an expired request keeps its place in the queue until then.
///
/// Each event appends its actions to `actions`, in the order in which they are to be done.
/// Complexity: O(1) an event without batching (O(priorities in use) with several); with batching
/// O(requests waiting).
public struct Dispatcher: Sendable {
  public let workers: Int
  public let queueCapacity: Int?
  public let batch: BatchPolicy

  private var idle: [Int]
  private var classes: [PriorityClass] = []
  public private(set) var waiting = 0

  private struct PriorityClass {
    var priority: Int
    var queue = RingBuffer<PendingRequest>()
  }

  public init(workers: Int, queueCapacity: Int? = nil, batch: BatchPolicy = .single) {
    precondition(workers > 0 && batch.max > 0)
    self.workers = workers
    self.queueCapacity = queueCapacity
    self.batch = batch
    idle = Array((0..<workers).reversed())
  }

  public var busyWorkers: Int { workers - idle.count }

  public mutating func arrived(_ request: PendingRequest, now: Nanoseconds, actions: inout [DispatchAction]) {
    // The common case by far: a free worker and nobody ahead.
    if waiting == 0, batch.max == 1, let worker = idle.popLast() {
      actions.append(.start(worker: worker, first: request, others: []))
      return
    }
    if let queueCapacity, waiting >= queueCapacity, idle.isEmpty || batch.max > 1 {
      actions.append(.reject(request))
      return
    }
    enqueue(request)
    startWhatCan(now: now, actions: &actions)
  }

  public mutating func finished(worker: Int, now: Nanoseconds, actions: inout [DispatchAction]) {
    idle.append(worker)
    startWhatCan(now: now, actions: &actions)
  }

  public mutating func woke(now: Nanoseconds, actions: inout [DispatchAction]) {
    startWhatCan(now: now, actions: &actions)
  }

  /// Takes every waiting request out, in the order in which they would have been served: for shutting down.
  public mutating func drainWaiting() -> [PendingRequest] {
    var drained: [PendingRequest] = []
    while waiting > 0 { drained.append(takeFirst(fromClass: firstOccupiedClass)) }
    return drained
  }

  private mutating func enqueue(_ request: PendingRequest) {
    waiting += 1
    // Highest priority first; there are as many classes as priorities were ever seen.
    var index = 0
    while index < classes.count, classes[index].priority > request.priority { index += 1 }
    if index == classes.count || classes[index].priority != request.priority {
      classes.insert(PriorityClass(priority: request.priority), at: index)
    }
    classes[index].queue.append(request)
  }

  private var firstOccupiedClass: Int {
    classes.firstIndex { !$0.queue.isEmpty } ?? classes.endIndex
  }

  private mutating func takeFirst(fromClass index: Int) -> PendingRequest {
    waiting -= 1
    return classes[index].queue.removeFirst()
  }

  private mutating func startWhatCan(now: Nanoseconds, actions: inout [DispatchAction]) {
    if batch.max > 1 { return startBatches(now: now, actions: &actions) }
    while waiting > 0, let worker = idle.last {
      let request = takeFirst(fromClass: firstOccupiedClass)
      if request.deadline <= now {
        actions.append(.expire(request))
      } else {
        idle.removeLast()
        actions.append(.start(worker: worker, first: request, others: []))
      }
    }
  }

  /// A batch is started once it is full or its oldest request has waited long enough.
  private mutating func startBatches(now: Nanoseconds, actions: inout [DispatchAction]) {
    expireWaiting(now: now, actions: &actions)
    while let worker = idle.last, let batchStart = ripeBatch(now: now) {
      idle.removeLast()
      actions.append(.start(worker: worker, first: batchStart[0], others: Array(batchStart.dropFirst())))
    }
    guard !idle.isEmpty, waiting > 0 else { return }
    var earliest = Nanoseconds.never
    for group in classes {
      for request in group.queue { earliest = min(earliest, request.arrival + batch.wait) }
    }
    actions.append(.wake(at: earliest))
  }

  private mutating func expireWaiting(now: Nanoseconds, actions: inout [DispatchAction]) {
    for index in classes.indices {
      let before = classes[index].queue.count
      for request in classes[index].queue where request.deadline <= now { actions.append(.expire(request)) }
      classes[index].queue.removeAll { $0.deadline <= now }
      waiting -= before - classes[index].queue.count
    }
  }

  /// Removes and returns the first batch that may start now, in queue order of its oldest member.
  private mutating func ripeBatch(now: Nanoseconds) -> [PendingRequest]? {
    for index in classes.indices {
      var members: [Int: Int] = [:]
      for request in classes[index].queue { members[request.model, default: 0] += 1 }
      for request in classes[index].queue {
        let isFull = members[request.model, default: 0] >= batch.max
        guard isFull || request.arrival + batch.wait <= now else { continue }
        var taken: [PendingRequest] = []
        for candidate in classes[index].queue where candidate.model == request.model && taken.count < batch.max {
          taken.append(candidate)
        }
        var remaining = taken.count
        classes[index].queue.removeAll { candidate in
          guard remaining > 0, candidate.model == request.model else { return false }
          remaining -= 1
          return true
        }
        waiting -= taken.count
        return taken
      }
    }
    return nil
  }
}
