import Engine
import Foundation

/// A tensor as PyTorch prints it, which is what the guidance's server answers with where it is not to postprocess:
/// `tensor([[-0.1234,  1.5000]])`.
///
/// The rules are those of `torch._tensor_str`: four digits, columns of one width, lines of 80, scientific where the
/// values lie far apart, the middle left out beyond 1,000 values. Of the gradient function that PyTorch adds for
/// weights that could be trained nothing is said: nothing here can be.
package enum TensorText {
  private static let lineWidth = 80
  private static let threshold = 1000
  private static let edge = 3

  package static func describe(_ tensor: HostTensor) -> String {
    let values = Values(tensor.elements)
    var suffixes: [String] = []
    let body: String
    if values.count == 0 {
      if tensor.shape.count != 1 { suffixes.append("size=" + tuple(tensor.shape)) }
      // Nothing in the brackets tells the type, so all but the usual one are named.
      if values.type != "float32" { suffixes.append("dtype=torch." + values.type) }
      body = "[]"
    } else {
      if !["float32", "int64", "bool"].contains(values.type) { suffixes.append("dtype=torch." + values.type) }
      body = Printer(shape: tensor.shape, values: values).text(dimension: 0, offset: 0, indent: prefix.count)
    }
    return (prefix + body).appending(suffixes, indent: prefix.count, lineWidth: lineWidth) + ")"
  }

  private static let prefix = "tensor("

  /// `(2, 3)`, `(2,)`, `()`, as Python prints a tuple.
  private static func tuple(_ values: [Int]) -> String {
    "(" + values.map(String.init).joined(separator: ", ") + (values.count == 1 ? "," : "") + ")"
  }

  /// A tensor's elements as what they are printed from, and PyTorch's name of their type.
  private struct Values {
    enum Kind {
      case floats([Double])
      /// Printed as they are: integers, and truth values as True and False.
      case texts(count: Int, (Int) -> String)
    }

    let type: String
    let kind: Kind

    var count: Int {
      switch kind {
      case .floats(let values): values.count
      case .texts(let count, _): count
      }
    }

    init(_ elements: HostTensor.Element) {
      switch elements {
      case .float32(let values): (type, kind) = ("float32", .floats(values.map { Double($0) }))
      case .float64(let values): (type, kind) = ("float64", .floats(values))
      case .float16(let bits):
        (type, kind) = ("float16", .floats(bits.map { Double(HalfFloat.value(float16: $0)) }))
      case .bfloat16(let bits):
        (type, kind) = ("bfloat16", .floats(bits.map { Double(HalfFloat.value(bfloat16: $0)) }))
      case .int64(let values): (type, kind) = ("int64", Self.integers(values))
      case .int32(let values): (type, kind) = ("int32", Self.integers(values))
      case .int16(let values): (type, kind) = ("int16", Self.integers(values))
      case .int8(let values): (type, kind) = ("int8", Self.integers(values))
      case .uint8(let values): (type, kind) = ("uint8", Self.integers(values))
      case .bool(let values):
        (type, kind) = ("bool", .texts(count: values.count) { values[$0] == 0 ? "False" : "True" })
      }
    }

    private static func integers(_ values: [some FixedWidthInteger]) -> Kind {
      .texts(count: values.count) { String(values[$0]) }
    }
  }

  private struct Printer {
    let shape: [Int]
    let isSummarized: Bool
    /// The text of the element at an index, without the blanks before it.
    let bare: (Int) -> String
    /// Cells of one element.
    let width: Int

    init(shape: [Int], values: Values) {
      self.shape = shape
      isSummarized = values.count > threshold
      let shown = isSummarized ? Self.shown(shape, values.count) : Array(0..<values.count)
      switch values.kind {
      case .floats(let floats):
        let format = NumberFormat(shown.map { floats[$0] })
        bare = { format.bare(floats[$0]) }
        width = format.width
      case .texts(_, let text):
        bare = text
        width = shown.map { text($0).count }.max() ?? 1
      }
    }

    /// Indices of the elements that a summary shows: the widths are theirs.
    private static func shown(_ shape: [Int], _ count: Int) -> [Int] {
      (0..<count).filter { index in
        var rest = index
        for size in shape.reversed() {
          let place = rest % size
          if size > 2 * edge, place >= edge, place < size - edge { return false }
          rest /= size
        }
        return true
      }
    }

    func text(dimension: Int, offset: Int, indent: Int) -> String {
      guard dimension < shape.count else { return element(offset) }
      let size = shape[dimension]
      let step = shape[(dimension + 1)...].reduce(1, *)
      let cut = isSummarized && size > 2 * edge
      let places = cut ? Array(0..<edge) + Array(size - edge..<size) : Array(0..<size)
      var parts = places.map { text(dimension: dimension + 1, offset: offset + $0 * step, indent: indent + 1) }
      if cut { parts.insert(dimension == shape.count - 1 ? " ..." : "...", at: edge) }
      let left = String(repeating: " ", count: indent + 1)
      guard dimension == shape.count - 1 else {
        let breaks = String(repeating: "\n", count: shape.count - dimension - 1)
        return "[" + parts.joined(separator: "," + breaks + left) + "]"
      }
      let perLine = max(1, (lineWidth - indent) / (width + 2))
      let lines = Swift.stride(from: 0, to: parts.count, by: perLine).map {
        parts[$0..<min($0 + perLine, parts.count)].joined(separator: ", ")
      }
      return "[" + lines.joined(separator: ",\n" + left) + "]"
    }

    private func element(_ index: Int) -> String {
      let text = bare(index)
      return String(repeating: " ", count: max(0, width - text.count)) + text
    }
  }

  /// How floating-point numbers of one tensor are printed.
  private struct NumberFormat {
    private enum Style { case whole, fixed, scientific }

    private var style = Style.fixed
    private(set) var width = 1

    init(_ values: [Double]) {
      let sized = values.filter { $0.isFinite && $0 != 0 }.map { abs($0) }
      guard let low = sized.min(), let high = sized.max() else {
        style = .whole
        return
      }
      let isWhole = values.allSatisfy { !$0.isFinite || $0 == $0.rounded() }
      let isFar = high / low > 1000 || high > 1e8 || !isWhole && low < 1e-4
      style = isFar ? .scientific : isWhole ? .whole : .fixed
      width = values.filter { $0.isFinite && $0 != 0 }.map { bare($0).count }.max() ?? 1
    }

    func bare(_ value: Double) -> String {
      if value.isNaN { return "nan" }
      if value.isInfinite { return value < 0 ? "-inf" : "inf" }
      return switch style {
      case .whole: String(format: "%.0f.", value)
      case .fixed: String(format: "%.4f", value)
      case .scientific: String(format: "%.4e", value)
      }
    }
  }
}

extension String {
  /// With `, suffix` for each suffix, on a new line where the last one would grow beyond `lineWidth`.
  fileprivate func appending(_ suffixes: [String], indent: Int, lineWidth: Int) -> String {
    var text = self
    var length = text.count - (text.lastIndex(of: "\n").map { text.distance(from: text.startIndex, to: $0) } ?? -1) + 1
    for suffix in suffixes {
      if length + suffix.count + 2 > lineWidth {
        text += ",\n" + String(repeating: " ", count: indent) + suffix
        length = indent + suffix.count
      } else {
        text += ", " + suffix
        length += suffix.count + 2
      }
    }
    return text
  }
}
