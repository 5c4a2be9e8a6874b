/// Why a runtime did not do what it was asked, with what to do about it.
public struct RuntimeError: Error, Hashable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// There is no such deployment or replica.
    case notFound
    /// The nodes do not fit what the runtime has: memory, processors, quota.
    case noCapacity
    /// A node failed, or was not ready in time.
    case notReady
    /// Another run is at work on the deployment, or something that this program did not create bears its name.
    case conflict
    /// The runtime cannot be reached, or may not be used; the same call may succeed later.
    case unavailable
  }

  public var kind: Kind
  public var message: String
  public var remedy: String
  public var description: String { "\(message); \(remedy)" }

  public init(_ kind: Kind, _ message: String, remedy: String) {
    self.kind = kind
    self.message = message
    self.remedy = remedy
  }

  /// A node that failed.
  public init(_ problem: NodeProblem) {
    self.init(problem.kind == .noCapacity ? .noCapacity : .notReady, problem.message, remedy: problem.remedy)
  }

  /// There is nothing of a deployment.
  public static func notFound(_ deployment: DeploymentID) -> RuntimeError {
    RuntimeError(
      .notFound, "there is no deployment '\(deployment)'", remedy: "list what there is, or deploy the plan again")
  }

  /// A deployment has no such replica.
  public static func notFound(_ replica: ReplicaID, in deployment: DeploymentID) -> RuntimeError {
    RuntimeError(
      .notFound, "deployment '\(deployment)' has no node '\(replica)'",
      remedy: "name one of those that its status shows")
  }

  /// Another run holds the lock of a deployment.
  public static func held(_ deployment: DeploymentID, by holder: String) -> RuntimeError {
    RuntimeError(
      .conflict, "another run is at work on deployment '\(deployment)' (\(holder))",
      remedy: "wait for it to end or stop it")
  }
}
