import PlannerCore
import Profiler
import ServerContract
import Synchronization
import Testing

/// A machine whose times are known: what the profiler makes of it can be checked exactly.
final class KnownMachine: ProfilerTools {
  let calls = Mutex<[MeasureCall]>([])
  let served = Mutex<[ServeCall]>([])
  /// Folders into which models were written.
  let written = Mutex<[String]>([])
  /// Models that were lent, by folder.
  let lent = Mutex<[String: [String]]>([:])
  let server: String
  /// Measuring calls after which it breaks down.
  let patience: Int

  init(server: String = "build 1", patience: Int = .max) {
    self.server = server
    self.patience = patience
  }

  func serverIdentity() async throws -> String { server }

  private func check() throws {
    if calls.withLock({ $0.count }) + served.withLock({ $0.count }) > patience { throw ProfilerError("cut off") }
  }

  func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity {
    EngineIdentity(name: "libtorch", version: "test")
  }

  func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
    into folder: String
  ) async throws -> Int64 {
    written.withLock { $0.append(folder) }
    return 1_000
  }

  func lend(_ repository: ProfileRequest.Repository, into folder: String) throws {
    lent.withLock { $0[folder] = repository.manifest.models.map(\.name) }
  }

  /// The default BLAS stalls with two threads, openmp does not; SkylakeX kernels halve every time.
  static func seconds(_ settings: LibrarySettings, threads: Int, tokens: Int) -> Double {
    var seconds = Double(tokens) * 1e-4
    if threads == 2 { seconds *= settings.blas == "openblas-openmp" ? 0.6 : 4 }
    if settings.coreType == "SkylakeX" { seconds *= 0.5 }
    return seconds
  }

  func measure(_ call: MeasureCall) async throws -> [MeasuredCell] {
    calls.withLock { $0.append(call) }
    try check()
    return call.conditions.map { one in
      let seconds = Self.seconds(call.settings, threads: one.threads, tokens: one.tokens)
      return MeasuredCell(
        tokens: one.tokens, threads: one.threads, concurrency: one.coRunners, residentModels: call.models,
        samples: [seconds, seconds * 1.1, seconds * 0.9], loadSeconds: 0.02, firstRunSeconds: 0.007,
        memoryPerModelBytes: 3_000_000, serverMemoryBytes: 80_000_000, weightBytes: 2_900_000)
    }
  }

  func serve(_ call: ServeCall) async throws -> [ServedSample] {
    served.withLock { $0.append(call) }
    try check()
    return call.schedule.requests.enumerated().map { index, request in
      let compute = Self.seconds(
        call.settings, threads: call.conditions.threads, tokens: call.conditions.tokens)
      let ahead = index % 4 == 3 ? 1 : 0
      let queue = ahead == 1 ? compute / 2 : 0.00002
      return ServedSample(
        due: request.due.seconds, latency: queue + compute + 0.0003, queue: queue, compute: compute, ahead: ahead)
    }
  }
}

@Suite struct ProfileRunTests {
  static let host = HostFingerprint(
    cpuModel: "Test", vendor: "GenuineIntel", cpuFamily: 6, cpuModelNumber: 1, architecture: "x86_64", cores: 3,
    memoryBytes: 1, instructionSets: ["avx2", "avx512bw", "avx512dq", "avx512f", "avx512vl", "fma"], hypervisor: nil,
    kernel: "k", instanceType: nil)

  static func request(servingCores: Int = 2) -> ProfileRequest {
    ProfileRequest(
      cases: [
        ProfileRequest.Case(architecture: .bertTiny, vocabulary: 2000, tokens: [16, 32]),
        ProfileRequest.Case(architecture: .miniLM, vocabulary: nil, tokens: [16]),
      ], precisions: [.fp32, .int8], quick: true, servingCores: servingCores, seed: 1)
  }

  static func run(
    _ machine: any ProfilerTools, _ request: ProfileRequest, host: HostFingerprint = host,
    scratchFolder: String = "/scratch"
  ) -> ProfileRun {
    ProfileRun(
      request: request, host: host,
      installed: [
        .init(name: "openblas-openmp", folder: "/openmp"), .init(name: "openblas-pthread", folder: "/pthread"),
      ],
      inheritedLibraryPath: nil, scratchFolder: scratchFolder, tools: machine, progress: { _ in })
  }

  static func profile(_ machine: any ProfilerTools, servingCores: Int = 2) async throws -> Profile {
    var run = run(machine, request(servingCores: servingCores))
    return try await run.run(measuredAt: "2026-01-01T00:00:00Z")
  }

  @Test func theFastestSettingsAreFound() async throws {
    let machine = KnownMachine()
    let profile = try await Self.profile(machine)
    #expect(profile.settings.blas == "openblas-openmp")
    #expect(profile.settings.coreType == "SkylakeX")
    #expect(profile.settings.environment["LD_LIBRARY_PATH"] == "/openmp")
    #expect(profile.settings.environment["OPENBLAS_CORETYPE"] == "SkylakeX")
    // Three flavours and two kernel families, each with one and two threads.
    #expect(profile.trials.count == 10)
    // What is measured afterwards is measured with them.
    #expect(machine.calls.withLock { $0.suffix(8).allSatisfy { $0.settings == profile.settings } })
  }

