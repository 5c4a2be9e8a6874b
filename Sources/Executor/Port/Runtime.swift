/// Something that can bring up the nodes of a plan: processes of this machine, containers, a cluster.
///
/// Every operation may be repeated: what is done already is not done again, so that a run that was killed at any step
/// is resumed by the same calls. State lies with the runtime (on disk, in the engine, in the cluster), never in this
/// object alone: another program that opens the same runtime sees the same deployments. A runtime lists and ends only
/// what it created itself.
///
/// All functions throw `RuntimeError`, or `CancellationError` where the task was cancelled.
/// `Tests/ExecutorTests/RuntimeContractTests.swift` holds every runtime to this.
public protocol Runtime: Sendable {
  /// Name of the runtime, as `--runtime` takes it.
  var name: String { get }

  /// Deployments that exist, ascending.
  func deployments() async throws -> [DeploymentID]

  /// What there is of a deployment. A change that was applied before is seen.
  ///
  /// - Throws: `notFound` where there is nothing of it.
  func observe(_ deployment: DeploymentID) async throws -> ObservedDeployment

  /// Yields once at once, and then whenever what `observe` returns may have changed; ends by an error where the runtime
  /// can no longer tell. A deployment need not exist yet.
  func signals(from deployment: DeploymentID) -> AsyncThrowingStream<Void, any Error>

  /// Whether the nodes can be brought up at all; nothing is changed.
  ///
  /// - Throws: `noCapacity`, `conflict`, `unavailable`.
  func check(_ desired: DesiredDeployment) async throws

  /// Brings what a deployment has beside its nodes to what is asked for now: budgets, policies, the ways by which nodes
  /// are reached. A rollout calls it once, behind `check` and ahead of its first step. Nodes are left alone.
  func prepare(_ desired: DesiredDeployment) async throws

  /// Takes one step. A start returns once the replica is on its way, not when it is ready; a stop returns when the
  /// replica is gone.
  func apply(_ change: Change, to deployment: DeploymentID) async throws

  /// Lines that a replica logged.
  ///
  /// - Parameters:
  ///   - last: so many of the latest lines.
  ///   - follow: goes on with each new line until the replica is gone or the caller stops reading.
  /// - Throws: `notFound`.
  func logs(
    of replica: ReplicaID, in deployment: DeploymentID, last: Int, follow: Bool
  ) async throws -> AsyncThrowingStream<String, any Error>

  /// Runs a command where a replica runs, in its environment, and hands out each line that the command prints.
  ///
  /// - Throws: `notFound`, `notReady` where the replica does not run.
  func exec(
    _ command: [String], on replica: ReplicaID, in deployment: DeploymentID,
    output: @escaping @Sendable (String) -> Void
  ) async throws -> ExitStatus

  /// Private memory of a replica's server, bytes.
  ///
  /// - Throws: `notFound`, `notReady` where the replica does not run.
  func memoryBytes(of replica: ReplicaID, in deployment: DeploymentID) async throws -> Int64

  /// What a user should know of a deployment beside how its replicas are, in sentences: who starts them again when they
  /// end, and what they are held to.
  ///
  /// - Throws: `notFound`.
  func notes(on deployment: DeploymentID) async throws -> [String]

  /// Ends all replicas of a deployment and removes everything that belongs to it. Where there is nothing, nothing is
  /// done. It also works while the task is being cancelled.
  func stop(_ deployment: DeploymentID) async throws

  /// Makes the caller the only one that changes a deployment. The lock does not outlive its holder's process.
  ///
  /// - Parameter purpose: what the holder does, for the sentence that the second caller gets.
  /// - Throws: `conflict` at once where another caller holds the lock.
  func lock(_ deployment: DeploymentID, purpose: String) async throws -> any DeploymentLock
}

/// A deployment that is held by `Runtime.lock`.
public protocol DeploymentLock: Sendable {
  /// Gives the deployment free; later calls do nothing.
  func release() async
}

extension Runtime {
  public func prepare(_ desired: DesiredDeployment) async throws {}

  public func notes(on deployment: DeploymentID) async throws -> [String] { [] }

  /// What there is of a deployment, empty where there is nothing.
  public func observeOrEmpty(_ deployment: DeploymentID) async throws -> ObservedDeployment {
    do {
      return try await observe(deployment)
    } catch let error as RuntimeError where error.kind == .notFound {
      return ObservedDeployment(id: deployment, replicas: [])
    }
  }

  /// Runs `body`, and gives it up as soon as a replica of the deployment fails.
  ///
  /// - Throws: what `body` throws; `notReady` with the replica's problem.
  public func whileRunning<Result: Sendable>(
    _ deployment: DeploymentID, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for try await _ in self.signals(from: deployment) {
          let failed = try await self.observeOrEmpty(deployment).replicas.compactMap { replica -> NodeProblem? in
            if case .failed(let problem) = replica.phase { problem } else { nil }
          }
          if let problem = failed.first { throw RuntimeError(problem) }
        }
        return nil
      }
      defer { group.cancelAll() }
      while let first = try await group.next() {
        if let first { return first }
        // The signals ended: the body decides what it makes of that.
      }
      throw CancellationError()
    }
  }
}

/// The runtimes that a plan can be deployed to, as `--runtime` names them.
public enum RuntimeName: String, CaseIterable, Sendable {
  /// Processes of this machine.
  case local
  /// Containers of one host.
  case docker
  /// Pods of a Kubernetes cluster.
  case kubernetes

  /// `local, docker or kubernetes`
  public static var listed: String {
    let names = allCases.map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
  }
}
