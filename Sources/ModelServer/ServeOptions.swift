import ArgumentParser
import PlannerCore
import Serving

/// The command line of `serve` as the server's options: each option is read, checked and set in one place.
extension Serve {
  /// - Throws: `ValidationError` about the first option that makes no sense.
  func serverOptions() throws -> ServerOptions {
    var options = ServerOptions(repository: repository)
    try setListening(&options)
    try setScheduling(&options)
    try setModels(&options)
    try setLimits(&options)
    try setProcessors(&options)
    return options
  }

  private func setListening(_ options: inout ServerOptions) throws {
    try check((0...65535).contains(port), "--port must be 0 to 65535")
    try check((0...65535).contains(grpcPort ?? 0), "--grpc-port must be 0 to 65535")
    options.host = host
    options.port = port
    options.grpcPort = grpcPort
  }

  private func setScheduling(_ options: inout ServerOptions) throws {
    try check((1...1024).contains(workers), "--workers must be 1 to 1024")
    try check((1...1024).contains(threads), "--threads must be 1 to 1024")
    try check((1...64).contains(httpThreads), "--http-threads must be 1 to 64")
    try check((queueCapacity ?? 0) >= 0, "--queue-capacity must not be negative")
    try check((queueCapacityPerModel ?? 0) >= 0, "--queue-capacity-per-model must not be negative")
    try check((1...10_000).contains(batchMax), "--batch-max must be 1 to 10000")
    let preferred = batchPreferred?.numbers ?? []
    try check(
      preferred.allSatisfy { (1...batchMax).contains($0) }, "--batch-preferred must be sizes from 1 to --batch-max")
    let wait = try seconds(batchWait, "--batch-wait", example: "2ms")
    try check(
      batchMax == 1 || queueCapacity != 0,
      "--batch-max needs a --queue-capacity of at least 1: requests wait for company")
    options.workers = workers
    options.threadsPerWorker = threads
    options.httpThreads = httpThreads
    options.queueCapacity = queueCapacity
    options.queueCapacityPerModel = queueCapacityPerModel
    options.batch = BatchPolicy(max: batchMax, wait: Nanoseconds(seconds: wait), preferred: preferred)
  }

  private func setModels(_ options: inout ServerOptions) throws {
    if let memoryBudget {
      let bytes = Quantity.bytes(memoryBudget)
      try check((bytes ?? 0) > 0, "--memory-budget must be a size such as 2GiB")
      options.memoryBudgetBytes = bytes
    }
    try check((1...64).contains(loadThreads), "--load-threads must be 1 to 64")
    try check((maxLoadsWaiting ?? 0) >= 0, "--max-loads-waiting must not be negative")
    let probe = try seconds(probeTime, "--probe-time", example: "60s")
    try check((limitModels ?? 1) >= 1, "--limit-models must be at least 1")
    try check(limitModels == nil || modelList == nil, "give either --limit-models or --model-list")
    try check(warmTokens.numbers.allSatisfy { $0 >= 1 }, "--warm-tokens must be at least 1")
    options.loadThreads = loadThreads
    options.maxLoadsWaiting = maxLoadsWaiting
    options.toleratesBadModels = tolerateBadModels
    options.probeSeconds = probe > 0 ? probe : nil
    options.warmTokens = warmTokens.numbers
    options.padsText = padText
    options.pairTruncation = pairTruncation
    options.allowsManagement = allowManagement
  }

  private func setLimits(_ options: inout ServerOptions) throws {
    options.requestTimeoutSeconds = try seconds(requestTimeout, "--request-timeout", example: "30s", isPositive: true)
    options.idleTimeoutSeconds = try seconds(idleTimeout, "--idle-timeout", example: "30s", isPositive: true)
    options.transferTimeoutSeconds = try seconds(
      transferTimeout, "--transfer-timeout", example: "30s", isPositive: true)
    options.shutdownDelaySeconds = try seconds(shutdownDelay, "--shutdown-delay", example: "5s")
    try check((1024...1 << 30).contains(maxBody), "--max-body must be 1024 to 1073741824")
    options.maxBodyBytes = maxBody
  }

  private func setProcessors(_ options: inout ServerOptions) throws {
    let polling = try idlePolling.map { try seconds($0, "--idle-polling", example: "1s") }
    try check(
      polling == nil || pinWorkers != nil,
      "--idle-polling needs --pin-workers: a polling worker takes its CPU for itself")
    options.workerCPUs = pinWorkers?.numbers ?? []
    options.idlePollingSeconds = pinWorkers == nil ? 0 : polling ?? 1
    options.ioCPUs = ioCpus?.numbers ?? []
  }

  // MARK: Values

  private func check(_ isGood: Bool, _ message: @autoclosure () -> String) throws {
    if !isGood { throw ValidationError(message()) }
  }

  /// - Parameter isPositive: zero makes no sense.
  private func seconds(_ text: String, _ option: String, example: String, isPositive: Bool = false) throws -> Double {
    guard let seconds = Quantity.seconds(text), seconds > 0 || !isPositive else {
      throw ValidationError("\(option) must be a time such as \(example)")
    }
    return seconds
  }
}

extension RepositoryManifest.PairTruncation: ExpressibleByArgument {}
