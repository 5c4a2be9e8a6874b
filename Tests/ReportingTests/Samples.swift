import Foundation
import PlannerCore
import Reporting

/// Records and plans of the size and shape that the commands produce.
enum Samples {
  static let host = HostFingerprint(
    cpuModel: "AMD EPYC 9R45", vendor: "AuthenticAMD", cpuFamily: 26, cpuModelNumber: 2, architecture: "x86_64",
    cores: 2, memoryBytes: 8_235_913_216, instructionSets: ["avx2", "avx512_bf16", "avx512_vnni", "avx512f"],
    hypervisor: "KVM", kernel: "6.1.0-31-amd64", instanceType: nil)

  static let measured = Provenance(.measured, source: "AMD EPYC 9R45, 2 cores, 2026-08-03T13:40:02Z, quick")
  static let published = Provenance(
    .published, source: "aws-neuron/aws-neuron-sdk, about-neuron/benchmarks/inf2: p50 0.999 ms, p99 1.040 ms")
  static let estimated = Provenance(
    .estimated, source: "weights × 1.15 + 40 MiB, ± 25 %, sized on the upper end")

  /// A distribution that starts at `base` and whose tail grows with the logarithm of what is above it.
  static func curve(base: Double, spread: Double) -> LatencyCurve {
    let probabilities = QuantileTable.standardProbabilities
    return LatencyCurve(
      probabilities: probabilities,
      seconds: probabilities.map { base + spread * pow(-log(1 - min($0, 0.99995)), 1.35) })
  }

  static func table(_ base: Double, _ spread: Double) -> QuantileTable {
    let curve = curve(base: base, spread: spread)
    return QuantileTable(probabilities: curve.probabilities, seconds: curve.seconds, sampleCount: 4000)!
  }

  static func node(
    _ type: String, count: Int = 1, models: [Int] = [1000, 1000], precision: Precision = .fp32, devices: Int = 1,
    price: Double = 0, p99: Estimate = Estimate(estimate: 0.00362, low: 0.0034, high: 0.00391),
    provenance: Provenance = measured, executable: Bool = true
  ) -> NodeGroup {
    NodeGroup(
      instanceType: type, count: count, modelsPerNode: models, precision: precision, devices: devices, workers: 1,
      threadsPerWorker: 1, costPerHour: price, provenance: provenance, executable: executable,
      latencySeconds: PlannedLatency(p99: p99), utilization: 0.412, memoryPerModelBytes: 3_460_301,
      memoryCapacityBytes: 4_941_547_929, memoryProvenance: executable ? measured : estimated,
      service: ServiceModel(
        computeSeconds: table(0.0003, 0.00004), overheadSeconds: table(0.0002, 0.00003), betweenRunCV: 0.021,
        computeProvenance: provenance, overheadProvenance: measured),
      environment: [
        "OPENBLAS_CORETYPE": "SkylakeX", "LD_LIBRARY_PATH": "/usr/lib/openblas-openmp", "OMP_NUM_THREADS": "1",
      ])
  }

