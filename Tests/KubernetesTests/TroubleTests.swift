import ClusterSupport
import Executor
import Foundation
import KubernetesRuntime
import Testing

/// What goes wrong on real machines, and how nodes are asked there.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)"))
struct TroubleTests {
  private static func node(_ index: Int = 0, models: [String] = ["model0"], memoryBytes: Int64 = 200 << 20)
    -> DesiredNode
  {
    DesiredNode(
      NodeID(index: index),
      NodeSettings(
        repository: "/models", models: models, workers: 1, threadsPerWorker: 1,
        environment: ["OMP_NUM_THREADS": "1"], memoryBytes: memoryBytes, instanceType: TestCluster.realType))
  }

  private static let shop = DeploymentID("shop")!

  private func withRuntime(
    image: String = TestCluster.image, _ change: (inout KubernetesOptions) -> Void = { _ in },
    _ body: (KubernetesRuntime, String) async throws -> Void
  ) async throws {
    try await TestCluster.withRuntime(image: image, ending: Self.shop, change: change, body)
  }

  private func problem(_ runtime: KubernetesRuntime, _ isMeant: (NodeProblem) -> Bool) async throws -> NodeProblem? {
    for _ in 0..<900 {
      let found = try await runtime.observe(Self.shop).replicas.compactMap(\.problem).first(where: isMeant)
      if let found { return found }
      try await Task.sleep(for: .milliseconds(100))
    }
    return nil
  }

  @Test func anImageThatIsNotThereIsNamed() async throws {
    try await withRuntime(image: "localhost:1/nobody/nothing:1") { runtime, _ in
      try await runtime.apply(.start(Self.node()), to: Self.shop)
      let found = try await problem(runtime) { $0.kind == .image }
      #expect(found?.message.contains("localhost:1/nobody/nothing:1") == true)
      let error = await #expect(throws: RuntimeError.self) {
        try await Rollout(runtime).run(DesiredDeployment(Self.shop, nodes: [Self.node()]))
      }
      #expect(error?.message.contains("its image cannot be had") == true)
    }
  }

  @Test func aNodeWithTooLittleMemorySaysSo() async throws {
    try await withRuntime {
      // The machine has nothing beyond what the node is said to need.
      $0.machines = [TestCluster.realType: .init(milliCPU: 1000, memoryBytes: 24 << 20)]
    } _: { runtime, _ in
      try await runtime.apply(.start(Self.node(memoryBytes: 24 << 20)), to: Self.shop)
      let found = try await problem(runtime) { $0.kind == .outOfMemory }
      #expect(found?.message.contains("lack of memory") == true)
    }
  }

  /// The guidance's URL answers: by name from a pod, which asks the cluster's DNS, through the Service.
  @Test func theGuidancesURLsAnswer() async throws {
    try await withRuntime { runtime, namespace in
      let desired = DesiredDeployment(Self.shop, nodes: [Self.node(0), Self.node(1, models: ["model1"])])
      try await Rollout(runtime).run(desired)
      let url = "http://shop-1.\(namespace).svc.cluster.local:8080/"
      for (path, words) in [("", "Healthy"), ("predictions/model1?seq_0=who&seq_1=the+engine", "detail")] {
        var text = ""
        let (lines, feed) = AsyncStream.makeStream(of: String.self)
        let status = try await runtime.exec(
          ["/bin/busybox", "wget", "-q", "-O", "-", url + path], on: desired.nodes[0].replica, in: Self.shop
        ) { feed.yield($0) }
        feed.finish()
        for await line in lines { text += line }
        #expect(status.isSuccess && text.contains(words), "\(path): \(text)")
      }
    }
  }

  /// A machine that is not heard of any more is named, and so is what becomes of its pod.
  @Test func aMachineThatIsLostIsNamed() async throws {
    try await withRuntime { runtime, namespace in
      try await Rollout(runtime).run(DesiredDeployment(Self.shop, nodes: [Self.node()]))
      let machine = try await TestCluster.kubectl(
        "-n", namespace, "get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
      let number = String(machine.dropFirst("node".count))
      try await TestCluster.run(TestCluster.script, ["stop-node", number])
      let found = try await problem(runtime) { $0.kind == .lost }
      #expect(found?.message.contains(machine) == true)
      try await TestCluster.run(TestCluster.script, ["start-node", number])
      for _ in 0..<900 {
        if try await runtime.observe(Self.shop).replicas.allSatisfy({ $0.phase.isReady }) { break }
        try await Task.sleep(for: .milliseconds(100))
      }
      #expect(try await runtime.observe(Self.shop).replicas.allSatisfy { $0.phase.isReady })
    }
  }

  /// Watches are taken up again where the API server was away.
  @Test func aRolloutOutlivesARestartOfTheAPIServer() async throws {
    try await withRuntime { runtime, _ in
      let desired = DesiredDeployment(Self.shop, nodes: [Self.node(0), Self.node(1)])
      let task = Task { try await Rollout(runtime).run(desired) }
      try await Task.sleep(for: .milliseconds(500))
      try await TestCluster.run(TestCluster.script, ["restart-api"])
      let found = try await task.value
      #expect(found.replicas.count == 2 && found.replicas.allSatisfy { $0.phase.isReady })
    }
  }
}
