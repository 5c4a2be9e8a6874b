import Executor
import Foundation
import LoadTest
import PlannerCore
import PlannerFiles
import ServerContract
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

  /// Path, size and time of the last change of the program.
  public func serverIdentity() async throws -> String {
    var facts = stat()
    guard stat(binary, &facts) == 0 else { throw ProfilerError("\(binary) cannot be looked at") }
    return "\(binary), \(facts.st_size) bytes, changed \(facts.st_mtim.tv_sec).\(facts.st_mtim.tv_nsec)"
  }

  public func engineIdentity(settings: LibrarySettings) async throws -> EngineIdentity {
    let lines = try await command(ServerArguments(.info), settings: settings)
    guard let line = lines.first, let info = try? JSONDecoder().decode(EngineInfo.self, from: Data(line.utf8)) else {
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
    var arguments = ServerArguments(.synthesize)
    arguments.add(.family, architecture.rawValue)
    arguments.add(.vocab, vocabulary)
    arguments.add(.precision, precision.rawValue)
    arguments.add(.count, count)
    arguments.add(.seed, seed)
    arguments.add(.out, folder)
    try await command(arguments, settings: nil) { line in
      if let step = try? JSONDecoder().decode(SynthesisProgress.self, from: Data(line.utf8)) { progress(step.done) }
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
    var arguments = ServerArguments(.convert)
    arguments.add(.repository, repository)
    arguments.add(.precision, list: precisions.map(\.rawValue))
    if let texts { arguments.add(.texts, texts) }
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
    guard let first = call.conditions.first,
      call.conditions.allSatisfy({ $0.batch == 1 && $0.input == .tokens && $0.coRunners == first.coRunners })
    else {
      throw ProfilerError("model-server measure times single requests of token ids, of as many workers in all cells")
    }
    var arguments = ServerArguments(.measure)
    arguments.add(.repository, call.repository)
    arguments.add(.tokens, list: Self.different(call.conditions.map(\.tokens)))
    arguments.add(.threads, list: Self.different(call.conditions.map(\.threads)))
    arguments.add(.concurrency, first.coRunners)
    arguments.add(.seconds, call.seconds)
    arguments.add(.models, call.models)
    // As the server will be: a worker of one thread on a CPU of its own.
    if let pinned = cpus.pinned(threadsPerWorker: 1) { arguments.add(.pinWorkers, list: pinned) }
    return try await command(arguments, settings: call.settings).map { line in
      do {
        return try JSONDecoder().decode(MeasuredCell.self, from: Data(line.utf8))
      } catch {
        throw ProfilerError("model-server measure printed a line that is not a cell: \(line.prefix(200))")
      }
    }
  }

  @discardableResult
  func command(
    _ arguments: ServerArguments, settings: LibrarySettings?, onLine: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> [String] {
    let output = Mutex<[String]>([])
    let errors = Mutex<[String]>([])
    let status = try await ChildProcess.run(
      binary, arguments: arguments.words, environment: settings?.environment ?? [:],
      onStandardOutput: { line in
        output.withLock { $0.append(line) }
        onLine(line)
      }, onStandardError: { line in errors.withLock { $0.append(line) } })
    guard status.isSuccess else {
      let said = errors.withLock { $0.suffix(3).joined(separator: "; ") }
      let prefix = "model-server: "
      throw ProfilerError(
        said.hasPrefix(prefix)
          ? String(said.dropFirst(prefix.count)) : "model-server \(arguments.words[0]) ended with \(status): \(said)")
    }
    return output.withLock { $0 }
  }

  /// Each number once, in the order in which they first come.
  private static func different(_ numbers: [Int]) -> [Int] {
    numbers.enumerated().filter { !numbers[..<$0.offset].contains($0.element) }.map(\.element)
  }

  public func lend(_ repository: ProfileRequest.Repository, into folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      var manifest = repository.manifest
      let origin = URL(fileURLWithPath: repository.folder).path
      // Files may lie in folders of their own.
      for (index, model) in manifest.models.enumerated() {
        manifest.models[index].file = "\(index).pt"
        try FileManager.default.createSymbolicLink(
          atPath: "\(folder)/\(index).pt", withDestinationPath: "\(origin)/\(model.file)")
      }
      if let vocabulary = manifest.vocabularyFile {
        manifest.vocabularyFile = "vocab.txt"
        try FileManager.default.createSymbolicLink(
          atPath: "\(folder)/vocab.txt", withDestinationPath: "\(origin)/\(vocabulary)")
      }
      try JSONFile.write(manifest, to: folder + "/" + RepositoryManifest.fileName)
    } catch {
      throw ProfilerError("\(folder): cannot be made of the models in \(repository.folder) (\(error))")
    }
  }

  // MARK: Serving

  /// Sent before the counted requests, so that connections, caches and clocks are warm.
  static let warmupSeconds = 1.5

  public func serve(_ call: ServeCall) async throws -> [ServedSample] {
    let conditions = call.conditions
    let settings = NodeSettings(
      repository: call.repository, models: call.modelNames, workers: conditions.coRunners,
      threadsPerWorker: conditions.threads, warmTokens: [conditions.tokens], environment: call.settings.environment)
    var launch = ServerLaunch(binary: binary, settings: settings, logFile: logFolder + "/model-server.log")
    launch.pinWorkers = cpus.pinned(threadsPerWorker: conditions.threads)
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
      models: call.modelNames, input: call.conditions.input, tokens: call.conditions.tokens,
      vocabulary: call.vocabulary, tensors: call.tensors)
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
