import Executor
import Proof

/// Where the nodes of a deployment find their models.
enum ModelSource {
  /// A folder of this machine; nil synthesizes the models there.
  case folder(String?)
  /// A place that is written as pods find it.
  case place(String)

  /// - Parameter named: what the user says; nil says nothing.
  /// - Throws: `Failure` where nobody says where pods find their models.
  init(_ named: String?, on runtime: RuntimeName) throws {
    guard runtime == .kubernetes else {
      self = .folder(named)
      return
    }
    guard let named else {
      throw Failure(
        .usage,
        "models are not synthesized for a cluster: say where pods find them with --models (s3://BUCKET/PREFIX, "
          + "https://…, pvc://CLAIM/FOLDER, image://REFERENCE, or a folder of the server's image); files to try it "
          + "with are written by: planner model synth")
    }
    self = .place(named)
  }

  /// The nodes of an excerpt as a runtime is asked for them. Nobody else writes synthesized models meanwhile.
  ///
  /// - Parameter image: what nodes are started from.
  /// - Throws: `Failure` and `FileError` where models are missing, or are others than the plan's.
  func settings(of excerpt: Excerpt, image: String?) async throws -> [NodeSettings] {
    switch self {
    case .place(let repository):
      return PlanDeployment.settings(of: excerpt, repository: repository, image: image)
    case .folder(let folder):
      let lock = try MachineLock.acquire(purpose: "deploy")
      defer { lock.release() }
      return try await RunModels(of: excerpt, folder: folder).settings(image: image)
    }
  }
}
