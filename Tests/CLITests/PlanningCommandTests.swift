import Foundation
import Testing

/// The commands that only compute: their JSON, their exit codes, and what they say of bad input.
@Suite struct PlanningCommandTests {
  static let scenario = """
    seed: 3
    duration: 200s
    warmup: 10s
    models:
      - name: m
        arrivals: {process: poisson, ratePerSecond: 80}
        service: {distribution: exponential, mean: 10ms}
    nodes:
      - name: n
        workers: 1
    """

  // MARK: simulate

  @Test func simulatePrintsTheContractsKeys() throws {
    let place = try Workplace()
    _ = try place.file("s.yaml", Self.scenario)
    let result = try place.planner("simulate", "--scenario", "s.yaml", "--json")
    #expect(result.status == 0)
    let json = try result.json()
    let latency = try #require(json["latencySeconds"] as? [String: [String: Double]])
    for key in ["mean", "p50", "p90", "p95", "p99"] {
      #expect(Set(try #require(latency[key]).keys) == ["estimate", "low", "high"])
    }
    let wait = try #require(json["waitSeconds"] as? [String: [String: Double]])
    // M/M/1 at 80 %: 40 ms of waiting; a short run, so a wide margin.
    #expect(abs(try #require(wait["mean"]?["estimate"]) - 0.040) < 0.015)
    let requests = try #require(json["requests"] as? [String: Int])
    #expect(Set(requests.keys) == ["arrived", "completed", "rejected", "timedOut", "inFlight"])
    #expect(json["simulatedSeconds"] as? Double == 200)
    #expect(abs(try #require(json["utilization"] as? Double) - 0.8) < 0.05)
  }

  @Test func sameSeedIsByteIdentical() throws {
    let place = try Workplace()
    _ = try place.file("s.yaml", Self.scenario)
    let first = try place.planner("simulate", "--scenario", "s.yaml", "--json")
    let second = try place.planner("simulate", "--scenario", "s.yaml", "--json")
    let other = try place.planner("simulate", "--scenario", "s.yaml", "--json", "--seed", "4")
    #expect(first.output == second.output && first.output != other.output)
  }

  // MARK: optimize and check