  @Test func withOneThreadThePlainSettingsStay() async throws {
    struct Same: ProfilerTools {
      let machine = KnownMachine()
      func serverIdentity() async throws -> String { "build 1" }
      func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity {
        try await machine.engineIdentity(settings: settings)
      }
      func synthesize(
        architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
        into folder: String
      ) async throws -> Int64 { 1 }
      func lend(_ repository: ProfileRequest.Repository, into folder: String) throws {}
      func measure(_ call: MeasureCall) async throws -> [MeasuredCell] {
        var plain = call
        plain.settings = LibrarySettings(blas: "default", coreType: nil, environment: [:])
        return try await machine.measure(plain)
      }
      func serve(_ call: ServeCall) async throws -> [ServedSample] { try await machine.serve(call) }
    }
    let profile = try await Self.profile(Same(), servingCores: 1)
    #expect(profile.settings.blas == "default" && profile.settings.coreType == nil)
  }

  @Test func everyCellIsMeasured() async throws {
    let profile = try await Self.profile(KnownMachine())
    #expect(
      profile.models.map { "\($0.architecture) \($0.precision)" } == [
        "bert-tiny fp32", "bert-tiny int8", "minilm fp32", "minilm int8",
      ])
    let tiny = profile.models[0]
    #expect(tiny.forward.count == 2 * 2 + 2)
    #expect(
      Set(tiny.forward.map { "\($0.tokens) \($0.threads) \($0.concurrency)" }) == [
        "16 1 1", "16 2 1", "32 1 1", "32 2 1", "16 1 2", "32 1 2",
      ])
    #expect(tiny.served.map { "\($0.tokens) \($0.workers)x\($0.threads)" } == ["16 2x1", "16 1x2", "32 2x1", "32 1x2"])
    #expect(tiny.served.allSatisfy { $0.settings == nil && $0.input == .text && $0.conditions.batch == 1 })
    #expect(profile.serverMemoryBytes == 80_000_000 && tiny.memoryPerModelBytes == 3_000_000)
  }

  /// Each architecture of a folder once, with what its requests bring and at sizes of its own.
  @Test func everyArchitectureOfAFolderIsMeasured() async throws {
    let machine = KnownMachine()
    let tensor = TensorDeclaration(name: "x", datatype: "FP32", shape: [1, -1])
    func repository(_ name: String, _ sizes: [Int], _ input: RequestInput) -> ProfileRequest.Repository {
      ProfileRequest.Repository(
        folder: "/mine",
        manifest: RepositoryManifest(
          seed: nil, vocabularyFile: nil, lowercases: nil, models: [.init(name: name + "0"), .init(name: name + "1")]),
        architecture: name, vocabulary: input == .tensors ? 0 : 500, precision: .fp32, fileBytes: 9, weightBytes: 8,
        sizes: sizes, input: input, tensors: input == .tensors ? [tensor] : [], notes: ["a note on \(name)"])
    }
    var request = Self.request()
    request.repositories = [repository("lstm", [8, 16], .tensors), repository("bert", [32], .tokens)]
    request.purpose = ProfilePurpose(workload: "w", repository: "/mine")
    var run = Self.run(machine, request)
    let profile = try await run.run(measuredAt: "2026-01-01T00:00:00Z")
    #expect(
      machine.lent.withLock { $0 } == ["/scratch/own-0": ["lstm0", "lstm1"], "/scratch/own-1": ["bert0", "bert1"]])
    #expect(profile.models.map(\.architecture) == ["lstm", "bert"] && profile.models.map(\.vocabulary) == [0, 500])
    #expect(profile.models.map(\.notes) == [["a note on lstm"], ["a note on bert"]])
    #expect(profile.models[0].served.map(\.conditions.input) == [.tensors, .tensors, .tensors, .tensors])
    #expect(profile.models[0].forward.allSatisfy { $0.conditions.input == .tensors })
    #expect(profile.models[1].forward.allSatisfy { $0.conditions.input == .tokens && $0.tokens == 32 })
    #expect(profile.purpose == request.purpose)
    let served = machine.served.withLock { $0 }
    #expect(served.filter { $0.repository == "/scratch/own-0" }.allSatisfy { $0.tensors == [tensor] })
    #expect(served.allSatisfy { $0.modelNames.count == 2 })
    // Settings are searched on what computes longest.
    #expect(machine.calls.withLock { $0.first?.repository } == "/scratch/own-1")
  }

  @Test func servedRequestsAreTakenApart() async throws {
    let profile = try await Self.profile(KnownMachine())
    let cell = try #require(profile.models[0].served.first { $0.tokens == 32 && $0.threads == 1 })
    // Compute is the worker's time; overhead is all else of the requests that met no other, and no queueing.
    #expect(abs(cell.computeSeconds.mean - 0.0016) < 1e-9)
    #expect(abs(cell.overheadSeconds.quantile(1) - 0.0003) < 1e-9)
    // Rounds alike: what they cannot show remains.
    #expect(abs(cell.betweenRunCV - 0.03) < 1e-9)
    // Two workers at 30 % of 1.6 ms each.
    #expect(abs(cell.ratePerSecond - 0.3 * 2 / 0.0016) < 0.05 * 375)
  }

  @Test(arguments: [
    ("bert-tiny:32:2000", "bert-tiny [32] 2000"), ("minilm:16,128", "minilm [16, 128] nil"),
    ("bert-base", "bert-base [16, 32, 128] nil"),
  ])
  func casesAreRead(_ text: String, _ expected: String) throws {
    let one = try #require(ProfileRequest.Case(text))
    #expect("\(one.architecture.rawValue) \(one.tokens) \(one.vocabulary.map { "\($0)" } ?? "nil")" == expected)
  }

  @Test(arguments: ["", "gpt", "minilm:", "minilm:0", "minilm:16,,32", "minilm:16:1", "minilm:16:2000:1", "minilm:x"])
  func badCasesAreRefused(_ text: String) { #expect(ProfileRequest.Case(text) == nil) }
}
