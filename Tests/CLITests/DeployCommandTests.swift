import Foundation
import TestSupport
import Testing

/// `planner deploy`, with servers of this machine and in containers: up, looked at, changed, down.
@Suite(.serialized) struct DeployCommandTests {
  /// A server that is ready after a moment and answers nothing; its port tells one from another.
  private static let standIn = """
    #!/bin/sh
    sleep 0.3
    echo "started $*" >&2
    echo '{"ready":true,"port":'$((20000 + $$ % 20000))',"models":1,"pid":'$$'}'
    trap 'exit 0' TERM
    while :; do sleep 0.02; done

    """

  /// A workplace with a plan of one node and one of two, and what stands in for the server.
  private struct Place {
    let work: Workplace
    let server: [String: String]

    init() throws {
      work = try MachineCommandTests.planned()
      try MachineCommandTests.plannedInTwo(work)
      let program = try work.file("stand-in", DeployCommandTests.standIn)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
      server = ["PLANNER_MODEL_SERVER": program]
      // The models are written by the real server.
      for plan in ["p.json", "two.json"] {
        #expect(try work.planner("deploy", "run", plan, "--name", "warm").status == 0)
        #expect(try work.planner("deploy", "stop", "warm").status == 0)
      }
    }

    /// Processes that belong to deployments of this workplace.
    var servers: Int {
      let ids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { Int($0) != nil }
      return ids.count { id in
        let variables = FileManager.default.contents(atPath: "/proc/\(id)/environ") ?? Data()
        let mark = Data("PLANNER_REPLICA=\(work.temporary)".utf8)
        let isSleep = (FileManager.default.contents(atPath: "/proc/\(id)/comm")).map {
          String(decoding: $0, as: UTF8.self).hasPrefix("sleep")
        }
        return variables.range(of: mark) != nil && isSleep == false
      }
    }

    /// What is left of deployments on disk.
    func leftovers() throws -> [String] {
      try FileManager.default.subpathsOfDirectory(atPath: work.temporary).filter {
        $0.contains("deployments/") || $0.contains("node-")
      }
    }
  }

  private static let place: Result<Place, any Error> = Result { try Place() }

  private func waitUntil(_ condition: () -> Bool) throws {
    for _ in 0..<6000 {
      if condition() { return }
      Thread.sleep(forTimeInterval: 0.01)
    }
    Issue.record("what was waited for did not come within a minute")
  }

  private func nodes(_ result: Workplace.Result) throws -> [[String: Any]] {
    try #require(try result.json()["nodes"] as? [[String: Any]])
  }

