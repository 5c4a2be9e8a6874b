import ArgumentParser
import Executor
import Foundation
import LoadTest
import PlannerCore
import PlannerFiles
import Proof
import Reporting

struct ExecuteCommand: PlannerCommand {
  static let configuration = CommandConfiguration(
    commandName: "execute",
    abstract: "Deploy a plan, load it, and lay the measurement beside the prediction.",
    discussion: """
      Where the plan's processor or size is not at hand, a slice runs: one node's models, as many as fit, on this \
      machine's own profile. A slice never confirms a cloud latency.
      """)

  @Argument(help: "Plan file.") var plan = "plan.json"
  @OptionGroup var place: RuntimeOptions
  @OptionGroup var image: ImageOptions
  @OptionGroup var pods: KubernetesArguments
  @Option(
    parsing: .unconditional,
    help: "Nodes of the plan to run; default: 1, in a cluster all, or one of each kind where not all have a place.")
  var nodes: Int?
  @Option(parsing: .unconditional, help: "How long to load it.", transform: Arguments.seconds) var duration = 60.0
  @Option(
    help: """
      Models: a folder, of one or several architectures (default: synthesized ones in models/); for kubernetes where \
      pods find them.
      """)
  var models: String?
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

  func validate() throws {
    if let nodes, nodes < 1 { throw ValidationError("--nodes must be at least 1") }
    if reserveCores < 0 { throw ValidationError("--reserve-cores must not be negative") }
    if let name, name.isEmpty || name.contains("/") { throw ValidationError("--name must not be empty or hold a '/'") }
  }

  func execute() async throws -> PlannerExit {
    let place = place.choice()
    try pods.check(on: place.name)
    let plan = try PlanFile.read(plan)
    let lock = try MachineLock.acquire(purpose: "execute")
    defer { lock.release() }
    return try finish(
      try await place.name == .kubernetes ? measureInCluster(plan, on: place) : measure(plan, on: place))
  }

  // MARK: Steps

  private func measure(_ plan: Plan, on place: RuntimeChoice) async throws -> ProofRun.Outcome {
    let startedAt = Timestamp.now()
    let host = try HostInfo.fingerprint()
    if host.isThrottled { Output.note(Phrases.throttled(host)) }
    let figures = Figures(
      profiles: try ProfileFile.readAll(in: profiles), benchmarks: [],
      catalog: Catalog(provenance: plan.catalog, types: []))
    let nodes = nodes ?? 1
    let chosen = try ChosenNodes(
      nodes, of: plan, on: .init(host: host, reservedCores: reserveCores, memoryShare: memoryShare), figures: figures)
    let (excerpt, cpus) = (chosen.excerpt, CPUSplit.joined(chosen.cpus))
    if let reason = excerpt.reason { Output.note("slice: \(reason)") }
    if nodes > 1, cpus.others.isEmpty {
      Output.note("the nodes and the load generator share all CPUs: latencies hold what they take from each other")
    }
    // First, so that nothing is written for a place that is not there.
    let opened = try await place.open(
      for: .init(cpus: { _ in chosen.cpus }, lifetime: keep ? .kept : .run, image: image, pods: pods))
    let models = try await RunModels(of: excerpt, folder: models)
    let run = ProofRun(on: opened.runtime) { addresses in
      let templates = addresses.map { RequestTemplate(host: $0.host, port: $0.port) }
      return HTTPLoadSender(addresses: addresses, cpus: cpus) { try models.request($0, to: templates[$0.target]) }
    } report: {
      ExecuteNotes.show($0)
    }
    return try await carry(
      out: run, of: plan, excerpt, settings: models.settings(image: opened.image), host: host, startedAt: startedAt)
  }

  /// Makes the run that the command's options describe.
  func carry(
    out run: ProofRun, of plan: Plan, _ excerpt: Excerpt, settings: [NodeSettings], host: HostFingerprint,
    startedAt: String
  ) async throws -> ProofRun.Outcome {
    defer { Output.clearProgress() }
    return try await run.run(
      ProofRun.Order(
        name: name ?? plan.workload.name, startedAt: startedAt, plan: plan, excerpt: excerpt,
        deployment: deployment(of: plan, startedAt: startedAt), settings: settings, host: host,
        durationSeconds: duration, seed: seed, isCalibrated: !noCalibration, isKept: keep))
  }

  /// A deployment of this run alone.
  func deployment(of plan: Plan, startedAt: String) -> DeploymentID {
    DeploymentID(naming: name ?? plan.workload.name, at: Timestamp.folderName(startedAt))
  }

  /// Writes run.json and the page, prints, and turns the verdict into the exit code.
  private func finish(_ outcome: ProofRun.Outcome) throws -> PlannerExit {
    let record = outcome.record
    let folder = "\(reports)/\(Timestamp.folderName(record.ran.startedAt))-\(Self.fileName(record.asked.name))"
    try JSONFile.write(record, to: folder + "/run.json")
    try AtomicFile.write(HTMLReport.render(record), to: folder + "/index.html")
    if samples { try SamplesFile.write(outcome.result.samples.map(SamplesFile.Row.init), to: folder + "/samples.csv") }
    if json {
      Output.result(try JSONFile.encode(record))
    } else {
      Output.result(RunText.render(record, style: Output.style))
      Output.result("report: \(folder)/index.html")
    }
    return PlannerExit(record.conclusion)
  }

  private static func fileName(_ name: String) -> String {
    String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") ? $0 : "-" })
  }
}

extension SamplesFile.Row {
  fileprivate init(_ sample: LoadSample) {
    self.init(
      dueSeconds: sample.dueSeconds, model: sample.model, outcome: sample.outcome.rawValue,
      latencySeconds: sample.latencySeconds, lagSeconds: sample.lagSeconds,
      queueSeconds: sample.timings?.queueSeconds, computeSeconds: sample.timings?.computeSeconds,
      ahead: sample.timings?.ahead)
  }
}
