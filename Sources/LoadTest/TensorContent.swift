import PlannerCore

/// Bodies of requests with tensors of any kind, as the Open Inference Protocol has them.
public enum TensorContent {
  public enum Encoding: Sendable {
    /// Elements as numbers in JSON.
    case json
    /// A header in JSON, and the elements after it as they lie in memory.
    case binary
  }

  struct Body {
    var bytes: [UInt8]
    /// Length of the JSON before the elements; nil where all of it is JSON.
    var jsonBytes: Int?
  }

  /// - Parameter tensors: −1 in a shape is `size`.
  static func body(
    _ tensors: [TensorDeclaration], size: Int, encoding: Encoding, from random: inout RandomStream
  ) -> Body {
    let isBinary = encoding == .binary || tensors.contains { ["FP16", "BF16"].contains($0.datatype) }
    var data: [UInt8] = []
    let inputs = tensors.map { tensor -> String in
      let shape = tensor.shape(ofSize: size)
      let numbers = numbers(tensor, count: shape.reduce(1, *), from: &random)
      let sizes = shape.map(String.init).joined(separator: ",")
      let head = #"{"name":\#(quoted(tensor.name)),"shape":[\#(sizes)],"datatype":"\#(tensor.datatype)","#
      guard isBinary else { return head + #""data":[\#(text(numbers, tensor))]}"# }
      let before = data.count
      for number in numbers { append(number, tensor.datatype, to: &data) }
      return head + #""parameters":{"binary_data_size":\#(data.count - before)}}"#
    }
    let list = inputs.joined(separator: ",")
    guard isBinary else { return Body(bytes: Array(#"{"inputs":[\#(list)]}"#.utf8), jsonBytes: nil) }
    let json = Array(#"{"inputs":[\#(list)],"parameters":{"binary_data_output":true}}"#.utf8)
    return Body(bytes: json + data, jsonBytes: json.count)
  }

  /// Ones in a mask; else whole numbers below the tensor's bound, or numbers between 0 and 1.
  private static func numbers(_ tensor: TensorDeclaration, count: Int, from random: inout RandomStream) -> [Double] {
    let bound = tensor.bound
    return (0..<count).map { _ in
      if tensor.isMask { return 1 }
      // Sixteen bits show in every datatype and are short in JSON.
      if tensor.isReal { return Double(random.integer(below: 1 << 16)) / Double(1 << 16) }
      return Double(random.integer(below: bound))
    }
  }

  private static func text(_ numbers: [Double], _ tensor: TensorDeclaration) -> String {
    if tensor.datatype == "BOOL" { return numbers.map { $0 == 0 ? "false" : "true" }.joined(separator: ",") }
    return numbers.map { tensor.isReal ? "\($0)" : "\(Int64($0))" }.joined(separator: ",")
  }

  private static func append(_ number: Double, _ datatype: String, to bytes: inout [UInt8]) {
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    switch datatype {
    case "BOOL", "UINT8": append(UInt8(number))
    case "INT8": append(Int8(number))
    case "INT16": append(Int16(number))
    case "INT32": append(Int32(number))
    case "INT64": append(Int64(number))
    case "FP32": append(Float(number).bitPattern)
    case "BF16": append(UInt16(truncatingIfNeeded: Float(number).bitPattern >> 16))
    // 0 or 1: nothing here has 16-bit floats of IEEE 754.
    case "FP16": append(number < 0.5 ? 0 as UInt16 : 0x3C00)
    default: append(number.bitPattern)
    }
  }

  private static func quoted(_ name: String) -> String {
    var text = "\""
    for scalar in name.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