  @Test func theMissionIsPlannedFromAFreshClone() throws {
    let place = try Workplace()
    let result = try place.planner("optimize", "--models", "3000", "--budget", "70", "--json")
    #expect(result.status == 0, "\(result.errors)")
    let json = try result.json()
    for key in [
      "feasible", "costPerHour", "costPerMonth", "lowerBoundPerHour", "gap", "models", "budgetPerHour",
      "latencySeconds", "nodes", "binding", "bestExecutable", "alternatives",
    ] { #expect(json.keys.contains(key), "\(key)") }
    let cost = try #require(json["costPerHour"] as? Double)
    let bound = try #require(json["lowerBoundPerHour"] as? Double)
    #expect(cost <= 70 && bound <= cost && bound > 0)
    #expect(abs(try #require(json["costPerMonth"] as? Double) - 730 * cost) < 1e-6)
    let alternatives = try #require(json["alternatives"] as? [[String: Any]])
    #expect(alternatives.count == 240)
    #expect(alternatives.contains { $0["binding"] as? String == "noFigure" && $0["feasible"] is NSNull })
    #expect(json["bestExecutable"] is NSNull && json["bestExecutableReason"] is String)
    let nodes = try #require(json["nodes"] as? [[String: Any]])
    let models = try nodes.reduce(0) { sum, node in
      let range = try #require(node["modelsPerNode"] as? [Int])
      return sum + range[1] * (try #require(node["count"] as? Int))
    }
    #expect(models >= 3000)
    #expect(try place.planner("check", "plan.json").status == 0)
    let simulated = try place.planner("simulate", "--plan", "plan.json", "--json")
    #expect(simulated.status == 0)
    // The plan's own figure, to the last digit; another seed shows another.
    let latency = try #require(try simulated.json()["latencySeconds"] as? [String: [String: Double]])
    let planned = nodes.compactMap { $0["latencySeconds"] as? [String: [String: Double]] }
    let worst = try #require(planned.first?["p99"])
    #expect(latency["p99"] == worst)
    let other = try place.planner("simulate", "--plan", "plan.json", "--json", "--seed", "2").json()
    #expect((other["latencySeconds"] as? [String: [String: Double]])?["p99"] != worst)
    #expect(try place.leftovers().isEmpty)
  }

  @Test func sameSeedSamePlan() throws {
    let place = try Workplace()
    let first = try place.planner("optimize", "--instances", "inf2.xlarge,c6i.4xlarge", "--json", "--out", "a.json")
    let second = try place.planner("optimize", "--instances", "inf2.xlarge,c6i.4xlarge", "--json", "--out", "b.json")
    #expect(first.status == 0 && first.output == second.output)
    #expect(try place.read("a.json") == first.output)
    #expect(try place.read("b.json") == first.output)
  }

  @Test func aTamperedPlanDoesNotHold() throws {
    let place = try Workplace()
    try place.planner("optimize", "--models", "100", "--out", "p.json")
    let text = try place.read("p.json")
    let cost = try #require(text.firstMatch(of: /"lowerBoundPerHour" : ([0-9.]+)/)).output.1
    _ = try place.file(
      "q.json", text.replacingOccurrences(of: "\"lowerBoundPerHour\" : \(cost)", with: "\"lowerBoundPerHour\" : 0.01"))
    let result = try place.planner("check", "q.json", "--json")
    #expect(result.status == 3)
    #expect(try result.json()["holds"] as? Bool == false)
  }

  /// The guidance's own budget, and what the answer rests on.
  @Test func sixtyDollarsAreTooFewOnTheUpperEndOfHostMemory() throws {
    let place = try Workplace()
    let result = try place.planner("optimize", "--models", "3000", "--budget", "60")
    #expect(result.status == 2)
    let said = result.output.replacing("\n", with: " ")
    #expect(said.contains("10 × inf2.24xlarge, costs $65.01 an hour, above the budget of $60.00"))
    #expect(said.contains("60 × inf2.xlarge would do at $45.59 an hour") && said.contains("(estimated)"))
    #expect(!said.contains("No plan over the types considered costs less"))
    #expect(try place.planner("check", "plan.json").status == 0)
  }

  /// A node with one pod, or with no more host memory than the runtime takes, holds nothing, and says which.
  @Test func aNodeWithoutRoomHoldsNothing() throws {
    let place = try Workplace()
    let header =
      "instanceType,onDemandDollarsPerHour,architecture,vcpus,memoryMiB,allocatableCPU,allocatableMemory,pods,"
      + "accelerator,acceleratorCount,acceleratorMemoryMiB\n"
    for (memory, pods, binding, word) in [
      ("2700Mi", "1", "pods", "pods: the node's agents"), ("2700Mi", "58", "memory", "host memory: the device runtime"),
    ] {
      _ = try place.file(
        "c.csv", header + "inf2.xlarge,0.7582,amd64,4,16384,3920m,\(memory),\(pods),inferentia2,1,32768\n")
      let result = try place.planner("optimize", "--models", "3000", "--budget", "60", "--catalog", "c.csv", "--json")
      let json = try result.json()
      #expect(result.status == 2 && json["binding"] as? String == binding)
      #expect((json["bindingReason"] as? String)?.contains(word) == true)
      #expect(try place.planner("check", "--catalog", "c.csv", "plan.json").status == 0)
    }
  }

  @Test func infeasibleIsExitTwoWithNullCost() throws {
    let place = try Workplace()
    let result = try place.planner("optimize", "--models", "3000", "--budget", "5", "--json")
    #expect(result.status == 2)
    let json = try result.json()
    #expect(json["feasible"] as? Bool == false && json["costPerHour"] is NSNull)
    #expect(json["binding"] as? String == "budget")
    let tight = try place.planner("optimize", "--target-p99", "100us", "--json")
    #expect(tight.status == 2)
    #expect(try tight.json()["binding"] as? String == "latency")
    // Of such a plan a slice of the workload runs, for which this machine has to be measured.
    let run = try place.planner("execute", "plan.json")
    #expect(run.status == 2 && run.errors.contains("the plan is not feasible"), "\(run.errors)")
    #expect(run.errors.contains("planner profile --case bert-base:128"), "\(run.errors)")
  }

  @Test func anArchitectureIsPlannedWhereAFigureKnowsIt() throws {
    let place = try Workplace()
    _ = try place.file("w.yaml", "family: distilbert\n")
    let plan = try place.planner("optimize", "--workload", "w.yaml", "--instances", "inf2.xlarge", "--json")
    #expect(plan.status == 0, "\(plan.errors)")
    #expect(try place.planner("check", "plan.json").status == 0)
    _ = try place.file("x.yaml", "family: gpt-9\n")
    let unknown = try place.planner("optimize", "--workload", "x.yaml")
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("distilbert") && unknown.errors.contains("planner profile --models DIR"))
  }

  @Test func aSearchEndsAtItsTimeLimit() throws {
    let place = try Workplace()
    let result = try place.planner("optimize", "--time-limit", "1us")
    #expect(result.status == 69 && result.errors.contains("not finished after"), "\(result.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.folder).filter { $0 == "plan.json" }.isEmpty)
  }

  // MARK: Bad input: one clear sentence, the documented exit code, nothing half-written

  @Test(arguments: [
    (["optimize", "--budget", "-5"], 64, "'-5' is not a number above 0"),
    (["optimize", "--budget", "nan"], 64, "number above 0"),
    (["optimize", "--models", "-1"], 64, "'-1' is not a whole"),
    (["optimize", "--profiles", "nowhere"], 69, "nowhere: is no folder that can be read"),
    (["optimize", "--models", "0"], 64, "1 to 1000000"), (["optimize", "--target-p99", "10"], 64, "10ms"),
    (["optimize", "--instances", "c9z.huge"], 64, "c9z.huge"), (["optimize", "--instances", ""], 64, "instance"),
    (["optimize", "--workload", "missing.yaml"], 69, "missing.yaml"),
    (["optimize", "--catalog", "missing.csv"], 69, "missing.csv"),
    (["optimize", "--instances", "local"], 69, "planner profile"), (["optimize", "--at-least", "5"], 64, "--fit"),
    (["simulate"], 64, "--scenario"), (["simulate", "--scenario", "missing.yaml"], 69, "missing.yaml"),
    (["simulate", "--plan", "missing.json"], 69, "missing.json"), (["check", "missing.json"], 69, "missing.json"),
    (["execute", "missing.json"], 69, "missing.json"), (["execute", "--runtime", "magic"], 64, "runtime"),
    (["execute", "--runtime", "kubernetes"], 69, "plan.json"), (["execute", "--runtime", "ecs"], 64, "kubernetes"),
    (["execute", "--duration", "0s"], 64, "0s"),
    (["execute", "--nodes", "2"], 69, "plan.json"), (["execute", "--nodes", "0"], 64, "at least 1"),
    (["report", "missing"], 69, "missing/run.json"),
    (["profile", "show", "missing.json"], 69, "missing.json"), (["profile", "--case", "gpt"], 64, "bert-tiny"),
    (["profile", "--precisions", "fp16"], 64, "fp16"), (["profile", "--models", "missing"], 69, "missing"),
    (["model", "synth", "--family", "gpt", "--count", "1", "--out", "m"], 64, "bert-tiny"),
    (
      ["model", "synth", "--family", "bert-tiny", "--count", "1000000", "--out", "m", "--vocab", "1000000"], 69, "disk"
    ),
    (["frobnicate"], 64, "frobnicate"),
  ])
  func badArguments(_ arguments: [String], _ status: Int, _ mention: String) throws {
    let place = try Workplace()
    let result = try place.run(arguments)
    let text = result.errors
    #expect(Int(result.status) == status, "\(arguments): \(text)")
    #expect(text.contains(mention), "\(arguments): \(text)")
    #expect(!text.contains("Fatal error") && !text.contains("unexpected:"))
    let files = try FileManager.default.subpathsOfDirectory(atPath: place.folder).filter { !$0.hasPrefix(".") }
    #expect(files.isEmpty, "\(arguments) left \(files)")
  }

  @Test(arguments: [
    "", "{", "[]", "{}", "null", "{\"kind\": \"plan\"}", "\u{0}\u{1}", "{\"kind\": \"plan\", \"schemaVersion\": 99}",
  ])
  func garbagePlans(_ text: String) throws {
    let place = try Workplace()
    _ = try place.file("p.json", text)
    for command in [["check", "p.json"], ["simulate", "--plan", "p.json"], ["execute", "p.json"]] {
      let result = try place.run(command)
      #expect(result.status == 65, "\(command) on \(text): \(result.errors)")
      #expect(result.errors.contains("p.json"))
    }
  }

  @Test func aHalfWrittenPlanIsBadData() throws {
    let place = try Workplace()
    try place.planner("optimize", "--models", "10", "--out", "p.json")
    let whole = try place.read("p.json")
    _ = try place.file("half.json", String(whole.prefix(whole.count / 2)))
    let result = try place.planner("check", "half.json")
    #expect(result.status == 65 && result.errors.contains("cut off"))
  }

  @Test func fiveMistakesAreReportedAtOnce() throws {
    let place = try Workplace()
    _ = try place.file("w.yaml", "arrivals: bursts\ntokens: 0\ntargetP99: 0s\nratePerModelPerSecond: -1\ninput: x\n")
    let result = try place.planner("optimize", "--workload", "w.yaml")
    #expect(result.status == 65)
    #expect(result.errors.split(separator: "\n").count == 5)
    _ = try place.file("c.csv", "instanceType,onDemandDollarsPerHour\nx,-1\n")
    #expect(try place.planner("optimize", "--catalog", "c.csv").status == 65)
  }

  @Test func aProfileThatIsGarbageStopsPlanning() throws {
    let place = try Workplace()
    try FileManager.default.createDirectory(atPath: place.folder + "/profiles", withIntermediateDirectories: true)
    _ = try place.file("profiles/bad.json", "{\"kind\":\"profile\",\"schemaVersion\":1}")
    let result = try place.planner("optimize")
    #expect(result.status == 65 && result.errors.contains("profiles/bad.json"))
  }

  @Test func anUnwritablePlaceIsUnavailable() throws {
    let place = try Workplace()
    _ = try place.file("blocker", "")
    let result = try place.planner("optimize", "--models", "10", "--out", "blocker/p.json")
    #expect(result.status == 69 && result.errors.contains("blocker"))
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small disk"))
  func aFullDiskLeavesTheOldPlan() throws {
    let place = try Workplace()
    let disk = place.folder + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    let mounted = Process()
    mounted.executableURL = URL(fileURLWithPath: "/bin/mount")
    mounted.arguments = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    try mounted.run()
    mounted.waitUntilExit()
    try #require(mounted.terminationStatus == 0)
    defer { umount2(disk, 2) }
    _ = try place.file("disk/p.json", "old")
    let plan = try place.planner("optimize", "--out", "disk/p.json")
    #expect(plan.status == 69 && plan.errors.contains("disk is full"))
    #expect(try place.read("disk/p.json") == "old")
    let synth = try place.planner(
      "model", "synth", "--family", "bert-tiny", "--count", "2", "--vocab", "300", "--out", "disk/m")
    #expect(synth.status == 69)
    #expect(try FileManager.default.subpathsOfDirectory(atPath: disk) == ["p.json"])
  }

  // MARK: profile check

  /// The shipped profiles hold together, on whatever machine they are checked; what a busy machine makes of a profile
  /// is planted in a copy.
  @Test func aProfileOfABusyMachineIsSaidToBeOne() throws {
    let place = try Workplace()
    let folder = Workplace.repository + "/profiles"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
    #expect(!names.isEmpty)
    for name in names {
      let text = try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
      _ = try place.file(name, text)
      // The times in their order lie beside it.
      let traces = name.dropLast(".json".count) + ".traces"
      _ = try place.file(String(traces), try String(contentsOfFile: folder + "/" + traces, encoding: .utf8))
      let whole = try place.planner("profile", "check", name)
      #expect(whole.status == 0 && whole.output.hasPrefix("\(name): holds together"), "\(whole.output)")
      let drifted = text.replacing(/"driftCV" : [-0-9.e]+/, with: "\"driftCV\" : 0.42")
      #expect(drifted != text)
      _ = try place.file(name, drifted)
      let result = try place.planner("profile", "check", name)
      #expect(result.status == 3 && result.output.contains("does not hold together"))
      #expect(result.output.contains("the machine drifted by 42 % while it was measured"), "\(result.output)")
      let json = try place.planner("profile", "check", name, "--json")
      #expect(json.status == 3)
      #expect(try json.json()["holds"] as? Bool == false)
      #expect(try #require(try json.json()["violations"] as? [String]).isEmpty == false)
    }
  }

  // MARK: catalog

  @Test func theCatalogueIsShown() throws {
    let place = try Workplace()
    let json = try place.planner("catalog", "show", "--json").json()
    #expect((json["types"] as? [Any])?.count == 240)
    #expect((json["figures"] as? [Any])?.isEmpty == false)
    let text = try place.planner("catalog", "show").output
    #expect(text.contains("c7g.4xlarge") && text.contains("0.58"))
  }
}