  static func run() -> RunRecord {
    let workload = Workload(
      name: "bert-tiny on this machine", architecture: "bert-tiny", vocabulary: 2000, models: 1000, tokens: 32,
      ratePerModelPerSecond: 0.12, targetP99Seconds: 0.010, source: "planner demo")
    var requests = RequestOutcomes()
    requests.sent = 7214
    requests.completed = 7214
    let measuredCurve = curve(base: 0.00071, spread: 0.00040)
    let predictedCurve = curve(base: 0.00074, spread: 0.00037)
    func at(_ curve: LatencyCurve, _ p: Double) -> Double {
      curve.seconds[curve.probabilities.firstIndex(of: p)!]
    }
    func figures(_ curve: LatencyCurve, _ rate: Double, _ memory: Int64) -> RunFigures {
      RunFigures(
        p50Seconds: at(curve, 0.5), p90Seconds: at(curve, 0.9), p95Seconds: at(curve, 0.95),
        p99Seconds: at(curve, 0.99), throughputPerSecond: rate, memoryBytes: memory)
    }
    let predicted = figures(predictedCurve, 120, 3_570_301_952)
    let measured = figures(measuredCurve, 120.2, 3_640_655_872)
    let p99 = predicted.p99Seconds
    let node = node("local", p99: Estimate(estimate: p99, low: p99 * 0.91, high: p99 * 1.1))
    let plan = Plan(
      seed: 1, feasible: true, costPerHour: 0, lowerBoundPerHour: 0, models: 1000, budgetPerHour: nil,
      workload: workload, latencySeconds: node.latencySeconds, nodes: [node], binding: .count,
      bindingReason: .stated("one node is the fewest there can be"), bestExecutable: nil,
      bestExecutableReason: .stated("not asked"),
      alternatives: [], guidance: [], catalog: Samples.measured)
    return RunRecord(
      asked: .init(
        name: "bert-tiny-1000", workload: workload, targetP99Seconds: 0.010, plan: RunRecord.PlanSummary(plan)),
      ran: .init(
        startedAt: "2026-08-03T14:02:11Z", scope: .full, scopeReason: nil, runtime: "local", host: host, node: node,
        models: 1000),
      load: .init(durationSeconds: 60, requests: requests),
      figures: .init(
        predicted: predicted, measured: measured, predictedCurve: predictedCurve,
        predictedCurveLow: curve(base: 0.00069, spread: 0.00033),
        predictedCurveHigh: curve(base: 0.00078, spread: 0.00043), measuredCurve: measuredCurve,
        predictedUtilization: 0.412, measuredUtilization: 0.405),
      comparison: .init(
        prediction: .init(
          errorP50: predicted.p50Seconds / measured.p50Seconds - 1, errorP99: p99 / measured.p99Seconds - 1,
          withinInterval: true,
          p50: Estimate(
            estimate: predicted.p50Seconds, low: predicted.p50Seconds * 0.95, high: predicted.p50Seconds * 1.06),
          p99: node.latencySeconds.p99),
        calibration: .init(
          requests: 1203, durationSeconds: 10, speed: MachineSpeed(computeFactor: 1.084, overheadFactor: 0.971),
          profileOnly: .init(p50Seconds: 0.00066, p99Seconds: 0.0022, errorP50: -0.057, errorP99: -0.083))),
      verdict: .init(
        outcome: .pass, reason: "at most 9 of 7,214 requests took longer than 10 ms; 52 would still pass",
        confidence: 0.95, valid: true, invalidReason: nil))
  }

  /// Two groups with targets of their own on two nodes; the second missed its, among unanswered requests.
  static func mix() -> RunRecord {
    var run = run()
    run.asked.name = "mix"
    run.ran.models = 5
    func outcomes(_ sent: Int, _ completed: Int) -> RequestOutcomes {
      var requests = RequestOutcomes()
      requests.sent = sent
      requests.completed = completed
      requests.timedOut = sent - completed
      return requests
    }
    var late = run.figures.measured
    late.p99Seconds = 10
    late.atLeast = ["p99Seconds"]
    run.parts = .init(
      groups: [
        .init(
          name: "texts", models: 3, requests: outcomes(6000, 6000), targetP99Seconds: 0.02,
          predictedP99: Estimate(estimate: 0.00362, low: 0.0034, high: 0.0039), measured: run.figures.measured,
          verdict: .pass, verdictReason: "p99 lies below", confidence: 0.99, valid: true),
        .init(
          name: "images <b>", models: 1, requests: outcomes(1214, 1190), targetP99Seconds: 0.005,
          predictedP99: Estimate(estimate: 0.0042, low: 0.004, high: 0.0045), measured: late, verdict: .fail,
          verdictReason: "p99 lies above", confidence: 0.97, valid: true),
      ],
      nodes: [
        .init(
          name: "node-0", instanceType: "local", workers: 1, threadsPerWorker: 1, models: 3,
          requests: outcomes(4000, 4000), measuredUtilization: 0.41, memoryBytes: 300 << 20),
        .init(
          name: "node-1", instanceType: "local", workers: 2, threadsPerWorker: 1, models: 2,
          requests: outcomes(3214, 3190), measuredUtilization: 0.22, memoryBytes: 200 << 20),
      ])
    run.verdict.outcome = .fail
    run.verdict.reason = "1 of 2 groups missed their targets: images <b>"
    return run
  }

