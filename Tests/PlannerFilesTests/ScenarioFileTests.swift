import Foundation
import PlannerCore
import PlannerFiles
import Testing

/// A folder that is gone when the test is.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "planner-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
    return path + "/" + name
  }
}

@Suite struct ScenarioFileTests {
  static let complete = """
    seed: 7
    duration: 20s
    warmup: 500ms
    replications: 3
    routing: twoChoices
    placement: all
    models:
      - name: a
        count: 4
        arrivals: {process: gamma, ratePerSecond: 8, cv: 1.5}
        service: {distribution: lognormal, mean: 10ms, cv: 0.3}
        priority: 2
        deadline: 80ms
        networkDelay: 1ms
        patience: {distribution: exponential, mean: 500ms}
        retries: {max: 3, backoff: 100ms}
      - name: b
        arrivals: {process: trace, file: trace.csv}
        service: 5ms
    nodes:
      - name: n
        count: 2
        workers: 3
        queue: 16
        batch: {max: 4, wait: 2ms}
    """

  @Test func everythingIsRead() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("trace.csv", "seconds,model\n0.5,b\n1,a\n2.25,b\n")
    let scenario = try ScenarioFile.read(try folder.file("s.yaml", Self.complete))
    #expect(scenario.seed == 7 && scenario.durationSeconds == 20 && scenario.warmupSeconds == 0.5)
    #expect(scenario.replications == 3 && scenario.routing == .twoChoices && scenario.placement == .all)
    let a = scenario.models[0]
    #expect(a.count == 4 && a.priority == 2 && a.deadlineSeconds == 0.08)
    #expect(a.service == .lognormal(mean: 0.01, cv: 0.3) && a.networkDelay == .deterministic(mean: 0.001))
    #expect(a.arrivals == .gamma(ratePerSecond: 8, cv: 1.5))
    #expect(a.patience == .exponential(mean: 0.5) && a.retries == ClientRetries(max: 3, backoffSeconds: 0.1))
    let b = scenario.models[1]
    #expect(b.arrivals == .trace([0.5, 2.25]))
    #expect(b.patience == nil && b.retries == nil)
    let node = scenario.nodes[0]
    #expect(node.count == 2 && node.workers == 3 && node.queueCapacity == 16)
    #expect(node.batch == BatchPolicy(max: 4, wait: Nanoseconds(2_000_000)))
  }

  @Test func fiveMistakesAreFiveProblems() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file(
      "s.yaml",
      """
      duration: 20
      warmup: 1s
      models:
        - name: a
          arrivals: {process: bursty, ratePerSecond: 8}
          service: {distribution: exponential, mean: -3ms}
          colour: red
      nodes:
        - workers: 0
      """)
    let error = try #require(throws: FileError.self) { try ScenarioFile.read(path) }
    let keys = error.problems.compactMap(\.key)
    for key in [
      "duration", "models[0].arrivals.process", "models[0].service.mean", "models[0].colour", "nodes[0].workers",
    ] { #expect(keys.contains(key), "\(key) in \(error)") }
    #expect(error.problems.allSatisfy { $0.file == path && $0.line != nil })
    #expect(error.problems.first { $0.key == "nodes[0].workers" }?.line == 9)
  }

  @Test(arguments: ["", "   \n", "[1, 2]", "a: [", "\"", "seed: 1", "models: []\nnodes: {}\nduration: 1s"])
  func garbageIsBadData(_ text: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("s.yaml", text)
    let error = try #require(throws: FileError.self) { try ScenarioFile.read(path) }
    #expect(error.kind == .badData && !error.problems.isEmpty)
  }

  @Test func missingFileIsUnavailable() throws {
    let error = try #require(throws: FileError.self) { try ScenarioFile.read("/nonexistent/s.yaml") }
    #expect(error.kind == .unavailable && error.description.contains("/nonexistent/s.yaml"))
  }
}

@Suite struct JSONFileTests {
  static let profile = Profile(
    host: HostFingerprint(
      cpuModel: "Test CPU", vendor: "V", cpuFamily: 1, cpuModelNumber: 2, architecture: "x86_64", cores: 2,
      memoryBytes: 1, instructionSets: [], hypervisor: nil, kernel: "k", instanceType: nil),
    measuredAt: "2026-01-01T00:00:00Z",
    quick: true, engine: EngineIdentity(name: "libtorch", version: "1"),
    settings: LibrarySettings(blas: "default", coreType: nil, environment: [:]), trials: [], serverMemoryBytes: 1,
    models: [
      ModelProfile(
        architecture: "bert-tiny", precision: .fp32, vocabulary: 1, fileBytes: 1, weightBytes: 1,
        memoryPerModelBytes: 1,
        loadSeconds: 1, firstRunSeconds: 1,
        forward: [
          ForwardCell(
            conditions: Conditions(tokens: 1, input: .tokens, threads: 1, coRunners: 1), residentModels: 1,
            serviceSeconds: QuantileTable(samples: [0.001, 0.1 + 0.2])!)
        ], served: [])
    ])

