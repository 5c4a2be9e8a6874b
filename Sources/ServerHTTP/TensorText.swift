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
    let values: [Double]
    switch tensor.elements {
    case .float32(let floats): values = floats.map { Double($0) }
    case .float64(let doubles): values = doubles
    default: return "tensor(\(tensor.shape))"
    }
    guard !values.isEmpty else { return "tensor([])" }
    let printer = Printer(shape: tensor.shape, values: values)
    return "tensor(" + printer.text(dimension: 0, offset: 0, indent: 7) + ")"
  }

  private struct Printer {
    let shape: [Int]
    let values: [Double]
    let isSummarized: Bool
    let format: NumberFormat

    init(shape: [Int], values: [Double]) {
      self.shape = shape
      self.values = values
      isSummarized = values.count > threshold
      format = NumberFormat(isSummarized ? Self.shown(shape, values) : values)
    }

    /// The values that a summary shows: the widths are theirs.
    private static func shown(_ shape: [Int], _ values: [Double]) -> [Double] {
      values.indices.filter { index in
        var rest = index
        for size in shape.reversed() {
          let place = rest % size
          if size > 2 * edge, place >= edge, place < size - edge { return false }
          rest /= size
        }
        return true
      }.map { values[$0] }
    }

    func text(dimension: Int, offset: Int, indent: Int) -> String {
      guard dimension < shape.count else { return format.text(values[offset]) }
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
      let perLine = max(1, (lineWidth - indent) / (format.width + 2))
      let lines = Swift.stride(from: 0, to: parts.count, by: perLine).map {
        parts[$0..<min($0 + perLine, parts.count)].joined(separator: ", ")
      }
      return "[" + lines.joined(separator: ",\n" + left) + "]"
    }
  }

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

    func text(_ value: Double) -> String {
      let text = bare(value)
      return String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func bare(_ value: Double) -> String {
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