  /// A slice of a cloud plan that missed its target.
  static func slice() -> RunRecord {
    var run = run()
    run.asked.name = "minilm-50"
    run.ran.scope = .slice
    run.ran.scopeReason = "no inf2.xlarge is at hand"
    run.comparison.calibration = nil
    run.verdict.outcome = .fail
    run.verdict.reason = "411 of 7,214 requests took longer than 10 ms; at most 92 may"
    run.figures.measuredCurve = curve(base: 0.0041, spread: 0.0016)
    run.figures.measured.p50Seconds = 0.00507
    run.figures.measured.p90Seconds = 0.00903
    run.figures.measured.p95Seconds = 0.0111
    run.figures.measured.p99Seconds = 0.01667
    run.comparison.prediction.errorP50 = -0.7
    run.comparison.prediction.errorP99 = -0.78
    run.comparison.prediction.withinInterval = false
    run.load.requests.completed = 7203
    run.load.requests.failed = 4
    run.load.requests.rejected = 7
    run.asked.plan = RunRecord.PlanSummary(plan())
    return run
  }

  static func plan() -> Plan {
    let p99 = Estimate(estimate: 0.00242, low: 0.00231, high: 0.00258)
    let best = node(
      "inf2.xlarge", count: 32, models: [93, 94], precision: .bf16, devices: 2, price: 0.7582, p99: p99,
      provenance: published, executable: false)
    let today = node(
      "c7a.8xlarge", count: 71, models: [42, 43], precision: .int8, price: 1.6422,
      p99: Estimate(estimate: 0.00951, low: 0.00913, high: 0.00987))
    return Plan(
      seed: 1, feasible: true, costPerHour: 24.3624, lowerBoundPerHour: 23.1042, models: 3000, budgetPerHour: 60,
      workload: .guidance, latencySeconds: PlannedLatency(p99: p99), nodes: [best], binding: .memory,
      bindingReason: .stated("an accelerator's memory holds 47 models a core; with 48 it would be over its 16 GiB"),
      bestExecutable: ExecutablePlan(costPerHour: 116.6962, latencySeconds: today.latencySeconds, nodes: [today]),
      bestExecutableReason: nil, alternatives: alternatives(), guidance: guidance(),
      catalog: Provenance(
        .published, source: "aws/karpenter-provider-aws at 1d927085, us-east-1, on-demand, Linux, 2026-07-20"))
  }

  static func infeasible() -> Plan {
    var plan = plan()
    plan = Plan(
      seed: 1, feasible: false, costPerHour: nil, lowerBoundPerHour: nil, models: 3000, budgetPerHour: 10,
      workload: .guidance, latencySeconds: nil, nodes: [], binding: .budget,
      bindingReason: .stated("the cheapest plan costs $24.36 an hour, the budget is $10.00"), bestExecutable: nil,
      bestExecutableReason: .stated("no plan is feasible"), alternatives: plan.alternatives, guidance: plan.guidance,
      catalog: plan.catalog)
    return plan
  }

