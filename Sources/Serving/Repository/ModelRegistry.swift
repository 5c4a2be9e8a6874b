import PlannerCore
import Synchronization
import Tokenizer

/// The models of a server by name, what state each is in, and who may compute with which.
///
/// `ModelTable` decides, under one lock; loading, freeing and answering happen outside it.
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
    /// Models in memory.
    package var residentModels = 0
    /// Bytes of the models that are in memory or being loaded.
    package var residentBytes: Int64 = 0
    /// Requests that wait for their model to be loaded.
    package var waitingRequests = 0
    package var loadsUnderWay = 0
    /// Requests that found their model in memory.
    package var hits = 0
    /// Requests that waited for their model, and got it.
    package var misses = 0
    /// Loads that succeeded.
    package var loads = 0
    package var failedLoads = 0
    /// Models that made room for others.
    package var evictions = 0
    /// Time of all successful loads.
    package var loadSeconds = 0.0
    /// Time that requests have waited for their models.
    package var missWaitSeconds = 0.0
  }

  private let table: Mutex<ModelTable>
  private let nextID = Atomic<Int>(0)
  let options: Options
  let source: (any ModelSource)?
  let clock: @Sendable () -> Nanoseconds
  /// Called after each load, on its loader thread.
  let onLoad: @Sendable (ModelEntry) -> Void
  private let loaders: LoaderThreads
  private let alarm: Alarm

  /// - Parameters:
  ///   - prepareThread: run once by each loader thread.
  ///   - onLoad: called after each load, whether or not it succeeded, on its loader thread.
  ///   - clock: monotonic time; tests hand in one that they move by hand.
  package init(
    source: (any ModelSource)?, options: Options = Options(), prepareThread: @escaping @Sendable () -> Void = {},
    onLoad: @escaping @Sendable (ModelEntry) -> Void = { _ in },
    clock: @escaping @Sendable () -> Nanoseconds = WorkerPool.monotonicNow
  ) {
    self.source = source
    self.options = options
    self.clock = clock
    self.onLoad = onLoad
    table = Mutex(ModelTable(policy: options.residency))
    loaders = LoaderThreads(count: options.loadThreads, prepare: prepareThread)
    alarm = Alarm(clock: clock)
    alarm.start { [weak self] in self?.checkClock() }
  }

  /// A registry of models that are in memory and stay there.
  package convenience init(models: [ServedModel], tokenizer: WordPieceTokenizer? = nil) {
    self.init(source: nil)
    let descriptions = models.map { model in
      RepositoryManifest.Model(
        name: model.name, file: "", architecture: RepositoryManifest.Model.unknownArchitecture,
        precision: model.precision, vocabulary: model.vocabulary,
        maxTokens: model.maxTokens, inputs: model.inputs, fileBytes: 0)
    }
    table.withLock { table in
      table.add(descriptions, bytes: models.map(\.weightBytes), tokenizer: tokenizer)
      table.install(models)
    }
  }

  /// Ends the loader threads after the loads under way.
  package func stop() { loaders.stop() }

  // MARK: Looking

  /// The model of that name; nil where the repository has none.
  package func entry(named name: some StringProtocol) -> ModelEntry? {
    let name = String(name)
    return table.withLock { $0.entry(named: name) }
  }

  /// All models, in the repository's order.
  package var entries: [ModelEntry] { table.withLock { $0.entries } }

  /// Turns text into ids; nil where the repository has no vocabulary.
  package var tokenizer: WordPieceTokenizer? { table.withLock { $0.tokenizer } }

  package var totals: Totals { table.withLock { $0.totals } }

  // MARK: Using

  /// The right to compute with a model, which is loaded first where it is not in memory.
  ///
  /// - Parameter timeoutSeconds: a request that has waited longer for its model is given up.
  /// - Throws: `RegistryError`.
  package func acquire(_ name: String, priority: Int = 0, timeoutSeconds: Double? = nil) async throws -> ModelLease {
    guard let entry = entry(named: name) else { throw RegistryError.unknownModel(name) }
    return try await acquire(entry, priority: priority, timeoutSeconds: timeoutSeconds)
  }

  /// The right to compute with a model of this registry; otherwise as by name.
  ///
  /// - Throws: `RegistryError`, or `CancellationError` as soon as the task is cancelled that waits for the model.
  package func acquire(
    _ entry: ModelEntry, priority: Int = 0, timeoutSeconds: Double? = nil
  ) async throws -> ModelLease {
    if let lease = lease(entry, for: .request) { return lease }
    let now = clock()
    let request = PendingRequest(
      id: newID(), model: entry.index, priority: priority, arrival: now,
      deadline: timeoutSeconds.map { now + Nanoseconds(seconds: $0) } ?? .never)
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        event(at: now) { table in
          // Under the lock, so that a cancellation that is not seen here finds the request among those that wait.
          guard !Task.isCancelled else {
            return ModelTable.AfterLock(answers: [(continuation, .failure(CancellationError()))])
          }
          return table.requested(request, for: .request, now: now, continuation)
        }
      }
    } onCancel: {
      event { table, now in table.cancelled(request.id, now: now) }
    }
  }

  /// As for a request, but not counted as one, and not refused where as many wait as may: for start-up and operators.
  /// It ends with the load, also where the task is cancelled: what an operator asked for is done.
  package func acquireForUpkeep(_ entry: ModelEntry) async throws -> ModelLease {
    if let lease = lease(entry, for: .upkeep) { return lease }
    let now = clock()
    let request = PendingRequest(id: newID(), model: entry.index, arrival: now)
    return try await withCheckedThrowingContinuation { continuation in
      event(at: now) { table in table.requested(request, for: .upkeep, now: now, continuation) }
    }
  }

  /// Number of a request that is perhaps to wait for its model.
  private func newID() -> Int { nextID.wrappingAdd(1, ordering: .relaxed).oldValue }

  /// A lease of the model; nil where the model is not in memory.
  func lease(_ entry: ModelEntry, for purpose: ModelTable.Purpose) -> ModelLease? {
    table.withLock { $0.use(entry, for: purpose) }.map { makeLease(entry, $0, waited: nil) }
  }

  private func makeLease(_ entry: ModelEntry, _ model: ServedModel, waited: Double?) -> ModelLease {
    ModelLease(entry: entry, model: model, loadSeconds: waited) { [self] in
      event { table, now in table.released(entry, now: now) }
    }
  }

  /// Refuses the model's requests from now on where it is not in memory: a forward pass has shown that its file cannot
  /// be used any more.
  func broke(_ entry: ModelEntry, reason: String) { change { $0.broke(entry, reason: reason) } }

  // MARK: Events

  /// Gives up requests that have waited too long; the alarm does it in time.
  package func checkClock() {
    event { table, now in table.woke(now: now) }
  }

  /// Changes the table under the lock.
  func change<Value: Sendable>(_ body: (inout ModelTable) -> Value) -> Value { table.withLock { body(&$0) } }

  /// Changes the table under the lock, and does afterwards what follows from that.
  func event(_ body: (inout ModelTable, Nanoseconds) -> ModelTable.AfterLock) {
    let now = clock()
    event(at: now) { table in body(&table, now) }
  }

  private func event(at now: Nanoseconds, _ body: (inout ModelTable) -> ModelTable.AfterLock) {
    perform(table.withLock { body(&$0) })
  }

  private func perform(_ after: ModelTable.AfterLock) {
    for (continuation, result) in after.answers {
      continuation.resume(with: result.map { makeLease($0.entry, $0.model, waited: $0.waited) })
    }
    if after.evicted.isEmpty {
      for continuation in after.unloaded { continuation.resume() }
    } else {
      // Before the loads that take their place, in the threads' queue. The memory goes with the last reference.
      let held = Mutex(after.evicted)
      let unloaded = after.unloaded
      onLoader {
        held.withLock { $0 = [] }
        for continuation in unloaded { continuation.resume() }
      }
    }
    for entry in after.loads { onLoader { [self] in load(entry) } }
    if let time = after.alarm { alarm.set(at: time) }
  }

  /// Runs a job on a loader thread.
  func onLoader(_ job: @escaping @Sendable () -> Void) { loaders.submit(job) }
}
