import PlannerCore

/// How far a profile has come, for a progress bar.
public struct ProfileProgress: Sendable {
  public var doneSteps: Int
  public var totalSteps: Int
  /// What is being measured now.
  public var label: String
}

public struct ProfilerError: Error, Sendable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

/// Measures a machine: first the library settings that make it fastest, then every variant with these.
public struct ProfileRun {
  let request: ProfileRequest
  let host: HostFingerprint
  let installed: [LibraryCandidates.Flavour]
  let inheritedLibraryPath: String?
  /// Where models are written while they are measured.
  let scratchFolder: String
  let tools: any ProfilerTools
  let progress: @Sendable (ProfileProgress) -> Void

  private var doneSteps = 0
  private var trials: [SettingsTrial] = []
  private var serverMemoryBytes: Int64 = 0

  public init(
    request: ProfileRequest, host: HostFingerprint, installed: [LibraryCandidates.Flavour],
    inheritedLibraryPath: String?, scratchFolder: String, tools: any ProfilerTools,
    progress: @escaping @Sendable (ProfileProgress) -> Void
  ) {
    self.request = request
    self.host = host
    self.installed = installed
    self.inheritedLibraryPath = inheritedLibraryPath
    self.scratchFolder = scratchFolder
    self.tools = tools
    self.progress = progress
  }

  /// - Parameter measuredAt: ISO 8601, UTC.
  /// - Throws: `ProfilerError`, or what the tools throw.
  public mutating func run(measuredAt: String) async throws -> Profile {
    let settings = try await findSettings()
    var models: [ModelProfile] = []
    if let repository = request.repository {
      models.append(try await measure(Subject(repository), settings: settings))
    } else {
      for (index, one) in request.cases.enumerated() {
        for precision in request.precisions {
          models.append(try await measure(try await synthesize(one, precision, index: index), settings: settings))
        }
      }
    }
    return Profile(
      host: host, measuredAt: measuredAt, quick: request.quick,
      engine: try await tools.engineIdentity(settings: settings), settings: settings, trials: trials,
      serverMemoryBytes: serverMemoryBytes, models: models)
  }

  // MARK: Progress

  private var candidates: LibraryCandidates { LibraryCandidates(host: host, installed: installed) }

  private var totalSteps: Int {
    let trialSteps = candidates.flavours.count + candidates.coreTypes.count
    let forwardSteps = 1 + (request.threadCounts.count > 1 ? 1 : 0)
    if let repository = request.repository {
      return trialSteps + forwardSteps + servedShapes.count * repository.tokens.count
    }
    let variants = request.cases.reduce(0) { $0 + 1 + forwardSteps + servedShapes.count * $1.tokens.count }
    return trialSteps + variants * request.precisions.count
  }

  private mutating func step(_ label: String) {
    progress(ProfileProgress(doneSteps: doneSteps, totalSteps: totalSteps, label: label))
    doneSteps += 1
  }

  // MARK: Library settings

  /// Tries flavours of BLAS, each with the threads it will be used with, then kernel families with the best flavour.
  ///
  /// The reference is the fp32 forward pass of the largest case at its greatest length: there the matrix products
  /// that these settings govern take nearly all of the time.
  private mutating func findSettings() async throws -> LibrarySettings {
    let reference = try await makeReference()
    var best = Best()
    for flavour in candidates.flavours {
      step("BLAS \(flavour.name)")
      try await attempt(flavour, coreType: nil, reference, &best)
    }
    guard let flavour = best.flavour else { throw ProfilerError("no forward pass could be measured") }
    for coreType in candidates.coreTypes.compactMap({ $0 }) {
      step("BLAS \(flavour.name), kernels for \(coreType)")
      try await attempt(flavour, coreType: coreType, reference, &best)
    }
    guard let settings = best.settings else { throw ProfilerError("no forward pass could be measured") }
    return settings
  }

  private struct Reference {
    var folder: String
    var models: Int
    var tokens: Int
    var threads: [Int]
    var seconds: Double
    var precision: Precision
  }

