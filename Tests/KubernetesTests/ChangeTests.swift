import ClusterSupport
import Executor
import Foundation
import KubernetesRuntime
import Testing

/// What would change, and what changes without touching a node. Pods are on machines that nobody pays for.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)"))
struct ChangeTests {
  private static func fleet(_ count: Int, models: Int = 2, image: String? = nil) -> DesiredDeployment {
    DesiredDeployment(
      DeploymentID("fleet")!,
      settings: (0..<count).map { node in
        NodeSettings(
          repository: "s3://bucket/models", models: (0..<models).map { "model\(10 * node + $0)" }, workers: 2,
          threadsPerWorker: 1, memoryBytes: 2 << 30, instanceType: TestCluster.simulatedType, image: image)
      })
  }

  private static func open(
    _ namespace: String, _ change: (inout KubernetesOptions) -> Void = { _ in }
  ) throws -> KubernetesRuntime {
    try TestCluster.open(namespace, image: "example.com/server:1", change)
  }

  /// Versions of all objects of the deployment: none changes where nothing is kept.
  private func versions(_ namespace: String) async throws -> String {
    try await TestCluster.kubectl(
      "-n", namespace, "get", "deployments,services,pdb,networkpolicies,ingresses", "-l",
      "app.kubernetes.io/managed-by=planner", "-o",
      "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation} {.spec.selector}{\"\\n\"}{end}")
  }

  @Test func aDryRunSaysWhatWouldChangeAndChangesNothing() async throws {
    try await TestCluster.withNamespace { namespace in
      let runtime = try Self.open(namespace)
      let first = Self.fleet(2)
      let new = try await runtime.dryRun(first)
      #expect(
        new.compactMap(\.newName) == [
          "PodDisruptionBudget/fleet", "NetworkPolicy/fleet", "Service/fleet-0", "Deployment/fleet-0",
          "Service/fleet-1", "Deployment/fleet-1",
        ])
      #expect(new.allSatisfy { $0.before == nil && $0.after?.isEmpty == false })
      #expect(
        try await TestCluster.kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name").isEmpty)
      try await Rollout(runtime).run(first)
      #expect(try await runtime.dryRun(first).isEmpty)
      let before = try await versions(namespace)
      var second = first
      second.nodes[1].settings.models.append("another")
      let changed = try await runtime.dryRun(second)
      #expect(changed.map(\.oldName) == ["Service/fleet-1", "Deployment/fleet-1"])
      let deployment = try #require(changed.last)
      #expect(deployment.newName == "Deployment/fleet-1-\(second.nodes[1].replica.revision)")
      #expect(deployment.after?.contains("another") == true && deployment.before?.contains("another") == false)
      for text in [deployment.before, deployment.after] {
        #expect(text?.contains("managedFields") == false && text?.contains("status:") == false)
      }
      #expect(try await versions(namespace) == before)
      try await runtime.stop(first.id)
    }
  }

  /// Ways to reach nodes come and go while pods stay the same; who ends the deployment need not know of them.
  @Test func waysToReachNodesChangeAndNodesStay() async throws {
    try await TestCluster.withNamespace { namespace in
      let desired = Self.fleet(2)
      func pods() async throws -> String {
        try await TestCluster.kubectl("-n", namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
      }
      func hosts() async throws -> String {
        try await TestCluster.kubectl(
          "-n", namespace, "get", "ingresses", "-o", "jsonpath={.items[*].spec.rules[0].host}")
      }
      func types() async throws -> String {
        try await TestCluster.kubectl("-n", namespace, "get", "services", "-o", "jsonpath={.items[*].spec.type}")
      }
      try await Rollout(try Self.open(namespace)).run(desired)
      let before = try await pods()
      let outside = try Self.open(namespace) {
        $0.exposure = .ingress(domain: "models.example.com", className: nil)
      }
      #expect(try await outside.dryRun(desired).compactMap(\.newName) == ["Ingress/fleet-0", "Ingress/fleet-1"])
      try await Rollout(outside).run(desired)
      #expect(try await hosts() == "fleet-0.models.example.com fleet-1.models.example.com")
      let elsewhere = try Self.open(namespace) { $0.exposure = .ingress(domain: "example.org", className: nil) }
      try await Rollout(elsewhere).run(desired)
      #expect(try await hosts() == "fleet-0.example.org fleet-1.example.org")
      let balanced = try Self.open(namespace) { $0.exposure = .loadBalancer }
      #expect(try await balanced.dryRun(desired).compactMap(\.oldName).count == 4)
      try await Rollout(balanced).run(desired)
      #expect(try await hosts().isEmpty)
      #expect(try await types() == "LoadBalancer LoadBalancer")
      try await Rollout(outside).run(desired)
      #expect(try await types() == "ClusterIP ClusterIP")
      #expect(try await pods() == before)
      // One who only looks ends it, and all that belongs to it.
      let looking = try KubernetesRuntime(TestCluster.connection(), .looking(at: namespace), rate: TestCluster.fast)
      try await looking.stop(desired.id)
      #expect(try await hosts().isEmpty)
      #expect(try await TestCluster.left(in: namespace).isEmpty)
    }
  }

  /// The account that an IAM role is given goes with the deployment, and so does what a run that was cut off at its
  /// very beginning has left.
  @Test func whoEndsItNeedNotKnowWhatWasAskedFor() async throws {
    try await TestCluster.withNamespace { namespace in
      let runtime = try Self.open(namespace) { $0.roleARN = "arn:aws:iam::123456789012:role/models" }
      try await runtime.prepare(Self.fleet(1))
      #expect(try await TestCluster.left(in: namespace).contains("serviceaccount/fleet"))
      let looking = try KubernetesRuntime(TestCluster.connection(), .looking(at: namespace), rate: TestCluster.fast)
      let lock = try await looking.lock(DeploymentID("fleet")!, purpose: "test")
      try await looking.stop(DeploymentID("fleet")!)
      await lock.release()
      #expect(try await TestCluster.left(in: namespace).isEmpty)
    }
  }

  /// Ending what is not there makes nothing, not even the namespace in which its lock would lie.
  @Test func nothingIsMadeToEndWhatIsNotThere() async throws {
    try await TestCluster.withNamespace { namespace in
      let looking = try KubernetesRuntime(TestCluster.connection(), .looking(at: namespace), rate: TestCluster.fast)
      let lock = try await looking.lock(DeploymentID("fleet")!, purpose: "test")
      try await looking.stop(DeploymentID("fleet")!)
      await lock.release()
      #expect(
        try await TestCluster.kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name").isEmpty)
    }
  }
}
