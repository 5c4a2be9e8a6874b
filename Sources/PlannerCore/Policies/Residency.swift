/// How many models may be in memory, and how they get there.
public struct ResidencyPolicy: Hashable, Sendable {
  /// Bytes of all models in memory or being loaded; nil is no limit.
  public var budgetBytes: Int64?
  /// Loads at once.
  public var concurrentLoads: Int
  /// Requests that may wait for models; nil is any number.
  public var maxWaiting: Int?
  /// After a failed load, requests are turned away so long; twice as long after each further one.
  public var firstRetry: Nanoseconds
  public var longestRetry: Nanoseconds

  public init(
    budgetBytes: Int64? = nil, concurrentLoads: Int = 1, maxWaiting: Int? = nil,
    firstRetry: Nanoseconds = Nanoseconds(seconds: 1), longestRetry: Nanoseconds = Nanoseconds(seconds: 300)
  ) {
    self.budgetBytes = budgetBytes
    self.concurrentLoads = concurrentLoads
    self.maxWaiting = maxWaiting
    self.firstRetry = firstRetry
    self.longestRetry = longestRetry
  }

  /// How long requests for a model are turned away after so many failed loads in a row: `firstRetry`, doubled with each
  /// further failure, and never longer than `longestRetry`.
  ///
  /// With the defaults, one second and five minutes:
  ///
  /// | failures | 1 | 2 | 3 | 4 | 5  | 6  | 7  | 8   | 9   | 10  | 50  |
  /// |----------|---|---|---|---|----|----|----|-----|-----|-----|-----|
  /// | seconds  | 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 300 | 300 |
  ///
  /// Doubling stops at 2⁴⁰, beyond which every `longestRetry` that fits in 64 bits has been reached, or the first
  /// pause was zero.
  /// - Parameter failures: at least 1.
  public func retryPause(afterFailures failures: Int) -> Nanoseconds {
    precondition(failures > 0, "a pause follows a failure")
    let doublings = UInt64(min(failures - 1, 40))
    let nanoseconds = Double(firstRetry.rawValue) * Double(UInt64(1) << doublings)
    return min(longestRetry, Nanoseconds(seconds: nanoseconds * 1e-9))
  }

  /// Which of a node's models are loaded at its start, before any request: in order, as many as the budget holds.
  ///
  /// - Parameter bytes: of each model in memory.
  /// - Returns: how many of the first models.
  public func modelsLoadedAtStart(_ bytes: [Int64]) -> Int {
    guard let budgetBytes else { return bytes.count }
    var sum: Int64 = 0
    return bytes.prefix { size in
      sum += size
      return sum <= budgetBytes
    }.count
  }
}

/// Why a request cannot have its model.
public enum ResidencyRefusal: Hashable, Sendable {
  /// The limit of requests that wait for models is reached.
  case tooManyWaiting
  /// The model is larger than the whole budget.
  case exceedsBudget
  /// The model's last load failed; the next is not tried before then.
  case failing(until: Nanoseconds)
  /// It is not offered, or no longer.
  case withdrawn
}

/// What the owner of a `Residency` has to do after an event, in this order.
public enum ResidencyAction: Hashable, Sendable {
  /// The model is in memory and stays there until `released` is called for this request.
  case use(PendingRequest)
  /// Free the model's memory.
  case evict(model: Int)
  /// Load the model, and call `loaded` or `loadFailed`.
  case load(model: Int)
  case refuse(PendingRequest, ResidencyRefusal)
  /// Answer that the deadline has passed.
  case expire(PendingRequest)
  /// Call `woke` at that time, unless an earlier event has come.
  case wake(at: Nanoseconds)
}

/// Which models of a node are in memory: the loading, eviction and refusal decisions under a budget of bytes, as a
/// pure state machine. The simulator and the server both run it; it reads no clock and does no work itself.
///
/// Models: a request pins its model from `use` to `released`, and a pinned model is never evicted. Room is made by
/// evicting the model that was released longest ago. One load serves all requests that wait for the model. Loads start
/// in the order of priority, then of their first request; one that finds no room waits for it and lets none pass, so
/// that a large model is not passed over for ever. A request that waits beyond its deadline is given up, and a load
/// that no request waits for any more is not started. Whether the budget is kept depends on sizes being given
/// truthfully.
///
/// Complexity: amortized O(log requests waiting) an event; O(1) for a model that is in memory.
public struct Residency: Sendable {
  public let policy: ResidencyPolicy
  /// Bytes of models in memory or being loaded.
  public private(set) var usedBytes: Int64 = 0
  public private(set) var residentModels = 0