  private mutating func makeReference() async throws -> Reference {
    if let repository = request.repository {
      return Reference(
        folder: repository.folder, models: min(2, repository.modelNames.count), tokens: repository.tokens.max() ?? 128,
        threads: request.threadCounts, seconds: request.secondsPerTrial, precision: repository.precision)
    }
    func work(_ one: ProfileRequest.Case) -> Int { one.family.shape.parameterCount * (one.tokens.max() ?? 0) }
    guard let largest = request.cases.max(by: { work($0) < work($1) }) else {
      throw ProfilerError("there is nothing to profile: name at least one case")
    }
    step("models to compare library settings with")
    let folder = scratchFolder + "/reference"
    _ = try await tools.synthesize(
      family: largest.family, vocabulary: 2000, precision: .fp32, count: 2, seed: request.seed, into: folder)
    return Reference(
      folder: folder, models: 2, tokens: largest.tokens.max() ?? 128, threads: request.threadCounts,
      seconds: request.secondsPerTrial, precision: .fp32)
  }

  private struct Best {
    var flavour: LibraryCandidates.Flavour?
    var settings: LibrarySettings?
    var score = Double.infinity
  }

  /// A combination counts with its slowest slow-down: the product of its medians over all thread counts, so that
  /// one which only shines with one thread, and stalls with two, does not win.
  private mutating func attempt(
    _ flavour: LibraryCandidates.Flavour, coreType: String?, _ reference: Reference, _ best: inout Best
  ) async throws {
    let settings = LibraryCandidates.settings(flavour, coreType: coreType, inherited: inheritedLibraryPath)
    let cells = try await tools.measure(
      MeasureCall(
        repository: reference.folder, tokens: [reference.tokens], threads: reference.threads, concurrency: 1,
        seconds: reference.seconds, models: reference.models, settings: settings))
    var score = 1.0
    for cell in cells {
      guard let table = QuantileTable(samples: cell.samples) else { continue }
      score *= table.quantile(0.5)
      trials.append(
        SettingsTrial(
          settings: settings, threads: cell.threads, precision: reference.precision, tokens: cell.tokens,
          p50Seconds: table.quantile(0.5), samples: cell.samples.count))
    }
    guard !cells.isEmpty else { return }
    // Within measurement noise the plainer settings stay: they come first.
    if score < best.score * 0.97 { best = Best(flavour: flavour, settings: settings, score: score) }
  }

  // MARK: Variants

  /// Workers × threads in which the server itself is measured: all cores in use, in every even split.
  private var servedShapes: [(workers: Int, threads: Int)] {
    request.threadCounts.map { (workers: max(1, request.servingCores / $0), threads: $0) }
  }

  /// One variant, with models of it in a folder.
  fileprivate struct Subject {
    var family: String
    var vocabulary: Int
    var precision: Precision
    var tokens: [Int]
    var folder: String
    var modelNames: [String]
    var fileBytes: Int64

    var name: String { "\(family) \(precision.rawValue)" }
  }

  private mutating func synthesize(
    _ one: ProfileRequest.Case, _ precision: Precision, index: Int
  ) async throws -> Subject {
    var shape = one.family.shape
    if let vocabulary = one.vocabulary { shape.vocabulary = vocabulary }
    let count = ProfileRequest.residentModels(weightBytes: Int64(shape.parameterCount * precision.bytesPerWeight))
    let folder = scratchFolder + "/\(index)-\(one.family.rawValue)-\(precision.rawValue)"
    step("\(one.family.rawValue) \(precision.rawValue): models")
    let fileBytes = try await tools.synthesize(
      family: one.family, vocabulary: shape.vocabulary, precision: precision, count: count, seed: request.seed,
      into: folder)
    return Subject(
      family: one.family.rawValue, vocabulary: shape.vocabulary, precision: precision, tokens: one.tokens,
      folder: folder, modelNames: (0..<count).map { "model\($0)" }, fileBytes: fileBytes)
  }

  private mutating func measure(_ subject: Subject, settings: LibrarySettings) async throws -> ModelProfile {
    step("\(subject.name): forward passes")
    var call = MeasureCall(
      repository: subject.folder, tokens: subject.tokens, threads: request.threadCounts, concurrency: 1,
      seconds: request.secondsPerCell, models: subject.modelNames.count, settings: settings)
    var cells = try await tools.measure(call)
    if request.threadCounts.count > 1 {
      step("\(subject.name): forward passes side by side")
      call.threads = [1]
      call.concurrency = request.servingCores
      cells += try await tools.measure(call)
    }
    guard let first = cells.first else { throw ProfilerError("\(subject.name): the engine measured nothing") }
    serverMemoryBytes = max(serverMemoryBytes, first.serverMemoryBytes)
    return ModelProfile(
      family: subject.family, precision: subject.precision, vocabulary: subject.vocabulary,
      fileBytes: subject.fileBytes, weightBytes: first.weightBytes, memoryPerModelBytes: first.memoryPerModelBytes,
      loadSeconds: first.loadSeconds, firstRunSeconds: first.firstRunSeconds, forward: try cells.map(forwardCell),
      served: try await serve(subject, cells, settings: settings))
  }