  @Test func roundTripIsExact() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/deep/er/p.json"
    try JSONFile.write(Self.profile, to: path)
    let back = try JSONFile.read(Profile.self, from: path, kind: "profile", schemaVersion: 2)
    #expect(try JSONFile.encode(back) == JSONFile.encode(Self.profile))
    #expect(back.models[0].forward[0].serviceSeconds == Self.profile.models[0].forward[0].serviceSeconds)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/deep/er") == ["p.json"])
  }

  @Test func damageIsNamed() throws {
    let folder = try TemporaryFolder()
    let good = try JSONFile.encode(Self.profile)
    func failure(_ text: String) throws -> FileError {
      let path = try folder.file("p.json", text)
      return try #require(throws: FileError.self) {
        try JSONFile.read(Profile.self, from: path, kind: "profile", schemaVersion: 2)
      }
    }
    #expect(try failure(String(good.prefix(good.count / 2))).description.contains("cut off"))
    #expect(try failure("").description.contains("empty"))
    #expect(try failure("[]").kind == .badData)
    #expect(
      try failure(good.replacingOccurrences(of: "\"kind\" : \"profile\"", with: "\"kind\" : \"plan\"")).problems[0].key
        == "kind")
    let newer = try failure(good.replacingOccurrences(of: "\"schemaVersion\" : 2", with: "\"schemaVersion\" : 9"))
    #expect(newer.problems[0].key == "schemaVersion" && newer.problems[0].remedy == "use a newer planner")
    let missing = try failure(good.replacingOccurrences(of: "\"tokens\"", with: "\"takens\""))
    #expect(missing.problems[0].key == "models[0].forward[0].tokens")
    let negative = try failure(good.replacingOccurrences(of: "0.001", with: "-0.001"))
    #expect(negative.problems[0].key == "models[0].forward[0].serviceSeconds.seconds")
  }

  @Test func aFailedWriteLeavesTheOldFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("p.json", "old")
    // A folder where the file should go cannot be replaced by a file.
    #expect(throws: FileError.self) { try AtomicFile.write("new", to: folder.path) }
    #expect(throws: FileError.self) { try AtomicFile.write("new", to: path + "/below-a-file") }
    #expect(try AtomicFile.read(path) == "old")
  }

  /// A link leads to the new file afterwards, and a device is still one.
  @Test func onlyPlainFilesAreReplaced() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("p.json", "old")
    let link = folder.path + "/link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
    try AtomicFile.write("new", to: link)
    #expect(try AtomicFile.read(path) == "new" && AtomicFile.isSameFile(link, path))
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == path)
    try AtomicFile.write("gone", to: "/dev/null")
    let device = try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type] as? FileAttributeType
    #expect(device == .typeCharacterSpecial)
    #expect(throws: FileError.self) { try AtomicFile.write("new", to: "/dev/full") }
  }
}

@Suite struct WorkloadFileTests {
  @Test func missingKeysAreTheGuidances() throws {
    let folder = try TemporaryFolder()
    let workload = try WorkloadFile.read(try folder.file("w.yaml", "family: minilm\ntokens: 16\ntargetP99: 20ms\n"))
    #expect(workload.architecture == "minilm" && workload.tokens == 16 && workload.targetP99Seconds == 0.020)
    #expect(workload.models == 3000 && workload.ratePerModelPerSecond == 0.49)
  }

  @Test func mistakesAreAllReported() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file(
      "w.yaml", "arrivals: bursts\ntokens: 0\ntargetP99: 0s\nratePerModelPerSecond: -1\ninput: x\n")
    let error = try #require(throws: FileError.self) { try WorkloadFile.read(path) }
    #expect(error.problems.count == 5)
  }

  @Test func aMemoryBudgetNeedsSizesAndLoadTimes() throws {
    let folder = try TemporaryFolder()
    let text = """
      duration: 10s
      models:
        - arrivals: {ratePerSecond: 1}
          service: 1ms
          memory: 17.5MiB
          load: {distribution: exponential, mean: 20ms}
        - arrivals: {ratePerSecond: 1}
          service: 1ms
      nodes:
        - memory: 1GiB
          loadThreads: 3
          loadsWaiting: 7
          batch: {max: 8, preferred: [2, 4]}
      """
    let missing = #expect(throws: FileError.self) {
      try ScenarioFile.read(try folder.file("a.yaml", text))
    }
    #expect(missing?.problems.count == 2)
    let complete = text.replacing(
      "    service: 1ms\nnodes", with: "    service: 1ms\n    memory: 100\n    load: 5ms\nnodes")
    let scenario = try ScenarioFile.read(try folder.file("b.yaml", complete))
    #expect(scenario.nodes[0].residency == ResidencyPolicy(budgetBytes: 1 << 30, concurrentLoads: 3, maxWaiting: 7))
    #expect(scenario.models.map(\.memoryBytes) == [18_350_080, 100])
    #expect(scenario.nodes[0].batch.preferred == [2, 4, 8])
    let stray = #expect(throws: FileError.self) {
      try ScenarioFile.read(
        try folder.file(
          "d.yaml", "duration: 1s\nmodels: [{arrivals: {ratePerSecond: 1}, service: 1ms}]\nnodes: [{loadThreads: 2}]\n")
      )
    }
    #expect(stray?.problems.count == 1)
  }
}
