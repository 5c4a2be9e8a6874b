import ClusterSupport
import Executor
import Foundation
import KubernetesRuntime
import Testing

/// What only pods have: Services that lead to one of two replicas, commands through the API, crashes that the cluster
/// mends by itself. What every runtime does is held by `RuntimeContractTests`.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)"))
struct PodTests {
  private static let shop = DeploymentID("shop")!

  private static func node(_ models: [String] = ["model0"]) -> DesiredNode {
    DesiredNode(
      NodeID(index: 0),
      NodeSettings(
        repository: "/models", models: models, workers: 1, threadsPerWorker: 1,
        environment: ["OMP_NUM_THREADS": "1"], memoryBytes: 200 << 20, instanceType: TestCluster.realType))
  }

  private func withRuntime(_ body: (KubernetesRuntime, String) async throws -> Void) async throws {
    try await TestCluster.withRuntime(ending: Self.shop, body)
  }

  private func up(_ node: DesiredNode, _ runtime: KubernetesRuntime) async throws {
    try await runtime.apply(.start(node), to: Self.shop)
    try await ready(node, runtime)
  }

  private func ready(_ node: DesiredNode, _ runtime: KubernetesRuntime) async throws {
    for _ in 0..<1200 {
      if try await runtime.observe(Self.shop).replica(node.replica)?.phase.isReady == true { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("\(node.replica) was not ready within two minutes")
  }

  /// A node's Service leads to the old replica until that goes, and to the new one from then on.
  @Test func aServiceLeadsToOneReplica() async throws {
    try await withRuntime { runtime, namespace in
      let (old, new) = (Self.node(), Self.node(["model0", "model1"]))
      func slot() async throws -> String {
        try await TestCluster.kubectl(
          "-n", namespace, "get", "service", "shop-0", "-o", "jsonpath={.spec.selector.planner/slot}")
      }
      try await up(old, runtime)
      try await up(new, runtime)
      #expect(try await slot() == "shop-0")
      try await runtime.apply(.stop(old.replica), to: Self.shop)
      #expect(try await slot() == "shop-0-\(new.replica.revision)")
    }
  }

  @Test func theClusterStartsWhatCrashedAgain() async throws {
    try await withRuntime { runtime, namespace in
      let node = Self.node()
      try await up(node, runtime)
      let pod = try await runtime.observe(Self.shop).replicas[0].handle.dropFirst("pod ".count)
      let (socket, id) = try await TestCluster.container(of: String(pod), in: namespace)
      try await TestCluster.run("/usr/bin/ctr", ["-a", socket, "-n", "k8s.io", "tasks", "kill", "-s", "9", id])
      for _ in 0..<600 {
        if try await runtime.observe(Self.shop).replicas[0].phase.isReady == false { break }
        try await Task.sleep(for: .milliseconds(50))
      }
      try await ready(node, runtime)
      #expect(try await TestCluster.container(of: String(pod), in: namespace).id != id)
    }
  }

  /// Nothing of a command goes through a shell, and nothing may be written.
  @Test func commandsAreNoShells() async throws {
    try await withRuntime { runtime, _ in
      let node = Self.node()
      try await up(node, runtime)
      let literal = try await runtime.exec(
        ["/bin/busybox", "touch", "/x; $(id)"], on: node.replica, in: Self.shop
      ) { #expect($0.contains("Read-only") && $0.contains("$(id)")) }
      #expect(literal == .exited(1))
      let missing = await #expect(throws: RuntimeError.self) {
        try await runtime.exec(["/no/such/program"], on: node.replica, in: Self.shop) { _ in }
      }
      #expect(missing?.kind == .unavailable)
    }
  }
}
