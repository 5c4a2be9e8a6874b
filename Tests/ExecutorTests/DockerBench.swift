import DockerRuntime
import Executor
import Foundation
import TestSupport
import Testing

/// Containers for the contract of runtimes, on the engine of the tests.
enum DockerBench {
  /// Connects to the engine.
  static func engine() async throws -> EngineClient {
    let address = try #require(TestEngine.address)
    return try await EngineClient(EngineAddress.find(environment: ["DOCKER_HOST": address], home: "/nowhere"))
  }

  /// The image of the program that stands in for `model-server`, loaded once.
  private static let loaded = Task {
    let scratch = try Scratch()
    return try await engine().provide(ImageSource(try TestEngine.standIn(in: scratch.path)))
  }

  static func image() async throws -> EngineImage { try await loaded.value }

  static func make(restarts: Bool = false) async throws -> RuntimeContractTests.Bench {
    let (engine, image, scratch) = (try await engine(), try await image(), try Scratch())
    let path = scratch.path
    func open() -> DockerRuntime {
      var options = DockerRuntime.Options(lockFolder: path + "/locks")
      options.image = image
      options.restarts = restarts
      return DockerRuntime(engine, options)
    }
    let (runtime, another) = (open(), open())
    for left in try await runtime.deployments() { try await runtime.stop(left) }
    let before = try TestEngine.Contents()
    let deployment = DeploymentID("shop")!
    @Sendable func run(_ script: String, _ words: String, in replica: ReplicaID) async throws {
      _ = try await runtime.exec(["sh", "-c", script, words], on: replica, in: deployment) { _ in }
    }
    return RuntimeContractTests.Bench(
      runtime: runtime, another: another,
      settings: {
        NodeSettings(
          repository: path, models: $0, workers: 1, threadsPerWorker: 1,
          environment: ["SETTING": RuntimeContractTests.Bench.setting],
          memoryBytes: 1 << 20)
      },
      broken: NodeSettings(repository: path, workers: 1, threadsPerWorker: 1, environment: ["BROKEN": "yes"]),
      crash: { try await run("touch /tmp/crash", "", in: $0) },
      say: { try await run("echo \"$0\" >/tmp/new; mv /tmp/new /tmp/say", $0, in: $1) },
      isClean: { [scratch] in
        _ = scratch
        let locks = (try? FileManager.default.contentsOfDirectory(atPath: path + "/locks")) ?? []
        return try locks.isEmpty && TestEngine.Contents() == before
      })
  }
}