  private enum Phase: Hashable, Sendable {
    case absent
    /// Waits for its load to start.
    case queued
    case loading
    case resident
  }

  private struct Slot: Sendable {
    var phase = Phase.absent
    var isOffered = false
    var bytes: Int64 = 0
    /// What is counted for it in `usedBytes`.
    var reservedBytes: Int64 = 0
    var pins = 0
    /// Sequence numbers of requests, oldest first.
    var waiting: [UInt64] = []
    /// Is to be loaded although no request waits.
    var isWanted = false
    var failures = 0
    var retryAt = Nanoseconds(.min)
    /// Neighbours among models that could be evicted; -1 is none.
    var before = -1
    var after = -1
  }

  private struct QueuedLoad: Comparable, Sendable {
    var priority: Int
    var sequence: UInt64
    var model: Int

    static func < (a: QueuedLoad, b: QueuedLoad) -> Bool {
      a.priority != b.priority ? a.priority > b.priority : a.sequence < b.sequence
    }
  }

  private var slots: [Slot] = []
  private var requests: [UInt64: PendingRequest] = [:]
  private var deadlines = DeadlineQueue()
  private var loadQueue = BinaryHeap<QueuedLoad>()
  /// Loads under way.
  public private(set) var activeLoads = 0
  private var nextSequence: UInt64 = 0
  /// Ends of the list of models in memory that no request uses: the first was released longest ago.
  private var firstIdle = -1
  private var lastIdle = -1
  private var idleBytes: Int64 = 0

  public init(policy: ResidencyPolicy) {
    precondition(policy.concurrentLoads > 0)
    self.policy = policy
  }

  /// Requests that wait for a model.
  public var waiting: Int { requests.count }

  /// The requests that wait for models, by model and arrival. Complexity: O(models + requests waiting).
  public var waitingRequests: [PendingRequest] {
    slots.flatMap { slot in slot.waiting.compactMap { requests[$0] } }
  }

  public func isResident(_ model: Int) -> Bool { model < slots.count && slots[model].phase == .resident }

  /// Whether requests may use the model, or load it: from `offer` to `withdraw`.
  public func isOffered(_ model: Int) -> Bool { model < slots.count && slots[model].isOffered }

  /// Whether the model is in memory or being loaded.
  public func isHeld(_ model: Int) -> Bool {
    model < slots.count && (slots[model].phase == .resident || slots[model].phase == .loading)
  }

  // MARK: Events

  /// The model exists, is so large, and may be loaded from now on. A failed load is forgotten.
  public mutating func offer(_ model: Int, bytes: Int64) {
    while slots.count <= model { slots.append(Slot()) }
    slots[model].isOffered = true
    slots[model].bytes = max(0, bytes)
    slots[model].failures = 0
    slots[model].retryAt = Nanoseconds(.min)
  }

  /// No request may use the model any more: it goes at once, or with the last request that uses it.
  public mutating func withdraw(_ model: Int, now: Nanoseconds, actions: inout [ResidencyAction]) {
    guard model < slots.count else { return }
    slots[model].isOffered = false
    slots[model].isWanted = false
    for request in takeWaiting(model) { actions.append(.refuse(request, .withdrawn)) }
    switch slots[model].phase {
    case .queued: slots[model].phase = .absent
    case .resident where slots[model].pins == 0:
      unlink(model)
      evict(model, &actions)
    default: break
    }
    startLoads(now: now, actions: &actions)
  }

  /// Loads the model although no request has come for it.
  public mutating func prefetch(_ model: Int, now: Nanoseconds, actions: inout [ResidencyAction]) {
    guard model < slots.count, slots[model].isOffered else { return }
    guard slots[model].phase == .absent || slots[model].phase == .queued, fits(model) else { return }
    slots[model].isWanted = true
    enqueueLoad(of: model, priority: 0)
    startLoads(now: now, actions: &actions)
  }

