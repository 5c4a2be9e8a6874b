import CTorch
import Foundation
import PlannerCore

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
