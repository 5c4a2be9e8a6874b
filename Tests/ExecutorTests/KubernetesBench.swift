import ClusterSupport
import Executor
import Foundation
import KubernetesRuntime
import Testing

/// Pods of the real server for the contract of runtimes, on the cluster of the tests.
enum KubernetesBench {
  /// Models of the image by their names in the contract.
  private static let models = ["a": "model0", "b": "model1", "c": "model2"]

  static func make() throws -> RuntimeContractTests.Bench {
    let namespace = TestNamespace()
    let name = namespace.name
    let (runtime, another) = (try TestCluster.open(name), try TestCluster.open(name))
    @Sendable func settings(_ models: [String]) -> NodeSettings {
      NodeSettings(
        repository: "/models", models: models, workers: 1, threadsPerWorker: 1,
        environment: ["SETTING": RuntimeContractTests.Bench.setting, "OMP_NUM_THREADS": "1"],
        memoryBytes: 200 << 20, instanceType: TestCluster.realType)
    }
    @Sendable func container(_ replica: ReplicaID) async throws -> (socket: String, id: String) {
      let handle = try await runtime.observe(DeploymentID("shop")!).replica(replica)?.handle ?? ""
      return try await TestCluster.container(of: String(handle.dropFirst("pod ".count)), in: name)
    }
    var bench = RuntimeContractTests.Bench(
      runtime: runtime, another: another, settings: { settings($0.compactMap { models[$0] }) },
      broken: settings(["no such model"]),
      // The process ends as the kernel would end it.
      crash: { replica in
        let (socket, id) = try await container(replica)
        try await TestCluster.run("/usr/bin/ctr", ["-a", socket, "-n", "k8s.io", "tasks", "kill", "-s", "9", id])
      },
      say: { text, replica in
        let (socket, id) = try await container(replica)
        let tasks = try await TestCluster.run("/usr/bin/ctr", ["-a", socket, "-n", "k8s.io", "tasks", "ls"])
        let line = tasks.split(separator: "\n").first { $0.hasPrefix(id) }
        let process = try #require(line?.split(separator: " ").dropFirst().first)
        let file = try #require(FileHandle(forWritingAtPath: "/proc/\(process)/fd/2"))
        try file.write(contentsOf: Data((text + "\n").utf8))
        try file.close()
      },
      isClean: { [namespace] in
        // A ReplicaSet goes a moment after its Deployment.
        for _ in 0..<100 {
          if try await TestCluster.left(in: namespace.name).isEmpty { return true }
          try await Task.sleep(for: .milliseconds(100))
        }
        return false
      })
    bench.printenv = ["/bin/busybox", "printenv"]
    bench.pause = .milliseconds(100)
    return bench
  }
}

/// A namespace that goes with the test.
private final class TestNamespace: Sendable {
  let name = TestCluster.newNamespace()

  deinit {
    let name = name
    Task { await TestCluster.remove(name) }
  }
}
