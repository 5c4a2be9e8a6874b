import Engine
import PlannerCore
import Synchronization
import Tokenizer

/// The models of a server by name, what state each is in, and who may compute with which.
///
/// `PlannerCore.Residency` decides, under one lock, which models are in memory; loading, freeing and answering happen
/// outside it.
package final class ModelRegistry: Sendable {
  package struct Options: Sendable {
    package var residency: ResidencyPolicy
    package var loadThreads: Int

    package init(residency: ResidencyPolicy = ResidencyPolicy(), loadThreads: Int = 1) {
      self.residency = residency
      self.residency.concurrentLoads = loadThreads
      self.loadThreads = loadThreads
    }
  }

  /// What metrics show of all models together.
  package struct Totals: Hashable, Sendable {
    package var residentModels = 0
    /// Of models in memory or being loaded.
    package var residentBytes: Int64 = 0
    package var waitingRequests = 0
    package var loadsUnderWay = 0
    package var hits = 0
    package var misses = 0
    package var loads = 0
    package var failedLoads = 0
    package var evictions = 0
    /// Time of all successful loads.
    package var loadSeconds = 0.0
    /// Time that requests have waited for their models.
    package var missWaitSeconds = 0.0
  }

  /// Who asks for a model.
  package enum Purpose {
    /// A client's inference: counted, and bounded in number.
    case request
    /// Start-up, or an operator.
    case upkeep
  }

  private struct Waiter {
    var continuation: CheckedContinuation<ModelLease, any Error>
    var arrival: Nanoseconds
    var purpose: Purpose
  }

  private struct State {
    var byName: [String: ModelEntry] = [:]
    var entries: [ModelEntry] = []
    var tokenizer: WordPieceTokenizer?
    var residency: Residency
    var waiters: [Int: Waiter] = [:]
    var nextID = 0
    var actions: [ResidencyAction] = []
    var unloading: [Int: [CheckedContinuation<Void, Never>]] = [:]
    var totals = Totals()
    var meanLoadSeconds = 0.0
  }

  private let state: Mutex<State>
  private let options: Options
  private let source: (any ModelSource)?
  private let loaders: LoaderThreads
  private let alarm: Alarm
  private let clock: @Sendable () -> Nanoseconds

  /// - Parameters:
  ///   - prepareThread: run once by each loader thread.
  ///   - clock: monotonic time; tests hand in one that they move by hand.
  package init(
    source: (any ModelSource)?, options: Options = Options(), prepareThread: @escaping @Sendable () -> Void = {},
    clock: @escaping @Sendable () -> Nanoseconds = WorkerPool.monotonicNow
  ) {
    self.source = source
    self.options = options
    self.clock = clock
    state = Mutex(State(residency: Residency(policy: options.residency)))
    loaders = LoaderThreads(count: options.loadThreads, prepare: prepareThread)
    alarm = Alarm(clock: clock)
    alarm.start { [weak self] in self?.checkClock() }
  }

  /// With models that are in memory and stay there.
  package convenience init(models: [ServedModel], tokenizer: WordPieceTokenizer? = nil) {
    self.init(source: nil)
    let descriptions = models.map { model in
      RepositoryManifest.Model(
        name: model.name, file: "", family: "unknown", precision: model.precision, vocabulary: model.vocabulary,
        maxTokens: model.maxTokens, inputs: model.inputs, fileBytes: 0)
    }
    add(descriptions, tokenizer: tokenizer)
    state.withLock { state in
      for (index, model) in models.enumerated() {
        var ignored: [ResidencyAction] = []
        state.residency.offer(index, bytes: model.weightBytes)
        state.residency.prefetch(index, now: .zero, actions: &ignored)
        state.residency.loaded(index, now: .zero, actions: &ignored)
        state.entries[index].become(.ready, model: model)
      }
    }
  }

  /// Ends the loader threads after the loads under way.
  package func stop() { loaders.stop() }

  // MARK: Looking

  /// nil where the repository has no model of that name.
  package func entry(named name: some StringProtocol) -> ModelEntry? {
    state.withLock { $0.byName[String(name)] }
  }

  /// All models, in the repository's order.
  package var entries: [ModelEntry] { state.withLock { $0.entries } }

  /// Turns text into ids; nil where the repository has no vocabulary.
  package var tokenizer: WordPieceTokenizer? { state.withLock { $0.tokenizer } }

  package var totals: Totals {
    state.withLock { state in
      var totals = state.totals
      totals.residentModels = state.residency.residentModels
      totals.residentBytes = state.residency.usedBytes
      totals.waitingRequests = state.residency.waiting
      totals.loadsUnderWay = state.residency.activeLoads
      return totals
    }
  }

  // MARK: Using

  /// The right to compute with a model, which is loaded first where it is not in memory.
  ///
  /// - Parameter timeoutSeconds: a request that has waited longer for its model is given up.
  /// - Throws: `RegistryError`.
  package func acquire(_ name: String, priority: Int = 0, timeoutSeconds: Double? = nil) async throws -> ModelLease {
    guard let entry = entry(named: name) else { throw RegistryError.unknownModel(name) }
    return try await acquire(entry, priority: priority, timeoutSeconds: timeoutSeconds)
  }

  /// As by name; the entry must be this registry's.
  package func acquire(
    _ entry: ModelEntry, priority: Int = 0, timeoutSeconds: Double? = nil
  ) async throws -> ModelLease {
    try await acquire(entry, for: .request, priority: priority, timeoutSeconds: timeoutSeconds)
  }

  package func acquire(
    _ entry: ModelEntry, for purpose: Purpose, priority: Int = 0, timeoutSeconds: Double? = nil
  ) async throws -> ModelLease {
    if let lease = lease(entry, for: purpose) { return lease }
    return try await withCheckedThrowingContinuation { continuation in
      wait(for: entry, purpose, priority: priority, timeoutSeconds: timeoutSeconds, continuation)
    }
  }

  /// nil where the model is not in memory.
  private func lease(_ entry: ModelEntry, for purpose: Purpose) -> ModelLease? {
    state.withLock { state in
      guard state.residency.isResident(entry.index), let model = entry.offeredModel else { return nil }
      // In memory and offered: no clock is needed to decide it, and nothing else follows from it.
      state.residency.use(entry.index)
      if purpose == .request { state.totals.hits += 1 }
      return makeLease(entry, model, waited: nil)
    }
  }

  private func makeLease(_ entry: ModelEntry, _ model: ServedModel, waited: Double?) -> ModelLease {
    ModelLease(entry: entry, model: model, loadSeconds: waited) { [self] in
      event { residency, now, actions in residency.released(entry.index, now: now, actions: &actions) }
    }
  }

  private func wait(
    for entry: ModelEntry, _ purpose: Purpose, priority: Int, timeoutSeconds: Double?,
    _ continuation: CheckedContinuation<ModelLease, any Error>
  ) {
    let now = clock()
    let effects = state.withLock { state -> Effects in
      let id = state.nextID
      state.nextID += 1
      state.waiters[id] = Waiter(continuation: continuation, arrival: now, purpose: purpose)
      let deadline = timeoutSeconds.map { now + Nanoseconds(seconds: $0) } ?? .never
      let request = PendingRequest(
        id: id, model: entry.index, priority: priority, arrival: now, deadline: deadline)
      state.residency.requested(request, isLimited: purpose == .request, now: now, actions: &state.actions)
      return apply(&state, now)
    }
    perform(effects)
  }

  // MARK: Events

  /// Gives up requests that have waited too long; the alarm does it in time.
  package func checkClock() {
    event { residency, now, actions in residency.woke(now: now, actions: &actions) }
  }

  private func event(_ body: (inout Residency, Nanoseconds, inout [ResidencyAction]) -> Void) {
    let now = clock()
    let effects = state.withLock { state -> Effects in
      body(&state.residency, now, &state.actions)
      return apply(&state, now)
    }
    perform(effects)
  }

  /// What is to be done outside the lock.
  private struct Effects {
    var answers: [(CheckedContinuation<ModelLease, any Error>, Result<ModelLease, RegistryError>)] = []
    /// Models to free.
    var evicted: [ServedModel] = []
    var unloaded: [CheckedContinuation<Void, Never>] = []
    var loads: [ModelEntry] = []
    var alarm: Nanoseconds?
  }

  private func apply(_ state: inout State, _ now: Nanoseconds) -> Effects {
    var effects = Effects()
    for action in state.actions {
      switch action {
      case .use(let request):
        guard let waiter = state.waiters.removeValue(forKey: request.id) else { continue }
        let entry = state.entries[request.model]
        guard let model = entry.model else { preconditionFailure("a model that may be used is in memory") }
        let waited = (now - waiter.arrival).seconds
        if waiter.purpose == .request {
          state.totals.misses += 1
          state.totals.missWaitSeconds += waited
        }
        effects.answers.append((waiter.continuation, .success(makeLease(entry, model, waited: waited))))
      case .refuse(let request, let refusal):
        guard let waiter = state.waiters.removeValue(forKey: request.id) else { continue }
        effects.answers.append((waiter.continuation, .failure(error(refusal, request, state, now))))
      case .expire(let request):
        guard let waiter = state.waiters.removeValue(forKey: request.id) else { continue }
        effects.answers.append((waiter.continuation, .failure(.deadlinePassed)))
      case .evict(let index):
        let entry = state.entries[index]
        if let model = entry.takeModel() { effects.evicted.append(model) }
        if entry.isOffered {
          state.totals.evictions += 1
          entry.note { $0.evictions += 1 }
        } else {
          entry.become(.unavailable(reason: "it was unloaded"))
        }
        effects.unloaded += state.unloading.removeValue(forKey: index) ?? []
      case .load(let index): effects.loads.append(state.entries[index])
      case .wake(let time): effects.alarm = time
      }
    }
    state.actions.removeAll(keepingCapacity: true)
    return effects
  }

  private func error(
    _ refusal: ResidencyRefusal, _ request: PendingRequest, _ state: State, _ now: Nanoseconds
  ) -> RegistryError {
    let entry = state.entries[request.model]
    switch refusal {
    case .tooManyWaiting:
      let seconds = Double(state.residency.waiting) * state.meanLoadSeconds / Double(options.loadThreads)
      return .tooManyWaiting(retryAfterSeconds: Int(min(60, max(1, seconds.rounded(.up)))))
    case .exceedsBudget: return .unavailable(model: entry.name, reason: "it is larger than the memory budget")
    case .failing, .withdrawn:
      if case .unavailable(let reason) = entry.state { return .unavailable(model: entry.name, reason: reason) }
      return .unavailable(model: entry.name, reason: "it is not loaded")
    }
  }

  private func perform(_ effects: Effects) {
    for (continuation, result) in effects.answers { continuation.resume(with: result.mapError { $0 as any Error }) }
    if effects.evicted.isEmpty {
      for continuation in effects.unloaded { continuation.resume() }
    } else {
      // Before the loads that take their place, in the threads' queue. The memory goes with the last reference.
      let held = Mutex(effects.evicted)
      let unloaded = effects.unloaded
      loaders.submit {
        held.withLock { $0 = [] }
        for continuation in unloaded { continuation.resume() }
      }
    }
    for entry in effects.loads { loaders.submit { [self] in load(entry) } }
    if let time = effects.alarm { alarm.set(at: time) }
  }

  /// On a loader thread.
  private func load(_ entry: ModelEntry) {
    let started = clock()
    // Before the load: what is put in the file's place meanwhile is then seen as new.
    let version = source?.version(of: entry.description)
    let result = Result { () throws -> ServedModel in
      guard let source else { throw EngineError(.unavailable, entry.name, "this server has no repository") }
      return try source.load(entry.description, isAsked: entry.takeIsAsked())
    }
    // Of the file as it is now, which may be another one than when the model was offered.
    let bytes = source?.memoryBytes(of: entry.description)
    let now = clock()
    let effects = state.withLock { state -> Effects in
      switch result {
      case .success(let model):
        let seconds = (now - started).seconds
        state.totals.loads += 1
        state.totals.loadSeconds += seconds
        state.meanLoadSeconds += (seconds - state.meanLoadSeconds) * (state.meanLoadSeconds == 0 ? 1 : 0.1)
        entry.note { $0.loaded(in: now - started) }
        entry.become(.ready, model: model, version: version)
        state.residency.loaded(entry.index, now: now, actions: &state.actions)
        if let bytes, state.residency.isResident(entry.index) {
          state.residency.resized(entry.index, bytes: bytes, actions: &state.actions)
        }
      case .failure(let error):
        state.totals.failedLoads += 1
        entry.become(.unavailable(reason: String(describing: error)))
        entry.fail(with: error)
        state.residency.loadFailed(entry.index, now: now, actions: &state.actions)
      }
      var effects = apply(&state, now)
      // A model that was withdrawn while it was being loaded, and could not be.
      if case .failure = result { effects.unloaded += state.unloading.removeValue(forKey: entry.index) ?? [] }
      return effects
    }
    perform(effects)
  }

  // MARK: The repository

  /// Reads the repository and loads its models, as many of them as the budget holds.
  ///
  /// - Parameters:
  ///   - isTolerant: models that cannot be loaded are unavailable; otherwise the first of them ends it.
  ///   - progress: called now and then with the number loaded, from any thread.
  /// - Throws: `FileError`, or the `EngineError` of the first model, in order, that cannot be used.
  package func open(isTolerant: Bool, progress: @escaping @Sendable (Int) -> Void = { _ in }) async throws {
    guard let source else { return }
    let (descriptions, tokenizer) = try await onLoader {
      let manifest = try source.manifest()
      return (manifest.models, try source.tokenizer(of: manifest))
    }
    add(descriptions, tokenizer: tokenizer)
    guard source.loadsAtStart else { return }
    var bytes: Int64 = 0
    var indices: [Int] = []
    for (index, description) in descriptions.enumerated() {
      bytes += source.memoryBytes(of: description)
      // The others are loaded by their first requests.
      if let budget = options.residency.budgetBytes, bytes > budget { continue }
      indices.append(index)
    }
    let entries = indices.compactMap { entry(named: descriptions[$0].name) }
    let outcome = Opening()
    await withTaskGroup(of: Void.self) { group in
      for (position, entry) in entries.enumerated() {
        if position >= 4 * options.loadThreads { await group.next() }
        guard !Task.isCancelled, isTolerant || outcome.firstError == nil else { break }
        group.addTask { [self] in
          do {
            try await loadNow(entry)
            progress(outcome.succeeded())
          } catch {
            outcome.failed(position, error)
          }
        }
      }
    }
    try Task.checkCancellation()
    if !isTolerant, let error = outcome.firstError { throw error }
  }

  /// Adds models that are not there yet; those that are get the new description.
  private func add(_ descriptions: [RepositoryManifest.Model], tokenizer: WordPieceTokenizer?) {
    let known = state.withLock { $0.byName }
    // Looking at files takes time: only at new ones, and outside the lock.
    let sizes = descriptions.map { known[$0.name] == nil ? source?.memoryBytes(of: $0) ?? 0 : 0 }
    state.withLock { state in
      if let tokenizer { state.tokenizer = tokenizer }
      for (description, bytes) in zip(descriptions, sizes) {
        if let known = state.byName[description.name] {
          known.describe(description)
          continue
        }
        let entry = ModelEntry(index: state.entries.count, description: description, state: .ready)
        state.entries.append(entry)
        state.byName[description.name] = entry
        state.residency.offer(entry.index, bytes: bytes)
      }
    }
  }

  /// Loads a model, or loads it again where its file is another one, and returns once it answers requests.
  ///
  /// The repository is read again first where it has changed, so that models that have appeared are found.
  /// - Throws: `RegistryError`, `FileError`.
  package func load(_ name: String) async throws {
    if let source, !source.isUnchanged {
      try await onLoader { [self] in add(try source.manifest().models, tokenizer: nil) }
    }
    guard let entry = entry(named: name) else { throw RegistryError.unknownModel(name) }
    do {
      if let lease = lease(entry, for: .upkeep) {
        try await reload(entry, lease)
      } else {
        try await loadNow(entry)
      }
    } catch let error as EngineError {
      throw RegistryError.unavailable(model: name, reason: error.description)
    }
  }

  /// - Throws: the `EngineError` of the load, or a `RegistryError`.
  private func loadNow(_ entry: ModelEntry) async throws {
    let bytes = source?.memoryBytes(of: entry.description) ?? 0
    let effects = state.withLock { state -> Effects in
      entry.ask()
      state.residency.offer(entry.index, bytes: bytes)
      // It was being unloaded, or another request has been faster: it serves again.
      if state.residency.isResident(entry.index) { entry.become(.ready) }
      // It is offered again: whoever waits for its end waits no longer.
      return Effects(unloaded: state.unloading.removeValue(forKey: entry.index) ?? [])
    }
    perform(effects)
    do {
      try await acquire(entry, for: .upkeep).release()
    } catch RegistryError.unavailable(let model, let reason) {
      if entry.state == .loading { entry.become(.unavailable(reason: reason)) }
      throw entry.failure ?? RegistryError.unavailable(model: model, reason: reason)
    }
  }

  /// Puts the model of the file as it is now in place of the one in memory; requests under way keep theirs.
  private func reload(_ entry: ModelEntry, _ lease: ModelLease) async throws {
    guard let source else { return }
    defer { lease.release() }
    try await onLoader { [self] in
      let version = source.version(of: entry.description)
      guard version != entry.version || entry.state != .ready else { return }
      let bytes = source.memoryBytes(of: entry.description)
      if let budget = options.residency.budgetBytes, bytes > budget {
        throw RegistryError.unavailable(model: entry.name, reason: "it is larger than the memory budget")
      }
      let started = clock()
      let model = try source.load(entry.description, isAsked: true)
      let time = clock() - started
      entry.note { $0.loaded(in: time) }
      state.withLock { $0.totals.loads += 1 }
      entry.become(.ready, model: model, version: version)
      // The lease keeps it in memory.
      event { residency, _, actions in residency.resized(entry.index, bytes: bytes, actions: &actions) }
    }
  }

  /// Takes a model out of service, and returns once its memory is free; requests that hold it are answered first.
  ///
  /// - Throws: `RegistryError`.
  package func unload(_ name: String) async throws {
    guard let entry = entry(named: name) else { throw RegistryError.unknownModel(name) }
    await withCheckedContinuation { continuation in
      let now = clock()
      let effects = state.withLock { state -> Effects in
        entry.withdraw()
        state.unloading[entry.index, default: []].append(continuation)
        state.residency.withdraw(entry.index, now: now, actions: &state.actions)
        var effects = apply(&state, now)
        if !state.residency.isHeld(entry.index) {
          entry.become(.unavailable(reason: "it was unloaded"))
          effects.unloaded += state.unloading.removeValue(forKey: entry.index) ?? []
        }
        return effects
      }
      perform(effects)
    }
  }

  private func onLoader<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      loaders.submit { continuation.resume(with: Result { try body() }) }
    }
  }
}
