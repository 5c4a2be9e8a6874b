/// Requests that one worker computes together.
public struct NodePass: Hashable, Sendable {
  /// The oldest of them.
  public var first: PendingRequest
  public var others: [PendingRequest]

  public init(first: PendingRequest, others: [PendingRequest]) {
    self.first = first
    self.others = others
  }
}

/// What the owner of a node has to do after an event, in this order.
public enum NodeAction: Hashable, Sendable {
  /// Let the worker compute its pass, which `pass(of:)` tells; then call `finished`.
  case start(worker: Int)
  /// Answer that the queue is full.
  case reject(PendingRequest)
  /// Answer that the request cannot have its model, and why.
  case refuse(PendingRequest, ResidencyRefusal)
  /// Answer that the deadline has passed.
  case expire(PendingRequest)
  /// Free the model's memory.
  case evict(model: Int)
  /// Load the model, and call `loaded` or `loadFailed`.
  case load(model: Int)
  /// Call `queueWoke` at that time, unless an earlier event has come.
  case wakeQueue(at: Nanoseconds)
  /// Call `loadsWoke` at that time, unless an earlier event has come.
  case wakeLoads(at: Nanoseconds)
}

/// One node: which models are in memory, which requests wait and which worker computes what, as one pure state machine
/// composed of `Residency` and `Dispatcher`.
///
/// The composition is this. A request asks for its model first. Once it may use it, it comes to the queue as if it had
/// arrived at that moment, with the deadline it has had from the start: what it waited for its model does not count as
/// waiting for company. It holds its model until it leaves the node, whether by an answer, a full queue or its
/// deadline. What the dispatcher decides in an event comes before what follows from the models that are released by
/// it; of several requests that leave in one event, the last releases its model first.
///
/// Without a `Residency` every model is always in memory.
///
/// Each event appends its actions to `actions`, in the order in which they are to be done. It reads no clock and does
/// no work itself.
/// Complexity: that of `Residency` and `Dispatcher`.
public struct NodeMachine: Sendable {
  public private(set) var dispatcher: Dispatcher
  /// Which models are in memory; nil where every model always is.
  public private(set) var residency: Residency?
  /// Most bytes of models in memory or being loaded at one time.
  public private(set) var peakBytes: Int64 = 0

  /// What each worker computes; nil for an idle one.
  private var passes: [NodePass?]
  /// Actions of the two machines, while they are being followed up.
  private var dispatched: [DispatchAction] = []
  private var decided: [ResidencyAction] = []
  /// Models whose users have left the node in the event at hand.
  private var released: [Int] = []

  public init(dispatcher: Dispatcher, residency: Residency? = nil) {
    self.dispatcher = dispatcher
    self.residency = residency
    passes = Array(repeating: nil, count: dispatcher.workers)
  }

  // MARK: Looking

  /// Requests that wait in the queue or are computed: the load by which routing policies compare nodes. Requests that
  /// wait for their models are not among them.
  public var load: Int { dispatcher.busyWorkers + dispatcher.waiting }

  /// What the worker computes.
  ///
  /// - Precondition: it is not idle.
  public func pass(of worker: Int) -> NodePass {
    guard let pass = passes[worker] else { preconditionFailure("an idle worker computes nothing") }
    return pass
  }

  /// Whether models share a budget of memory, and so may have to be loaded first.
  public var hasBudget: Bool { residency != nil }

  public func isResident(_ model: Int) -> Bool { residency?.isResident(model) ?? true }

  /// Every request that is in the node: in workers, in the queue, and waiting for models. Counted, not computed from
  /// what came and went, so that a request that was lost is missing here.
  ///
  /// Complexity: O(workers + models + requests in the node).
  public var requestsInside: [PendingRequest] {
    passes.flatMap { pass in pass.map { [$0.first] + $0.others } ?? [] } + dispatcher.waitingRequests
      + (residency?.waitingRequests ?? [])
  }

  // MARK: Models

  /// The node's start: the models exist, with so many bytes each, and the first of them, as many as the budget holds,
  /// are in memory. Does nothing on a node without a budget.
  public mutating func start(models: [(model: Int, bytes: Int64)]) {
    guard let policy = residency?.policy else { return }
    let loaded = policy.modelsLoadedAtStart(models.map(\.bytes))
    var ignored: [ResidencyAction] = []
    for (index, (model, bytes)) in models.enumerated() {
      residency?.offer(model, bytes: bytes)
      guard index < loaded else { continue }
      residency?.prefetch(model, now: .zero, actions: &ignored)
      residency?.loaded(model, now: .zero, actions: &ignored)
    }
    notePeak()
  }

