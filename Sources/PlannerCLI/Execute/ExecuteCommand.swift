import ArgumentParser
import Executor
import Foundation
import LoadTest
import Optimizer
import PlannerCore
import PlannerFiles
import Profiler
import Reporting
import Simulator

struct ExecuteCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "execute",
    abstract: "Deploy a plan, load it, and lay the measurement beside the prediction.",
    discussion: """
      Where the plan's processor or size is not at hand, a slice runs: one node's models, as many as fit, on this \
      machine's own profile. A slice never confirms a cloud latency.
      """)

  @Argument(help: "Plan file.") var plan = "plan.json"
  @Option(help: "Where to deploy: local (processes of this machine).") var runtime = "local"
  @Option(parsing: .unconditional, help: "Nodes of the plan to run.") var nodes = 1
  @Option(parsing: .unconditional, help: "How long to load it.", transform: Arguments.seconds) var duration = 60.0
  @Option(help: "Model repository; default: synthesized models in models/.") var models: String?
  @Option(help: "Folder of profiles, for slices.") var profiles = ProfileFile.usualFolder
  @Option(parsing: .unconditional, help: "Cores kept for the load generator.") var reserveCores = 1
  @Option(parsing: .unconditional, help: "Share of available memory that a slice may fill.", transform: Arguments.share)
  var memoryShare = 0.6
  @Option(help: "Name of the run.") var name: String?
  @Option(help: "Folder for the report.") var reports = "reports"
  @Option(parsing: .unconditional, help: "Seed of the arrivals.") var seed: UInt64 = 1
  @Flag(help: "Predict from the profile alone, without a look at the machine's speed of the moment.")
  var noCalibration = false
  @Flag(help: "Leave the server running.") var keep = false
  @Flag(help: "Also write every request to samples.csv beside the report.") var samples = false
  @Flag(help: "Print the run as one JSON object.") var json = false

  /// Runs that the prediction is made from.
  static let replications = 40

  func validate() throws {
    if !["local", "docker", "kubernetes"].contains(runtime) {
      throw ValidationError("--runtime must be local, docker or kubernetes")
    }
    if nodes < 1 { throw ValidationError("--nodes must be at least 1") }
    if reserveCores < 0 { throw ValidationError("--reserve-cores must not be negative") }
    if let name, name.isEmpty || name.contains("/") { throw ValidationError("--name must not be empty or hold a '/'") }
  }

  func execute() async throws -> PlannerExit {
    guard runtime == LocalProcess.name else {
      throw Failure(.unavailable, "runtime '\(runtime)' is not built into this version; use --runtime local")
    }
    guard nodes == 1 else {
      throw Failure(
        .unavailable, "\(nodes) nodes do not fit this machine: the local runtime runs one; leave --nodes out")
    }
    let plan = try PlanFile.read(plan)
    let lock = try MachineLock.acquire(purpose: "execute")
    defer { lock.release() }
    let (record, result) = try await measure(plan)
    return try finish(record, result)
  }

  // MARK: Steps

  private func measure(_ plan: Plan) async throws -> (RunRecord, LoadResult) {
    let startedAt = Timestamp.now()
    let host = try HostInfo.fingerprint()
    if host.isThrottled { Output.note(Phrases.throttled(host)) }
    let cpus = try CPUSplit.current(servingCores: max(1, host.usableCPUs - reserveCores))
    let figures = Figures(
      profiles: try ProfileFile.readAll(in: profiles), benchmarks: [],
      catalog: Catalog(provenance: plan.catalog, types: []))
    let deployment = try Slice.choose(from: plan, on: try machine(cpus, plan), figures: figures)
    if let reason = deployment.reason { Output.note("slice: \(reason)") }
    let vocabulary =
      plan.workload.vocabulary ?? ArchitecturePreset(rawValue: plan.workload.architecture)?.shape.vocabulary ?? 30522
    let repository =
      models.map(ModelRepository.init(folder:))
      ?? .shared(architecture: plan.workload.architecture, vocabulary: vocabulary, precision: deployment.node.precision)
    let entries = try await repository.provide(
      architecture: plan.workload.architecture, vocabulary: vocabulary, precision: deployment.node.precision,
      count: deployment.models, mayWrite: models == nil)
    let server = try await launch(deployment, repository, cpus, tokens: plan.workload.tokens)
    do {
      let template = RequestTemplate(host: server.address.host, port: server.port)
      let node = NodeUnderLoad(
        server: server, cpus: cpus, workload: plan.workload, models: deployment.models,
        requests: try template.requests(
          models: entries.map(\.name), input: plan.workload.input, tokens: plan.workload.tokens,
          vocabulary: vocabulary))
      let outcome = try await predictAndLoad(node, deployment, plan)
      await end(server)
      let record = RunComparison(
        name: runName(plan), startedAt: startedAt, runtime: runtime, host: try HostInfo.fingerprint(), plan: plan,
        deployment: deployment, prediction: outcome.prediction, calibration: outcome.calibration,
        result: outcome.result, measuredMemoryBytes: outcome.memoryBytes
      ).record()
      return (record, outcome.result)
    } catch {
      Output.clearProgress()
      await server.stop(grace: .seconds(2))
      throw error
    }
  }

  private func machine(_ cpus: CPUSplit, _ plan: Plan) throws -> MachineAtHand {
    // A plan of this machine carries its own figures; only a slice has to look for some.
    let isLocal = plan.nodes.first?.instanceType == "local"
    let available = try HostInfo.availableMemoryBytes()
    return MachineAtHand(
      host: try HostInfo.fingerprint(), servingCores: cpus.workers.count,
      availableMemoryBytes: isLocal ? available : Int64(Double(available) * memoryShare),
      freeDiskBytes: try HostInfo.freeDiskBytes(at: "models"))
  }

  private func launch(
    _ deployment: Slice, _ repository: ModelRepository, _ cpus: CPUSplit, tokens: Int
  ) async throws -> RunningServer {
    let node = deployment.node
    let folder = NSTemporaryDirectory() + "planner-\(getuid())"
    var launch = ServerLaunch(
      binary: try ServerBinary.locate(), repository: repository.folder, workers: node.workers,
      threads: node.threadsPerWorker, logFile: "\(folder)/model-server-\(getpid()).log")
    launch.warmTokens = [tokens]
    launch.limitModels = deployment.models
    launch.environment = node.environment
    launch.pinWorkers = cpus.pinned(threadsPerWorker: node.threadsPerWorker)
    launch.ioCPUs = cpus.io
    launch.isKept = keep
    Output.note(
      "starting model-server with \(deployment.models) models, \(node.workers) × \(node.threadsPerWorker) threads")
    return try await LocalProcess.launch(launch)
  }

  private struct Outcome {
    var prediction: NodePrediction
    var calibration: RunComparison.Calibration?
    var result: LoadResult
    var memoryBytes: Int64
  }

  /// The schedule first, then the prediction on exactly that schedule, and only then the load.
  private func predictAndLoad(_ node: NodeUnderLoad, _ deployment: Slice, _ plan: Plan) async throws -> Outcome {
    let schedule = node.schedule(seconds: duration, seed: seed)
    let profiled = try predict(deployment, plan, schedule, deployment.node.service)
    var prediction = profiled
    var calibration: RunComparison.Calibration?
    if !noCalibration {
      Output.note("ready; letting it settle, then finding out how fast the machine is at the moment")
      let found = try await node.calibrate(
        against: deployment.node.service, runSeconds: duration, seed: seed &+ 1)
      if let found {
        prediction = try predict(deployment, plan, schedule, found.service)
        calibration = .init(speed: found.speed, requests: found.requests, seconds: found.seconds, profiled: profiled)
        Output.note("\(Phrases.speed(found.speed)) in \(found.requests) requests")
      } else {
        Output.note("too few requests at this rate to tell; the profile's figures stand")
      }
    }
    Output.note(
      "predicted on the schedule of this run: p50 \(Format.duration(prediction.latencySeconds.p50.estimate)), "
        + "p99 \(Format.duration(prediction.latencySeconds.p99.estimate)), "
        + "utilization \(Format.percent(prediction.utilization))")
    Output.note(
      "loading it for \(Format.duration(duration)) after \(Format.duration(NodeUnderLoad.warmupSeconds)) of warm-up")
    let result = try await node.load(schedule)
    return Outcome(
      prediction: prediction, calibration: calibration, result: result, memoryBytes: try node.server.memoryBytes())
  }

  private func predict(
    _ deployment: Slice, _ plan: Plan, _ schedule: Schedule, _ service: ServiceModel
  ) throws -> NodePrediction {
    var figures = deployment.node.figures
    figures.entries[0].service = service
    let prediction = NodeSimulation.predict(
      deployment.node.spec, plan.workload, figures, schedule: schedule, warmupSeconds: NodeUnderLoad.warmupSeconds,
      seed: plan.seed, replications: Self.replications)
    guard let prediction else {
      throw Failure(.usage, "no request falls into \(duration) s at this rate; run it longer with --duration")
    }
    return prediction
  }

  private func end(_ server: RunningServer) async {
    if keep {
      Output.note("server left running on http://\(server.address.host):\(server.port) (process \(server.pid))")
    } else {
      await server.stop()
    }
  }

  private func runName(_ plan: Plan) -> String { name ?? plan.workload.name }

  /// Writes run.json and the page, prints, and turns the verdict into the exit code.
  private func finish(_ record: RunRecord, _ result: LoadResult) throws -> PlannerExit {
    let folder = "\(reports)/\(Timestamp.folderName(record.startedAt))-\(Self.fileName(record.name))"
    try JSONFile.write(record, to: folder + "/run.json")
    try AtomicFile.write(HTMLReport.render(record), to: folder + "/index.html")
    if samples { try SamplesFile.write(result.samples.map(SamplesFile.Row.init), to: folder + "/samples.csv") }
    if json {
      Output.result(try JSONFile.encode(record))
    } else {
      Output.result(RunText.render(record, style: Output.style))
      Output.result("report: \(folder)/index.html")
    }
    guard record.valid else { return .undecided }
    switch record.verdict {
    case .pass: return .done
    case .fail: return .failed
    case .undecided: return .undecided
    }
  }

  private static func fileName(_ name: String) -> String {
    String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") ? $0 : "-" })
  }
}

extension SamplesFile.Row {
  fileprivate init(_ sample: LoadSample) {
    self.init(
      dueSeconds: sample.dueSeconds, model: sample.model, outcome: "\(sample.outcome)",
      latencySeconds: sample.latencySeconds, lagSeconds: sample.lagSeconds,
      queueSeconds: sample.timings?.queueSeconds, computeSeconds: sample.timings?.computeSeconds,
      ahead: sample.timings?.ahead)
  }
}
