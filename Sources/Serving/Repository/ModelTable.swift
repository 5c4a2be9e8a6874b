import PlannerCore
import Tokenizer

/// A server's models by name, what state each is in, which of them are in memory, and who waits for them: all that a
/// registry decides, as one state machine that lies under the registry's lock.
///
/// `PlannerCore.Residency` decides which models are in memory; the table adds what follows for the models' entries and
/// for the requests that wait. It reads no clock and does no work: what takes time, or calls others, leaves it as
/// `AfterLock`.
struct ModelTable {
  /// Proof that the registry's lock is held: only the table, which can be reached under that lock alone, makes one.
  struct Lock: ~Copyable {
    fileprivate init() {}
  }

  /// Who asks for a model.
  enum Purpose {
    /// A client's inference: counted, and bounded in number.
    case request
    /// Start-up, or an operator.
    case upkeep
  }

  typealias Continuation = CheckedContinuation<ModelLease, any Error>

  private struct Waiter {
    var request: PendingRequest
    var purpose: Purpose
    var continuation: Continuation
  }

  /// A model that a request may compute with until it is released.
  struct Grant {
    var entry: ModelEntry
    var model: ServedModel
    /// How long the request waited for it, seconds.
    var waited: Double
  }

  /// What is to be done once the lock is free, in this order.
  struct AfterLock {
    var answers: [(Continuation, Result<Grant, any Error>)] = []
    /// Models to free.
    var evicted: [ServedModel] = []
    /// Those that wait for a model's end; they go on once `evicted` is free.
    var unloaded: [CheckedContinuation<Void, Never>] = []
    var loads: [ModelEntry] = []
    /// When `woke` is to be called; nil leaves what was said before.
    var alarm: Nanoseconds?
  }

  /// All models, in the repository's order.
  private(set) var entries: [ModelEntry] = []
  /// Turns text into ids; nil where the repository has no vocabulary.
  private(set) var tokenizer: WordPieceTokenizer?
  private var byName: [String: ModelEntry] = [:]
  private var residency: Residency
  private var waiters: [Int: Waiter] = [:]
  private var actions: [ResidencyAction] = []
  private var unloading: [Int: [CheckedContinuation<Void, Never>]] = [:]
  private var counts = ModelRegistry.Totals()
  /// Mean time of a load, the latest counting most.
  private var meanLoadSeconds = 0.0

  init(policy: ResidencyPolicy) { residency = Residency(policy: policy) }

  // MARK: Looking

  /// The model of that name; nil where the repository has none.
  func entry(named name: String) -> ModelEntry? { byName[name] }

  var totals: ModelRegistry.Totals {
    var totals = counts
    totals.residentModels = residency.residentModels
    totals.residentBytes = residency.usedBytes
    totals.waitingRequests = residency.waiting
    totals.loadsUnderWay = residency.activeLoads
    return totals
  }

  // MARK: Requests

  /// The model, held until `released`; nil where it is not in memory or not offered. No clock is needed to decide it,
  /// and nothing else follows from it.
  mutating func use(_ entry: ModelEntry, for purpose: Purpose) -> ServedModel? {
    guard residency.isResident(entry.index), residency.isOffered(entry.index), let model = entry.model else {
      return nil
    }
    residency.use(entry.index)
    if purpose == .request { counts.hits += 1 }
    return model
  }

  /// A request for a model that is perhaps not in memory.
  mutating func requested(
    _ request: PendingRequest, for purpose: Purpose, now: Nanoseconds, _ continuation: Continuation
  ) -> AfterLock {
    waiters[request.id] = Waiter(request: request, purpose: purpose, continuation: continuation)
    residency.requested(request, isLimited: purpose == .request, now: now, actions: &actions)
    return apply(now)
  }

  /// The client of a request has gone. One that waits for its model waits no longer, and a load that it alone waited
  /// for is not started; a load under way goes on.
  mutating func cancelled(_ id: Int, now: Nanoseconds) -> AfterLock {
    guard let waiter = waiters.removeValue(forKey: id) else { return AfterLock() }
    let hasWaited = residency.cancelled(waiter.request, now: now, actions: &actions)
    assert(hasWaited, "a request with a waiter waits for its model")
    var after = apply(now)
    after.answers.append((waiter.continuation, .failure(CancellationError())))
    return after
  }

