import CTorch
import Foundation
import PlannerCore

/// What a model's file says of itself without being run: enough to tell which files hold the same architecture.
package struct ModelLook: Hashable, Sendable {
  /// Equal for files with the same code, whatever their weights are: 40 hexadecimal digits.
  package let code: String
  /// Equal for files with the same code and tensors of the same types and shapes: 40 hexadecimal digits.
  package let architecture: String
  /// Name of the module's class, without where it was defined.
  package let className: String
  /// Bytes of parameters and buffers.
  package let weightBytes: Int64
  /// Precision of the narrowest matrices in the file.
  package let precision: Precision

  /// - Throws: `EngineError` (`badModel`) where the file is missing, damaged or not a model.
  package init(path: String) throws(EngineError) {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw EngineError(.badModel, path, "there is no such file, or it may not be read")
    }
    var look = ct_look()
    do {
      try Engine.checked(path, kind: .badModel) { ct_model_look(path, &look, $0) }
    } catch {
      throw EngineError(.badModel, path, "is damaged or not a TorchScript model (\(error.message))")
    }
    func text(_ field: UnsafeRawBufferPointer) -> String { String(decoding: field.prefix { $0 != 0 }, as: UTF8.self) }
    code = withUnsafeBytes(of: look.code, text)
    architecture = withUnsafeBytes(of: look.architecture, text)
    className = withUnsafeBytes(of: look.class_name, text)
    weightBytes = look.weight_bytes
    precision =
      switch look.precision {
      case CT_PRECISION_INT8: .int8
      case CT_PRECISION_BF16: .bf16
      default: .fp32
      }
  }
}
