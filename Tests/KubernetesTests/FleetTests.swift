import ClusterSupport
import Executor
import Foundation
import KubernetesRuntime
import TestSupport
import Testing

/// Fleets on machines that the real scheduler sees and nobody pays for.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)"))
struct FleetTests {
  private static func fleet(_ count: Int, name: String = "fleet", models: Int = 50) -> DesiredDeployment {
    DesiredDeployment(
      DeploymentID(name)!,
      nodes: (0..<count).map { node in
        DesiredNode(
          NodeID(index: node),
          NodeSettings(
            repository: "s3://bucket/models", models: (0..<models).map { "model\(node * models + $0)" }, workers: 8,
            threadsPerWorker: 2, memoryBytes: 20 << 30, instanceType: TestCluster.simulatedType))
      })
  }

  private func withRuntime(
    rate: RequestRate = TestCluster.fast, _ change: (inout KubernetesOptions) -> Void = { _ in },
    _ body: (KubernetesRuntime, String) async throws -> Void
  ) async throws {
    try await TestCluster.withRuntime(image: "example.com/server:1", rate: rate, change: change, body)
  }

  private static func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
  }

  /// 3,000 models on 60 machines of one type, at client-go's default rate.
  @Test func aFleetOfSixtyIsPlacedByTheScheduler() async throws {
    try await withRuntime(rate: .standard) { runtime, namespace in
      let desired = Self.fleet(TestCluster.simulatedCount)
      let (began, processor) = (ContinuousClock.now, Self.processorSeconds())
      var rollout = Rollout(runtime)
      rollout.timeLimit = .seconds(300)
      let found = try await rollout.run(desired)
      let wall = (ContinuousClock.now - began) / .seconds(1)
      let own = Self.processorSeconds() - processor
      let requests = runtime.requests
      let verbs = requests.byVerb.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
      print(
        "fleet of \(desired.nodes.count): \(wall) s, processor \(own) s, \(requests.total) requests (\(verbs)), which "
          + "waited \(requests.waitedSeconds) s for their rate")
      #expect(found.replicas.count == 60 && found.replicas.allSatisfy { $0.phase.isReady })
      // Two requests for each node, and what is asked once.
      #expect(requests.total <= 2 * 60 + 40)
      #expect(own < 10)
      let placed = try await TestCluster.kubectl(
        "-n", namespace, "get", "pods", "-o", "jsonpath={range .items[*]}{.spec.nodeName}{\"\\n\"}{end}")
      #expect(Set(placed.split(separator: "\n")).count == 60)
      // Nothing to do costs nothing but looking.
      let before = runtime.requests.byVerb["patch", default: 0]
      #expect(try await rollout.run(desired) == found)
      #expect(runtime.requests.byVerb["patch"] == before)
      let stopBegan = ContinuousClock.now
      try await runtime.stop(desired.id)
      print("stopped in \((ContinuousClock.now - stopBegan) / .seconds(1)) s")
      #expect(try await TestCluster.left(in: namespace).isEmpty)
    }
  }

  @Test func oneMachineTooFewIsSaidBeforeAnythingIsApplied() async throws {
    try await withRuntime { runtime, namespace in
      let desired = Self.fleet(TestCluster.simulatedCount + 1)
      let error = await #expect(throws: RuntimeError.self) { try await Rollout(runtime).run(desired) }
      #expect(error?.kind == .noCapacity && error?.message.contains("1 of 61 nodes have no place (node-60)") == true)
      let left = try await TestCluster.left(in: namespace)
      #expect(left.isEmpty)
      let other = Self.fleet(1).nodes.map { node in
        var settings = node.settings
        settings.instanceType = "r7g.metal"
        return DesiredNode(node.id, settings)
      }
      let missing = await #expect(throws: RuntimeError.self) {
        try await runtime.check(DesiredDeployment(desired.id, nodes: other))
      }
      #expect(missing?.message.contains("no machine of type r7g.metal") == true)
      #expect(missing?.message.contains("60 × c7g.4xlarge") == true)
    }
  }

  /// A time limit is looked at whenever something changes: here something does.
  private static func run(_ rollout: Rollout, _ desired: DesiredDeployment, touchingPodsOf namespace: String)
    async throws
  {
    let touching = Task {
      for value in 0..<60 {
        try await Task.sleep(for: .seconds(1))
        try await TestCluster.kubectl(
          "-n", namespace, "annotate", "pods", "--all", "--overwrite", "test=\(value)")
      }
    }
    defer { touching.cancel() }
    try await rollout.run(desired)
  }

  /// With an autoscaler the scheduler has the last word, and names exactly the pod that is left over.
  @Test func onePodTooManyIsPendingAndNamed() async throws {
    try await withRuntime {
      $0.machinesComeOnDemand = true
    } _: { runtime, namespace in
      let desired = Self.fleet(TestCluster.simulatedCount + 1, models: 2)
      var rollout = Rollout(runtime)
      rollout.timeLimit = .seconds(20)
      let error = await #expect(throws: RuntimeError.self) {
        try await Self.run(rollout, desired, touchingPodsOf: namespace)
      }
      #expect(
        error?.kind == .notReady && error?.message.contains("1 of 61 nodes are not ready") == true,
        "\(error?.message ?? "")")
      #expect(error?.message.contains("Insufficient memory") == true)
      let found = try await runtime.observe(desired.id)
      let waiting = found.replicas.filter { !$0.phase.isReady }
      #expect(found.replicas.count == 61 && waiting.count == 1)
      #expect(waiting.first?.problem?.kind == .noCapacity)
      let pending = try await TestCluster.kubectl(
        "-n", namespace, "get", "pods", "--field-selector=status.phase=Pending", "-o", "name")
      #expect(pending.split(separator: "\n").count == 1)
      try await runtime.stop(desired.id)
    }
  }

  @Test func twoHundredCyclesLeaveNothing() async throws {
    try await withRuntime { runtime, namespace in
      let desired = Self.fleet(1, name: "cycle", models: 2)
      for cycle in 0..<200 {
        try await Rollout(runtime).run(desired)
        try await runtime.stop(desired.id)
        if cycle % 50 == 49 { #expect(try await runtime.deployments().isEmpty) }
      }
      var left = try await TestCluster.left(in: namespace)
      for _ in 0..<100 where !left.isEmpty {
        try await Task.sleep(for: .milliseconds(100))
        left = try await TestCluster.left(in: namespace)
      }
      #expect(left.isEmpty, "\(left)")
    }
  }

  /// A run that ends at any step, without a word, is gone on from by another.
  @Test func whatOneRunBeganAnotherEnds() async throws {
    try await withRuntime { runtime, namespace in
      let desired = Self.fleet(6, name: "resumed", models: 2)
      for steps in 0..<6 {
        let other = try TestCluster.open(namespace, image: "example.com/server:1")
        for node in desired.nodes.prefix(steps) { try await other.apply(.start(node), to: desired.id) }
        // What lies between the two requests of a step: a Service whose Deployment is missing, and the other way round.
        if steps > 0 {
          let name = "resumed-\(steps - 1)"
          try await TestCluster.kubectl("-n", namespace, "delete", steps % 2 == 0 ? "service" : "deployment", name)
        }
        await other.shutdown()
        let found = try await Rollout(runtime).run(desired)
        #expect(found.replicas.map(\.id) == desired.nodes.map(\.replica).sorted())
        let services = try await TestCluster.kubectl("-n", namespace, "get", "services", "-o", "name")
        #expect(services.split(separator: "\n").count == 6)
        try await runtime.stop(desired.id)
      }
    }
  }

  // MARK: Others' objects, rights, locks

  @Test func whatOthersMadeIsNeverTouched() async throws {
    try await withRuntime { runtime, namespace in
      try await TestCluster.kubectl("create", "namespace", namespace)
      try await TestCluster.kubectl("-n", namespace, "create", "service", "clusterip", "fleet-1", "--tcp=80:80")
      try await TestCluster.kubectl("-n", namespace, "create", "deployment", "fleet-0", "--image=example.com/x")
      func others() async throws -> String {
        try await TestCluster.kubectl(
          "-n", namespace, "get", "service/fleet-1", "deployment/fleet-0", "-o",
          "jsonpath={.items[*].metadata.labels} {.items[*].spec.selector}")
      }
      let before = try await others()
      let desired = Self.fleet(2, models: 2)
      let error = await #expect(throws: RuntimeError.self) { try await Rollout(runtime).run(desired) }
      #expect(error?.kind == .conflict && error?.message.contains("did not create") == true)
      for node in desired.nodes {
        let step = await #expect(throws: RuntimeError.self) { try await runtime.apply(.start(node), to: desired.id) }
        #expect(step?.kind == .conflict)
      }
      try await runtime.stop(desired.id)
      #expect(try await others() == before)
      #expect(try await TestCluster.left(in: namespace).isEmpty)
    }
  }

  /// The rights that the manifests write out are all that is needed.
  @Test func theRightsThatAreWrittenOutAreEnoughAndOthersAreNamed() async throws {
    let namespace = TestCluster.newNamespace()
    let limited = try TestCluster.open(namespace, image: "example.com/server:1", kubeconfig: "limited.kubeconfig")
    let desired = Self.fleet(2, models: 2)
    let refused = await #expect(throws: RuntimeError.self) { try await Rollout(limited).run(desired) }
    #expect(
      refused?.kind == .unavailable && refused?.message.contains("create deployments.apps") == true,
      "\(refused?.message ?? "")")
    #expect(refused?.remedy.contains("administrator") == true)
    let folder = try TemporaryFolder()
    var options = KubernetesOptions(namespace: namespace, image: "example.com/server:1")
    options.readyTimeoutSeconds = 60
    let file = try folder.file(
      "administrator.yaml",
      try DeploymentManifests(desired, options).administratorFile.text
        .replacing("kind: Group\n  name: planner", with: "kind: User\n  name: limited"))
    try await TestCluster.kubectl("apply", "-f", file)
    // A controller takes a moment to let new rules hold.
    let lock = try await limited.lock(desired.id, purpose: "test")
    let found = try await Rollout(limited).run(desired)
    #expect(found.replicas.allSatisfy { $0.phase.isReady })
    #expect(try await limited.deployments() == [desired.id])
    try await limited.stop(desired.id)
    await lock.release()
    #expect(try await TestCluster.left(in: namespace).isEmpty)
    try await TestCluster.kubectl("delete", "-f", file, "--wait=false")
  }

  @Test func aQuotaIsSaidBeforeAnythingIsApplied() async throws {
    try await withRuntime { runtime, namespace in
      try await TestCluster.kubectl("create", "namespace", namespace)
      try await TestCluster.kubectl("-n", namespace, "create", "quota", "team", "--hard=requests.memory=30Gi")
      for _ in 0..<50 {
        let hard = try await TestCluster.kubectl(
          "-n", namespace, "get", "quota", "team", "-o", "jsonpath={.status.hard}")
        if !hard.isEmpty { break }
        try await Task.sleep(for: .milliseconds(100))
      }
      let error = await #expect(throws: RuntimeError.self) { try await runtime.check(Self.fleet(2, models: 2)) }
      #expect(error?.kind == .noCapacity && error?.message.contains("'team'") == true)
      try await runtime.check(Self.fleet(1, models: 2))
      // Whoever goes on all the same is told by the cluster.
      for node in Self.fleet(2, models: 2).nodes { try await runtime.apply(.start(node), to: DeploymentID("fleet")!) }
      var problem: NodeProblem?
      for _ in 0..<100 where problem == nil {
        problem = try await runtime.observe(DeploymentID("fleet")!).replicas.compactMap(\.problem).first
        try await Task.sleep(for: .milliseconds(100))
      }
      #expect(problem?.kind == .noCapacity && problem?.message.contains("exceeded quota") == true)
      try await runtime.stop(DeploymentID("fleet")!)
    }
  }

  /// A lock whose holder was killed stands for a while, and then is anybody's.
  @Test func theLockOfAKilledRunEnds() async throws {
    let namespace = TestCluster.newNamespace()
    let deployment = DeploymentID("shop")!
    do {
      let killed = try TestCluster.open(namespace)
      _ = try await killed.lock(deployment, purpose: "a run that is killed")
      await killed.shutdown()
    }
    let next = try TestCluster.open(namespace)
    let error = await #expect(throws: RuntimeError.self) { try await next.lock(deployment, purpose: "the next") }
    #expect(error?.kind == .conflict && error?.message.contains("a run that is killed") == true)
    var lock: (any DeploymentLock)?
    for _ in 0..<60 where lock == nil {
      try await Task.sleep(for: .seconds(1))
      lock = try? await next.lock(deployment, purpose: "the next")
    }
    #expect(lock != nil)
    // It is renewed for as long as its holder lives.
    try await Task.sleep(for: .seconds(20))
    let third = try TestCluster.open(namespace)
    let held = await #expect(throws: RuntimeError.self) { try await third.lock(deployment, purpose: "a third") }
    #expect(held?.kind == .conflict)
    await lock?.release()
    #expect(try await TestCluster.left(in: namespace).isEmpty)
    await TestCluster.remove(namespace)
  }

  // MARK: Tools of others

  /// The objects are those that `kubectl apply` would make: what it would change of a running deployment is nothing.
  @Test func kubectlAgrees() async throws {
    try await withRuntime { runtime, namespace in
      let desired = Self.fleet(2, models: 3)
      try await Rollout(runtime).run(desired)
      let folder = try TemporaryFolder()
      var options = runtime.options
      options.minorVersion = 20
      let manifests = try DeploymentManifests(desired, options)
      var files: [String] = []
      for path in try manifests.write(to: folder.path) {
        // This cluster is older than the budget's version.
        let text = try String(contentsOfFile: path, encoding: .utf8).replacing("policy/v1\n", with: "policy/v1beta1\n")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        files.append(path)
      }
      try await TestCluster.kubectl("apply", "--dry-run=client", "-k", folder.path + "/base")
      // Exit code 0 says that nothing differs.
      let nodes = files.filter { $0.contains("/base/fleet-") }
      #expect(nodes.count == 2)
      for file in nodes {
        try await TestCluster.kubectl("diff", "--server-side", "--field-manager=planner", "-f", file)
      }
      try await runtime.stop(desired.id)
    }
  }
}