  /// A request that used the model has done so.
  mutating func released(_ entry: ModelEntry, now: Nanoseconds) -> AfterLock {
    residency.released(entry.index, now: now, actions: &actions)
    return apply(now)
  }

  /// Gives up requests that have waited too long.
  mutating func woke(now: Nanoseconds) -> AfterLock {
    residency.woke(now: now, actions: &actions)
    return apply(now)
  }

  // MARK: Models

  /// Adds models that are not there yet; those that are get the new description.
  ///
  /// - Parameter bytes: memory that each of the new models will take.
  mutating func add(_ descriptions: [RepositoryManifest.Model], bytes: [Int64], tokenizer: WordPieceTokenizer?) {
    if let tokenizer { self.tokenizer = tokenizer }
    for (description, bytes) in zip(descriptions, bytes) {
      if let known = byName[description.name] {
        known.change(Lock()) { facts in
          // Where it names no inputs, those that the model itself named stay.
          let inputs = facts.description.inputs
          facts.description = description
          if description.inputs.isEmpty { facts.description.inputs = inputs }
        }
        continue
      }
      let entry = ModelEntry(index: entries.count, description: description, state: .ready)
      entries.append(entry)
      byName[description.name] = entry
      residency.offer(entry.index, bytes: bytes)
    }
  }

  /// Puts models in memory that no load has brought; they are the first that the table has.
  mutating func install(_ models: [ServedModel]) {
    for (index, model) in models.enumerated() {
      residency.offer(index, bytes: model.weightBytes)
      residency.prefetch(index, now: .zero, actions: &actions)
      residency.loaded(index, now: .zero, actions: &actions)
      become(entries[index], model, version: nil)
    }
    actions = []
  }

  /// An operator asks for the model: it is offered, and its next load counts as asked for.
  ///
  /// - Parameter bytes: memory that it will take.
  mutating func asked(for entry: ModelEntry, bytes: Int64) -> AfterLock {
    entry.change(Lock()) { facts in
      facts.isAsked = true
      facts.state = .loading
    }
    residency.offer(entry.index, bytes: bytes)
    // It was being unloaded, or another request has been faster: it serves again.
    if residency.isResident(entry.index) { entry.change(Lock()) { $0.state = .ready } }
    // It is offered again: those that wait for its end wait no longer.
    return AfterLock(unloaded: unloading.removeValue(forKey: entry.index) ?? [])
  }

  /// What an operator asked for was refused before a load began.
  mutating func gaveUp(_ entry: ModelEntry, reason: String) {
    entry.change(Lock()) { facts in
      if facts.state == .loading { facts.state = .unavailable(reason: reason) }
    }
  }

  /// Takes the model out of service. `continuation` goes on once its memory is free.
  mutating func withdrew(
    _ entry: ModelEntry, now: Nanoseconds, _ continuation: CheckedContinuation<Void, Never>
  ) -> AfterLock {
    entry.change(Lock()) { $0.state = .unloading }
    unloading[entry.index, default: []].append(continuation)
    residency.withdraw(entry.index, now: now, actions: &actions)
    var after = apply(now)
    if !residency.isHeld(entry.index) {
      entry.change(Lock()) { $0.state = .unavailable(reason: Self.unloadedReason) }
      after.unloaded += unloading.removeValue(forKey: entry.index) ?? []
    }
    return after
  }

  /// A forward pass has shown that the model's file cannot be used any more.
  mutating func broke(_ entry: ModelEntry, reason: String) {
    entry.change(Lock()) { $0.state = .unavailable(reason: reason) }
  }

  // MARK: Loads

  /// Whether the load that begins was asked for by name.
  mutating func beganLoad(of entry: ModelEntry) -> Bool {
    entry.change(Lock()) { facts in
      defer { facts.isAsked = false }
      return facts.isAsked
    }
  }

  /// - Parameters:
  ///   - version: of the file, from before the load.
  ///   - bytes: memory that the model takes, by the file as it is now; nil where that is not known.
  mutating func loaded(
    _ entry: ModelEntry, _ model: ServedModel, version: String?, bytes: Int64?, started: Nanoseconds, now: Nanoseconds
  ) -> AfterLock {
    let seconds = (now - started).seconds
    counts.loads += 1
    counts.loadSeconds += seconds
    meanLoadSeconds += (seconds - meanLoadSeconds) * (meanLoadSeconds == 0 ? 1 : 0.1)
    entry.note { $0.loaded(in: now - started) }
    become(entry, model, version: version)
    residency.loaded(entry.index, now: now, actions: &actions)
    if let bytes, residency.isResident(entry.index) {
      residency.resized(entry.index, bytes: bytes, actions: &actions)
    }
    return apply(now)
  }

