import Engine
import PlannerCore
import PlannerFiles
import ServerContract
import Tokenizer

/// Everything that a client may ask of the server's models, in any protocol: HTTP and gRPC render what
/// this returns.
///
/// This is the one place that knows the registry of models.
package struct InferenceService: Sendable {
  package let state: ServerState
  package let options: ServerOptions

  package init(state: ServerState, options: ServerOptions) {
    self.state = state
    self.options = options
  }

  /// The time on the registry's clock, which is that of its pools too.
  private func now() -> Nanoseconds { state.registry.clock() }

  // MARK: Inference

  /// Checks the tensors, computes, and picks the outputs that were asked for.
  ///
  /// The answer is counted once `finish` is called; a failure is counted here. A task that is cancelled says that the
  /// client has gone: its request leaves the line in which it waits, and a pass under way is not waited for.
  /// - Throws: `InferenceError`; `cancelled` as soon as the task is.
  package func infer(
    _ request: InferenceRequest, of entry: ModelEntry
  ) async throws(InferenceError) -> InferenceAnswer {
    do {
      return try await answer(request, entry)
    } catch {
      count(error, of: request, entry)
      throw error
    }
  }

  private func count(_ error: InferenceError, of request: InferenceRequest, _ entry: ModelEntry) {
    let time = now() - request.arrival
    entry.note { record in
      if error.kind == .cancelled { record.cancelled(after: time) } else { record.failed(after: time) }
    }
  }

  private func answer(
    _ request: InferenceRequest, _ entry: ModelEntry
  ) async throws(InferenceError) -> InferenceAnswer {
    let timeout = Self.shorter(request.timeoutSeconds, options.requestTimeoutSeconds)
    func left(at time: Nanoseconds) -> Double? { timeout.map { $0 - (time - request.arrival).seconds } }
    let lease = try await acquire(
      entry, priority: request.priority, timeoutSeconds: left(at: now()))
    var isAbandoned = false
    defer { if !isAbandoned { lease.release() } }
    let model = lease.model
    let inputs = try InputCheck.check(request.inputs, for: model)
    let submitted = now()
    let result: WorkerPool.Answer
    do {
      result = try await state.pool(of: model).infer(
        model.session, inputs.tensors, model: entry.index, priority: request.priority,
        timeoutSeconds: left(at: submitted), holding: lease)
    } catch is CancellationError {
      // A pass under way computes with the model still: it is given back with the pool's reference to the lease.
      isAbandoned = true
      throw InferenceError(CancellationError())
    } catch {
      if let error = error as? EngineError, error.kind == .badModel {
        state.registry.broke(entry, reason: error.message)
      }
      throw InferenceError(error)
    }
    let returned = now()
    let names = model.interface.names(of: result.outputs, batch: inputs.batch, tokens: inputs.tokens)
    let outputs = try Self.select(
      request.requestedOutputs, from: zip(names, result.outputs).map { NamedTensor(name: $0, $1) }, entry.name)
    return InferenceAnswer(
      modelName: entry.name, id: request.id, outputs: outputs, timings: result.timings, variant: model.precision,
      loadSeconds: lease.loadSeconds, batch: inputs.batch, entry: entry, arrival: request.arrival,
      submitted: submitted, returned: returned)
  }

  /// Counts an answer as it leaves, and says where its time went.
  @discardableResult
  package func finish(
    _ answer: InferenceAnswer, transport: ServerMetrics.Transport = .http
  ) -> AnswerTimings {
    let timings = AnswerTimings(answer, finished: now())
    answer.entry.note {
      $0.answered(rows: answer.batch, timings, isFirstOfBatch: answer.timings.isFirstOfBatch)
    }
    state.metrics.completed(
      totalSeconds: timings.total.seconds, timings: answer.timings, missWaitSeconds: answer.loadSeconds,
      variant: answer.variant, transport: transport)
    return timings
  }

  private func acquire(
    _ entry: ModelEntry, priority: Int, timeoutSeconds: Double?
  ) async throws(InferenceError) -> ModelLease {
    do {
      return try await state.registry.acquire(entry, priority: priority, timeoutSeconds: timeoutSeconds)
    } catch {
      throw InferenceError(error)
    }
  }

  private static func shorter(_ first: Double?, _ second: Double?) -> Double? {
    guard let first else { return second }
    return second.map { min(first, $0) } ?? first
  }

  private static func select(
    _ names: [String]?, from outputs: [NamedTensor], _ model: String
  ) throws(InferenceError) -> [NamedTensor] {
    guard let names, !names.isEmpty else { return outputs }
    var selected: [NamedTensor] = []
    for name in names {
      guard let output = outputs.first(where: { $0.name == name }) else {
        throw InferenceError(
          .invalidArgument,
          "outputs: '\(name.prefix(200))' is not an output of model '\(model)', which has "
            + outputs.map(\.name).joined(separator: ", "))
      }
      guard !selected.contains(where: { $0.name == name }) else {
        throw InferenceError(.invalidArgument, "outputs: '\(name)' is there twice")
      }
      selected.append(output)
    }
    return selected
  }

  // MARK: Models

  /// Turns text into ids; nil where the repository has no vocabulary.
  package var tokenizer: WordPieceTokenizer? { state.registry.tokenizer }

  /// Name of the last of the repository's models; nil while there are none.
  package var lastModelName: String? { state.registry.entries.last?.name }

  /// The model that a client names: once for each request, whose further steps take the entry.
  ///
  /// - Parameter version: nil or empty for the only one there is.
  /// - Throws: `InferenceError` (`notFound`; `unavailable` while the repository is still being read).
  package func entry(_ name: String, version: String? = nil) throws(InferenceError) -> ModelEntry {
    guard let entry = state.registry.entry(named: name) else {
      if state.isLoading {
        throw InferenceError(.unavailable, "the models are still being loaded", retryAfterSeconds: 5)
      }
      throw InferenceError.unknownModel(name)
    }
    if let version, !version.isEmpty, version != ModelMetadata.version {
      throw InferenceError(
        .notFound, "model '\(name.prefix(200))' has no version '\(version.prefix(20))', only \(ModelMetadata.version)")
    }
    return entry
  }

  /// Whether new requests are answered.
  package var isReady: Bool { state.isReady }

  /// Whether the model answers requests; one that was evicted does, after it is loaded again.
  package func isReady(model name: String, version: String? = nil) throws(InferenceError) -> Bool {
    let entry = try entry(name, version: version)
    return state.isReady && entry.state == .ready
  }

  /// - Throws: `InferenceError`: `notFound`, or why a model that was never in memory cannot be loaded now.
  package func metadata(of name: String, version: String? = nil) async throws(InferenceError) -> ModelMetadata {
    try await metadata(try entry(name, version: version))
  }

  private func metadata(_ entry: ModelEntry) async throws(InferenceError) -> ModelMetadata {
    let interface = try await interface(entry)
    let takesText = TokenInputs.areAll(of: interface.inputs.map(\.name))
    return ModelMetadata(
      name: entry.name, interface: interface, variant: entry.description.precision.rawValue,
      pairTruncation: takesText ? tokenizer?.truncation.rawValue : nil)
  }

  /// What a model that was never in memory takes and answers, its load tells.
  private func interface(_ entry: ModelEntry) async throws(InferenceError) -> ModelInterface {
    if let interface = entry.interface { return interface }
    let lease = try await acquire(entry, priority: 0, timeoutSeconds: options.requestTimeoutSeconds)
    defer { lease.release() }
    return lease.model.interface
  }

  /// The input that a request brings which names none.
  ///
  /// - Throws: `InferenceError`: `invalidArgument` where the model takes several.
  package func onlyInput(of entry: ModelEntry) async throws(InferenceError) -> TensorMetadata {
    let inputs = try await interface(entry).inputs
    if TokenInputs.areAll(of: inputs.map(\.name)),
      let ids = inputs.first(where: { $0.name == TokenInputNames.ids })
    {
      return ids
    }
    guard inputs.count == 1 else {
      throw InferenceError(.invalidArgument, "bytes without JSON are for models of one input; this has \(inputs.count)")
    }
    return inputs[0]
  }

  /// - Throws: `InferenceError`, as `metadata`.
  package func configuration(
    of name: String, version: String? = nil
  ) async throws(InferenceError) -> ModelConfiguration {
    ModelConfiguration(
      metadata: try await metadata(of: name, version: version), batch: options.batch, instances: options.workers)
  }

  /// - Parameter name: nil or empty for all models, in the repository's order.
  package func statistics(of name: String? = nil, version: String? = nil) throws(InferenceError) -> [ModelStatistics] {
    guard let name, !name.isEmpty else { return state.registry.entries.map { statistics($0) } }
    return [statistics(try entry(name, version: version))]
  }

  private func statistics(_ entry: ModelEntry) -> ModelStatistics {
    let record = entry.record
    return ModelStatistics(
      name: entry.name, lastInference: record.lastInference, inferenceCount: record.rows,
      executionCount: record.batches.values.reduce(0) { $0 + $1.count }, success: record.success,
      failure: record.failure, cancelled: record.cancelled, queue: record.queue, computeInput: record.parse,
      computeInfer: record.compute,
      computeOutput: record.render,
      batches: record.batches.sorted { $0.key < $1.key }.map { .init(size: $0.key, compute: $0.value) },
      weightBytes: entry.weightBytes)
  }

  // MARK: Repository

  package func index(readyOnly: Bool) -> [RepositoryIndexEntry] {
    state.registry.entries.compactMap { entry in
      let line: (state: String, reason: String) =
        switch entry.state {
        case .ready: ("READY", "")
        case .loading: ("LOADING", "")
        case .unloading: ("UNLOADING", "")
        case .unavailable(let reason): ("UNAVAILABLE", reason)
        }
      guard !readyOnly || line.state == "READY" else { return nil }
      return RepositoryIndexEntry(name: entry.name, state: line.state, reason: line.reason)
    }
  }

  /// Loads a model, or loads it again from its file, and returns once it answers requests.
  ///
  /// - Throws: `InferenceError`: `forbidden` unless the server allows it; `notFound`; `invalidArgument` where the file
  ///   cannot be used, as Triton has it.
  package func load(_ name: String) async throws(InferenceError) {
    try allowManagement()
    do {
      try await state.registry.load(name)
    } catch {
      throw Self.managementError(error)
    }
  }

  /// Takes a model out of service; requests under way are still answered.
  ///
  /// - Throws: `InferenceError`.
  package func unload(_ name: String) async throws(InferenceError) {
    try allowManagement()
    do {
      try await state.registry.unload(name)
    } catch {
      throw Self.managementError(error)
    }
  }

  private func allowManagement() throws(InferenceError) {
    guard options.allowsManagement else {
      throw InferenceError(.forbidden, "loading and unloading are off; start the server with --allow-management")
    }
  }

  private static func managementError(_ error: any Error) -> InferenceError {
    switch error {
    case RegistryError.unavailable(let model, let reason):
      InferenceError(.invalidArgument, "model '\(model.prefix(200))' cannot be used: \(reason)")
    case let error as EngineError: InferenceError(.invalidArgument, error.description)
    case let error as FileError: InferenceError(.invalidArgument, error.description)
    default: InferenceError(error)
    }
  }
}
