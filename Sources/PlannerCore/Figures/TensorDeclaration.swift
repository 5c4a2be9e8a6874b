/// What is said of one of a model's tensors.
public struct TensorDeclaration: Codable, Hashable, Sendable {
  /// Element types that a model's tensor may have, as the Open Inference Protocol names them.
  public static let datatypes = ["BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64"]
  public static let mostDimensions = 8

  public var name: String
  /// One of `datatypes`.
  public var datatype: String
  /// Sizes of the tensor, the batch's first; −1 is any size.
  public var shape: [Int]
  /// Whole numbers in it are 0 up to this, exclusive; nil where nobody says.
  public var below: Int?

  public init(name: String, datatype: String, shape: [Int], below: Int? = nil) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.below = below
  }
}

/// How requests are made of declarations, in which −1 is the request's size.
extension TensorDeclaration {
  /// The shape of a request's tensor.
  public func shape(ofSize size: Int) -> [Int] { shape.map { $0 < 0 ? size : $0 } }

  /// Whether all of its elements are ones: it says which parts of the others count, and all do.
  public var isMask: Bool { name.contains("mask") }

  /// Bytes of one element.
  public var elementBytes: Int {
    switch datatype {
    case "BOOL", "UINT8", "INT8": 1
    case "INT16", "FP16", "BF16": 2
    case "INT32", "FP32": 4
    default: 8
    }
  }

  /// Whether its elements are floating-point numbers.
  public var isReal: Bool { datatype.hasPrefix("FP") || datatype == "BF16" }

  /// Largest whole number that may be in it, exclusive; where nobody says, 0 and 1 may.
  public var bound: Int {
    let widest =
      switch datatype {
      case "BOOL": 2
      case "INT8": 1 << 7
      case "UINT8": 1 << 8
      case "INT16": 1 << 15
      case "INT32": 1 << 31
      default: Int.max
      }
    // Pixels use all of a byte.
    return min(below ?? (datatype == "UINT8" ? widest : 2), widest)
  }
}