  private mutating func serve(
    _ subject: Subject, _ cells: [MeasuredCell], settings: LibrarySettings
  ) async throws -> [ServedCell] {
    var served: [ServedCell] = []
    for tokens in subject.tokens {
      for split in servedShapes {
        step("\(subject.name): served, \(tokens) tokens, \(split.workers) × \(split.threads) threads")
        let alone = cells.first { $0.tokens == tokens && $0.threads == split.threads }
        guard let alone, let table = QuantileTable(samples: alone.samples) else {
          throw ProfilerError("\(subject.name): no forward pass of \(tokens) tokens was measured")
        }
        let call = ServeCall(
          repository: subject.folder, modelNames: subject.modelNames, vocabulary: subject.vocabulary, tokens: tokens,
          input: request.input, workers: split.workers, threads: split.threads,
          schedule: schedule(meanSeconds: table.mean, workers: split.workers, models: subject.modelNames.count),
          settings: settings)
        guard let cell = ServedCell(samples: try await tools.serve(call), call: call) else {
          throw ProfilerError("\(subject.name): the server answered no request of \(tokens) tokens")
        }
        served.append(cell)
      }
    }
    return served
  }

  private func forwardCell(_ cell: MeasuredCell) throws -> ForwardCell {
    guard let table = QuantileTable(samples: cell.samples) else {
      throw ProfilerError("the engine measured no pass of \(cell.tokens) tokens with \(cell.threads) threads")
    }
    return ForwardCell(
      tokens: cell.tokens, batch: 1, threads: cell.threads, concurrency: cell.concurrency,
      residentModels: cell.residentModels, serviceSeconds: table)
  }

  private func schedule(meanSeconds: Double, workers: Int, models: Int) -> Schedule {
    let rate = ProfileRequest.servedUtilization * Double(workers) / meanSeconds
    let duration = min(max(request.servedRequests / rate, request.minServedSeconds), request.maxServedSeconds)
    return Schedule.make(
      models: models, ratePerModelPerSecond: rate / Double(models), arrivals: .poisson, durationSeconds: duration,
      seed: request.seed)
  }
}

extension ProfileRun.Subject {
  fileprivate init(_ repository: ProfileRequest.Repository) {
    self.init(
      family: repository.family, vocabulary: repository.vocabulary, precision: repository.precision,
      tokens: repository.tokens, folder: repository.folder, modelNames: repository.modelNames,
      fileBytes: repository.fileBytes)
  }
}

extension ServedCell {
  /// Takes served requests apart.
  ///
  /// Overhead is looked at in requests that found the server idle: what they took beyond compute is HTTP, parsing
  /// and the waking of a worker, and no waiting for another request. Compute comes from all requests.
  init?(samples: [ServedSample], call: ServeCall) {
    let alone = samples.filter { $0.ahead == 0 }
    guard let compute = QuantileTable(samples: samples.map(\.compute)),
      let overhead = QuantileTable(samples: alone.map { max(0, $0.latency - $0.compute) })
    else { return nil }
    self.init(
      tokens: call.tokens, input: call.input, workers: call.workers, threads: call.threads,
      residentModels: call.modelNames.count, ratePerSecond: Double(samples.count) / call.schedule.durationSeconds,
      computeSeconds: compute, overheadSeconds: overhead, driftCV: Self.drift(of: samples))
  }

  /// Relative standard deviation of block medians, less what sampling alone would give them.
  ///
  /// Blocks are tenths of the run; a median's own sampling error is 1.2533 · s / √n for near-normal data, here
  /// with the spread taken from the quartiles so that single hiccups do not count.
  static func drift(of samples: [ServedSample]) -> Double {
    let ordered = samples.sorted { $0.due < $1.due }
    guard ordered.count >= 40 else { return 0 }
    let blocks = (0..<10).map { index in
      ordered[ordered.count * index / 10..<ordered.count * (index + 1) / 10].map(\.compute).sorted().quantile(0.5)
    }
    let mean = blocks.reduce(0, +) / 10
    guard mean > 0 else { return 0 }
    let variance = blocks.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 9
    let all = ordered.map(\.compute).sorted()
    let spread = (all.quantile(0.75) - all.quantile(0.25)) / 1.349
    let sampling = 1.2533 * spread / (Double(ordered.count) / 10).squareRoot()
    return (max(0, variance - sampling * sampling)).squareRoot() / mean
  }
}
