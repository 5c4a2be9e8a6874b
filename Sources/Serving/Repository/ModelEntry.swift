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
  /// Number that is the entry's for its whole life and no other's: requests are batched by it.
  package let index: Int

  /// What is known of a model. Written by `ModelTable` alone, which lies under the registry's lock; read from anywhere.
  struct Facts {
    var state: State
    var description: RepositoryManifest.Model
    var model: ServedModel?
    /// What the last model that was in memory takes and answers.
    var interface: ModelInterface?
    /// Version of the file that `model` was loaded from.
    var version: String?
    /// The next load was asked for by name.
    var isAsked = false
    /// Why the last load failed; nil where it did not.
    var failure: (any Error)?
  }

  private let facts: Mutex<Facts>
  private let history = Mutex(ModelRecord())

  init(index: Int, description: RepositoryManifest.Model, state: State) {
    self.index = index
    name = description.name
    facts = Mutex(Facts(state: state, description: description))
  }

  package var state: State { facts.withLock { $0.state } }

  /// What the repository says of it: precision, vocabulary, longest input, names of the inputs.
  package var description: RepositoryManifest.Model { facts.withLock { $0.description } }

  /// Whether its weights are in memory at this moment.
  package var isResident: Bool { model != nil }

  /// The model, while it is in memory. Requests take a lease instead.
  package var model: ServedModel? { facts.withLock { $0.model } }

  /// Bytes of its weights; 0 while it is not in memory.
  package var weightBytes: Int64 { model?.weightBytes ?? 0 }

  /// Version of the file that the model in memory, or the last one that was, came from; nil where that is not known.
  package var fileVersion: String? { facts.withLock { $0.version } }

  /// Why its last load failed; nil where it did not.
  var failure: (any Error)? { facts.withLock { $0.failure } }

  /// What the model takes and answers; nil while it was never in memory.
  package var interface: ModelInterface? { facts.withLock { $0.interface } }

  // MARK: Record

  /// What became of its requests so far.
  package var record: ModelRecord { history.withLock { $0 } }

  package func note(_ body: (inout ModelRecord) -> Void) { history.withLock { body(&$0) } }

  // MARK: Changes

  /// Changes what is known of the model.
  ///
  /// - Parameter lock: proof that the caller holds the registry's lock.
  func change<Value: Sendable>(_ lock: borrowing ModelTable.Lock, _ body: (inout Facts) -> Value) -> Value {
    facts.withLock { body(&$0) }
  }
}