  private func get(_ url: String, _ arguments: [String] = []) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
    process.arguments = ["-fsS", "--max-time", "60", url] + arguments
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  @Test func aPlanComesUpIsLookedAtAndGoes() throws {
    let place = try Self.place.get()
    let work = place.work
    let up = try work.planner("deploy", "run", "p.json", "--json")
    #expect(up.status == 0, "\(up.errors)")
    #expect(try CommandSchemaTests.violations("deployment", up.output) == [])
    let node = try #require(try nodes(up).first)
    #expect(try up.json()["deployment"] as? String == "ten" && node["phase"] as? String == "ready")
    #expect((node["models"] as? [String])?.count == 10)
    #expect(up.errors.contains("node-0: ready at http://127.0.0.1:"), "\(up.errors)")
    let url = try #require(node["url"] as? String)
    #expect(try get(url + "/v2/models/model3").contains("model3"))
    // Another terminal sees it, from another folder.
    let other = try Workplace()
    let shared = ["TMPDIR": work.temporary]
    let list = try other.planner("deploy", "status", "--json", environment: shared)
    #expect(try CommandSchemaTests.violations("deployments", list.output) == [])
    #expect(try (list.json()["deployments"] as? [[String: Any]])?.first?["ready"] as? Int == 1)
    let status = try other.planner("deploy", "status", "ten", "--json", environment: shared)
    #expect(status.status == 0)
    #expect(try CommandSchemaTests.violations("deployment", status.output) == [])
    let notes = try #require(try status.json()["notes"] as? [String])
    #expect(notes.contains { $0.hasSuffix("starts its nodes again when they end by themselves") }, "\(notes)")
    #expect(notes.contains { $0.hasPrefix("memory ") || $0.hasPrefix("CPUs ") }, "\(notes)")
    #expect(try other.planner("deploy", "status", "ten", environment: shared).output.contains("1 of 1 node ready"))
    // Nothing to do is nothing done.
    let again = try work.planner("deploy", "run", "p.json", "--json")
    #expect(try nodes(again).first?["handle"] as? String == node["handle"] as? String)
    let log = try other.planner("deploy", "logs", environment: shared)
    #expect(log.status == 0, "\(log.output)\(log.errors)")
    let ran = try other.planner(
      "deploy", "exec", "ten", "--", "sh", "-c", "echo \"$0\"; exit 9", "a b", environment: shared)
    #expect(ran.status == 9 && ran.output == "a b\n", "\(ran.errors)")
    #expect(try other.planner("deploy", "exec", "ten", "--node", "7", "--", "true", environment: shared).status == 64)
    let stopped = try other.planner("deploy", "stop", "ten", "--json", environment: shared)
    #expect(try stopped.status == 0 && stopped.json()["nodes"] as? Int == 1)
    #expect(try CommandSchemaTests.violations("deployment-stopped", stopped.output) == [])
    #expect(place.servers == 0)
    #expect(try place.leftovers() == [])
    #expect(try work.planner("deploy", "stop", "p.json").output.contains("there is no deployment 'ten'"))
    #expect(try work.planner("deploy", "status", "ten").status == 69)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1, "two nodes need two CPUs"))
  func aNewPlanChangesWhatRunsNodeByNode() throws {
    let place = try Self.place.get()
    let work = place.work
    let first = try work.run(["deploy", "run", "p.json", "--name", "shop", "--json"], environment: place.server)
    let before = try #require(try nodes(first).first?["handle"] as? String)
    try whatARunWouldChangeIsSaidFirst(work, place.server)
    let second = try work.run(["deploy", "run", "two.json", "--name", "shop", "--json"], environment: place.server)
    #expect(second.status == 0, "\(second.errors)")
    let after = try nodes(second)
    #expect(after.count == 2 && !after.contains { $0["handle"] as? String == before })
    // The new ones were ready before the old one went.
    let lines = second.errors.split(separator: "\n").map(String.init)
    let gone = try #require(lines.firstIndex { $0.contains("(old, ") && $0.hasSuffix(": gone") })
    #expect(lines[..<gone].contains { $0.hasPrefix("node-0: ready at") }, "\(second.errors)")
    #expect(lines[..<gone].contains { $0.hasPrefix("node-1: ready at") }, "\(second.errors)")
    let part = try work.run(
      ["deploy", "run", "two.json", "--name", "shop", "--nodes", "1", "--json"], environment: place.server)
    #expect(part.status == 0 && part.errors.contains("1 of the plan's 2 nodes"), "\(part.errors)")
    #expect(try nodes(part).count == 1)
    #expect(try work.planner("deploy", "stop", "shop").status == 0)
    #expect(place.servers == 0)
    #expect(try place.leftovers() == [])
  }

  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1, "two nodes need two CPUs"))
  func aPlannerThatIsKilledAnywhereIsResumed() throws {
    let place = try Self.place.get()
    let work = place.work
    for (round, plan) in ["p.json", "two.json", "p.json", "two.json"].enumerated() {
      for milliseconds in [40, 120, 250, 400, 600, 900] {
        let (process, _, _) = try work.start(
          ["deploy", "run", plan, "--name", "killed"], environment: place.server)
        Thread.sleep(forTimeInterval: Double(milliseconds + 7 * round) / 1000)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
      }
      let done = try work.run(["deploy", "run", plan, "--name", "killed", "--json"], environment: place.server)
      #expect(done.status == 0, "\(done.errors)")
      let wanted = plan == "p.json" ? 1 : 2
      let found = try nodes(done)
      #expect(found.count == wanted && found.allSatisfy { $0["phase"] as? String == "ready" })
      #expect(place.servers == wanted, "after \(plan)")
    }
    #expect(try work.planner("deploy", "stop", "killed").status == 0)
    #expect(place.servers == 0)
    #expect(try place.leftovers() == [])
  }

  @Test func anInterruptLeavesWhatTheNextRunGoesOnFrom() throws {
    let place = try Self.place.get()
    let work = place.work
    let (process, _, errors) = try work.start(
      ["deploy", "run", "p.json", "--name", "cut"], environment: place.server)
    try waitUntil { (try? String(contentsOfFile: errors, encoding: .utf8))?.contains("node-0: starting") == true }
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let said = try String(contentsOfFile: errors, encoding: .utf8)
    #expect(said.contains("the same command goes on from there"), "\(said)")
    #expect(try work.run(["deploy", "run", "p.json", "--name", "cut"], environment: place.server).status == 0)
    #expect(place.servers == 1)
    #expect(try work.planner("deploy", "stop", "cut").status == 0)
    #expect(place.servers == 0)
    #expect(try place.leftovers() == [])
  }

  @Test func oneRunAtATimeChangesADeployment() throws {
    let place = try Self.place.get()
    let work = place.work
    let (process, _, errors) = try work.start(
      ["deploy", "run", "p.json", "--name", "both"], environment: place.server)
    try waitUntil { (try? String(contentsOfFile: errors, encoding: .utf8))?.contains("node-0: starting") == true }
    let second = try work.run(["deploy", "run", "p.json", "--name", "both"], environment: place.server)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    // It came too late only where this machine was very slow.
    #expect(second.status == 69 && second.errors.contains("another run is at work") || second.status == 0)
    #expect(place.servers == 1)
    #expect(try work.planner("deploy", "stop", "both").status == 0)
  }

  @Test func whatCannotBeIsRefusedInWords() throws {
    let place = try Self.place.get()
    let work = place.work
    // A plan that is bigger than this machine, with its numbers.
    let cloud = try work.planner("optimize", "--models", "300", "--instances", "c7g.4xlarge", "--out", "cloud.json")
    #expect(cloud.status == 0 || cloud.status == 2)
    var plan = try #require(try JSONSerialization.jsonObject(with: Data(work.read("p.json").utf8)) as? [String: Any])
    var node = try #require((plan["nodes"] as? [[String: Any]])?.first)
    node["workers"] = 1000
    plan["nodes"] = [node]
    _ = try work.file(
      "large.json", String(decoding: try JSONSerialization.data(withJSONObject: plan), as: UTF8.self))
    let large = try work.planner("deploy", "run", "large.json")
    #expect(large.status == 69 && large.errors.contains("1,000 CPUs"), "\(large.errors)")
    #expect(try work.planner("deploy", "run", "p.json", "--nodes", "2").status == 64)
    #expect(try work.planner("deploy", "run", "nothing.json").status == 69)
    #expect(try work.planner("deploy", "run", "p.json", "--runtime", "other").status == 64)
    let image = try work.planner("deploy", "run", "p.json", "--runtime", "docker")
    #expect(image.status == 64 && image.errors.contains("--image"), "\(image.errors)")
    let engine = try work.planner(
      "deploy", "status", "--runtime", "docker", environment: ["DOCKER_HOST": "unix:///no/engine.sock"])
    #expect(engine.status == 69 && engine.errors.contains("/no/engine.sock cannot be reached"), "\(engine.errors)")
    #expect(engine.errors.contains("there is no such socket"))
    try whatAClusterNeedsIsAskedFor(work)
    for name in ["../x", "a b", "-x", "A", "$(reboot)", "x;y", "ü"] {
      let refused = try work.planner("deploy", "status", "--", name)
      #expect(refused.status == 64, "\(name): \(refused.errors)")
    }
    #expect(try work.planner("deploy", "exec", "ten").status == 64)
    #expect(try place.leftovers() == [])
  }

  private func whatARunWouldChangeIsSaidFirst(_ work: Workplace, _ server: [String: String]) throws {
    func diff(_ plan: String, _ more: String...) throws -> Workplace.Result {
      try work.run(["deploy", "diff", plan, "--name", "shop"] + more, environment: server)
    }
    let same = try diff("p.json")
    #expect(same.status == 0 && same.output == "shop (local): nothing would change\n", "\(same.errors)")
    let other = try diff("two.json", "--json")
    #expect(other.status == 1, "\(other.errors)")
    #expect(try CommandSchemaTests.violations("deployment-diff", other.output) == [])
    #expect(try nodes(other).map { $0["change"] as? String } == ["changed", "added"])
    let text = try diff("two.json")
    #expect(text.status == 1 && text.output.hasPrefix("shop (local): nodes: 1 added, 1 changed\n~ node-0: "))
    #expect(text.output.contains("+ node-1: "), "\(text.output)")
    // It is as it was.
    #expect(try diff("p.json").status == 0)
    let status = try work.planner("deploy", "status", "shop", "--json")
    #expect(try nodes(status).count == 1)
  }

  private func whatAClusterNeedsIsAskedFor(_ work: Workplace) throws {
    _ = try work.file("image.tar", "no image")
    let models = ["--models", "s3://bucket/models"]
    let wrong: [([String], Int32, String)] = [
      ([], 64, "models are not synthesized for a cluster"), (models, 64, "--image"),
      (models + ["--image", "image.tar"], 64, "planner image push"),
      (models + ["--image", "registry.example.com/server:1", "--namespace", "A B"], 69, "'A B'"),
      (models + ["--image", "registry.example.com/server:1", "--context", "other"], 69, "has no context 'other'"),
      (models + ["--image", "registry.example.com/server:1"], 69, "cannot be reached"),
    ]
    let config = try work.file(
      "kubeconfig",
      """
      clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
      users: [{name: u, user: {token: secret-token}}]
      contexts: [{name: here, context: {cluster: c, user: u}}]
      current-context: here
      """)
    for (arguments, status, words) in wrong {
      let result = try work.run(
        ["deploy", "run", "p.json", "--runtime", "kubernetes"] + arguments, environment: ["KUBECONFIG": config])
      #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result.errors)")
      #expect(!result.errors.contains("secret-token"))
    }
    let none = try work.planner(
      "deploy", "status", "--runtime", "kubernetes", environment: ["KUBECONFIG": work.folder + "/nothing"])
    #expect(none.status == 69 && none.errors.contains("there is no such file"), "\(none.errors)")
    for arguments in [["--namespace", "x"], ["--context", "x"], ["--toleration", "x"]] {
      let result = try work.run(["deploy", "run", "p.json"] + arguments)
      #expect(result.status == 64 && result.errors.contains("--runtime kubernetes"), "\(arguments): \(result.errors)")
    }
  }

  /// Names that are no labels become labels, each its own, and reach no shell.
  @Test func hostileNamesAreTamed() throws {
    let place = try Self.place.get()
    let work = place.work
    var ids: Set<String> = []
    let names = [
      "$(touch owned)", "`touch owned`; x", "../../etc", "a b", "a-b", "A-B", String(repeating: "n", count: 300),
    ]
    for name in names {
      let up = try work.run(["deploy", "run", "p.json", "--name", name, "--json"], environment: place.server)
      #expect(up.status == 0, "\(name): \(up.errors)")
      let id = try #require(try up.json()["deployment"] as? String)
      #expect(
        id.utf8.count <= 40 && id.utf8.allSatisfy { $0 == 45 || (48...57).contains($0) || (97...122).contains($0) })
      ids.insert(id)
      #expect(try work.planner("deploy", "stop", id).status == 0)
    }
    #expect(ids.count == names.count)
    #expect(!FileManager.default.fileExists(atPath: work.folder + "/owned"))
    #expect(try place.leftovers() == [])
  }
}