  /// The model's load has ended well.
  public mutating func loaded(_ model: Int, now: Nanoseconds, actions: inout [NodeAction]) {
    residency?.loaded(model, now: now, actions: &decided)
    followDecided(now: now, actions: &actions)
  }

  /// The model's load has failed.
  public mutating func loadFailed(_ model: Int, now: Nanoseconds, actions: inout [NodeAction]) {
    residency?.loadFailed(model, now: now, actions: &decided)
    followDecided(now: now, actions: &actions)
  }

  /// The time of a `wakeLoads` has come.
  public mutating func loadsWoke(now: Nanoseconds, actions: inout [NodeAction]) {
    residency?.woke(now: now, actions: &decided)
    followDecided(now: now, actions: &actions)
  }

  // MARK: Requests

  /// A request comes to the node.
  public mutating func arrived(_ request: PendingRequest, now: Nanoseconds, actions: inout [NodeAction]) {
    guard residency != nil else { return queue(request, now: now, actions: &actions) }
    residency?.requested(request, now: now, actions: &decided)
    followDecided(now: now, actions: &actions)
  }

  /// A worker has computed its pass.
  ///
  /// - Returns: the requests of the pass.
  public mutating func finished(worker: Int, now: Nanoseconds, actions: inout [NodeAction]) -> NodePass {
    guard let pass = passes[worker].take() else { preconditionFailure("an idle worker cannot finish") }
    left(pass.first)
    for request in pass.others { left(request) }
    dispatcher.finished(worker: worker, now: now, actions: &dispatched)
    followDispatched(now: now, actions: &actions)
    return pass
  }

  /// The time of a `wakeQueue` has come.
  public mutating func queueWoke(now: Nanoseconds, actions: inout [NodeAction]) {
    dispatcher.woke(now: now, actions: &dispatched)
    followDispatched(now: now, actions: &actions)
  }

  /// The client of a request has gone. A request that waits, for its model or in the queue, leaves the node at once;
  /// one that is being computed stays until its pass ends.
  ///
  /// - Returns: whether it waited, and is gone.
  public mutating func cancelled(
    _ request: PendingRequest, now: Nanoseconds, actions: inout [NodeAction]
  ) -> Bool {
    if residency?.cancelled(request, now: now, actions: &decided) ?? false {
      followDecided(now: now, actions: &actions)
      return true
    }
    guard dispatcher.cancelled(request) else { return false }
    left(request)
    followDispatched(now: now, actions: &actions)
    return true
  }

  // MARK: What follows

  /// The request has its model and waits for a worker.
  private mutating func queue(_ request: PendingRequest, now: Nanoseconds, actions: inout [NodeAction]) {
    dispatcher.arrived(request, now: now, actions: &dispatched)
    followDispatched(now: now, actions: &actions)
  }

  private mutating func followDispatched(now: Nanoseconds, actions: inout [NodeAction]) {
    // Taken out one by one from the end, which copies none of them.
    if dispatched.count > 1 { dispatched.reverse() }
    while let action = dispatched.popLast() {
      switch action {
      case .start(let worker, let first, let others):
        passes[worker] = NodePass(first: first, others: others)
        actions.append(.start(worker: worker))
      case .reject(let request):
        actions.append(.reject(request))
        left(request)
      case .expire(let request):
        actions.append(.expire(request))
        left(request)
      case .wake(let time): actions.append(.wakeQueue(at: time))
      }
    }
    while let model = released.popLast() {
      residency?.released(model, now: now, actions: &decided)
      followDecided(now: now, actions: &actions)
    }
  }

  private mutating func followDecided(now: Nanoseconds, actions: inout [NodeAction]) {
    notePeak()
    let todo = decided
    decided.removeAll(keepingCapacity: true)
    for action in todo {
      switch action {
      case .use(var request):
        request.arrival = now
        queue(request, now: now, actions: &actions)
      case .evict(let model): actions.append(.evict(model: model))
      case .load(let model): actions.append(.load(model: model))
      case .refuse(let request, let refusal): actions.append(.refuse(request, refusal))
      case .expire(let request): actions.append(.expire(request))
      case .wake(let time): actions.append(.wakeLoads(at: time))
      }
    }
  }

  /// The request is done with, in whatever way, and no longer needs the model that it was told to use.
  private mutating func left(_ request: PendingRequest) {
    if residency != nil { released.append(request.model) }
  }

  private mutating func notePeak() { peakBytes = max(peakBytes, residency?.usedBytes ?? 0) }
}
