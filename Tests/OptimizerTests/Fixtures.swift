import Optimizer
import PlannerCore
import PlannerFiles
import Testing

/// Problems that the tests share.
enum Fixture {
  static func mission(
    models: Int = 3000, budget: Double? = 70, target: Double = 0.010, rate: Double = 0.49, seed: UInt64 = 1,
    instances: [String]? = nil, profiles: [Profile] = [], local: LocalMachine? = nil, fit: Bool = false
  ) throws -> OptimizationProblem {
    var workload = Workload.guidance
    workload.models = models
    workload.targetP99Seconds = target
    workload.ratePerModelPerSecond = rate
    let catalog = try CatalogFile.embedded()
    return OptimizationProblem(
      workload: workload, catalog: catalog, figures: try figures(profiles, catalog), local: local,
      budgetPerHour: budget, instanceNames: instances, seed: seed, fitModels: fit,
      guidance: try GuidanceFile.embedded())
  }

  static func figures(_ profiles: [Profile], _ catalog: Catalog) throws -> Figures {
    let published = try FiguresFile.embedded()
    return Figures(
      profiles: profiles, benchmarks: published.figures, architectures: published.architectures,
      hostMemory: published.hostMemory, catalog: catalog)
  }

  static func evidence(_ problem: OptimizationProblem) -> PlanEvidence {
    PlanEvidence(
      catalog: problem.catalog, figures: problem.figures.benchmarks, architectures: problem.figures.architectures,
      hostMemory: problem.figures.hostMemory, profiles: problem.figures.profiles)
  }

  /// A distribution around `mean`, a tenth to either side with a tail of half as much again.
  static func table(mean: Double) throws -> QuantileTable {
    try #require(
      QuantileTable(
        probabilities: [0, 0.5, 0.9, 0.99, 1], seconds: [0.9 * mean, 0.98 * mean, 1.1 * mean, 1.3 * mean, 1.5 * mean],
        sampleCount: 1000))
  }

  /// One served measurement of a made-up machine.
  struct Cell {
    var workers = 1
    var threads = 1
    var tokens = 32
    var computeSeconds: Double
    var input = RequestInput.text
  }

  /// Forward passes while that many workers compute.
  struct Forward {
    var concurrency: Int
    var seconds: Double
    var tokens = 32

    init(_ concurrency: Int, _ seconds: Double, tokens: Int = 32) {
      self.concurrency = concurrency
      self.seconds = seconds
      self.tokens = tokens
    }
  }

  struct Variant {
    var architecture = "bert-tiny"
    var precision = Precision.fp32
    var vocabulary: Int?
    var memoryPerModelBytes: Int64 = 20 << 20
    var cells: [Cell]
    var forward: [Forward] = []
  }

  static func profile(
    _ variants: [Variant], instanceType: String? = nil, cores: Int = 4, measuredAt: String = "2026-11-01T00:00:00Z",
    serverMemoryBytes: Int64 = 100 << 20, quick: Bool = false
  ) throws -> Profile {
    let host = HostFingerprint(
      cpuModel: "Test CPU", vendor: "AuthenticAMD", cpuFamily: 25, cpuModelNumber: 1, architecture: "x86_64",
      cores: cores, memoryBytes: 16 << 30, instructionSets: ["avx2"], hypervisor: nil, kernel: "6.1",
      instanceType: instanceType)
    let models = try variants.map { variant in
      ModelProfile(
        architecture: variant.architecture, precision: variant.precision,
        vocabulary: variant.vocabulary ?? ArchitecturePreset(rawValue: variant.architecture)?.shape.vocabulary ?? 30522,
        fileBytes: 1, weightBytes: 1,
        memoryPerModelBytes: variant.memoryPerModelBytes, loadSeconds: 0.01, firstRunSeconds: 0.01,
        forward: try variant.forward.map {
          ForwardCell(
            conditions: Conditions(tokens: $0.tokens, input: .tokens, threads: 1, coRunners: $0.concurrency),
            residentModels: 8, serviceSeconds: try table(mean: $0.seconds))
        },
        served: try variant.cells.map {
          ServedCell(
            conditions: Conditions(
              tokens: $0.tokens, input: $0.input, threads: $0.threads, coRunners: $0.workers),
            residentModels: 8, ratePerSecond: 10,
            times: ServedTimes(
              computeSeconds: try table(mean: $0.computeSeconds), overheadSeconds: try table(mean: 0.0003),
              betweenRunCV: 0.02))
        })
    }
    let settings = LibrarySettings(blas: "default", coreType: nil, environment: ["OMP_NUM_THREADS": "1"])
    return Profile(
      host: host, measuredAt: measuredAt, quick: quick, engine: EngineIdentity(name: "test", version: "1"),
      settings: settings, trials: [], serverMemoryBytes: serverMemoryBytes, models: models)
  }

  /// bert-tiny, 32 tokens, on the machine of `profile`.
  static func local(
    models: Int, profile: Profile, cores: Int, memoryBytes: Int64, target: Double = 0.010, rate: Double = 0.5,
    fit: Bool = true
  ) throws -> OptimizationProblem {
    var problem = try mission(
      models: models, budget: nil, target: target, rate: rate, instances: [LocalMachine.name], profiles: [profile],
      local: LocalMachine(profile: profile, cores: cores, memoryBytes: memoryBytes), fit: fit)
    problem.workload.architecture = "bert-tiny"
    problem.workload.tokens = 32
    return problem
  }
}
