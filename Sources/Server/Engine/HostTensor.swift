/// A dense, row-major tensor in memory of the process.
public struct HostTensor: Sendable, Equatable {
  public enum Element: Sendable, Equatable {
    case float32([Float])
    case int64([Int64])
    case int32([Int32])
    case bool([UInt8])
    case float64([Double])

    public var count: Int {
      switch self {
      case .float32(let values): values.count
      case .int64(let values): values.count
      case .int32(let values): values.count
      case .bool(let values): values.count
      case .float64(let values): values.count
      }
    }

    /// The Open Inference Protocol's name of the element type.
    public var openInferenceType: String {
      switch self {
      case .float32: "FP32"
      case .int64: "INT64"
      case .int32: "INT32"
      case .bool: "BOOL"
      case .float64: "FP64"
      }
    }
  }

  public var shape: [Int]
  public var elements: Element

  public init(shape: [Int], elements: Element) {
    self.shape = shape
    self.elements = elements
  }
}
