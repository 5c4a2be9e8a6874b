import Engine
import PlannerCore
import Tokenizer

/// Reading the repository, and loading and unloading its models: what takes time.
extension ModelRegistry {
  /// Does a load that the table has asked for; on a loader thread.
  func load(_ entry: ModelEntry) {
    let started = clock()
    // Before the load: what is put in the file's place meanwhile is then seen as new.
    let version = source?.version(of: entry.description)
    let result = Result { () throws -> ServedModel in
      guard let source else { throw EngineError(.unavailable, entry.name, "this server has no repository") }
      return try source.load(entry.description, isAsked: change { $0.beganLoad(of: entry) })
    }
    // Of the file as it is now, which may be another one than when the model was offered.
    let bytes = source?.memoryBytes(of: entry.description)
    event { table, now in
      switch result {
      case .success(let model):
        table.loaded(entry, model, version: version, bytes: bytes, started: started, now: now)
      case .failure(let error): table.loadFailed(entry, error, now: now)
      }
    }
    onLoad(entry)
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
    let (descriptions, tokenizer) = try await onLoader { () throws in
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
    // Looking at files takes time: only at new ones, and outside the lock.
    let known = Set(entries.map(\.name))
    let bytes = descriptions.map { known.contains($0.name) ? 0 : source?.memoryBytes(of: $0) ?? 0 }
    change { $0.add(descriptions, bytes: bytes, tokenizer: tokenizer) }
  }

  // MARK: One model

  /// Loads a model, or loads it again where its file is another one, and returns once it answers requests.
  ///
  /// The repository is read again first where it has changed, so that models that have appeared are found.
  /// - Throws: `RegistryError`, `FileError`.
  package func load(_ name: String) async throws {
    if let source, !source.isUnchanged {
      try await onLoader { [self] () throws in add(try source.manifest().models, tokenizer: nil) }
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
    event { table, _ in table.asked(for: entry, bytes: bytes) }
    do {
      try await acquireForUpkeep(entry).release()
    } catch RegistryError.unavailable(let model, let reason) {
      change { $0.gaveUp(entry, reason: reason) }
      throw entry.failure ?? RegistryError.unavailable(model: model, reason: reason)
    }
  }

  /// Puts the model of the file as it is now in place of the one in memory; requests under way keep theirs.
  private func reload(_ entry: ModelEntry, _ lease: ModelLease) async throws {
    guard let source else { return }
    defer { lease.release() }
    try await onLoader { [self] () throws in
      let version = source.version(of: entry.description)
      guard version != entry.fileVersion || entry.state != .ready else { return }
      let bytes = source.memoryBytes(of: entry.description)
      if let budget = options.residency.budgetBytes, bytes > budget {
        throw RegistryError.exceedsBudget(entry.name, bytes: bytes, budget: budget)
      }
      let started = clock()
      let model = try source.load(entry.description, isAsked: true)
      let time = clock() - started
      event { table, now in
        table.replaced(entry, by: model, version: version, bytes: bytes, time: time, now: now)
      }
      onLoad(entry)
    }
  }

  /// Takes a model out of service, and returns once its memory is free; requests that hold it are answered first.
  ///
  /// - Throws: `RegistryError`.
  package func unload(_ name: String) async throws {
    guard let entry = entry(named: name) else { throw RegistryError.unknownModel(name) }
    await withCheckedContinuation { continuation in
      event { table, now in table.withdrew(entry, now: now, continuation) }
    }
  }

  private func onLoader<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      onLoader { continuation.resume(with: Result { try body() }) }
    }
  }
}
