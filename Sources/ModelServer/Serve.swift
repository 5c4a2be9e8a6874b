import ArgumentParser
import Engine
import Foundation
import Logging
import PlannerCore
import RemoteModels
import ServerApplication
import ServerContract
import Serving

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: ServerCommand.serve.rawValue,
    abstract: "Serve a model repository (the default).",
    discussion: """
      The environment variables of the AWS guidance work too: NUM_MODELS (serve so many), POSTPROCESS (False \
      answers with raw tensors), QUIET (True logs warnings only).
      When every model is loaded and warm, one line of JSON on standard output says so and names the port.
      """)

  @Option(
    name: .of(.repository), help: "Folder of models (a manifest.json, or .pt files), or https:// or s3:// address.")
  var repository: String
  @Option(name: .of(.host), help: "Address to listen on.") var host = "127.0.0.1"
  @Option(name: .of(.port), help: "Port; 0 takes a free one.") var port = 8080
  @Option(name: .of(.workers), help: "Forward passes at once, on each device.") var workers = 1
  @Option(name: .of(.threads), help: "Threads of one forward pass.") var threads = 1
  @Option(help: "How many requests may wait; default: any number.") var queueCapacity: Int?
  @Option(help: "How many requests of one model may wait; default: as many as of all.")
  var queueCapacityPerModel: Int?
  @Option(help: "Most requests of a model that share a forward pass; 1 computes each alone.") var batchMax = 1
  @Option(help: "Sizes that are computed as soon as so many wait, separated by commas.")
  var batchPreferred: NumberList?
  @Option(help: "Longest that a free worker leaves a request waiting for company.") var batchWait = "0ms"
  @Option(help: "Memory of all models, such as 2GiB; the others are loaded on first use. Default: no limit.")
  var memoryBudget: String?
  @Option(help: "Models that are loaded at once.") var loadThreads = 2
  @Option(help: "How many requests may wait for models to be loaded; default: any number.")
  var maxLoadsWaiting: Int?
  @Flag(help: "Start although models cannot be loaded; the others are served.") var tolerateBadModels = false
  @Option(
    help: "Models with code that is new are first run in a process of their own, so long at most; 0s trusts them.")
  var probeTime = "60s"
  @Option(help: "A request that has waited so long is not computed.") var requestTimeout = "30s"
  @Option(name: .of(.warmTokens), help: "Lengths, in tokens, at which each model is run before the server is ready.")
  var warmTokens = NumberList([32])
  @Option(name: .of(.limitModels), help: "Serve the first so many models only.") var limitModels: Int?
  @Option(name: .of(.modelList), help: "File with the names of the models to serve, one a line.")
  var modelList: String?
  @Option(name: .of(.pinWorkers), help: "CPUs of the workers, in turn.") var pinWorkers: NumberList?
  @Option(help: "A worker without work polls so long before it sleeps; default: 1s with --pin-workers, else 0.")
  var idlePolling: String?
  @Option(name: .of(.ioCPUs), help: "CPUs of everything else.") var ioCpus: NumberList?
  @OptionGroup var processor: ProcessorOptions
  @Option(help: "Threads that speak HTTP.") var httpThreads = 1
  @Flag(help: "Pad texts to 128 tokens, as the guidance does, instead of computing them at their own length.")
  var padText = false
  @Option(help: "How pairs of texts are cut: halves or oneByOne, whatever the manifest says.")
  var pairTruncation: RepositoryManifest.PairTruncation?
  @Flag(help: "Let clients load and unload models.") var allowManagement = false
  @Option(help: "Largest body of a request, in bytes, also after it was inflated.") var maxBody = 16 << 20
  @Option(help: "A connection without a request is closed after so long.") var idleTimeout = "60s"
  @Option(help: "A request must have arrived whole, and an answer been taken, within so long.")
  var transferTimeout = "30s"
  @Option(name: .of(.shutdownDelay), help: "Serve on for so long once told to stop, as callers may not know of it yet.")
  var shutdownDelay = "0s"
  @Option(help: "Port of gRPC; 0 takes a free one; default: no gRPC. Triton's clients look at 8001.") var grpcPort: Int?
  @OptionGroup var security: SecurityArguments
  @Option(name: .customLong("pull"), help: "When a remote repository's models are fetched: start or first-use.")
  var pullMoment = PullOptions.Moment.start
  @OptionGroup var pullFlags: PullFlags
  @Flag(name: .of(.stopOnStdinEOF), help: "Stop when standard input ends: whoever started the server has gone.")
  var stopOnStdinEof = false

  func validate() throws { _ = try serverOptions() }

  /// What the guidance's variable says; absent or empty is no limit.
  private static func modelCount(_ text: String?) throws -> Int? {
    guard let text, !text.isEmpty else { return nil }
    guard let count = Int(text), count >= 1 else {
      throw ValidationError("NUM_MODELS is '\(text)'; it must be a whole number of at least 1")
    }
    return count
  }

  /// What the options say, else what the guidance's variable says.
  private func selection(_ environment: [String: String]) throws -> ModelSelection {
    if let modelList { return try ModelSelection(listFile: modelList) }
    return try (limitModels ?? Self.modelCount(environment["NUM_MODELS"])).map(ModelSelection.first) ?? .all
  }

  func run() async throws {
    await runCommand {
      let environment = ProcessInfo.processInfo.environment
      var options = try serverOptions()
      options.models = try selection(environment)
      options.postprocess = !["false", "0"].contains((environment["POSTPROCESS"] ?? "").lowercased())
      // The guidance's server logs every text unless told otherwise; here that must be asked for.
      options.logsTexts = ["false", "0"].contains((environment["QUIET"] ?? "").lowercased())
      let access = try security.access(environment: environment)
      var logger = Logger(label: "model-server") { StreamLogHandler.standardError(label: $0) }
      logger.logLevel = ["true", "1"].contains((environment["QUIET"] ?? "").lowercased()) ? .warning : .notice
      let address = try RepositoryAddress(repository)
      var remote: RemoteRepository?
      switch address {
      case .folder(let path): options.repository = path
      default:
        var pullOptions = pullFlags.options
        pullOptions.moment = pullMoment
        let repository = try RemoteRepository(address, options: pullOptions, environment: environment, logger: logger)
        options.repository = repository.folder
        remote = repository
      }
      try ModelServerApplication.confine(toCPUs: options.ioCPUs)
      try Engine.initialize()
      options.devices = try processor.apply()
      let application = ModelServerApplication(options: options, access: access, remote: remote, logger: logger)
      try await application.run(stopOnStdinEOF: stopOnStdinEof) { [logger] ready in
        do { try printLine(ready) } catch { logger.error("cannot write to standard output") }
      }
    }
  }
}
