import Executor
import Foundation
import FoundationNetworking
import Testing

private let binary = try? ServerBinary.locate(environment: [:])

/// The real `model-server`, where the build has it beside the tests.
@Suite(.enabled(if: binary != nil, "model-server is not built")) struct ModelServerTests {
  private func repository(in scratch: Scratch, models: Int) async throws -> String {
    let folder = scratch.path + "/models"
    let status = try await ChildProcess.run(
      try #require(binary),
      arguments: [
        "synthesize", "--family", "bert-tiny", "--vocab", "300", "--count", "\(models)", "--seed", "1", "--out", folder,
      ])
    #expect(status.isSuccess)
    return folder
  }

  private func launch(_ repository: String, in scratch: Scratch) throws -> ServerLaunch {
    ServerLaunch(
      binary: try #require(binary),
      settings: NodeSettings(repository: repository, workers: 1, threadsPerWorker: 1, warmTokens: [8]),
      logFile: scratch.path + "/server.log")
  }

  @Test func startsAnswersStopsInOrderAndRefusesAPortInUse() async throws {
    let scratch = try Scratch()
    let repository = try await repository(in: scratch, models: 3)
    var first = try launch(repository, in: scratch)
    first.settings.models = ["model0", "model1"]
    first.pinWorkers = [try #require(HostInfo.allowedCPUs().last)]
    let server = try await ServerProcess.launch(first)
    #expect(server.models == 2 && server.port > 0)
    #expect(try server.memoryBytes() > 1 << 20)
    #expect(throws: ExecutorError.self) { try FreePort.require(port: server.port) }

    var second = try launch(repository, in: scratch)
    second.port = server.port
    second.logFile = scratch.path + "/second.log"
    let error = await #expect(throws: ExecutorError.self) { try await ServerProcess.launch(second) }
    guard case .endedBeforeReady(_, let status, let tail, _) = error else {
      Issue.record("unexpected: \(String(describing: error))")
      return
    }
    #expect(status == .exited(69) && tail.contains { $0.contains("in use") })

    await server.stop()
    #expect(server.exitStatus == .exited(0))
  }

  /// Two nodes of one repository beside each other: each has its own port, its own CPU where there are two, and
  /// answers for its own models and no others.
  @Test func nodesSideBySideHaveTheirOwnModels() async throws {
    let scratch = try Scratch()
    let repository = try await repository(in: scratch, models: 3)
    let deployment = try #require(DeploymentID("pair"))
    let held = [["model0", "model2"], ["model1", "model2"]]
    let nodes = held.enumerated().map { index, models in
      DesiredNode(
        NodeID(index: index),
        NodeSettings(repository: repository, models: models, workers: 1, threadsPerWorker: 1, warmTokens: [8]))
    }
    let runtime = LocalRuntime(
      binary: try #require(binary), stateFolder: scratch.path + "/state", logFolder: scratch.path, lifetime: .planner)
    let found = try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: nodes))
    let ports = try nodes.map { try #require(found.replica($0.replica)?.address).port }
    #expect(Set(ports).count == 2)
    for (port, models) in zip(ports, held) {
      for model in ["model0", "model1", "model2"] {
        let url = try #require(URL(string: "http://127.0.0.1:\(port)/v2/models/\(model)/ready"))
        let status = (try await URLSession.shared.data(from: url).1 as? HTTPURLResponse)?.statusCode
        #expect(status == (models.contains(model) ? 200 : 404), "\(model) on \(models)")
      }
    }
    try await runtime.stop(deployment)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).allSatisfy { !$0.hasSuffix(".models") })
  }

  @Test func goesWhenThePlannerIsKilled() async throws {
    let scratch = try Scratch()
    let repository = try await repository(in: scratch, models: 1)
    let parent = try Parent(["serve", try #require(binary), repository])
    let server = try #require(Int32(parent.line()))
    #expect(exists(server))
    kill(parent.process.processIdentifier, SIGKILL)
    try await eventually { !exists(server) }
  }

  @Test func aRepositoryThatIsNotThereIsSaidSo() async throws {
    let scratch = try Scratch()
    let error = await #expect(throws: ExecutorError.self) {
      try await ServerProcess.launch(launch(scratch.path + "/nowhere", in: scratch))
    }
    #expect(error?.description.contains("nowhere") == true)
  }
}
