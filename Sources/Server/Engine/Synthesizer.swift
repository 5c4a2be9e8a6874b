import CTorch
import Foundation
import PlannerCore
import PlannerFiles

/// Writes repositories of different BERT models with random weights, for planning and load tests.
public struct Synthesizer: Sendable {
  public var family: ArchitecturePreset
  public var shape: BertShape
  public var precision: Precision
  public var seed: UInt64

  /// - Parameter vocabulary: nil is the family's own size.
  public init(family: ArchitecturePreset, vocabulary: Int?, precision: Precision, seed: UInt64) {
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
  public func write(count: Int, to folder: String, progress: (Int) -> Void) throws(EngineError) {
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
          maxTokens: shape.maxTokens, inputs: ["input_ids", "attention_mask", "token_type_ids"], fileBytes: fileBytes,
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

/// Writes one BERT with a question-answering head.
package enum BertWriter {
  /// Puts the file in place whole.
  ///
  /// - Parameter weights: fills the weight of that transformers name; called once for each, in a fixed order.
  /// - Throws: `EngineError` (`unavailable`), with nothing left at `path` or beside it.
  package static func write(
    shape: BertShape, precision: Precision, to path: String,
    weights: (_ name: String, _ values: UnsafeMutableBufferPointer<Float>) -> Void
  ) throws(EngineError) {
    var description = ct_bert(
      layers: Int32(shape.layers), hidden: Int32(shape.hidden), heads: Int32(shape.heads),
      intermediate: Int32(shape.intermediate), vocabulary: Int32(shape.vocabulary),
      max_positions: Int32(shape.maxTokens), type_vocabulary: Int32(shape.tokenTypes),
      precision: precision.shimValue)
    let temporary = path + ".tmp"
    var failure: EngineError?
    withoutActuallyEscaping(weights) { weights in
      var source = WeightSource(fill: weights)
      withUnsafeMutablePointer(to: &source) { context in
        do throws(EngineError) {
          try Engine.checked(path) { ct_bert_write(&description, fillWeights, context, temporary, $0) }
        } catch {
          failure = error
        }
      }
    }
    if let failure {
      unlink(temporary)
      throw EngineError(.unavailable, path, "could not be written, is the disk full? (\(failure.message))")
    }
    guard rename(temporary, path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(temporary)
      throw EngineError(.unavailable, path, reason)
    }
  }
}

extension Precision {
  var shimValue: ct_precision {
    switch self {
    case .fp32: CT_PRECISION_FP32
    case .bf16: CT_PRECISION_BF16
    case .int8: CT_PRECISION_INT8
    }
  }
}

/// What the shim calls back for weights.
private struct WeightSource {
  var fill: (String, UnsafeMutableBufferPointer<Float>) -> Void
}

private func fillWeights(
  _ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?, _ dimensions: UnsafePointer<Int64>?,
  _ dimensionCount: Int32, _ values: UnsafeMutablePointer<Float>?, _ count: Int64
) -> Int32 {
  guard let context, let name, let values else { return 1 }
  context.assumingMemoryBound(to: WeightSource.self).pointee.fill(
    String(cString: name), UnsafeMutableBufferPointer(start: values, count: Int(count)))
  return 0
}
