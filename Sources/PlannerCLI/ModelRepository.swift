import Executor
import Foundation
import PlannerCore
import PlannerFiles
import Profiler
import Reporting

/// A folder of models on this machine's disk.
struct ModelRepository {
  var folder: String

  /// Where models for a deployment are kept between runs, so that they are written once.
  static func shared(architecture: String, vocabulary: Int, precision: Precision) -> ModelRepository {
    ModelRepository(folder: "models/\(architecture)-v\(vocabulary)-\(precision.rawValue)")
  }

  /// Writes models, with a progress bar. Returns the bytes of one file.
  ///
  /// - Throws: `Failure` where the disk has no room for them.
  @discardableResult
  func synthesize(
    architecture: ArchitecturePreset, vocabulary: Int, precision: Precision, count: Int, seed: UInt64
  ) async throws -> Int64 {
    var shape = architecture.shape
    shape.vocabulary = vocabulary
    let needed = Int64(shape.parameterCount * precision.bytesPerWeight) * Int64(count)
    let free = try HostInfo.freeDiskBytes(at: folder)
    guard needed < free else {
      throw Failure(
        .unavailable,
        "\(folder): \(count) models take about \(needed >> 20) MiB and the disk has \(free >> 20) MiB free")
    }
    let tools = try ModelServerTools(cpus: CPUSplit.current(servingCores: 1), logFolder: NSTemporaryDirectory())
    let clock = ContinuousClock()
    let started = clock.now
    let fileBytes = try await tools.synthesize(
      architecture: architecture, vocabulary: vocabulary, precision: precision, count: count, seed: seed, into: folder
    ) { done in
      Output.progress(
        ProgressLine.render(
          done: done, of: count, elapsedSeconds: (clock.now - started) / .seconds(1), label: "writing models",
          width: Output.width))
    }
    Output.clearProgress()
    return fileBytes
  }

  /// The first `count` models of a folder of this program's own, which are written if they are not there, and written
  /// again where they are damaged.
  ///
  /// - Throws: `Failure` where such models cannot be synthesized.
  func provide(
    architecture: String, vocabulary: Int, precision: Precision, count: Int
  ) async throws -> [RepositoryManifest.Model] {
    if FileManager.default.fileExists(atPath: folder + "/" + RepositoryManifest.fileName),
      let manifest = try usable(count: count)
    {
      let models = Array(manifest.models.prefix(count))
      if let other = models.first(where: { $0.precision != precision }) {
        throw Failure(
          .badData, "\(folder): \(other.name) is \(other.precision.rawValue); the plan serves \(precision.rawValue)")
      }
      return models
    }
    guard let known = ArchitecturePreset(rawValue: architecture) else {
      throw Failure(
        .unavailable, "models of family '\(architecture)' cannot be synthesized; name their folder with --models")
    }
    Output.note("writing \(count) models (\(architecture), \(precision.rawValue)) to \(folder)")
    try await synthesize(architecture: known, vocabulary: vocabulary, precision: precision, count: count, seed: 1)
    let written = try RepositoryFile.read(folder: folder)
    KeptModels(folder: folder).trust(written)
    return Array(written.models.prefix(count))
  }

  /// The folder's manifest; nil where its models have to be written, which a note explains where they are damaged.
  private func usable(count: Int) throws -> RepositoryManifest? {
    let manifest: RepositoryManifest
    do {
      manifest = try RepositoryFile.read(folder: folder)
    } catch {
      guard error.kind == .badData else { throw error }
      Output.note("the models kept in \(folder) are damaged and are written again: their manifest cannot be read")
      return nil
    }
    guard manifest.models.count >= count else { return nil }
    guard let damage = KeptModels(folder: folder).damage(manifest, first: count) else { return manifest }
    Output.note("the models kept in \(folder) are damaged and are written again: \(damage)")
    return nil
  }
}
