import ClusterSupport
import Foundation
import TestSupport
import Testing

/// Plans in a real cluster, by the built `planner`: up, looked at, changed, down.
@Suite(.serialized, .enabled(if: TestCluster.isUp, "\(TestCluster.howTo)")) struct DeployClusterTests {
  /// A workplace with a plan of one node and one of two, both for machines of the cluster's type.
  private static let workplace: Result<Workplace, any Error> = Result {
    let work = try MachineCommandTests.planned()
    try MachineCommandTests.plannedInTwo(work)
    for name in ["p.json", "two.json"] {
      try planned(work.read(name), for: TestCluster.realType, as: "cluster-\(name)", in: work)
    }
    return work
  }

  private static func planned(_ text: String, for type: String, as name: String, in work: Workplace) throws {
    var plan = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    plan["nodes"] = try #require(plan["nodes"] as? [[String: Any]]).map { node in
      node.merging(["instanceType": type]) { $1 }
    }
    _ = try work.file(name, String(decoding: try JSONSerialization.data(withJSONObject: plan), as: UTF8.self))
  }

  private static let kubeconfig = ["KUBECONFIG": "\(TestCluster.folder)/kubeconfig"]
  private static let started = ["--image", TestCluster.image, "--models", "/models"]

  /// Where the commands of one test work.
  private struct Place {
    let work: Workplace
    let namespace = TestCluster.newNamespace()
    var options: [String] { ["--runtime", "kubernetes", "--namespace", namespace] }

    func deploy(_ arguments: String...) throws -> Workplace.Result {
      try work.run(["deploy"] + arguments + options, environment: DeployClusterTests.kubeconfig)
    }

    /// Runs a command of `planner deploy` that names the image and the models to start from.
    func bring(_ arguments: String...) throws -> Workplace.Result {
      try work.run(
        ["deploy"] + arguments + options + DeployClusterTests.started, environment: DeployClusterTests.kubeconfig)
    }
  }

  private func withPlace(_ body: (Place) async throws -> Void) async throws {
    let place = Place(work: try Self.workplace.get())
    var failure: (any Error)?
    do { try await body(place) } catch { failure = error }
    for name in ["ten", "killed"] { _ = try place.deploy("stop", name) }
    await TestCluster.remove(place.namespace)
    if let failure { throw failure }
  }

  private func nodes(_ result: Workplace.Result) throws -> [[String: Any]] {
    try #require(try result.json()["nodes"] as? [[String: Any]])
  }

  @Test func aPlanComesUpChangesAndGoesSeenFromElsewhere() async throws {
    try await withPlace { place in
      let up = try place.bring("run", "cluster-p.json", "--json")
      #expect(up.status == 0, "\(up.errors)")
      #expect(try CommandSchemaTests.violations("deployment", up.output) == [])
      let notes = try #require(try up.json()["notes"] as? [String])
      #expect(notes.contains { $0.contains("http://ten-0.\(place.namespace).svc.cluster.local:8080") }, "\(notes)")
      #expect(try nodes(up).first?["instanceType"] as? String == TestCluster.realType)
      // Another machine, as it were: another folder, other temporary files.
      let other = try Workplace()
      func elsewhere(_ arguments: String...) throws -> Workplace.Result {
        try other.run(["deploy"] + arguments + place.options, environment: Self.kubeconfig)
      }
      let status = try elsewhere("status", "ten", "--json")
      #expect(try status.status == 0 && nodes(status).count == 1)
      #expect(try elsewhere("status").output.contains("ten"))
      #expect(try elsewhere("logs", "ten").output.contains("models"))
      let again = try place.bring("run", "cluster-p.json", "--json")
      #expect(try nodes(again).first?["handle"] as? String == nodes(up).first?["handle"] as? String)
      let ran = try other.run(
        ["deploy", "exec", "ten"] + place.options + ["--", "/bin/busybox", "sh", "-c", "exit 9"],
        environment: Self.kubeconfig)
      #expect(ran.status == 9, "\(ran.errors)")
      #expect(try place.bring("diff", "cluster-p.json").status == 0)
      let diff = try place.bring("diff", "cluster-two.json", "--name", "ten", "--json")
      #expect(diff.status == 1, "\(diff.errors)")
      #expect(try CommandSchemaTests.violations("deployment-diff", diff.output) == [])
      #expect(try nodes(diff).map { $0["change"] as? String } == ["changed", "added"])
      let objects = try #require(try diff.json()["objects"] as? [[String: Any]])
      #expect(objects.contains { $0["before"] as? String == "Deployment/ten-0" }, "\(objects)")
      let changed = try place.bring("run", "cluster-two.json", "--name", "ten", "--json")
      #expect(try changed.status == 0 && nodes(changed).count == 2, "\(changed.errors)")
      let stopped = try elsewhere("stop", "ten", "--json")
      #expect(try stopped.status == 0 && stopped.json()["nodes"] as? Int == 2)
      #expect(try await TestCluster.left(in: place.namespace).isEmpty)
    }
  }

  @Test func whatTheClusterLacksIsSaidBeforeAnythingIsMade() async throws {
    try await withPlace { place in
      try Self.planned(place.work.read("p.json"), for: "r7g.metal", as: "large.json", in: place.work)
      let refused = try place.bring("run", "large.json")
      #expect(refused.status == 69 && refused.errors.contains("no machine of type r7g.metal"), "\(refused.errors)")
      #expect(refused.errors.contains("2 × \(TestCluster.realType)"), "\(refused.errors)")
      let found = try await TestCluster.kubectl(
        "get", "namespace", place.namespace, "--ignore-not-found", "-o", "name")
      #expect(found.isEmpty)
    }
  }

  /// A plan's prediction beside what its pods did, asked from here.
  @Test func aPlanIsProvenInTheCluster() async throws {
    try await withPlace { place in
      let result = try place.work.run(
        ["execute", "cluster-two.json", "--duration", "6s", "--no-calibration", "--json"] + place.options
          + Self.started, environment: Self.kubeconfig)
      let json = try result.json()
      #expect([0, 3, 4].contains(result.status), "\(result.errors)")
      #expect(json["runtime"] as? String == "kubernetes" && json["scope"] as? String == "full")
      #expect(try CommandSchemaTests.violations("run", result.output) == [])
      let requests = try #require(json["requests"] as? [String: Int])
      #expect(requests["sent"] == requests["completed"] && (requests["sent"] ?? 0) > 200, "\(requests)")
      #expect((json["nodes"] as? [[String: Any]])?.count == 2)
      #expect(result.errors.contains("are asked from this machine"), "\(result.errors)")
      #expect(try await TestCluster.left(in: place.namespace).isEmpty)
    }
  }

  /// The program is killed at whatever step of an update, again and again, while nodes are asked 200 times a second.
  @Test func aPlannerThatIsKilledAnywhereIsResumedAndNothingIsLost() async throws {
    try await withPlace { place in
      let first = try place.bring("run", "cluster-two.json", "--name", "killed", "--json")
      #expect(first.status == 0, "\(first.errors)")
      var hosts: [String] = []
      for name in ["killed-0", "killed-1"] {
        hosts.append(try await TestCluster.address(ofService: name, in: place.namespace))
      }
      // Model 0 has a copy on each node.
      let load = try SteadyLoad(hosts, path: "/predictions/model0?seq_0=who&seq_1=the+engine")
      load.start(perSecond: 200)
      for (round, toleration) in ["spot", "other"].enumerated() {
        let arguments =
          ["deploy", "run", "cluster-two.json", "--name", "killed", "--toleration", toleration] + place.options
          + Self.started
        for milliseconds in [1500, 3000, 5000, 8000] {
          let (process, _, _) = try place.work.start(arguments, environment: Self.kubeconfig)
          try await Task.sleep(for: .milliseconds(milliseconds + 70 * round))
          kill(process.processIdentifier, SIGKILL)
          process.waitUntilExit()
          // Its lock stands for a while.
          try await Task.sleep(for: .seconds(17))
        }
        let done = try place.work.run(arguments + ["--json"], environment: Self.kubeconfig)
        #expect(try done.status == 0 && nodes(done).count == 2, "\(done.errors)")
        #expect(try nodes(done).allSatisfy { $0["phase"] as? String == "ready" })
      }
      let result = await load.stop()
      print("a killed planner: \(result.sent) requests, \(result.retried) asked again, \(result.lost.count) lost")
      #expect(result.lost.isEmpty && result.answered == result.sent, "\(result.lost.prefix(5))")
    }
  }
}
