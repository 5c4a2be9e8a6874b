/// A piece of HTML that cannot hold unescaped text.
///
/// What stands in a literal is markup; what is interpolated is text and is escaped, unless it is itself
/// `Markup`. A name from a file therefore never becomes a tag, wherever it is put.
struct Markup: ExpressibleByStringInterpolation, Sendable {
  private(set) var text: String

  init(stringLiteral value: String) { text = value }
  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }
  private init(_ text: String) { self.text = text }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity * 2) }

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ value: String) { text += Markup.escaped(value) }
    /// Running text: no line ends between a number and its unit.
    mutating func appendInterpolation(prose value: String) { text += Markup.escaped(TextWidth.glued(value)) }
    mutating func appendInterpolation(_ value: Int) { text += String(value) }
    mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
    mutating func appendInterpolation(_ pieces: [Markup]) { for piece in pieces { text += piece.text } }
    /// A coordinate of a drawing, to a tenth; what is not finite becomes 0, so that no path breaks.
    mutating func appendInterpolation(at coordinate: Double) { text += Markup.coordinate(coordinate) }
  }

  static func + (a: Markup, b: Markup) -> Markup { Markup(a.text + b.text) }
  static func += (a: inout Markup, b: Markup) { a.text += b.text }

  /// Commands of an SVG path through `points`.
  static func path(_ points: [(x: Double, y: Double)], closed: Bool = false) -> Markup {
    let steps = points.enumerated().map { index, point in
      "\(index == 0 ? "M" : "L")\(coordinate(point.x)) \(coordinate(point.y))"
    }
    return Markup(steps.joined(separator: " ") + (closed && !points.isEmpty ? " Z" : ""))
  }

  private static func coordinate(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let tenths = Int64((min(max(value, -1e6), 1e6) * 10).rounded())
    let sign = tenths < 0 ? "-" : ""
    let (whole, rest) = (tenths.magnitude / 10, tenths.magnitude % 10)
    return rest == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(rest)"
  }

  /// Safe both between tags and inside a quoted attribute.
  private static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      // Other control characters are not allowed in HTML; overrides of the reading direction would let a
      // name rearrange the text around it.
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
        result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
