/// Numeric format in which a variant of a model computes.
public enum Precision: String, Codable, CaseIterable, Sendable {
  case fp32
  case bf16
  /// Linear layers with 8-bit weights, quantized activations per request (dynamic quantization).
  case int8

  /// Bytes of one weight as kept for computing.
  public var bytesPerWeight: Int {
    switch self {
    case .fp32: 4
    case .bf16: 2
    case .int8: 1
    }
  }
}