  mutating func loadFailed(_ entry: ModelEntry, _ error: any Error, now: Nanoseconds) -> AfterLock {
    counts.failedLoads += 1
    entry.change(Lock()) { facts in
      facts.state = .unavailable(reason: String(describing: error))
      facts.failure = error
    }
    residency.loadFailed(entry.index, now: now, actions: &actions)
    var after = apply(now)
    // A model that was withdrawn while it was being loaded, and could not be.
    after.unloaded += unloading.removeValue(forKey: entry.index) ?? []
    return after
  }

  /// Another model takes the place of one that is in memory; requests under way keep theirs. A lease must hold it.
  mutating func replaced(
    _ entry: ModelEntry, by model: ServedModel, version: String, bytes: Int64, time: Nanoseconds, now: Nanoseconds
  ) -> AfterLock {
    counts.loads += 1
    entry.note { $0.loaded(in: time) }
    become(entry, model, version: version)
    residency.resized(entry.index, bytes: bytes, actions: &actions)
    return apply(now)
  }

  private func become(_ entry: ModelEntry, _ model: ServedModel, version: String?) {
    entry.change(Lock()) { facts in
      facts.state = .ready
      facts.model = model
      facts.description.inputs = model.inputs
      facts.interface = model.interface
      facts.version = version
      facts.failure = nil
    }
  }

  // MARK: What residency decided

  private static let unloadedReason = "it was unloaded"

  private mutating func apply(_ now: Nanoseconds) -> AfterLock {
    var after = AfterLock()
    for action in actions {
      switch action {
      case .use(let request):
        guard let waiter = waiters.removeValue(forKey: request.id) else { continue }
        let entry = entries[request.model]
        guard let model = entry.model else { preconditionFailure("a model that may be used is in memory") }
        let waited = (now - waiter.request.arrival).seconds
        if waiter.purpose == .request {
          counts.misses += 1
          counts.missWaitSeconds += waited
        }
        after.answers.append((waiter.continuation, .success(Grant(entry: entry, model: model, waited: waited))))
      case .refuse(let request, let refusal):
        guard let waiter = waiters.removeValue(forKey: request.id) else { continue }
        after.answers.append((waiter.continuation, .failure(error(refusal, entries[request.model]))))
      case .expire(let request):
        guard let waiter = waiters.removeValue(forKey: request.id) else { continue }
        after.answers.append((waiter.continuation, .failure(RegistryError.deadlinePassed)))
      case .evict(let index): evict(entries[index], &after)
      case .load(let index): after.loads.append(entries[index])
      case .wake(let time): after.alarm = time
      }
    }
    actions.removeAll(keepingCapacity: true)
    return after
  }

  /// Forgets the model, but not what it takes and answers.
  private mutating func evict(_ entry: ModelEntry, _ after: inout AfterLock) {
    let isOffered = residency.isOffered(entry.index)
    let model = entry.change(Lock()) { facts in
      defer { facts.model = nil }
      if !isOffered { facts.state = .unavailable(reason: Self.unloadedReason) }
      return facts.model
    }
    if let model { after.evicted.append(model) }
    if isOffered {
      counts.evictions += 1
      entry.note { $0.evictions += 1 }
    }
    after.unloaded += unloading.removeValue(forKey: entry.index) ?? []
  }

  private func error(_ refusal: ResidencyRefusal, _ entry: ModelEntry) -> RegistryError {
    switch refusal {
    case .tooManyWaiting:
      let seconds = Double(residency.waiting) * meanLoadSeconds / Double(residency.policy.concurrentLoads)
      return .tooManyWaiting(retryAfterSeconds: Int(min(60, max(1, seconds.rounded(.up)))))
    case .exceedsBudget:
      let bytes = residency.bytes(of: entry.index)
      return .exceedsBudget(entry.name, bytes: bytes, budget: residency.policy.budgetBytes ?? 0)
    case .failing, .withdrawn:
      if case .unavailable(let reason) = entry.state { return .unavailable(model: entry.name, reason: reason) }
      return .unavailable(model: entry.name, reason: "it is not loaded")
    }
  }
}
