import ArgumentParser
import Foundation
import Logging
import PlannerCore
import Server

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve a model repository (the default).",
    discussion: """
      The environment variables of the AWS guidance work too: NUM_MODELS (serve so many), POSTPROCESS (False \
      answers with raw tensors), QUIET (True logs warnings only).
      When every model is loaded and warm, one line of JSON on standard output says so and names the port.
      """)

  @Option(help: "Folder of models: a manifest.json, or .pt files.") var repository: String
  @Option(help: "Address to listen on.") var host = "127.0.0.1"
  @Option(help: "Port; 0 takes a free one.") var port = 8080
  @Option(help: "Forward passes at once.") var workers = 1
  @Option(help: "Threads of one forward pass.") var threads = 1
  @Option(help: "How many requests may wait; default: any number.") var queueCapacity: Int?
  @Option(help: "A request that has waited so long is not computed.") var requestTimeout = "30s"
  @Option(help: "Lengths, in tokens, at which each model is run before the server is ready.")
  var warmTokens = NumberList([32])
  @Option(help: "Serve the first so many models only.") var limitModels: Int?
  @Option(help: "CPUs of the workers, in turn.") var pinWorkers: NumberList?
  @Option(help: "A worker without work polls so long before it sleeps; default: 1s with --pin-workers, else 0.")
  var idlePolling: String?
  @Option(help: "CPUs of everything else.") var ioCpus: NumberList?
  @Option(help: "Threads that speak HTTP.") var httpThreads = 1
  @Flag(help: "Stop when standard input ends: whoever started the server has gone.") var stopOnStdinEof = false

  func validate() throws {
    guard (0...65535).contains(port) else { throw ValidationError("--port must be 0 to 65535") }
    guard (1...1024).contains(workers) else { throw ValidationError("--workers must be 1 to 1024") }
    guard (1...1024).contains(threads) else { throw ValidationError("--threads must be 1 to 1024") }
    guard (1...64).contains(httpThreads) else { throw ValidationError("--http-threads must be 1 to 64") }
    guard (queueCapacity ?? 0) >= 0 else { throw ValidationError("--queue-capacity must not be negative") }
    guard (limitModels ?? 1) >= 1 else { throw ValidationError("--limit-models must be at least 1") }
    guard warmTokens.numbers.allSatisfy({ $0 >= 1 }) else { throw ValidationError("--warm-tokens must be at least 1") }
    guard Quantity.seconds(requestTimeout) != nil else {
      throw ValidationError("--request-timeout must be a time such as 30s")
    }
    if let idlePolling {
      guard Quantity.seconds(idlePolling) != nil else {
        throw ValidationError("--idle-polling must be a time such as 1s")
      }
      if pinWorkers == nil {
        throw ValidationError("--idle-polling needs --pin-workers: a polling worker takes its CPU for itself")
      }
    }
  }

  /// What the guidance's variable says; absent or empty is no limit.
  private static func modelCount(_ text: String?) throws -> Int? {
    guard let text, !text.isEmpty else { return nil }
    guard let count = Int(text), count >= 1 else {
      throw ValidationError("NUM_MODELS is '\(text)'; it must be a whole number of at least 1")
    }
    return count
  }

  func run() async throws {
    try await runCommand {
      let environment = ProcessInfo.processInfo.environment
      var options = ServerOptions(repository: repository)
      options.host = host
      options.port = port
      options.workers = workers
      options.threadsPerWorker = threads
      options.queueCapacity = queueCapacity
      options.requestTimeoutSeconds = Quantity.seconds(requestTimeout)
      options.warmTokens = warmTokens.numbers
      options.limitModels = try limitModels ?? Self.modelCount(environment["NUM_MODELS"])
      options.postprocess = !["false", "0"].contains((environment["POSTPROCESS"] ?? "").lowercased())
      options.workerCPUs = pinWorkers?.numbers ?? []
      options.idlePollingSeconds = pinWorkers == nil ? 0 : idlePolling.flatMap(Quantity.seconds) ?? 1
      options.ioCPUs = ioCpus?.numbers ?? []
      options.httpThreads = httpThreads
      var logger = Logger(label: "model-server") { StreamLogHandler.standardError(label: $0) }
      logger.logLevel = ["true", "1"].contains((environment["QUIET"] ?? "").lowercased()) ? .warning : .notice
      let application = ModelServerApplication(options: options, logger: logger)
      try application.confineToIOCPUs()
      try Engine.initialize()
      try await application.run(stopOnStdinEOF: stopOnStdinEof) { [logger] ready in
        do { try printLine(ready) } catch { logger.error("cannot write to standard output") }
      }
    }
  }
}