  static func alternatives() -> [Alternative] {
    var all: [Alternative] = []
    for (index, size) in ["xlarge", "8xlarge", "24xlarge", "48xlarge"].enumerated() {
      all.append(
        Alternative(
          instanceType: "inf2.\(size)", feasible: true, nodes: 32 >> index, modelsPerNode: 94 << index,
          precision: .bf16,
          costPerHour: 24.36 + 19.7 * Double(index),
          p99Seconds: Estimate(estimate: 0.00242, low: 0.00231, high: 0.00258), utilization: 0.24, binding: .memory,
          reason: .stated("device memory holds \(94 << index) models"), provenance: index == 0 ? published : estimated))
    }
    for (index, size) in ["xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"].enumerated() {
      all.append(
        Alternative(
          instanceType: "g5.\(size)", feasible: true, nodes: 85 - index, modelsPerNode: 36, precision: .fp32,
          costPerHour: 85.61 + 31.9 * Double(index),
          p99Seconds: Estimate(estimate: 0.00913, low: 0.0088, high: 0.00956), utilization: 0.14, binding: .memory,
          reason: .stated("device memory holds 36 models"), provenance: estimated))
      all.append(
        Alternative(
          instanceType: "c6i.\(size)", feasible: false, binding: .latency,
          reason: .stated("one forward pass of 128 tokens takes 54.1 ms, the target is 10 ms"), provenance: estimated))
    }
    for index in 1...30 {
      all.append(
        Alternative(
          instanceType: "m\(index)g.2xlarge", feasible: nil, binding: .noFigure,
          reason: .stated("no measured or published latency of bert-base on this processor")))
    }
    return all
  }

  static func guidance() -> [GuidanceRow] {
    func row(
      _ type: String, _ price: Double, _ nodes: Int, _ total: Double, _ models: Int, today: Double, keeps: Bool?,
      p99: Estimate?, _ reason: String, _ planned: Alternative
    ) -> GuidanceRow {
      GuidanceRow(
        instanceType: type, guidancePricePerHour: price, guidanceNodes: nodes, guidanceTotalPerHour: total,
        guidanceModelsPerNode: models, packingCostPerHour: today, packingFeasible: keeps, packingP99Seconds: p99,
        packingReason: .stated(reason), planned: planned)
    }
    let slow = "one forward pass of 128 tokens takes 54.1 ms, the target is 10 ms"
    func none(_ type: String) -> Alternative {
      Alternative(instanceType: type, feasible: false, binding: .latency, reason: .stated(slow), provenance: estimated)
    }
    return [
      row(
        "c7g.4xlarge", 0.58, 100, 58.10, 30, today: 58.10, keeps: nil, p99: nil,
        "no measured or published latency of bert-base on this processor",
        Alternative(
          instanceType: "c7g.4xlarge", feasible: nil, binding: .noFigure,
          reason: .stated("no measured or published latency of bert-base on this processor"))),
      row(
        "c5.4xlarge", 0.68, 100, 68.10, 30, today: 68.10, keeps: false,
        p99: Estimate(estimate: 0.37, low: 0.31, high: 0.44), slow, none("c5.4xlarge")),
      row(
        "c6i.4xlarge", 0.68, 100, 68.10, 30, today: 68.10, keeps: false,
        p99: Estimate(estimate: 0.0787, low: 0.0741, high: 0.0836), slow, none("c6i.4xlarge")),
      row(
        "inf2.8xlarge", 1.97, 72, 141.94, 42, today: 141.7977, keeps: true,
        p99: Estimate(estimate: 0.00198, low: 0.0019, high: 0.00207), "keeps the target", alternatives()[1]),
      row(
        "g5.4xlarge", 1.62, 70, 113.40, 43, today: 113.78, keeps: false, p99: nil,
        "43 models need 25.1 GiB of device memory, there are 24 GiB",
        Alternative(
          instanceType: "g5.4xlarge", feasible: true, nodes: 84, modelsPerNode: 36, precision: .fp32,
          costPerHour: 136.516, p99Seconds: Estimate(estimate: 0.00913, low: 0.0088, high: 0.00956), utilization: 0.14,
          binding: .memory, reason: .stated("device memory holds 36 models"), provenance: estimated)),
    ]
  }

