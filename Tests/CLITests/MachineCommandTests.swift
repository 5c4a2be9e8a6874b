import Foundation
import Testing

/// The commands that measure and run on this machine, from profile to report. One after the other: they hold the
/// machine's lock.
@Suite(.serialized) struct MachineCommandTests {
  /// A profile of this machine with the smallest models, made once.
  static let profiled: Result<Workplace, any Error> = Result {
    let place = try Workplace()
    let result = try place.planner(
      "profile", "--quick", "--case", "bert-tiny:16:300", "--precisions", "fp32", "--out", "profiles/here.json")
    try #require(result.status == 0, "\(result.errors)")
    return place
  }

  /// That workplace with a plan of ten models, for a target that a busy machine keeps too.
  static func planned() throws -> Workplace {
    let place = try profiled.get()
    _ = try place.file(
      "w.yaml",
      """
      name: ten
      family: bert-tiny
      vocabulary: 300
      models: 10
      tokens: 16
      ratePerModelPerSecond: 8
      targetP99: 10s
      """
    )
    let result = try place.planner("optimize", "--fit", "--workload", "w.yaml", "--out", "p.json")
    try #require(result.status == 0, "\(result.errors)\(result.output)")
    return place
  }

  @Test func profileIsWrittenShownAndChecked() throws {
    let place = try Self.profiled.get()
    let shown = try place.planner("profile", "show", "profiles/here.json", "--json")
    #expect(shown.status == 0)
    let json = try shown.json()
    #expect(json["kind"] as? String == "profile")
    #expect(try CommandSchemaTests.violations("profile", shown.output) == [])
    let model = try #require((json["models"] as? [[String: Any]])?.first)
    #expect((model["served"] as? [[String: Any]])?.isEmpty == false)
    #expect(try #require(model["memoryPerModelBytes"] as? Int) > 1_000_000)
    #expect((json["trials"] as? [Any])?.isEmpty == false)
    // A machine that does other things besides drifts, and the check says so: 3 with the reasons, or 0 without.
    let check = try place.planner("profile", "check", "profiles/here.json", "--json")
    #expect(try check.json()["isThisMachine"] as? Bool == true)
    let violations = try #require(try check.json()["violations"] as? [String])
    #expect(try check.json()["holds"] as? Bool == violations.isEmpty)
    #expect(check.status == (violations.isEmpty ? 0 : 3))
    #expect(try place.planner("profile", "diff", "profiles/here.json", "profiles/here.json").status == 0)
  }

  @Test func aProfileThatWasInterruptedGoesOn() throws {
    let place = try Workplace()
    let arguments = [
      "profile", "--quick", "--case", "bert-tiny:16:300", "--precisions", "fp32", "--out", "profiles/mine.json",
    ]
    let (process, _, errors) = try place.start(arguments)
    try waitUntil { (try? String(contentsOfFile: errors, encoding: .utf8))?.contains("served, round 2") == true }
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let said = try String(contentsOfFile: errors, encoding: .utf8)
    #expect(said.contains("the same command goes on from there"))
    #expect(FileManager.default.fileExists(atPath: place.folder + "/profiles/mine.partial"))
    // A folder with a checkpoint in it can be planned with.
    #expect(try place.planner("optimize", "--models", "10", "--out", "p.json").status == 0)
    let result = try place.run(arguments)
    #expect(result.status == 0, "\(result.errors)")
    let notes = result.errors.split(separator: "\n").filter { $0.hasPrefix("resuming: ") }
    #expect(notes.count == 1 && notes[0].contains(" cells are there (profiles/mine.partial)"), "\(result.errors)")
    let files = try FileManager.default.contentsOfDirectory(atPath: place.folder + "/profiles").sorted()
    #expect(files == ["mine.json", "mine.traces"])
  }

