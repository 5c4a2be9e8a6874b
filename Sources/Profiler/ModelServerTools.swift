import Executor
import Foundation
import LoadTest
import PlannerCore
import Synchronization

/// The profiler's view of the real world: `model-server` as child processes and the open-loop load generator.
public struct ModelServerTools: ProfilerTools {
  let binary: String
  let cpus: CPUSplit
  let logFolder: String

  /// - Throws: `ExecutorError` where no `model-server` is found.
  public init(cpus: CPUSplit, logFolder: String) throws {
    binary = try ServerBinary.locate()
    self.cpus = cpus
    self.logFolder = logFolder
  }

  // MARK: Child commands

  private struct Info: Decodable {
    var name: String
    var version: String
  }

  public func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity {
    let lines = try await command(["info"], settings: settings)
    guard let line = lines.first, let info = try? JSONDecoder().decode(Info.self, from: Data(line.utf8)) else {
      throw ProfilerError("model-server info printed no JSON line")
    }
    return EngineIdentity(name: info.name, version: info.version)
  }

  public func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
    into folder: String
  ) async throws -> Int64 {
    try await synthesize(
      architecture: architecture, vocabulary: vocabulary, precision: precision, count: count, seed: seed, into: folder,
      progress: { _ in })
  }

  /// - Parameter progress: called with the number of models written so far.
  public func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64,
    into folder: String,
    progress: @escaping @Sendable (Int) -> Void
  ) async throws -> Int64 {
    struct Progress: Decodable { var done: Int }
    try await command(
      [
        "synthesize", "--family", architecture.rawValue, "--vocab", "\(vocabulary)", "--precision", precision.rawValue,
        "--count", "\(count)", "--seed", "\(seed)", "--out", folder,
      ], settings: nil
    ) { line in
      if let step = try? JSONDecoder().decode(Progress.self, from: Data(line.utf8)) { progress(step.done) }
    }
    let attributes = try? FileManager.default.attributesOfItem(atPath: folder + "/model0.pt")
    return (attributes?[.size] as? NSNumber)?.int64Value ?? 0
  }

  /// Writes variants of a repository's fp32 models beside them.
  ///
  /// - Parameter progress: called after each.
  public func writeVariants(
    repository: String, precisions: [Precision], texts: String?,
    progress: @escaping @Sendable (VariantReport) -> Void
  ) async throws -> [VariantReport] {
    var arguments = [
      "convert", "--repository", repository, "--precision", precisions.map(\.rawValue).joined(separator: ","),
    ]
    if let texts { arguments += ["--texts", texts] }
    let lines = try await command(arguments, settings: nil) { line in
      if let report = try? JSONDecoder().decode(VariantReport.self, from: Data(line.utf8)) { progress(report) }
    }
    return try lines.map { line in
      do {
        return try JSONDecoder().decode(VariantReport.self, from: Data(line.utf8))
      } catch {
        throw ProfilerError("model-server convert printed a line that is no report: \(line.prefix(200))")
      }
    }
  }

  public func measure(_ call: MeasureCall) async throws -> [MeasuredCell] {
    var arguments = [
      "measure", "--repository", call.repository, "--tokens", Self.list(call.tokens), "--threads",
      Self.list(call.threads), "--concurrency", "\(call.concurrency)", "--seconds", "\(call.seconds)", "--models",
      "\(call.models)",
    ]
    // As the server will be: a worker of one thread on a CPU of its own.
    if let pinned = cpus.pinned(threadsPerWorker: 1) { arguments += ["--pin-workers", Self.list(pinned)] }
    return try await command(arguments, settings: call.settings).map { line in
      do {
        return try JSONDecoder().decode(MeasuredCell.self, from: Data(line.utf8))
      } catch {
        throw ProfilerError("model-server measure printed a line that is not a cell: \(line.prefix(200))")
      }
    }
  }

  @discardableResult
  private func command(
    _ arguments: [String], settings: LibrarySettings?, onLine: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> [String] {
    let output = Mutex<[String]>([])
    let errors = Mutex<[String]>([])
    let status = try await ChildProcess.run(
      binary, arguments: arguments, environment: settings?.environment ?? [:],
      onStandardOutput: { line in
        output.withLock { $0.append(line) }
        onLine(line)
      }, onStandardError: { line in errors.withLock { $0.append(line) } })
    guard status.isSuccess else {
      let said = errors.withLock { $0.suffix(3).joined(separator: "; ") }
      let prefix = "model-server: "
      throw ProfilerError(
        said.hasPrefix(prefix)
          ? String(said.dropFirst(prefix.count)) : "model-server \(arguments[0]) ended with \(status): \(said)")
    }
    return output.withLock { $0 }
  }

  private static func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: ",") }

  // MARK: Serving

  /// Sent before the counted requests, so that connections, caches and clocks are warm.
  static let warmupSeconds = 1.5

  public func serve(_ call: ServeCall) async throws -> [ServedSample] {
    let settings = NodeSettings(
      repository: call.repository, models: call.modelNames, workers: call.workers, threadsPerWorker: call.threads,
      warmTokens: [call.tokens], environment: call.settings.environment)
    var launch = ServerLaunch(binary: binary, settings: settings, logFile: logFolder + "/model-server.log")
    launch.pinWorkers = cpus.pinned(threadsPerWorker: call.threads)
    launch.ioCPUs = cpus.io
    let server = try await ServerProcess.launch(launch)
    do {
      let samples = try await server.whileRunning { [cpus] in
        try await cpus.confined { try await Self.load(call, server: server.address, cpu: cpus.others.last) }
      }
      await server.stop()
      return samples
    } catch {
      await server.stop(grace: .seconds(2))
      throw error
    }
  }

  private static func load(_ call: ServeCall, server: NodeAddress, cpu: Int?) async throws -> [ServedSample] {
    let template = RequestTemplate(host: server.host, port: server.port)
    let requests = try template.requests(
      models: call.modelNames, input: call.input, tokens: call.tokens, vocabulary: call.vocabulary)
    var options = LoadOptions()
    options.cpu = cpu
    // A large model on a slow machine: an answer that comes late is a measurement, one given up is none.
    options.timeoutSeconds = 120
    options.warmupSeconds = min(warmupSeconds, call.schedule.durationSeconds / 4)
    let result = try await LoadGenerator(host: server.host, port: server.port, options: options).run(
      schedule: call.schedule, requests: requests)
    guard result.counts.completed == result.counts.sent else {
      throw ProfilerError(
        "\(result.counts.sent - result.counts.completed) of \(result.counts.sent) requests were not answered"
          + (result.firstFailure.map { ": \($0)" } ?? ""))
    }
    return try result.samples.map { sample in
      guard let served = ServedSample(sample) else { throw ProfilerError("the server sent no timings") }
      return served
    }
  }
}
