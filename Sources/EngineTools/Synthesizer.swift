import Engine
import Foundation
import PlannerCore
import PlannerFiles
import WebClient

/// Writes repositories of different BERT models with random weights, for planning and load tests.
package struct Synthesizer: Sendable {
  package var family: ArchitecturePreset
  package var shape: BertShape
  package var precision: Precision
  package var seed: UInt64

  /// - Parameter vocabulary: nil is the family's own size.
  package init(family: ArchitecturePreset, vocabulary: Int?, precision: Precision, seed: UInt64) {
    self.family = family
    self.precision = precision
    self.seed = seed
    shape = family.shape
    if let vocabulary { shape.vocabulary = vocabulary }
  }

  /// Writes `model0.pt` … with a vocabulary and, last, a manifest; model i is the same whatever `count` is.
  ///
  /// Each file is put in place whole. A run that was cut off leaves no manifest, so nothing takes its folder for
  /// a repository.
  /// - Parameter progress: called after each model with the number written.
  /// - Throws: `EngineError` where a file cannot be written.
  package func write(count: Int, to folder: String, progress: (Int) -> Void) throws(EngineError) {
    let manifestPath = folder + "/" + RepositoryManifest.fileName
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      if FileManager.default.fileExists(atPath: manifestPath) {
        try FileManager.default.removeItem(atPath: manifestPath)
      }
    } catch {
      throw EngineError(.unavailable, folder, "cannot be made or changed: \(error.localizedDescription)")
    }
    var models: [RepositoryManifest.Model] = []
    for index in 0..<count {
      let name = "model\(index)"
      let path = "\(folder)/\(name).pt"
      let fileBytes = try writeModel(index, to: path)
      let sha256: String
      do {
        sha256 = try FileDigest.sha256(path)
      } catch {
        throw EngineError(.unavailable, path, error.message)
      }
      models.append(
        RepositoryManifest.Model(
          name: name, file: "\(name).pt", architecture: family.rawValue, precision: precision,
          vocabulary: shape.vocabulary,
          maxTokens: shape.maxTokens, inputs: TokenInputNames.all, fileBytes: fileBytes,
          sha256: sha256))
      progress(index + 1)
    }
    let manifest = RepositoryManifest(
      seed: seed, vocabularyFile: "vocab.txt", lowercases: true, models: models)
    do {
      try AtomicFile.write(SyntheticVocabulary.text(size: shape.vocabulary), to: folder + "/vocab.txt")
      try JSONFile.write(manifest, to: manifestPath)
    } catch {
      throw EngineError(.unavailable, folder, "\(error)")
    }
  }

  private func writeModel(_ index: Int, to path: String) throws(EngineError) -> Int64 {
    var random = RandomStream(seed: seed, stream: "weights", index: UInt64(index))
    try BertWriter.write(shape: shape, precision: precision, to: path) { name, values in
      Self.fill(values, mean: name.hasSuffix("LayerNorm.weight") ? 1 : 0, from: &random)
    }
    var status = stat()
    return stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }

  /// Random weights as a freshly initialized BERT has them: normal with deviation 0.02, normalization near 1.
  ///
  /// The sum of four 16-bit uniforms is close to normal, and one draw of the generator gives all four: bert-base
  /// has a hundred million weights.
  private static func fill(
    _ values: UnsafeMutableBufferPointer<Float>, mean: Float, from random: inout RandomStream
  ) {
    let scale = Float(0.02 * 1.7320508 / 65536)
    for index in values.indices {
      let bits = random.next()
      let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48)
      values[index] = mean + (Float(sum) - 131_070) * scale
    }
  }
}
