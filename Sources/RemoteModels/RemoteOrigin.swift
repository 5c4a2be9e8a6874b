import Engine
import PlannerCore
import Serving
import WebClient

/// A remote repository as the source of a server's models.
package struct RemoteOrigin: ModelOrigin {
  private let repository: RemoteRepository

  package init(_ repository: RemoteRepository) { self.repository = repository }

  package var pullsAtStart: Bool { repository.pullsAtStart }

  package func manifest() throws -> RepositoryManifest {
    try unlessCancelled { try repository.manifest() }
  }

  package func pull(_ manifest: RepositoryManifest) throws {
    try unlessCancelled { _ = try repository.pull(manifest) }
  }

  package func provide(_ model: RepositoryManifest.Model) throws(EngineError) {
    do throws(RemoteError) {
      _ = try repository.localPath(of: model)
    } catch {
      throw EngineError(.unavailable, error.subject, error.message)
    }
  }

  private func unlessCancelled<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as RemoteError where error.kind == .cancelled {
      throw CancellationError()
    }
  }
}
