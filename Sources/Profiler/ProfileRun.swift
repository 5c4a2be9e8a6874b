import PlannerCore

/// How far a profile has come, for a progress bar.
public struct ProfileProgress: Sendable {
  public var doneSteps: Int
  public var totalSteps: Int
  /// What is being measured now.
  public var label: String
}

/// Why a machine could not be measured, in a sentence.
public struct ProfilerError: Error, Sendable, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

/// Measures a machine: first the library settings that make it fastest, then every variant with these.
public struct ProfileRun {
  let request: ProfileRequest
  let host: HostFingerprint
  let sweep: ProfileSweep
  let inheritedLibraryPath: String?
  /// Where models are written while they are measured.
  let scratchFolder: String
  let tools: any ProfilerTools
  let progress: @Sendable (ProfileProgress) -> Void

  private var doneSteps = 0

  public init(
    request: ProfileRequest, host: HostFingerprint, installed: [LibraryCandidates.Flavour],
    inheritedLibraryPath: String?, scratchFolder: String, tools: any ProfilerTools,
    progress: @escaping @Sendable (ProfileProgress) -> Void
  ) {
    self.request = request
    self.host = host
    sweep = ProfileSweep(request: request, candidates: LibraryCandidates(host: host, installed: installed))
    self.inheritedLibraryPath = inheritedLibraryPath
    self.scratchFolder = scratchFolder
    self.tools = tools
    self.progress = progress
  }

  /// - Parameter measuredAt: ISO 8601, UTC.
  /// - Throws: `ProfilerError`, or what the tools throw.
  public mutating func run(measuredAt: String) async throws -> Profile {
    try await run(measuredAt: measuredAt, tools: tools)
  }

  /// Makes a profile with a file in which everything that is measured is kept at once. What an earlier run left there
  /// is not measured again, where it was of the same request, machine and server.
  ///
  /// The file stays where it is: its owner removes it once the profile is written.
  ///
  /// - Parameter report: called once, before anything is measured.
  /// - Throws: also `FileError` where the file cannot be read or written.
  public mutating func run(
    measuredAt: String, checkpoint: ProfileCheckpoint, report: (ProfileCheckpoint.Resumption) -> Void
  ) async throws -> Profile {
    let identity = ProfileCheckpoint.Identity(
      request: request, host: host, server: try await tools.serverIdentity())
    let keeper = try checkpoint.resume(identity, tools: tools)
    report(
      ProfileCheckpoint.Resumption(
        cells: keeper.knownCells, of: sweep.cellCount, reasonToStartAnew: keeper.reasonToStartAnew))
    return try await run(measuredAt: measuredAt, tools: keeper)
  }

  private mutating func run(measuredAt: String, tools: any ProfilerTools) async throws -> Profile {
    for (index, repository) in request.repositories.enumerated() {
      try tools.lend(repository, into: ownFolder(index))
    }
    var search = SettingsSearch(
      sweep: sweep, reference: try await reference(tools), inheritedLibraryPath: inheritedLibraryPath, tools: tools)
    let settings = try await search.run { step($0) }
    var variants: [VariantRun] = []
    for (index, repository) in request.repositories.enumerated() {
      variants.append(VariantRun(repository, in: ownFolder(index)))
      try await variants[index].measureForward(sweep, settings: settings, tools: tools) { step($0) }
    }
    if variants.isEmpty {
      for (index, one) in request.cases.enumerated() {
        for precision in request.precisions {
          var variant = try await synthesize(one, precision, index: index, tools)
          try await variant.measureForward(sweep, settings: settings, tools: tools) { step($0) }
          variants.append(variant)
        }
      }
    }
    for round in 0..<request.servedRounds {
      for index in variants.indices {
        try await variants[index].serve(round: round, sweep, settings: settings, tools: tools) { step($0) }
      }
    }
    return Profile(
      host: host, measuredAt: measuredAt, quick: request.quick,
      engine: try await tools.engineIdentity(settings: settings), settings: settings, trials: search.trials,
      serverMemoryBytes: variants.compactMap { $0.cells.first?.serverMemoryBytes }.max() ?? 0,
      models: try variants.map { try $0.profile() }, purpose: request.purpose)
  }

  private func ownFolder(_ index: Int) -> String { "\(scratchFolder)/own-\(index)" }

  private mutating func step(_ label: String) {
    progress(ProfileProgress(doneSteps: doneSteps, totalSteps: sweep.stepCount, label: label))
    doneSteps += 1
  }

  // MARK: Models

  private mutating func synthesize(
    _ one: ProfileCase, _ precision: Precision, index: Int, _ tools: any ProfilerTools
  ) async throws -> VariantRun {
    step("\(one.architecture.rawValue) \(precision.rawValue): models")
    return try await VariantRun(
      synthesizing: one, precision, input: request.input, seed: request.seed,
      into: scratchFolder + "/\(index)-\(one.architecture.rawValue)-\(precision.rawValue)", tools: tools)
  }

  /// The models that library settings are compared with.
  private mutating func reference(_ tools: any ProfilerTools) async throws -> SettingsSearch.Reference {
    // What computes longest: weights that every step of the longest request goes through.
    let own = request.repositories.enumerated().max {
      $0.element.weightBytes * Int64($0.element.sizes.max() ?? 1)
        < $1.element.weightBytes * Int64($1.element.sizes.max() ?? 1)
    }
    if let (index, repository) = own {
      return SettingsSearch.Reference(
        folder: ownFolder(index), models: min(2, repository.manifest.models.count), tokens: repository.sizes.max() ?? 1,
        precision: repository.precision)
    }
    func work(_ one: ProfileCase) -> Int { one.architecture.shape.parameterCount * (one.tokens.max() ?? 0) }
    guard let largest = request.cases.max(by: { work($0) < work($1) }) else {
      throw ProfilerError("there is nothing to profile: name at least one case")
    }
    step("models to compare library settings with")
    let folder = scratchFolder + "/reference"
    _ = try await tools.synthesize(
      architecture: largest.architecture, vocabulary: 2000, precision: .fp32, count: 2, seed: request.seed, into: folder
    )
    return SettingsSearch.Reference(
      folder: folder, models: 2, tokens: min(request.mostTrialTokens, largest.tokens.max() ?? 128), precision: .fp32)
  }
}
