import ArgumentParser
import Executor
import Foundation
import Optimizer
import PlannerCore
import PlannerFiles
import Reporting

struct OptimizeCommand: ComputingCommand {
  static let configuration = CommandConfiguration(
    commandName: "optimize",
    abstract: "Find the cheapest plan that keeps the latency target, and prove how cheap one can be.",
    discussion: """
      Without --workload the workload is the AWS guidance's own: bert-base, 128 tokens, 0.49 requests a second to \
      each model, p99 within 10 ms. Times are numbers with us, ms, s, m or h; rates are per second and model; \
      prices are dollars an hour.
      """)

  @Option(parsing: .unconditional, help: "How many models to serve.", transform: Arguments.count) var models: Int?
  @Option(
    parsing: .unconditional, help: "Most dollars an hour, the EKS cluster included.", transform: Arguments.positive)
  var budget: Double?
  @Option(
    name: .customLong("target-p99"), parsing: .unconditional, help: "Target for the 99th percentile, such as 10ms.",
    transform: Arguments.seconds
  )
  var targetP99: Double?
  @Option(parsing: .unconditional, help: "Requests a second to each model.", transform: Arguments.positive) var rate:
    Double?
  @Option(help: "Workload file (YAML).") var workload: String?
  @Flag(help: "Requests come through a proxy (planner deploy run --proxy), which takes its time.") var proxy = false
  @Option(help: "Instance types and prices (CSV); default: the shipped us-east-1 catalogue.") var catalog: String?
  @Option(help: "Folder of profiles.") var profiles = ProfileFile.usualFolder
  @Option(help: "Only these instance types, separated by commas; 'local' is this machine.") var instances: String?
  @Flag(help: "Plan this machine for as many of the models as it takes.") var fit = false
  @Option(parsing: .unconditional, help: "With --fit: fewer models than these are no plan.", transform: Arguments.count)
  var atLeast: Int?
  @Option(
    parsing: .unconditional, help: "Share of this machine's available memory that models may take.",
    transform: Arguments.share)
  var memoryShare = 0.6
  @Option(parsing: .unconditional, help: "Cores of this machine kept for the load generator.") var reserveCores = 1
  @Option(
    parsing: .unconditional, help: "Longest time to search; without a finished plan, nothing is written.",
    transform: Arguments.seconds)
  var timeLimit: Double?
  @Option(help: "Where to write the plan.") var out = "plan.json"
  @Option(help: "Also write the plan as a page (HTML).") var html: String?
  @Option(parsing: .unconditional, help: "Seed of the simulations.") var seed: UInt64 = 1
  @Flag(help: "Print the plan as one JSON object.") var json = false

  func validate() throws {
    if reserveCores < 0 { throw ValidationError("--reserve-cores must not be negative") }
    if fit, let instances, instances != LocalMachine.name {
      throw ValidationError("--fit plans this machine; leave --instances out or name 'local'")
    }
    if atLeast != nil, !fit { throw ValidationError("--at-least says how many models --fit has to reach; add --fit") }
  }

  func compute() throws -> PlannerExit {
    let plan = try search(try problem())
    Output.clearProgress()
    try JSONFile.write(plan, to: out)
    if let html { try AtomicFile.write(HTMLReport.renderPlan(plan), to: html) }
    if json {
      Output.result(try JSONFile.encode(plan))
    } else {
      Output.result(PlanText.render(plan, style: Output.style, path: out))
    }
    return plan.feasible ? .done : .noFeasiblePlan
  }

  /// Searches, and gives up at the time limit: a plan that was not finished would carry no proof.
  private func search(_ problem: OptimizationProblem) throws -> Plan {
    let clock = ContinuousClock()
    let deadline = timeLimit.map { clock.now + .seconds($0) }
    do throws(OptimizerError) {
      let isLate: @Sendable () -> Bool = { deadline.map { clock.now >= $0 } ?? false }
      return try Optimizer.optimize(problem, shouldStop: { Task.isCancelled || isLate() }) { Output.progress($0) }
    } catch {
      guard case .stopped = error else { throw error }
      try Task.checkCancellation()
      throw Failure(
        .unavailable,
        "the search was not finished after \(Format.duration(timeLimit ?? 0)); raise --time-limit or name fewer "
          + "--instances")
    }
  }

  private func problem() throws -> OptimizationProblem {
    var load = try workload.map(WorkloadFile.read) ?? .guidance
    if let models { load.models = models }
    if let rate { load.ratePerModelPerSecond = rate }
    if let targetP99 { load.targetP99Seconds = targetP99 }
    if proxy { load.isProxied = true }
    let names = instances.map { $0.split(separator: ",").map { String($0) } }
    let prices = try catalog.map(CatalogFile.read) ?? CatalogFile.embedded()
    let published = try FiguresFile.embedded()
    let figures = Figures(
      profiles: try ProfileFile.readAll(in: profiles), benchmarks: published.figures,
      architectures: published.architectures, hostMemory: published.hostMemory, catalog: prices)
    let wantsLocal = fit || names?.contains(LocalMachine.name) ?? false
    var problem = OptimizationProblem(
      workload: load, catalog: prices, figures: figures, local: wantsLocal ? try localMachine(figures, load) : nil,
      budgetPerHour: budget, instanceNames: fit ? [LocalMachine.name] : names, seed: seed, fitModels: fit,
      guidance: try GuidanceFile.embedded())
    problem.leastFittedModels = atLeast ?? 1
    return problem
  }

  /// This machine, by the profile of its processor that speaks for the workload's models.
  private func localMachine(_ figures: Figures, _ load: Workload) throws -> LocalMachine {
    let host = try HostInfo.fingerprint()
    if host.isThrottled { Output.note(Phrases.throttled(host)) }
    let cores = max(1, host.usableCPUs - reserveCores)
    guard let profile = figures.profile(of: host, for: load.groups.map(\.query), cores: cores) else {
      throw Failure(
        .unavailable,
        "no profile in \(profiles)/ is of this machine (\(host.cpuModel), \(host.cores) cores"
          + (host.isThrottled ? ", limited to \(host.cpuLimit)" : "") + "); measure it with: "
          + "planner profile --case \(load.query.profileCase)")
    }
    return LocalMachine(
      profile: profile, cores: cores, memoryBytes: Int64(Double(try HostInfo.availableMemoryBytes()) * memoryShare))
  }
}
