import PlannerCore
import Synchronization

/// One model of the repository, in memory or not: what is known of it, and what became of its requests.
///
/// An entry lives as long as the server does: its record survives eviction, unloading and loading again.
package final class ModelEntry: Sendable {
  package enum State: Hashable, Sendable {
    /// Requests are refused, and why: not loaded, or what was wrong with the file.
    case unavailable(reason: String)
    case loading
    /// Requests are answered; a model that was evicted is loaded again by its next request.
    case ready
    /// Requests under way are answered, new ones are refused.
    case unloading
  }

  package let name: String
  /// The same for the entry's whole life and no other's: what requests are batched by.
  package let index: Int

  private struct Facts {
    var state: State
    /// Whether requests may load it: not once it was unloaded by name.
    var isOffered = true
    var description: RepositoryManifest.Model
    var model: ServedModel?
    var outputs: [ServedModel.Output] = []
    /// Of the file that `model` was loaded from.
    var version: String?
    /// The next load was asked for by name.
    var isAsked = false
    /// Of the last load, where it failed.
    var failure: (any Error)?
  }

  private let facts: Mutex<Facts>
  private let history = Mutex(ModelRecord())

  package init(index: Int, description: RepositoryManifest.Model, state: State, model: ServedModel? = nil) {
    self.index = index
    name = description.name
    facts = Mutex(Facts(state: state, description: description, model: model))
  }

  package var state: State { facts.withLock { $0.state } }

  /// What the repository says of it: precision, vocabulary, longest input, names of the inputs.
  package var description: RepositoryManifest.Model { facts.withLock { $0.description } }

  /// Whether its weights are in memory at this moment.
  package var isResident: Bool { model != nil }

  /// The model, while it is in memory. Whoever computes takes a lease instead.
  package var model: ServedModel? { facts.withLock { $0.model } }

  /// The model, where it is in memory and requests may use it.
  var offeredModel: ServedModel? { facts.withLock { $0.isOffered ? $0.model : nil } }

  /// Bytes of its weights; 0 while it is not in memory.
  package var weightBytes: Int64 { model?.weightBytes ?? 0 }

  package var version: String? { facts.withLock { $0.version } }

  /// Why its last load failed; nil where it did not.
  package var failure: (any Error)? { facts.withLock { $0.failure } }

  /// Whether requests may load it: not once it was unloaded by name.
  var isOffered: Bool { facts.withLock { $0.isOffered } }

  /// As its last run showed them; empty where it never ran.
  package var outputs: [ServedModel.Output] {
    facts.withLock { facts in facts.model.map(\.outputs).flatMap { $0.isEmpty ? nil : $0 } ?? facts.outputs }
  }

  // MARK: Record

  /// As it is now.
  package var record: ModelRecord { history.withLock { $0 } }

  package func note(_ body: (inout ModelRecord) -> Void) { history.withLock { body(&$0) } }

  // MARK: Changes, under the registry's lock

  func become(_ state: State) { facts.withLock { $0.state = state } }

  func become(_ state: State, model: ServedModel, version: String? = nil) {
    facts.withLock { facts in
      facts.state = state
      facts.model = model
      facts.description.inputs = model.inputs
      facts.version = version
      facts.failure = nil
    }
  }

  /// Nobody may use it any more; requests under way are answered.
  func withdraw() {
    facts.withLock { facts in
      facts.isOffered = false
      facts.state = .unloading
    }
  }

  /// - Parameter description: where it names no inputs, those that the model itself named stay.
  package func describe(_ description: RepositoryManifest.Model) {
    facts.withLock { facts in
      let known = facts.description.inputs
      facts.description = description
      if description.inputs.isEmpty { facts.description.inputs = known }
    }
  }

  package func fail(with failure: any Error) { facts.withLock { $0.failure = failure } }

  /// Somebody has asked for the model to be loaded.
  package func ask() {
    facts.withLock { facts in
      facts.isAsked = true
      facts.isOffered = true
      facts.state = .loading
    }
  }

  func takeIsAsked() -> Bool {
    facts.withLock { facts in
      defer { facts.isAsked = false }
      return facts.isAsked
    }
  }

  /// Forgets the model, but not what its outputs are.
  func takeModel() -> ServedModel? {
    facts.withLock { facts in
      defer { facts.model = nil }
      if let outputs = facts.model?.outputs, !outputs.isEmpty { facts.outputs = outputs }
      return facts.model
    }
  }
}

/// The right to compute with a model: it stays in memory until the lease is released or gone.
package final class ModelLease: Sendable {
  package let entry: ModelEntry
  package let model: ServedModel
  /// How long the request waited for the model to be loaded; nil where it was in memory.
  package let loadSeconds: Double?
  private let onRelease: @Sendable () -> Void
  private let isReleased = Atomic<Bool>(false)

  init(
    entry: ModelEntry, model: ServedModel, loadSeconds: Double? = nil, onRelease: @escaping @Sendable () -> Void = {}
  ) {
    self.entry = entry
    self.model = model
    self.loadSeconds = loadSeconds
    self.onRelease = onRelease
  }

  /// Once is enough; more do no harm.
  package func release() {
    if !isReleased.exchange(true, ordering: .acquiringAndReleasing) { onRelease() }
  }

  deinit { release() }
}