  static func catalog() -> Catalog {
    func type(_ name: String, _ price: Double, _ vcpus: Int, _ accelerator: InstanceType.Accelerator?) -> InstanceType {
      InstanceType(
        name: name, costPerHour: price, architecture: accelerator == nil ? "arm64" : "amd64",
        cpuManufacturer: accelerator == nil ? "aws" : "amd", sustainedClockMHz: accelerator == nil ? 2600 : nil,
        vcpus: vcpus, memoryBytes: 32 << 30, allocatableMilliCPU: 15890, allocatableMemoryBytes: 27322 << 20,
        maxPods: 234, accelerator: accelerator)
    }
    return Catalog(
      provenance: plan().catalog,
      types: [
        type("c7g.4xlarge", 0.58, 16, nil),
        type("inf2.xlarge", 0.7582, 4, .init(name: "inferentia2", count: 1, memoryBytes: 32 << 30)),
      ])
  }

  static func figures() -> [PublishedBenchmark] {
    [
      PublishedBenchmark(
        instanceFamilies: ["inf2"], measuredOn: "inf2.xlarge", architecture: "bert-base", precision: .bf16, tokens: 128,
        batch: 1, seconds: ["p50": 0.000999, "p99": 0.00104], coresPerAccelerator: 2, source: published.source)
    ]
  }

  static func summary() -> SimulationSummary {
    var requests = RequestCounts()
    requests.arrived = 152_114
    requests.completed = 152_110
    requests.inFlight = 4
    func figure(_ value: Double) -> Estimate { Estimate(estimate: value, low: value * 0.97, high: value * 1.03) }
    return SimulationSummary(
      latencySeconds: LatencyEstimates(
        mean: figure(0.0501), p50: figure(0.0347), p90: figure(0.1151), p95: figure(0.1498), p99: figure(0.2303)),
      waitSeconds: .init(mean: figure(0.0401)), requests: requests, utilization: 0.8006, simulatedSeconds: 1900)
  }

  static func profile(faster: Double = 1) -> Profile {
    let standard = LibrarySettings(blas: "default", coreType: nil, environment: [:])
    let chosen = LibrarySettings(
      blas: "openblas-openmp", coreType: "SkylakeX",
      environment: ["OPENBLAS_CORETYPE": "SkylakeX", "LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu/openblas-openmp"])
    func trial(_ settings: LibrarySettings, _ threads: Int, _ seconds: Double) -> SettingsTrial {
      SettingsTrial(
        settings: settings, threads: threads, precision: .fp32, tokens: 128, p50Seconds: seconds, samples: 20)
    }
    let models = [Precision.fp32, .bf16, .int8].map { precision in
      ModelProfile(
        architecture: "bert-tiny", precision: precision, vocabulary: 2000, fileBytes: 3_145_728, weightBytes: 2_883_584,
        memoryPerModelBytes: 3_460_301, loadSeconds: 0.0021, firstRunSeconds: 0.00031,
        forward: [16, 32, 128].flatMap { tokens in
          [1, 2].map { threads in
            ForwardCell(
              conditions: Conditions(tokens: tokens, input: .tokens, threads: threads, coRunners: 1), residentModels: 8,
              serviceSeconds: table(0.0000075 * Double(tokens) / faster, 0.00001))
          }
        },
        served: [32].map { tokens in
          ServedCell(
            conditions: Conditions(tokens: tokens, input: .tokens, threads: 1, coRunners: 1), residentModels: 100,
            ratePerSecond: 50,
            times: ServedTimes(
              computeSeconds: table(0.00029 / faster, 0.00002), overheadSeconds: table(0.00021, 0.00002),
              betweenRunCV: 0.021))
        })
    }
    return Profile(
      host: host, measuredAt: "2026-08-03T13:40:02Z", quick: true, engine: .init(name: "libtorch", version: "1.13.1"),
      settings: chosen,
      trials: [trial(standard, 1, 0.198), trial(standard, 2, 0.404), trial(chosen, 1, 0.118), trial(chosen, 2, 0.072)],
      serverMemoryBytes: 161_480_704, models: models)
  }
}
