import PlannerCore

/// Finds the library settings that make a machine fastest, by trying them.
struct SettingsSearch {
  /// What every combination is tried on: the fp32 forward pass of the largest case at its greatest length, since there
  /// the matrix products that these settings govern take nearly all of the time.
  struct Reference: Sendable {
    var folder: String
    var models: Int
    var tokens: Int
    var precision: Precision
  }

  let sweep: ProfileSweep
  let reference: Reference
  let inheritedLibraryPath: String?
  let tools: any ProfilerTools
  /// Every combination that was tried so far.
  private(set) var trials: [SettingsTrial] = []

  init(sweep: ProfileSweep, reference: Reference, inheritedLibraryPath: String?, tools: any ProfilerTools) {
    self.sweep = sweep
    self.reference = reference
    self.inheritedLibraryPath = inheritedLibraryPath
    self.tools = tools
  }

  private struct Best {
    var flavour: LibraryCandidates.Flavour?
    var settings: LibrarySettings?
    var score = Double.infinity
  }

  /// Tries flavours of BLAS, each with the threads it will be used with, then kernel families with the best flavour.
  ///
  /// - Parameter step: called before each trial, with what is tried.
  /// - Throws: `ProfilerError` where no pass could be measured, or what the tools throw.
  mutating func run(step: (String) -> Void) async throws -> LibrarySettings {
    var best = Best()
    for flavour in sweep.candidates.flavours {
      step("BLAS \(flavour.name)")
      try await attempt(flavour, coreType: nil, &best)
    }
    guard let flavour = best.flavour else { throw ProfilerError("no forward pass could be measured") }
    for coreType in sweep.candidates.coreTypes.compactMap({ $0 }) {
      step("BLAS \(flavour.name), kernels for \(coreType)")
      try await attempt(flavour, coreType: coreType, &best)
    }
    guard let settings = best.settings else { throw ProfilerError("no forward pass could be measured") }
    return settings
  }

  /// A combination counts with its slowest slow-down: the product of its medians over all thread counts, so that
  /// one which only shines with one thread, and stalls with two, does not win.
  private mutating func attempt(
    _ flavour: LibraryCandidates.Flavour, coreType: String?, _ best: inout Best
  ) async throws {
    let settings = LibraryCandidates.settings(flavour, coreType: coreType, inherited: inheritedLibraryPath)
    let cells = try await tools.measure(
      MeasureCall(
        repository: reference.folder,
        conditions: Conditions.grid(tokens: [reference.tokens], threads: sweep.request.threadCounts, coRunners: 1),
        seconds: sweep.request.secondsPerTrial, models: reference.models, settings: settings))
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
}
