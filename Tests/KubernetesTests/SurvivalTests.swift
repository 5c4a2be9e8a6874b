import ClusterSupport
import Executor
import Foundation
import KubernetesRuntime
import Testing

/// What a deployment outlives while it is asked 200 times a second. Two nodes serve the same models on two machines: no
/// request may be lost.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)"))
struct SurvivalTests {
  private static let shop = DeploymentID("shop")!
  private static let both = ["model0", "model1"]

  private static func desired(_ models: [String] = Self.both) -> DesiredDeployment {
    let settings = NodeSettings(
      repository: "/models", models: models, workers: 1, threadsPerWorker: 1, environment: ["OMP_NUM_THREADS": "1"],
      memoryBytes: 200 << 20, instanceType: TestCluster.realType)
    return DesiredDeployment(shop, settings: [settings, settings])
  }

  /// Brings two nodes up, does something to them under load, and goes on until both are ready again.
  private func underLoad(
    _ name: String, of desired: DesiredDeployment = Self.desired(),
    _ disturb: (KubernetesRuntime, String) async throws -> Void
  ) async throws {
    let namespace = TestCluster.newNamespace()
    let runtime = try TestCluster.open(namespace)
    var failure: (any Error)?
    do {
      try await Rollout(runtime).run(Self.desired())
      let hosts = [
        try await TestCluster.address(ofService: "shop-0", in: namespace),
        try await TestCluster.address(ofService: "shop-1", in: namespace),
      ]
      let load = try SteadyLoad(hosts, path: "/predictions/model0?seq_0=who&seq_1=the+engine")
      load.start(perSecond: 200)
      do {
        try await Task.sleep(for: .seconds(2))
        try await disturb(runtime, namespace)
        try await settle(desired, runtime)
        try await Task.sleep(for: .seconds(3))
      } catch {
        failure = error
      }
      let result = await load.stop()
      print("\(name): \(result.sent) requests, \(result.retried) asked again, \(result.lost.count) lost")
      #expect(result.sent >= 800 && result.answered == result.sent)
      #expect(result.lost.isEmpty, "\(result.lost.prefix(5))")
    } catch {
      failure = error
    }
    try? await runtime.stop(Self.shop)
    await TestCluster.remove(namespace)
    await runtime.shutdown()
    if let failure { throw failure }
  }

  private func settle(_ desired: DesiredDeployment, _ runtime: KubernetesRuntime) async throws {
    for _ in 0..<1800 {
      let found = try await runtime.observeOrEmpty(Self.shop)
      if desired.nodes.allSatisfy({ found.replica($0.replica)?.phase.isReady == true }) { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("not all nodes were ready again within three minutes")
  }

  /// The machine that a node's pod runs on.
  private func machine(of node: String, _ namespace: String) async throws -> String {
    try await TestCluster.kubectl(
      "-n", namespace, "get", "pods", "-l", "planner/node=\(node)", "-o", "jsonpath={.items[0].spec.nodeName}")
  }

  @Test func theNodesAreOnTwoMachinesAndAPodMayBeDeleted() async throws {
    try await underLoad("a deleted pod") { _, namespace in
      let machines = [try await machine(of: "node-0", namespace), try await machine(of: "node-1", namespace)]
      #expect(Set(machines).count == 2)
      try await TestCluster.kubectl("-n", namespace, "delete", "pod", "-l", "planner/node=node-0")
    }
  }

  /// A pod that is killed without a word.
  @Test func aPodMayBeKilled() async throws {
    try await underLoad("a killed pod") { _, namespace in
      try await TestCluster.kubectl(
        "-n", namespace, "delete", "pod", "-l", "planner/node=node-0", "--grace-period=0", "--force")
    }
  }

  @Test func aMachineMayBeDrained() async throws {
    try await underLoad("a drained machine") { _, namespace in
      let machine = try await machine(of: "node-0", namespace)
      try await TestCluster.kubectl(
        "drain", machine, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
      try await TestCluster.kubectl("uncordon", machine)
    }
  }

  @Test func anUpdateOfThePlanLosesNothing() async throws {
    let next = Self.desired(Self.both + ["model2"])
    try await underLoad("an update of the plan", of: next) { runtime, _ in
      let found = try await Rollout(runtime).run(next)
      #expect(found.replicas.map(\.id) == next.nodes.map(\.replica).sorted())
    }
  }

  /// The program that rolls out and the cluster's API go away in the middle, and come back.
  @Test func theAPIServerMayBeRestartedDuringAnUpdate() async throws {
    let next = Self.desired(Self.both + ["model2"])
    try await underLoad("a restart of the API server", of: next) { runtime, _ in
      async let found = Rollout(runtime).run(next)
      try await Task.sleep(for: .milliseconds(500))
      try await TestCluster.run(TestCluster.script, ["restart-api"])
      let settled = try await found
      #expect(settled.replicas.count == 2)
    }
  }

  @Test func aMachineMayBeCutOffForAMinute() async throws {
    try await underLoad("a machine that is cut off") { _, namespace in
      let number = String(try await machine(of: "node-0", namespace).dropFirst("node".count))
      try await TestCluster.run(TestCluster.script, ["cut-node", number])
      try await Task.sleep(for: .seconds(60))
      try await TestCluster.run(TestCluster.script, ["mend-node", number])
    }
  }
}
