import Foundation
import TestSupport
import Testing

/// Plans in containers of a real engine.
@Suite(.serialized, .enabled(if: TestEngine.address != nil, "\(TestEngine.missing)")) struct DeployDockerTests {
  private static let workplace: Result<Workplace, any Error> = Result {
    let work = try MachineCommandTests.planned()
    try MachineCommandTests.plannedInTwo(work)
    _ = try TestEngine.standIn(in: work.folder)
    return work
  }

  /// The image of the real server: one that is named, or one that is packed from the server that was built.
  private static let server: Result<String, any Error> = Result {
    if let named = ProcessInfo.processInfo.environment["PLANNER_TEST_IMAGE"], !named.isEmpty { return named }
    let image = try workplace.get().folder + "/server.tar"
    try TestEngine.pack([Workplace.binaries + "/model-server"], as: "model-server", to: image)
    return image
  }

  private func planner(_ arguments: String...) throws -> Workplace.Result {
    try Self.workplace.get().run(arguments, environment: ["DOCKER_HOST": TestEngine.address ?? ""])
  }

  private func nodes(_ result: Workplace.Result) throws -> [[String: Any]] {
    try #require(try result.json()["nodes"] as? [[String: Any]])
  }

  @Test func aPlanIsProvenInContainersAndNothingIsLeft() throws {
    let server = try Self.server.get()
    let before = try TestEngine.Contents()
    let result = try planner(
      "execute", "p.json", "--runtime", "docker", "--image", server, "--duration", "6s", "--no-calibration", "--json")
    let json = try result.json()
    #expect([0, 3, 4].contains(result.status), "\(result.errors)")
    #expect(json["runtime"] as? String == "docker" && json["scope"] as? String == "full")
    #expect(try CommandSchemaTests.violations("run", result.output) == [])
    let requests = try #require(json["requests"] as? [String: Int])
    #expect(requests["sent"] == requests["completed"] && (requests["sent"] ?? 0) > 200, "\(requests)")
    let measured = try #require(json["measured"] as? [String: Any])
    #expect((measured["memoryBytes"] as? Int ?? 0) > 10 << 20)
    #expect(try TestEngine.Contents() == before)
  }

  @Test func aPlanComesUpChangesAndGoesSeenFromElsewhere() throws {
    let server = try Self.server.get()
    let before = try TestEngine.Contents()
    let up = try planner("deploy", "run", "p.json", "--runtime", "docker", "--image", server, "--json")
    #expect(up.status == 0, "\(up.errors)")
    #expect(try CommandSchemaTests.violations("deployment", up.output) == [])
    let url = try #require(try nodes(up).first?["url"] as? String)
    #expect(try curl(url + "/v2/models/model3").contains("model3"))
    // Another machine, as it were: another folder, other temporary files.
    let other = try Workplace()
    let engine = ["DOCKER_HOST": TestEngine.address ?? ""]
    let status = try other.planner("deploy", "status", "ten", "--runtime", "docker", "--json", environment: engine)
    #expect(try status.status == 0 && nodes(status).count == 1)
    let again = try planner("deploy", "run", "p.json", "--runtime", "docker", "--image", server, "--json")
    #expect(try nodes(again).first?["handle"] as? String == nodes(up).first?["handle"] as? String)
    let log = try other.planner("deploy", "logs", "ten", "--runtime", "docker", environment: engine)
    #expect(log.status == 0 && log.output.contains("models"), "\(log.output)\(log.errors)")
    // Another image is another revision, as other models are.
    let image = try Self.workplace.get().folder + "/stand-in.tar"
    let changed = try planner(
      "deploy", "run", "two.json", "--name", "ten", "--runtime", "docker", "--image", image, "--json")
    #expect(changed.status == 0, "\(changed.errors)")
    #expect(try nodes(changed).count == 2)
    let ran = try other.planner(
      "deploy", "exec", "ten", "--runtime", "docker", "--node", "node-1", "--", "sh", "-c", "exit 9",
      environment: engine)
    #expect(ran.status == 9, "\(ran.errors)")
    let stopped = try other.planner("deploy", "stop", "ten", "--runtime", "docker", "--json", environment: engine)
    #expect(try stopped.status == 0 && stopped.json()["nodes"] as? Int == 2)
    #expect(try TestEngine.Contents() == before)
  }

  @Test func aPlannerThatIsKilledAnywhereIsResumed() throws {
    let work = try Self.workplace.get()
    let image = work.folder + "/stand-in.tar"
    let before = try TestEngine.Contents()
    let environment = ["DOCKER_HOST": TestEngine.address ?? ""]
    for (round, plan) in ["p.json", "two.json", "p.json"].enumerated() {
      let arguments = ["deploy", "run", plan, "--name", "killed", "--runtime", "docker", "--image", image]
      for milliseconds in [100, 300, 500, 700, 1000, 1400] {
        let (process, _, _) = try work.start(arguments, environment: environment)
        Thread.sleep(forTimeInterval: Double(milliseconds + 30 * round) / 1000)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
      }
      let done = try work.run(arguments + ["--json"], environment: environment)
      #expect(done.status == 0, "\(done.errors)")
      let wanted = plan == "p.json" ? 1 : 2
      let found = try nodes(done)
      #expect(found.count == wanted && found.allSatisfy { $0["phase"] as? String == "ready" })
    }
    #expect(try planner("deploy", "stop", "killed", "--runtime", "docker").status == 0)
    #expect(try TestEngine.Contents() == before)
  }

  private func curl(_ url: String) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
    process.arguments = ["-fsS", "--max-time", "60", url]
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }
}
