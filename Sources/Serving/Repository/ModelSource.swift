import PlannerCore
import Synchronization
import Tokenizer

/// Why a model cannot be used now.
package enum RegistryError: Error, Hashable, Sendable {
  /// No model of the repository has this name: 404.
  case unknownModel(String)
  /// It is unloaded, or its file cannot be used: 503 at an inference, 400 at a load.
  case unavailable(model: String, reason: String)
  /// It is being loaded, and as many wait for models as may: 503.
  case tooManyWaiting(retryAfterSeconds: Int)
  /// The deadline passed while it was being loaded: 504.
  case deadlinePassed

  /// The model alone is larger than all models together may be.
  static func exceedsBudget(_ model: String, bytes: Int64, budget: Int64) -> RegistryError {
    // Whole MiB, rounded so that what the remedy says is enough.
    let isSmall = bytes < 64 << 20
    let needed = isSmall ? "\(bytes)" : "\((bytes + (1 << 20) - 1) >> 20)MiB"
    let reason =
      isSmall
      ? "it takes \(bytes) bytes, and the memory budget is \(budget)"
      : "it takes \((bytes + (1 << 20) - 1) >> 20) MiB, and the memory budget is \(budget >> 20) MiB"
    return .unavailable(model: model, reason: reason + "; start the server with --memory-budget \(needed) or more")
  }
}

/// What takes time in a registry's work: reading the repository and loading models. Called on loader threads only, but
/// for what says otherwise.
package protocol ModelSource: Sendable {
  /// - Throws: `FileError`.
  func manifest() throws -> RepositoryManifest
  /// Whether the manifest is certainly the one that was last read. Quick: from any thread.
  var isUnchanged: Bool { get }
  /// Whether models are loaded before the first request for them.
  var loadsAtStart: Bool { get }
  /// What turns text into the models' ids; nil where the repository has no vocabulary.
  ///
  /// - Throws: `TokenizerError`.
  func tokenizer(of manifest: RepositoryManifest) throws -> WordPieceTokenizer?
  /// Loads a model and runs it once, so that its first answer is no slower than the others.
  ///
  /// - Parameter isAsked: an operator has asked for this load: what is known of earlier failures does not count.
  /// - Throws: `EngineError`.
  func load(_ description: RepositoryManifest.Model, isAsked: Bool) throws -> ServedModel
  /// Memory that the model will take.
  func memoryBytes(of description: RepositoryManifest.Model) -> Int64
  /// Differs where the model's file is another one.
  func version(of description: RepositoryManifest.Model) -> String
}

extension ModelSource {
  package var loadsAtStart: Bool { true }
  package var isUnchanged: Bool { false }
}

/// What has become of the loads of a start-up.
final class Opening: Sendable {
  private let state = Mutex<(loaded: Int, errors: [Int: any Error])>((0, [:]))

  /// What the first model, in order, that could not be loaded failed with; nil where there is none.
  var firstError: (any Error)? { state.withLock { state in state.errors.keys.min().flatMap { state.errors[$0] } } }

  /// - Returns: how many have succeeded.
  func succeeded() -> Int {
    state.withLock { state in
      state.loaded += 1
      return state.loaded
    }
  }

  func failed(_ position: Int, _ error: any Error) { state.withLock { $0.errors[position] = error } }
}
