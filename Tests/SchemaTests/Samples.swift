import PlannerCore
import PlannerFiles

/// Values of every kind that is written as JSON: of each at least one with all that it may have, and one with no more
/// than it must have.
enum Samples {
  /// Documents of one schema, as the program writes them.
  static func documents(_ schema: String) throws -> [String] {
    switch schema {
    case "plan": try [feasiblePlan, infeasiblePlan, mixedPlan, flatPlan].map { try JSONFile.encode($0) }
    case "profile": try [profile(of: fullHost), ownProfile, bareProfile].map { try JSONFile.encode($0) }
    case "run": try [run, slice, mix, flatRun].map { try JSONFile.encode($0) }
    case "simulation":
      try [simulation, impatientSimulation, emptySimulation, budgetedSimulation].map { try JSONFile.encode($0) }
    case "check": try [Finding(violations: []), Finding(violations: ["cost: differs"])].map { try JSONFile.encode($0) }
    case "profile-check": try [JSONFile.encode(ProfileFinding(violations: ["only 3 samples"]))]
    case "catalog": try [JSONFile.encode(Listing())]
    case "figures": try [JSONFile.encode(embeddedFigures())]
    case "repository": try repositories.map { try JSONFile.encode($0) }
    case "deploy-manifests":
      [#"{"deployment": "shop", "namespace": "mpi", "nodes": 2, "files": ["out/base/kustomization.yaml"]}"#]
    case "image-build": builtImages
    case "image-transfer": transferredImages
    case "model-synth": try [JSONFile.encode(Synthesized())]
    case "model-inspect": [inspected]
    case "model-index": [indexed]
    case "model-variants": try [JSONFile.encode(Written())]
    case "workload-from-log": try [logFindings, bareLogFindings].map { try JSONFile.encode($0) }
    case "deployment": [deployed, troubled]
    case "deployments": [deploymentList]
    case "deployment-diff": [changedDeployment]
    case "deployment-stopped": [stoppedDeployment]
    case "trace": try [JSONFile.encodeLine(TraceFile.Line(trace))]
    case "ready":
      [
        #"{"ready":true,"port":40001,"models":3,"pid":4711}"#,
        #"{"ready":true,"port":40001,"grpcPort":40002,"models":3,"pid":4711}"#,
      ]
    default: []
    }
  }

  // MARK: What the command line composes itself

  struct Finding: Encodable {
    var plan = "plan.json"
    var holds = false
    var violations: [String]
  }

  struct ProfileFinding: Encodable {
    var profile = "profiles/a.json"
    var holds = false
    var isThisMachine = true
    var isThrottled = false
    var violations: [String]
  }

  struct Listing: Encodable {
    var provenance: Provenance
    var types: [InstanceType]
    var figures: [PublishedBenchmark]

    init() throws {
      let catalog = try CatalogFile.embedded()
      provenance = catalog.provenance
      types = catalog.types
      figures = try Samples.embeddedFigures().figures
      // Every type of the embedded catalogue has a clock; one of a user's own need not.
      types[0].sustainedClockMHz = nil
      // One with a resource of its own, and to be had in another way.
      types[0].allocatable["neuronCores"] = 2
      types[0].offerings.append(Offering(purchase: .spot, costPerHour: 0.03))
    }
  }

  /// With one more that knows what none of those that ship knows.
  static func embeddedFigures() throws -> FiguresFile {
    var file = try FiguresFile.embedded()
    var figure = file.figures[0]
    figure.seconds = ["p50": 0.001, "p90": 0.0012]
    file.figures.append(figure)
    return file
  }

  struct Synthesized: Encodable {
    var folder = "models/mine"
    var models = 3
    var fileBytes: Int64 = 3_145_728
  }

  struct Written: Encodable {
    var folder = "models/mine"
    var variants = agreements.map { agreement in
      VariantReport(
        model: "a", variant: "a-int8", file: "models/mine/a-int8.pt", precision: .int8, linearLayers: 13, embeddings: 3,
        fileBytes: 3_145_728, agreement: agreement, agreementMissing: agreement == nil ? "never trained" : nil)
    }
  }

  /// Agreements of scores, of embeddings, and none.
  static let agreements: [VariantAgreement?] = [
    VariantAgreement(
      task: .choice, reference: "a", texts: 24, fewestTokens: 3, mostTokens: 250, sameChoices: 0.98, worstCosine: nil,
      meanCosine: nil, largestDifference: 0.1, largestValue: 7.5),
    VariantAgreement(
      task: .embedding, reference: "a", texts: 24, fewestTokens: 3, mostTokens: 250, sameChoices: nil,
      worstCosine: 0.995, meanCosine: 0.999, largestDifference: 0.1, largestValue: 7.5),
    nil,
  ]

  // MARK: Parts

  static let measured = Provenance(.measured, source: "AMD EPYC, 2 cores, 2026-08-03T13:40:02Z, quick")
  static let published = Provenance(.published, source: "aws-neuron/aws-neuron-sdk, about-neuron/benchmarks/inf2")
  static let estimated = Provenance(.estimated, source: "weights × 1.15 + 40 MiB ± 25 %")
  static let p99 = PlannedLatency(p99: Estimate(estimate: 0.00242, low: 0.00231, high: 0.00258))

  static let fullHost = {
    var host = HostFingerprint(
      cpuModel: "AMD EPYC", vendor: "AuthenticAMD", cpuFamily: 25, cpuModelNumber: 17, architecture: "x86_64", cores: 2,
      memoryBytes: 8 << 30, instructionSets: ["avx2", "fma"], hypervisor: "KVM", kernel: "6.1.0",
      instanceType: "c7a.large")
    host.cpuQuota = 1.5
    return host
  }()
  static let bareHost = HostFingerprint(
    cpuModel: "AMD EPYC", vendor: "AuthenticAMD", cpuFamily: 25, cpuModelNumber: 17, architecture: "x86_64", cores: 2,
    memoryBytes: 8 << 30, instructionSets: [], hypervisor: nil, kernel: "6.1.0", instanceType: nil)

  static let workload = Workload(
    name: "bert-tiny-1000", architecture: "bert-tiny", vocabulary: 2000, models: 1000, tokens: 32,
    ratePerModelPerSecond: 0.6, targetP99Seconds: 0.010, source: "demo workload")

  /// Quantiles at the standard probabilities, which are then left out.
  static func measuredTable() -> QuantileTable {
    guard let table = QuantileTable(samples: (0..<200).map { 0.0003 + 0.000001 * Double($0) }) else {
      preconditionFailure("times above 0 have quantiles")
    }
    return table
  }

  static func publishedTable() -> QuantileTable {
    guard
      let table = QuantileTable(
        probabilities: [0, 0.5, 0.99, 1], seconds: [0.0009, 0.001, 0.00104, 0.0011], sampleCount: 0)
    else { preconditionFailure("the points ascend") }
    return table
  }

  static func measuredNode() -> NodeGroup {
    var node = NodeGroup(
      instanceType: "local", count: 1, modelsPerNode: [1000, 1000], precision: .int8, devices: 1, workers: 1,
      threadsPerWorker: 1, costPerHour: 0, provenance: measured, executable: true, latencySeconds: p99,
      utilization: 0.41, memoryPerModelBytes: 3_460_301, memoryCapacityBytes: 4 << 30, memoryProvenance: measured,
      service: ServiceModel(
        computeSeconds: measuredTable(), overheadSeconds: measuredTable(), betweenRunCV: 0.03,
        computeProvenance: measured,
        overheadProvenance: measured, dispatchGapSeconds: 0.00002, wakeUpSeconds: 0.00003,
        computeTraceSeconds: [0.0003, 0.0004]),
      environment: ["OMP_WAIT_POLICY": "PASSIVE"])
    node.host = fullHost
    node.serverMemoryBytes = 161_480_704
    return node
  }

  /// A measured node on a host that tells little of itself.
  static func bareNode() -> NodeGroup {
    var node = measuredNode()
    node.host = bareHost
    return node
  }

  /// Models of two groups, each with figures of its own.
  static func mixedNode() -> NodeGroup {
    var node = measuredNode()
    let other = Variant(architecture: "minilm", precision: .fp32, vocabulary: 2000)
    node.spec.models.append(ModelShare(group: "others", variant: other, count: 20))
    node.totals.append(20)
    node.shareP99Seconds = [node.latencySeconds.p99, Estimate(estimate: 0.004, low: 0.003, high: 0.005)]
    var service = node.service
    service.sizes = [SizeFactor(upTo: 16, share: 0.75, factor: 0.5), SizeFactor(upTo: 32, share: 0.25, factor: 1)]
    node.figures.entries.append(
      .init(
        variant: other, service: service, memoryPerModelBytes: 50 << 20, memoryProvenance: estimated,
        hostMemory: HostMemory(
          perModelBytes: .init(low: 20480, high: 60 << 20), capacityBytes: 60 << 30, provenance: estimated)))
    return node
  }

  static func publishedNode() -> NodeGroup {
    var node = NodeGroup(
      instanceType: "inf2.xlarge", count: 32, modelsPerNode: [93, 94], precision: .fp32, devices: 2, workers: 1,
      threadsPerWorker: 1, costPerHour: 0.7582, provenance: published, executable: false, latencySeconds: p99,
      utilization: 0.05, memoryPerModelBytes: 600 << 20, memoryCapacityBytes: 32 << 30, memoryProvenance: estimated,
      service: ServiceModel(
        computeSeconds: publishedTable(), overheadSeconds: measuredTable(), betweenRunCV: 0.02,
        computeProvenance: published, overheadProvenance: measured),
      environment: [:])
    node.hostMemory = HostMemory(
      perModelBytes: .init(low: 20480, high: 600 << 20), capacityBytes: 60 << 30, provenance: estimated)
    return node
  }

  static let figured = Alternative(
    instanceType: "inf2.xlarge", feasible: true, nodes: 32, modelsPerNode: 94, precision: .fp32, costPerHour: 24.36,
    p99Seconds: p99.p99, utilization: 0.05, binding: .memory, reason: .stated("memory: 47 models fill a core"),
    provenance: published)
  static let unknown = Alternative(
    instanceType: "c7g.4xlarge", feasible: nil, binding: .noFigure, reason: .stated("no latency of bert-base on c7g"))

  // MARK: Wholes

  static let feasiblePlan = Plan(
    seed: 1, feasible: true, costPerHour: 24.3624, lowerBoundPerHour: 23.1042, models: 4000, budgetPerHour: 60,
    workload: workload, latencySeconds: p99, nodes: [publishedNode(), measuredNode(), bareNode(), mixedNode()],
    binding: .memory,
    bindingReason: .stated("memory: 47 models fill a core"),
    bestExecutable: ExecutablePlan(costPerHour: 0, latencySeconds: p99, nodes: [measuredNode()]),
    bestExecutableReason: nil, alternatives: [figured, unknown],
    guidance: [
      GuidanceRow(
        instanceType: "inf2.8xlarge", guidancePricePerHour: 1.97, guidanceNodes: 72, guidanceTotalPerHour: 141.94,
        guidanceModelsPerNode: 42, packingCostPerHour: 141.7977, packingFeasible: true, packingP99Seconds: p99.p99,
        packingReason: .stated("42 models a node: within 10 ms"), planned: figured)
    ], catalog: published,
    atLowHostMemory: LowHostMemory(
      perModelBytes: .init(low: 20480, high: 600 << 20), costPerHour: 20.1,
      nodes: [.init(instanceType: "inf2.xlarge", count: 26)], provenance: estimated))

  /// A plan whose bound rests on prices, with a group whose models have copies.
  static let mixedPlan = {
    var plan = feasiblePlan
    plan.workload = groups
    plan.certificate = Certificate(
      method: .dualPrices,
      prices: [ResourcePrices(instanceType: "inf2.xlarge", memory: 0.75, hostMemory: 0.125, compute: 0.125)])
    plan.groups[0].mostRatePerReplica = 12.5
    return plan
  }()

  static let flatPlan = {
    var plan = feasiblePlan
    plan.workload = fullFlat
    return plan
  }()

  static let infeasiblePlan = Plan(
    seed: 1, feasible: false, costPerHour: nil, lowerBoundPerHour: nil, models: 3000, budgetPerHour: nil,
    workload: .guidance, latencySeconds: nil, nodes: [], binding: .latency,
    bindingReason: .stated("no type keeps 10 ms"),
    bestExecutable: nil, bestExecutableReason: .stated("no plan is feasible"), alternatives: [unknown],
    guidance: [
      GuidanceRow(
        instanceType: "c7g.4xlarge", guidancePricePerHour: 0.58, guidanceNodes: 100, guidanceTotalPerHour: 58.10,
        guidanceModelsPerNode: 30, packingCostPerHour: 58.10, packingFeasible: nil, packingP99Seconds: nil,
        packingReason: .stated("no latency of bert-base on c7g"), planned: unknown)
    ], catalog: published)

  static let trace = ComputeTrace(
    cell: "bert-tiny 2000 int8: 32 tokens as text, batch 1, 1 × 1 threads", rounds: [[3000, 3100], [3050]])

  static func profile(of host: HostFingerprint) -> Profile {
    let standard = LibrarySettings(blas: "default", coreType: nil, environment: ["OMP_WAIT_POLICY": "PASSIVE"])
    let chosen = LibrarySettings(
      blas: "openblas-openmp", coreType: "SkylakeX",
      environment: ["OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_CORETYPE": "SkylakeX"])
    return Profile(
      host: host, measuredAt: "2026-08-03T13:40:02Z", quick: true, engine: .init(name: "libtorch", version: "1.13.1"),
      settings: chosen,
      trials: [standard, chosen].map {
        SettingsTrial(settings: $0, threads: 1, precision: .fp32, tokens: 128, p50Seconds: 0.118, samples: 20)
      }, serverMemoryBytes: 161_480_704,
      models: [
        ModelProfile(
          architecture: "bert-tiny", precision: .int8, vocabulary: 2000, fileBytes: 3_145_728, weightBytes: 2_883_584,
          memoryPerModelBytes: 3_460_301, loadSeconds: 0.0021, firstRunSeconds: 0.005,
          forward: [
            ForwardCell(
              conditions: Conditions(tokens: 32, input: .tokens, threads: 1, coRunners: 1), residentModels: 64,
              serviceSeconds: measuredTable()),
            ForwardCell(
              conditions: Conditions(tokens: 32, input: .tokens, threads: 1, coRunners: 1), residentModels: 64,
              serviceSeconds: measuredTable(), settings: standard),
          ],
          served: [
            ServedCell(
              conditions: Conditions(tokens: 32, input: .text, threads: 1, coRunners: 1), residentModels: 64,
              ratePerSecond: 700, settings: standard,
              times: ServedTimes(
                computeSeconds: measuredTable(), overheadSeconds: publishedTable(), betweenRunCV: 0.02,
                dispatchGapSeconds: 0.00002, wakeUpSeconds: 0.00003), trace: trace),
            ServedCell(
              conditions: Conditions(tokens: 32, input: .tokens, threads: 1, coRunners: 1), residentModels: 64,
              ratePerSecond: 700,
              times: ServedTimes(
                computeSeconds: measuredTable(), overheadSeconds: measuredTable(), betweenRunCV: 0)),
          ])
      ], purpose: ProfilePurpose(workload: nil, repository: "models"))
  }

  static var ownProfile: Profile {
    var profile = profile(of: fullHost)
    profile.purpose = ProfilePurpose(workload: "shop", repository: nil)
    profile.models[0].served[1].conditions.input = .tensors
    profile.models[0].notes = ["requests have no size: every shape is fixed"]
    return profile
  }

  static var bareProfile: Profile {
    var profile = profile(of: bareHost)
    profile.settings.coreType = nil
    profile.purpose = nil
    return profile
  }

  static var run: RunRecord {
    let figures = RunFigures(
      p50Seconds: 0.0007, p90Seconds: 0.0011, p95Seconds: 0.0014, p99Seconds: 0.0024, throughputPerSecond: 599,
      memoryBytes: 3 << 30)
    let curve = LatencyCurve(probabilities: [0, 0.5, 0.99], seconds: [0.0004, 0.0007, 0.0024])
    var requests = RequestOutcomes()
    requests.sent = 36_000
    requests.completed = 36_000
    return RunRecord(
      asked: .init(
        name: "bert-tiny", workload: workload, targetP99Seconds: 0.010, plan: RunRecord.PlanSummary(feasiblePlan)),
      ran: .init(
        startedAt: "2026-08-03T14:02:11Z", scope: .full, scopeReason: nil, runtime: "local", host: fullHost,
        node: measuredNode(), models: 1000),
      load: .init(durationSeconds: 60, requests: requests),
      figures: .init(
        predicted: figures, measured: figures, predictedCurve: curve, predictedCurveLow: curve,
        predictedCurveHigh: curve, measuredCurve: curve, predictedUtilization: 0.41, measuredUtilization: 0.4),
      comparison: .init(
        prediction: .init(errorP50: 0.02, errorP99: -0.04, withinInterval: true, p50: p99.p99, p99: p99.p99),
        calibration: .init(
          requests: 6012, durationSeconds: 10, speed: MachineSpeed(computeFactor: 1.08, overheadFactor: 0.97),
          profileOnly: .init(p50Seconds: 0.00066, p99Seconds: 0.0022, errorP50: -0.057, errorP99: -0.083))),
      verdict: .init(
        outcome: .pass, reason: "measured p99 lies below the target", confidence: 0.999, valid: true,
        invalidReason: nil))
  }

  /// A run of a slice of an infeasible plan's workload, with so many unanswered requests that p99 is the client's time
  /// limit.
  static var slice: RunRecord {
    var run = run
    run.ran.scope = .slice
    run.ran.scopeReason = "this machine is no inf2.xlarge"
    run.comparison.calibration = nil
    run.ran.host = bareHost
    run.asked.workload = .guidance
    run.ran.node = publishedNode()
    run.figures.measured.p99Seconds = 10
    run.figures.measured.atLeast = ["p99Seconds"]
    run.figures.measuredCurve.seconds[2] = 10
    run.comparison.prediction.errorP99 = -1
    run.verdict.outcome = .undecided
    run.verdict.confidence = 0
    run.verdict.valid = false
    run.verdict.invalidReason = "400 of 36000 requests failed"
    run.asked.plan = RunRecord.PlanSummary(infeasiblePlan)
    run.asked.plan.nodes = [publishedNode()]
    return run
  }

  /// Two groups on two nodes: one of each kind of figure that a group may lack.
  static var flatRun: RunRecord {
    var run = run
    run.asked.workload = fullFlat
    return run
  }

  static var mix: RunRecord {
    var run = run
    var requests = RequestOutcomes()
    requests.sent = 1000
    requests.completed = 1000
    run.ran.models = 5
    run.asked.workload = groups
    run.ran.node.figures.entries[0].service.sizes = [SizeFactor(upTo: 32, share: 1, factor: 1)]
    run.parts = .init(
      groups: [
        .init(
          name: "texts", models: 3, requests: requests, targetP99Seconds: 0.02, predictedP99: p99.p99,
          measured: run.figures.measured, verdict: .pass, verdictReason: "below the target", confidence: 0.99,
          valid: true),
        .init(
          name: "never asked", models: 1, requests: RequestOutcomes(), targetP99Seconds: 0.02, predictedP99: nil,
          measured: nil, verdict: .undecided, verdictReason: "no request was due", confidence: 0, valid: false),
      ],
      nodes: (0..<2).map {
        .init(
          name: "node-\($0)", instanceType: "local", workers: 1, threadsPerWorker: 2, models: 2 + $0,
          requests: requests, measuredUtilization: 0.3, memoryBytes: 300 << 20)
      })
    return run
  }

  static var simulation: SimulationSummary {
    var requests = RequestCounts()
    requests.arrived = 152_114
    requests.completed = 152_110
    requests.inFlight = 4
    let figure = Estimate(estimate: 0.05, low: 0.048, high: 0.052)
    return SimulationSummary(
      latencySeconds: LatencyEstimates(mean: figure, p50: figure, p90: figure, p95: figure, p99: figure),
      waitSeconds: .init(mean: figure), requests: requests, utilization: 0.8006, simulatedSeconds: 2000)
  }

  static var impatientSimulation: SimulationSummary {
    var summary = simulation
    summary.requests.completed = 152_100
    summary.requests.cancelled = 10
    return summary
  }

  static var emptySimulation: SimulationSummary {
    SimulationSummary(
      latencySeconds: nil, waitSeconds: nil, requests: RequestCounts(), utilization: 0, simulatedSeconds: 1)
  }

  static var budgetedSimulation: SimulationSummary {
    var summary = simulation
    var residency = SimulationSummary.Residency()
    residency.hits = 100
    residency.misses = 20
    residency.loads = 18
    residency.evictions = 17
    residency.peakMemoryBytes = 1 << 30
    residency.hitLatencySeconds = summary.latencySeconds
    summary.residency = residency
    return summary
  }

  static var repositories: [RepositoryManifest] {
    let model = RepositoryManifest.Model(
      name: "model0", file: "model0.pt", architecture: "bert-tiny", precision: .int8, vocabulary: 2000, maxTokens: 512,
      inputs: ["input_ids", "attention_mask", "token_type_ids"], fileBytes: 3_145_728)
    let variants = agreements.map { agreement in
      var variant = model
      variant.agreement = agreement
      return variant
    }
    var hashed = model
    hashed.sha256 = String(repeating: "0a", count: 32)
    var older = RepositoryManifest(seed: nil, vocabularyFile: "vocab.txt", lowercases: true, models: variants)
    older.pairTruncation = .oneByOne
    hashed.inputTensors = [
      TensorDeclaration(name: "input_ids", datatype: "INT64", shape: [-1, 128], below: 2000),
      TensorDeclaration(name: "attention_mask", datatype: "INT64", shape: [-1, 128]),
    ]
    hashed.outputTensors = [
      TensorDeclaration(name: "scores", datatype: "FP32", shape: [-1, 2]),
      TensorDeclaration(name: "choice", datatype: "INT64", shape: [-1], below: 2),
    ]
    hashed.requestTensors = [
      TensorDeclaration(name: "items", datatype: "INT64", shape: [1, -1], below: 5000),
      TensorDeclaration(name: "dense", datatype: "FP32", shape: [1, 13]),
    ]
    let bare = RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: nil, models: [.init(name: "mine")])
    return [
      older,
      bare,
      RepositoryManifest(seed: 1, vocabularyFile: "vocab.txt", lowercases: true, models: [model]),
      RepositoryManifest(seed: nil, vocabularyFile: nil, lowercases: false, models: [model, hashed]),
    ]
  }
}