  /// - Parameter isLimited: whether the request is refused where as many wait as may; what an operator asks for is not.
  public mutating func requested(
    _ request: PendingRequest, isLimited: Bool = true, now: Nanoseconds, actions: inout [ResidencyAction]
  ) {
    let model = request.model
    // A load that those waited for who are given up makes way for the next, whatever becomes of this request.
    if expireWaiting(now: now, actions: &actions) { startLoads(now: now, actions: &actions) }
    guard model < slots.count, slots[model].isOffered else {
      actions.append(.refuse(request, .withdrawn))
      return
    }
    if slots[model].phase == .resident {
      pin(model)
      actions.append(.use(request))
      return
    }
    if let refusal = refusal(of: request, isLimited: isLimited, now: now) {
      actions.append(.refuse(request, refusal))
      return
    }
    let sequence = nextSequence
    nextSequence += 1
    requests[sequence] = request
    deadlines.insert(sequence, deadline: request.deadline)
    slots[model].waiting.append(sequence)
    if slots[model].phase != .loading { enqueueLoad(of: model, priority: request.priority) }
    startLoads(now: now, actions: &actions)
    wakeForDeadline(&actions)
  }

  /// What `requested` decides for a model that is in memory and offered, without waiting requests being looked at.
  ///
  /// Complexity: O(1).
  public mutating func use(_ model: Int) {
    precondition(isResident(model) && slots[model].isOffered, "the model cannot be used at once")
    pin(model)
  }

  /// A request that was told to use the model has done so.
  public mutating func released(_ model: Int, now: Nanoseconds, actions: inout [ResidencyAction]) {
    precondition(slots[model].phase == .resident && slots[model].pins > 0, "nobody uses the model")
    slots[model].pins -= 1
    guard slots[model].pins == 0 else { return }
    settle(model, &actions)
    startLoads(now: now, actions: &actions)
  }

  public mutating func loaded(_ model: Int, now: Nanoseconds, actions: inout [ResidencyAction]) {
    precondition(slots[model].phase == .loading, "the model is not being loaded")
    expireWaiting(now: now, actions: &actions)
    activeLoads -= 1
    residentModels += 1
    slots[model].phase = .resident
    slots[model].isWanted = false
    slots[model].failures = 0
    let users = takeWaiting(model)
    slots[model].pins = users.count
    for request in users { actions.append(.use(request)) }
    if users.isEmpty { settle(model, &actions) }
    startLoads(now: now, actions: &actions)
  }

  /// What is in memory of the model has another size than was thought; models that no request uses make room.
  public mutating func resized(_ model: Int, bytes: Int64, actions: inout [ResidencyAction]) {
    precondition(isResident(model), "the model is not in memory")
    let growth = max(0, bytes) - slots[model].reservedBytes
    usedBytes += growth
    if slots[model].pins == 0 { idleBytes += growth }
    slots[model].reservedBytes += growth
    slots[model].bytes = slots[model].reservedBytes
    guard let budget = policy.budgetBytes else { return }
    makeRoom(within: budget, &actions)
  }

  public mutating func loadFailed(_ model: Int, now: Nanoseconds, actions: inout [ResidencyAction]) {
    precondition(slots[model].phase == .loading, "the model is not being loaded")
    expireWaiting(now: now, actions: &actions)
    activeLoads -= 1
    usedBytes -= slots[model].reservedBytes
    slots[model].reservedBytes = 0
    slots[model].phase = .absent
    slots[model].isWanted = false
    slots[model].failures += 1
    let until = now + policy.retryPause(afterFailures: slots[model].failures)
    slots[model].retryAt = until
    for request in takeWaiting(model) {
      actions.append(.refuse(request, slots[model].isOffered ? .failing(until: until) : .withdrawn))
    }
    startLoads(now: now, actions: &actions)
  }

  public mutating func woke(now: Nanoseconds, actions: inout [ResidencyAction]) {
    // The load at the head of the line may have been theirs who are given up.
    if expireWaiting(now: now, actions: &actions) { startLoads(now: now, actions: &actions) }
    wakeForDeadline(&actions)
  }

  /// The client of a request has gone. A request that waits for its model waits no longer, and a load that no other
  /// request waits for is not started.
  ///
  /// Complexity: O(requests waiting for the model).
  /// - Returns: whether it waited.
  public mutating func cancelled(
    _ request: PendingRequest, now: Nanoseconds, actions: inout [ResidencyAction]
  ) -> Bool {
    let model = request.model
    guard model < slots.count,
      let sequence = slots[model].waiting.first(where: { requests[$0]?.id == request.id })
    else { return false }
    requests[sequence] = nil
    stopWaiting(sequence, for: model)
    startLoads(now: now, actions: &actions)
    return true
  }

  // MARK: Waiting

  private func refusal(of request: PendingRequest, isLimited: Bool, now: Nanoseconds) -> ResidencyRefusal? {
    let slot = slots[request.model]
    if slot.phase == .absent, now < slot.retryAt { return .failing(until: slot.retryAt) }
    if !fits(request.model) { return .exceedsBudget }
    if isLimited, let most = policy.maxWaiting, requests.count >= most { return .tooManyWaiting }
    return nil
  }