  @Test func executeRunsThePlanAndReports() throws {
    let place = try Self.planned()
    let result = try place.planner("execute", "p.json", "--duration", "8s", "--name", "proof", "--json")
    let json = try result.json()
    try expectConsistent(json, exit: result.status, result.errors)
    #expect(json["scope"] as? String == "full" && json["runtime"] as? String == "local")
    #expect(try CommandSchemaTests.violations("run", result.output) == [])
    for side in ["predicted", "measured"] {
      let figures = try #require(json[side] as? [String: Any])
      #expect(
        Set(figures.keys) == [
          "p50Seconds", "p90Seconds", "p95Seconds", "p99Seconds", "throughputPerSecond", "memoryBytes",
        ])
    }
    let prediction = try #require(json["prediction"] as? [String: Any])
    #expect(
      prediction["errorP50"] is Double && prediction["errorP99"] is Double && prediction["withinInterval"] is Bool)
    let requests = try #require(json["requests"] as? [String: Int])
    #expect(requests["sent"] == requests["completed"] && requests["failed"] == 0 && (requests["sent"] ?? 0) > 400)
    #expect(json["confidence"] is Double)
    let reports = try FileManager.default.contentsOfDirectory(atPath: place.folder + "/reports")
    let folder = "reports/" + (try #require(reports.first { $0.hasSuffix("-proof") }))
    #expect(try place.read(folder + "/run.json") == result.output)
    #expect(try place.read(folder + "/index.html").contains("</html>"))
    #expect(try place.planner("report", folder, "--json").output == result.output)
    #expect(try place.read(folder + "/run.json") == result.output)
    // Nothing of the deployment is left beside the machine's lock.
    let state = try FileManager.default.subpathsOfDirectory(atPath: place.temporary)
    #expect(state.filter { $0.contains("-node-0-") } == [], "\(state)")
    #expect(modelServers(mentioning: place.folder).isEmpty)
    // A kept model that was damaged is written again, which is said; one that is as it was is not.
    let kept = try #require(
      try FileManager.default.subpathsOfDirectory(atPath: place.folder + "/models").first { $0.hasSuffix("/model3.pt") }
    )
    let model = try #require(FileHandle(forUpdatingAtPath: place.folder + "/models/" + kept))
    try model.seek(toOffset: 1000)
    try model.write(contentsOf: Data("damaged".utf8))
    try model.close()
    for isDamaged in [true, false] {
      let again = try place.planner("execute", "p.json", "--duration", "2s", "--no-calibration", "--json")
      try expectConsistent(try again.json(), exit: again.status, again.errors)
      #expect(again.errors.contains("model3.pt is not what was written") == isDamaged, "\(again.errors)")
    }
  }

  /// The plan of ten models on two nodes, the first model with a copy on each, as two groups with targets of their own.
  static func plannedInTwo(_ place: Workplace) throws {
    var plan = try #require(
      try JSONSerialization.jsonObject(with: Data(place.read("p.json").utf8)) as? [String: Any])
    var workload = try #require(plan["workload"] as? [String: Any])
    func group(_ name: String, _ models: Int, _ target: Double) -> [String: Any] {
      var group = workload
      group["source"] = nil
      (group["name"], group["models"], group["targetP99Seconds"]) = (name, models, target)
      return group
    }
    var hot = group("hot", 2, 10)
    hot["popularity"] = ["shares": [3, 1]]
    workload = ["name": "two", "source": workload["source"] ?? "", "groups": [hot, group("cold", 8, 20)]]
    plan["workload"] = workload
    func planned(_ name: String, _ models: Int, _ most: Int, _ rate: Double?) -> [String: Any] {
      var group: [String: Any] = [
        "name": name, "models": models, "replicas": [1, most], "targetP99Seconds": name == "hot" ? 10 : 20,
        "p99Seconds": NSNull(),
      ]
      group["mostRatePerReplica"] = rate
      return group
    }
    plan["groups"] = [planned("hot", 2, 2, 6), planned("cold", 8, 1, nil)]
    var node = try #require((plan["nodes"] as? [[String: Any]])?.first)
    let share = try #require((node["placed"] as? [[String: Any]])?.first)
    node["count"] = 2
    node["modelsPerNode"] = [5, 6]
    node["placed"] = [("hot", 3, 2), ("cold", 8, 4)].map { name, total, models in
      var own = share
      (own["group"], own["total"], own["models"]) = (name, total, models)
      return own
    }
    plan["nodes"] = [node]
    let text = String(decoding: try JSONSerialization.data(withJSONObject: plan), as: UTF8.self)
    _ = try place.file("two.json", text)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1, "two nodes need two CPUs"))
  func nodesRunBesideEachOtherWithCopiesAndGroups() throws {
    let place = try Self.planned()
    try Self.plannedInTwo(place)
    let result = try place.planner(
      "execute", "two.json", "--nodes", "2", "--reserve-cores", "0", "--duration", "20s", "--no-calibration", "--json")
    let json = try result.json()
    let verdict = try #require(json["verdict"] as? String)
    #expect(["pass": 0, "fail": 3, "undecided": 4][verdict] == result.status || json["valid"] as? Bool == false)
    #expect(try CommandSchemaTests.violations("run", result.output) == [])
    #expect(json["scope"] as? String == "full" && json["models"] as? Int == 11)
    let groups = try #require(json["groups"] as? [[String: Any]])
    #expect(groups.map { $0["name"] as? String } == ["hot", "cold"])
    #expect(groups.map { $0["targetP99Seconds"] as? Double } == [10, 20])
    #expect(groups.map { $0["models"] as? Int } == [2, 8])
    for group in groups {
      #expect(group["sent"] as? Int == group["completed"] as? Int && group["measuredP99Seconds"] is Double)
      #expect(group["predictedP99Seconds"] is Double && group["errorP99"] is Double)
    }
    let nodes = try #require(json["nodes"] as? [[String: Any]])
    #expect(nodes.map { $0["name"] as? String } == ["node-0", "node-1"])
    #expect(nodes.compactMap { $0["models"] as? Int }.reduce(0, +) == 11)
    let sent = try #require((json["requests"] as? [String: Int])?["sent"])
    #expect(nodes.compactMap { $0["sent"] as? Int }.reduce(0, +) == sent)
    #expect(groups.compactMap { $0["sent"] as? Int }.reduce(0, +) == sent)
    #expect(modelServers(mentioning: place.folder).isEmpty)
    // What does not fit is refused with the numbers, before anything is started.
    let refused = try place.planner("execute", "two.json", "--nodes", "2", "--reserve-cores", "9999")
    #expect(refused.status == 69 && refused.errors.contains("2 nodes compute on"), "\(refused.errors)")
    #expect(refused.errors.contains("and 1 of the"), "\(refused.errors)")
    let many = try place.planner("execute", "two.json", "--nodes", "3")
    #expect(many.status == 64 && many.errors.contains("the plan has 2 nodes"), "\(many.errors)")
  }

  /// A repository of two architectures: a group gets models of its own one, or those that it names.
  @Test func modelsOfAGroupAreTakenByArchitectureOrByName() throws {
    let place = try Self.planned()
    _ = try place.file("two.json", place.read("p.json"))
    try place.planner(
      "model", "synth", "--family", "bert-tiny", "--count", "10", "--vocab", "300", "--out", "zoo", "--json")
    func edit(_ file: String, _ change: (inout [String: Any]) throws -> Void) throws {
      var object = try #require(
        try JSONSerialization.jsonObject(with: Data(place.read(file).utf8)) as? [String: Any])
      try change(&object)
      _ = try place.file(file, String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self))
    }
    // Other models stand before those that are meant.
    try edit("zoo/manifest.json") { manifest in
      let models = try #require(manifest["models"] as? [[String: Any]])
      var other = models[0]
      (other["name"], other["family"]) = ("stranger", "other")
      manifest["models"] = [other] + models
    }
    let arguments = ["--duration", "4s", "--no-calibration", "--json"]
    let result = try place.run(["execute", "two.json", "--models", "zoo"] + arguments)
    #expect((try result.json()["requests"] as? [String: Int])?["failed"] == 0, "\(result.errors)")
    // A name that is not there, and one of another architecture.
    for (name, problem) in [("nobody", "has no model 'nobody'"), ("stranger", "stranger is other fp32")] {
      try edit("two.json") { plan in
        var workload = try #require(plan["workload"] as? [String: Any])
        workload["modelNames"] = (0..<9).map { "model\($0)" } + [name]
        plan["workload"] = workload
      }
      let refused = try place.run(["execute", "two.json", "--models", "zoo"] + arguments)
      #expect(refused.status == 65 && refused.errors.contains(problem), "\(refused.errors)")
    }
    // Fewer models than the groups need together.
    try edit("zoo/manifest.json") { manifest in
      manifest["models"] = Array((manifest["models"] as? [[String: Any]] ?? []).prefix(9))
    }
    _ = try place.file("two.json", place.read("p.json"))
    let few = try place.run(["execute", "two.json", "--models", "zoo"] + arguments)
    #expect(few.status == 65, "\(few.errors)")
    #expect(few.errors.contains("has 8 models of bert-tiny fp32; the plan needs 10"), "\(few.errors)")
  }

  @Test func aCloudPlanRunsAsASlice() throws {
    let place = try Self.planned()
    // A target that holds with the HTTP times of a busy machine, too.
    _ = try place.file(
      "base.yaml", "family: bert-base\ntokens: 128\nmodels: 300\nratePerModelPerSecond: 0.49\ntargetP99: 1s\n")
    try place.planner("optimize", "--workload", "base.yaml", "--out", "cloud.json")
    // Nothing here has measured bert-base: that is said, with what to do.
    let result = try place.planner("execute", "cloud.json", "--duration", "5s")
    #expect(result.status == 69 && result.errors.contains("planner profile --case bert-base:128"))
    // The same plan for models that were measured here runs, and says that it proves nothing of the cloud.
    let text = try place.read("cloud.json")
    let small = text.replacingOccurrences(of: "\"family\" : \"bert-base\"", with: "\"family\" : \"bert-tiny\"")
      .replacingOccurrences(of: "\"tokens\" : 128", with: "\"tokens\" : 16")
      .replacingOccurrences(of: "\"vocabulary\" : null,", with: "")
      .replacingOccurrences(
        of: "\"models\" : 300,\n    \"name\"", with: "\"models\" : 300,\n    \"vocabulary\" : 300,\n    \"name\"")
    _ = try place.file("slice.json", small)
    let slice = try place.planner("execute", "slice.json", "--duration", "5s", "--json")
    let json = try slice.json()
    try expectConsistent(json, exit: slice.status, slice.errors)
    #expect(json["scope"] as? String == "slice")
    #expect((json["scopeReason"] as? String)?.contains("does not confirm") == true)
  }

  @Test func twoRunsAtOnceAreRefused() throws {
    let place = try Self.planned()
    let (first, _, errors) = try place.start(["execute", "p.json", "--duration", "20s"])
    defer {
      first.interrupt()
      first.waitUntilExit()
    }
    try waitUntil { (try? String(contentsOfFile: errors, encoding: .utf8))?.contains("ready") == true }
    let second = try place.planner("execute", "p.json", "--duration", "5s")
    #expect(second.status == 69 && second.errors.contains("another run is in progress"))
  }

  @Test(arguments: ["starting", "ready"])
  func controlCLeavesNothingBehind(_ moment: String) throws {
    let place = try Self.planned()
    let (process, _, errors) = try place.start(["execute", "p.json", "--duration", "30s"])
    try waitUntil { (try? String(contentsOfFile: errors, encoding: .utf8))?.contains(moment) == true }
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    #expect(modelServers(mentioning: place.folder).isEmpty)
    #expect(try place.leftovers().isEmpty)
  }

  @Test func aTruncatedModelIsNamed() throws {
    let place = try Self.planned()
    try place.planner(
      "model", "synth", "--family", "bert-tiny", "--count", "10", "--vocab", "300", "--out", "mine", "--json")
    #expect(try CommandSchemaTests.violations("repository", place.read("mine/manifest.json")) == [])
    let path = place.folder + "/mine/model4.pt"
    let whole = try #require(FileManager.default.contents(atPath: path))
    try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: path))
    let result = try place.planner("execute", "p.json", "--models", "mine", "--duration", "5s")
    #expect(result.status == 69 || result.status == 65)
    #expect(result.errors.contains("model4.pt"), "\(result.errors)")
    #expect(modelServers(mentioning: place.folder).isEmpty)
  }

  /// The exit code says what the JSON says, and every request that was sent has one outcome.
  private func expectConsistent(_ json: [String: Any], exit: Int32, _ errors: String) throws {
    let verdict = try #require(json["verdict"] as? String)
    let valid = try #require(json["valid"] as? Bool)
    let codes: [String: Int32] = ["pass": 0, "fail": 3, "undecided": 4]
    #expect(exit == (valid ? codes[verdict] : 4), "\(verdict), valid: \(valid)\n\(errors)")
    #expect(valid == (json["invalidReason"] is NSNull), "\(json["invalidReason"] ?? "missing")")
    let requests = try #require(json["requests"] as? [String: Int])
    let outcomes = ["completed", "rejected", "timedOut", "failed"].compactMap { requests[$0] }
    #expect(outcomes.count == 4 && requests["sent"] == outcomes.reduce(0, +), "\(requests)")
    // A verdict that decides agrees with the figure that it is about.
    let p99 = try #require((json["measured"] as? [String: Any])?["p99Seconds"] as? Double)
    let target = try #require(json["targetP99Seconds"] as? Double)
    if valid, verdict != "undecided" { #expect((verdict == "pass") == (p99 <= target), "\(verdict), \(p99) s") }
  }

  private func waitUntil(_ condition: () -> Bool) throws {
    for _ in 0..<3000 {
      if condition() { return }
      usleep(100_000)
    }
    Issue.record("waited five minutes in vain")
    throw CancellationError()
  }
}
