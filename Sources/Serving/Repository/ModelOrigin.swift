import Engine
import PlannerCore

/// A store that a repository's folder is a local copy of. Its calls may wait for a network: for loader threads.
package protocol ModelOrigin: Sendable {
  /// Whether models are brought before the first request for them.
  var pullsAtStart: Bool { get }
  /// What the store says that it has.
  ///
  /// - Throws: `FileError`, `CancellationError` once the store was given up, or an error of the store's own.
  func manifest() throws -> RepositoryManifest
  /// Brings many models at once; what could not be had is said when it is asked for by itself.
  ///
  /// - Throws: as `manifest`.
  func pull(_ manifest: RepositoryManifest) throws
  /// Returns once a model's file is in the folder, whole and checked.
  ///
  /// - Throws: `EngineError` (`unavailable`).
  func provide(_ model: RepositoryManifest.Model) throws(EngineError)
}
