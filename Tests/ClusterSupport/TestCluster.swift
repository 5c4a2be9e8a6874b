import Executor
import Foundation
import KubernetesRuntime
import Synchronization
import TestSupport

/// The cluster that `scripts/test-kubernetes` brings up; without it these tests say that they are skipped.
public enum TestCluster {
  private static let environment = ProcessInfo.processInfo.environment
  /// Folder of its state.
  public static let folder = environment["PLANNER_TEST_CLUSTER"] ?? ""
  public static let isUp = !folder.isEmpty
  public static let howTo = "no cluster is up; make test-cluster brings one up and runs these tests"
  /// The server with ten models, model0 to model9, in /models, and busybox beside it.
  public static let image = "localhost/model-server:test"
  public static let script = environment["PLANNER_TEST_CLUSTER_SCRIPT"] ?? "scripts/test-cluster"

  /// Type of the simulated machines, and how many there are.
  public static let simulatedType = "c7g.4xlarge"
  public static let simulatedCount = 60
  /// Type of the real ones.
  public static let realType = environment["REAL_TYPE"] ?? "local"

  public static let fast = RequestRate(perSecond: 500, burst: 500)

  public static func connection(_ file: String = "kubeconfig") throws -> ClusterConnection {
    try ClusterConnection.open(environment: ["KUBECONFIG": "\(folder)/\(file)"])
  }

  public static func open(
    _ namespace: String, image: String = image, rate: RequestRate = fast, kubeconfig: String = "kubeconfig",
    _ change: (inout KubernetesOptions) -> Void = { _ in }
  ) throws -> KubernetesRuntime {
    var options = KubernetesOptions(namespace: namespace, image: image)
    options.readyTimeoutSeconds = 120
    change(&options)
    return try KubernetesRuntime(try connection(kubeconfig), options, rate: rate)
  }

  @discardableResult
  public static func run(_ program: String, _ arguments: [String]) async throws -> String {
    let lines = Mutex<[String]>([])
    let errors = Mutex<[String]>([])
    let status = try await ChildProcess.run(
      program, arguments: arguments, environment: ["KUBECONFIG": "\(folder)/kubeconfig"],
      onStandardOutput: { line in lines.withLock { $0.append(line) } },
      onStandardError: { line in errors.withLock { $0.append(line) } })
    guard status.isSuccess else {
      throw ToolFailure("\(program) \(arguments): \(status) \(errors.withLock { $0 }) \(lines.withLock { $0 })")
    }
    return lines.withLock { $0.joined(separator: "\n") }
  }

  public struct ToolFailure: Error, CustomStringConvertible {
    public var description: String

    init(_ text: String) { description = text }
  }

  /// Asks the cluster by a tool that is not this program's.
  @discardableResult
  public static func kubectl(_ arguments: String...) async throws -> String { try await run(Tools.kubectl, arguments) }

  /// Names of everything that this program has made in a namespace.
  public static func left(in namespace: String) async throws -> String {
    try await kubectl(
      "-n", namespace, "get", "deployments,services,pods,replicasets,pdb,networkpolicies,serviceaccounts,leases", "-o",
      "name", "-l", "app.kubernetes.io/managed-by=planner")
  }

  /// Address of a Service within the cluster, which this machine reaches, too.
  public static func address(ofService name: String, in namespace: String) async throws -> String {
    try await kubectl("-n", namespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}") + ":8080"
  }

  /// A namespace of its own, which is gone behind the body, whether or not that fails.
  public static func withNamespace(_ body: (String) async throws -> Void) async throws {
    let namespace = newNamespace()
    var failure: (any Error)?
    do { try await body(namespace) } catch { failure = error }
    await remove(namespace)
    if let failure { throw failure }
  }

  /// A runtime in a namespace of its own; both are gone behind the body, whether or not that fails.
  ///
  /// - Parameter deployment: what is stopped then; nil leaves it to the end of the namespace.
  public static func withRuntime(
    image: String = image, rate: RequestRate = fast, ending deployment: DeploymentID? = nil,
    change: (inout KubernetesOptions) -> Void = { _ in }, _ body: (KubernetesRuntime, String) async throws -> Void
  ) async throws {
    try await withNamespace { namespace in
      let runtime = try open(namespace, image: image, rate: rate, change)
      var failure: (any Error)?
      do { try await body(runtime, namespace) } catch { failure = error }
      if let deployment { try? await runtime.stop(deployment) }
      await runtime.shutdown()
      if let failure { throw failure }
    }
  }

  public static func newNamespace() -> String { "t-\(UInt32.random(in: 0 ... .max))" }

  public static func remove(_ namespace: String) async {
    _ = try? await kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")
  }

  /// Node's socket and the container that is the server of a pod.
  public static func container(of pod: String, in namespace: String) async throws -> (socket: String, id: String) {
    let text = try await kubectl(
      "-n", namespace, "get", "pod", pod, "-o",
      "jsonpath={.spec.nodeName} {.status.containerStatuses[0].containerID}")
    let parts = text.split(separator: " ").map(String.init)
    guard parts.count == 2, let id = parts[1].split(separator: "/").last else { throw ToolFailure(text) }
    return ("\(folder)/\(parts[0])/containerd.sock", String(id))
  }
}
