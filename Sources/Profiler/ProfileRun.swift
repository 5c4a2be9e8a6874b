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
    var subjects: [Subject] = []
    if let repository = request.repository {
      subjects.append(try await measureForward(Subject(repository), settings: settings))
    } else {
      for (index, one) in request.cases.enumerated() {
        for precision in request.precisions {
          subjects.append(
            try await measureForward(try await synthesize(one, precision, index: index), settings: settings))
        }
      }
    }
    // Round after round over everything: what a cell says then comes from several moments of the machine, and
    // variants are compared under the same ones.
    for round in 0..<request.servedRounds {
      for index in subjects.indices { try await serve(&subjects[index], round: round, settings: settings) }
    }
    let models = try subjects.map(profile)
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
      return trialSteps + forwardSteps + request.servedRounds * servedShapes.count * repository.tokens.count
    }
    let servedSteps = request.servedRounds * servedShapes.count
    let variants = request.cases.reduce(0) { $0 + 1 + forwardSteps + servedSteps * $1.tokens.count }
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
    func work(_ one: ProfileRequest.Case) -> Int { one.architecture.shape.parameterCount * (one.tokens.max() ?? 0) }
    guard let largest = request.cases.max(by: { work($0) < work($1) }) else {
      throw ProfilerError("there is nothing to profile: name at least one case")
    }
    step("models to compare library settings with")
    let folder = scratchFolder + "/reference"
    _ = try await tools.synthesize(
      architecture: largest.architecture, vocabulary: 2000, precision: .fp32, count: 2, seed: request.seed, into: folder
    )
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
    var architecture: String
    var vocabulary: Int
    var precision: Precision
    var tokens: [Int]
    var folder: String
    var modelNames: [String]
    var fileBytes: Int64
    var cells: [MeasuredCell] = []
    var served: [(call: ServeCall, rounds: [[ServedSample]])] = []

    var name: String { "\(architecture) \(precision.rawValue)" }
  }

  private mutating func synthesize(
    _ one: ProfileRequest.Case, _ precision: Precision, index: Int
  ) async throws -> Subject {
    var shape = one.architecture.shape
    if let vocabulary = one.vocabulary { shape.vocabulary = vocabulary }
    let count = ProfileRequest.residentModels(weightBytes: Int64(shape.parameterCount * precision.bytesPerWeight))
    let folder = scratchFolder + "/\(index)-\(one.architecture.rawValue)-\(precision.rawValue)"
    step("\(one.architecture.rawValue) \(precision.rawValue): models")
    let fileBytes = try await tools.synthesize(
      architecture: one.architecture, vocabulary: shape.vocabulary, precision: precision, count: count,
      seed: request.seed,
      into: folder)
    return Subject(
      architecture: one.architecture.rawValue, vocabulary: shape.vocabulary, precision: precision, tokens: one.tokens,
      folder: folder, modelNames: (0..<count).map { "model\($0)" }, fileBytes: fileBytes)
  }

  private mutating func measureForward(_ subject: Subject, settings: LibrarySettings) async throws -> Subject {
    step("\(subject.name): forward passes")
    var call = MeasureCall(
      repository: subject.folder, tokens: subject.tokens, threads: request.threadCounts, concurrency: 1,
      seconds: request.secondsPerCell, models: subject.modelNames.count, settings: settings)
    var measured = subject
    measured.cells = try await tools.measure(call)
    if request.threadCounts.count > 1 {
      step("\(subject.name): forward passes side by side")
      call.threads = [1]
      call.concurrency = request.servingCores
      measured.cells += try await tools.measure(call)
    }
    guard let first = measured.cells.first else {
      throw ProfilerError("\(subject.name): the engine measured nothing")
    }
    serverMemoryBytes = max(serverMemoryBytes, first.serverMemoryBytes)
    return measured
  }

  private mutating func serve(_ subject: inout Subject, round: Int, settings: LibrarySettings) async throws {
    var index = 0
    for tokens in subject.tokens {
      for split in servedShapes {
        step("\(subject.name): served, round \(round + 1), \(tokens) tokens, \(split.workers) × \(split.threads)")
        let alone = subject.cells.first { $0.tokens == tokens && $0.threads == split.threads }
        guard let alone, let table = QuantileTable(samples: alone.samples) else {
          throw ProfilerError("\(subject.name): no forward pass of \(tokens) tokens was measured")
        }
        let call = ServeCall(
          repository: subject.folder, modelNames: subject.modelNames, vocabulary: subject.vocabulary, tokens: tokens,
          input: request.input, workers: split.workers, threads: split.threads,
          schedule: schedule(
            meanSeconds: table.mean, workers: split.workers, models: subject.modelNames.count, round: round),
          settings: settings)
        if round == 0 { subject.served.append((call, [])) }
        subject.served[index].rounds.append(try await tools.serve(call))
        index += 1
      }
    }
  }

  private func profile(_ subject: Subject) throws -> ModelProfile {
    guard let first = subject.cells.first else { throw ProfilerError("\(subject.name): nothing was measured") }
    let served = try subject.served.map { call, rounds in
      guard let cell = ServedCell(rounds: rounds, call: call) else {
        throw ProfilerError("\(subject.name): the server answered no request of \(call.tokens) tokens")
      }
      return cell
    }
    return ModelProfile(
      architecture: subject.architecture, precision: subject.precision, vocabulary: subject.vocabulary,
      fileBytes: subject.fileBytes, weightBytes: first.weightBytes, memoryPerModelBytes: first.memoryPerModelBytes,
      loadSeconds: first.loadSeconds, firstRunSeconds: first.firstRunSeconds,
      forward: try subject.cells.map(forwardCell), served: served)
  }

  private func forwardCell(_ cell: MeasuredCell) throws -> ForwardCell {
    guard let table = QuantileTable(samples: cell.samples) else {
      throw ProfilerError("the engine measured no pass of \(cell.tokens) tokens with \(cell.threads) threads")
    }
    return ForwardCell(
      tokens: cell.tokens, batch: 1, threads: cell.threads, concurrency: cell.concurrency,
      residentModels: cell.residentModels, serviceSeconds: table)
  }

  private func schedule(meanSeconds: Double, workers: Int, models: Int, round: Int) -> Schedule {
    let rate = ProfileRequest.servedUtilization * Double(workers) / meanSeconds
    let duration = min(max(request.servedRequests / rate, request.minServedSeconds), request.maxServedSeconds)
    return Schedule.make(
      models: models, ratePerModelPerSecond: rate / Double(models), arrivals: .poisson, durationSeconds: duration,
      seed: request.seed &+ UInt64(round))
  }
}