  /// Memory that the model takes when it is loaded.
  public func bytes(of model: Int) -> Int64 { slots[model].bytes }

  private func fits(_ model: Int) -> Bool { policy.budgetBytes.map { slots[model].bytes <= $0 } ?? true }

  private mutating func takeWaiting(_ model: Int) -> [PendingRequest] {
    let taken = slots[model].waiting.compactMap { requests.removeValue(forKey: $0) }
    slots[model].waiting = []
    return taken
  }

  /// - Returns: whether a request was given up; loads may start then that waited behind one nobody waits for any more.
  @discardableResult
  private mutating func expireWaiting(now: Nanoseconds, actions: inout [ResidencyAction]) -> Bool {
    var hasExpired = false
    while let sequence = deadlines.popPassed(now: now, isWaiting: { requests[$0] != nil }) {
      guard let request = requests.removeValue(forKey: sequence) else { continue }
      stopWaiting(sequence, for: request.model)
      actions.append(.expire(request))
      hasExpired = true
    }
    return hasExpired
  }

  private mutating func stopWaiting(_ sequence: UInt64, for model: Int) {
    slots[model].waiting.removeAll { $0 == sequence }
    // No request waits for this load any more, and it has not begun.
    if slots[model].phase == .queued, slots[model].waiting.isEmpty, !slots[model].isWanted {
      slots[model].phase = .absent
    }
  }

  private mutating func wakeForDeadline(_ actions: inout [ResidencyAction]) {
    guard !requests.isEmpty, let next = deadlines.next(waiting: requests.count, isWaiting: { requests[$0] != nil })
    else { return }
    actions.append(.wake(at: next))
  }

  // MARK: Loading

  private mutating func enqueueLoad(of model: Int, priority: Int) {
    slots[model].phase = .queued
    // Again for a request of higher priority: the earlier entry is passed over once the load has started.
    loadQueue.insert(QueuedLoad(priority: priority, sequence: nextSequence, model: model))
    nextSequence += 1
  }

  private mutating func startLoads(now: Nanoseconds, actions: inout [ResidencyAction]) {
    while activeLoads < policy.concurrentLoads, let next = loadQueue.first {
      let model = next.model
      guard slots[model].phase == .queued else {
        loadQueue.removeFirst()
        continue
      }
      let bytes = slots[model].bytes
      if let budget = policy.budgetBytes {
        guard bytes <= budget - usedBytes + idleBytes else { return }
        makeRoom(within: budget - bytes, &actions)
      }
      loadQueue.removeFirst()
      usedBytes += bytes
      slots[model].reservedBytes = bytes
      slots[model].phase = .loading
      activeLoads += 1
      actions.append(.load(model: model))
    }
  }

  /// Evicts models that no request uses, the one that was released longest ago first, until no more bytes are in use.
  private mutating func makeRoom(within bytes: Int64, _ actions: inout [ResidencyAction]) {
    while usedBytes > bytes, firstIdle >= 0 {
      let oldest = firstIdle
      unlink(oldest)
      evict(oldest, &actions)
    }
  }

  private mutating func evict(_ model: Int, _ actions: inout [ResidencyAction]) {
    usedBytes -= slots[model].reservedBytes
    slots[model].reservedBytes = 0
    slots[model].phase = .absent
    residentModels -= 1
    actions.append(.evict(model: model))
  }

  // MARK: Models that no request uses

  private mutating func pin(_ model: Int) {
    if slots[model].pins == 0 { unlink(model) }
    slots[model].pins += 1
  }

  /// A model that no request uses may be evicted; one that is no longer offered goes.
  private mutating func settle(_ model: Int, _ actions: inout [ResidencyAction]) {
    guard slots[model].isOffered else { return evict(model, &actions) }
    slots[model].before = lastIdle
    slots[model].after = -1
    if lastIdle >= 0 { slots[lastIdle].after = model } else { firstIdle = model }
    lastIdle = model
    idleBytes += slots[model].reservedBytes
  }

  private mutating func unlink(_ model: Int) {
    let (before, after) = (slots[model].before, slots[model].after)
    if before >= 0 { slots[before].after = after } else { firstIdle = after }
    if after >= 0 { slots[after].before = before } else { lastIdle = before }
    slots[model].before = -1
    slots[model].after = -1
    idleBytes -= slots[model].reservedBytes
  }
}
