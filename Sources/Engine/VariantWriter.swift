import CTorch
import Foundation
import PlannerCore

/// Writes the bf16 and int8 variants of models.
package enum VariantWriter {
  package struct Conversion: Hashable, Sendable {
    package var linearLayers: Int
    package var embeddings: Int
    /// Every normalization is as it was initialized: the model was never trained, and agreement says nothing.
    package var isUntrained: Bool
    package var fileBytes: Int64
  }

  /// Puts the variant in place whole.
  ///
  /// - Throws: `EngineError`: `badModel` where the file is no float32 model with linear layers, `unavailable` where the
  ///   variant cannot be written; nothing is left at `output` or beside it.
  package static func write(
    model path: String, precision: Precision, to output: String
  ) throws(EngineError) -> Conversion {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw EngineError(.badModel, path, "there is no such file, or it may not be read")
    }
    let temporary = output + ".tmp"
    var report = ct_conversion()
    do {
      try Engine.checked(path, kind: .badModel) {
        ct_model_convert(path, precision.shimValue, temporary, &report, $0)
      }
    } catch {
      unlink(temporary)
      throw EngineError(.badModel, path, "cannot be converted to \(precision.rawValue): \(error.message)")
    }
    var status = stat()
    guard stat(temporary, &status) == 0, rename(temporary, output) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(temporary)
      throw EngineError(.unavailable, output, reason)
    }
    return Conversion(
      linearLayers: Int(report.linear_layers), embeddings: Int(report.embeddings),
      isUntrained: report.is_untrained != 0, fileBytes: Int64(status.st_size))
  }
}