extension ProfileRun.Subject {
  fileprivate init(_ repository: ProfileRequest.Repository) {
    self.init(
      architecture: repository.architecture, vocabulary: repository.vocabulary, precision: repository.precision,
      tokens: repository.tokens, folder: repository.folder, modelNames: repository.modelNames,
      fileBytes: repository.fileBytes)
  }
}

extension ServedCell {
  init?(rounds: [[ServedSample]], call: ServeCall) {
    let samples = rounds.flatMap { $0 }
    let times = MeasuredTimes(samples)
    guard let compute = QuantileTable(samples: times.compute), let overhead = QuantileTable(samples: times.overhead)
    else { return nil }
    // Of each round as much, without a gap in it.
    let share = Self.mostTraced / max(1, rounds.count)
    let trace = rounds.flatMap { round in round.sorted { $0.due < $1.due }.prefix(share).map(\.compute) }
    self.init(
      tokens: call.tokens, input: call.input, workers: call.workers, threads: call.threads,
      residentModels: call.modelNames.count,
      ratePerSecond: Double(samples.count) / (call.schedule.durationSeconds * Double(max(1, rounds.count))),
      computeSeconds: compute, overheadSeconds: overhead, betweenRunCV: Self.drift(between: rounds),
      dispatchGapSeconds: times.dispatchGap, wakeUpSeconds: times.wake,
      computeTraceSeconds: trace.map { ($0 * 1e7).rounded() / 1e7 })
  }

  /// What a few rounds within a minute cannot show of a machine's drift, as a relative standard deviation.
  static let leastDrift = 0.03

  /// Relative standard deviation of the rounds' mean compute times, and `leastDrift` on top.
  ///
  /// Each round is a run of its own, some time after the last; the error of its mean is small beside this.
  static func drift(between rounds: [[ServedSample]]) -> Double {
    let means = rounds.filter { !$0.isEmpty }.map { round in
      round.reduce(0) { $0 + $1.compute } / Double(round.count)
    }
    guard means.count > 1 else { return leastDrift }
    let mean = means.reduce(0, +) / Double(means.count)
    guard mean > 0 else { return leastDrift }
    let variance = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(means.count - 1)
    return (variance / (mean * mean) + leastDrift * leastDrift).squareRoot()
  }
}
