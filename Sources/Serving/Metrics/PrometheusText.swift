/// Writes Prometheus' text format, version 0.0.4.
package struct PrometheusText {
  package private(set) var bytes: [UInt8] = []

  package init(capacity: Int = 1 << 16) { bytes.reserveCapacity(capacity) }

  package enum Kind: String { case counter, gauge, histogram, summary }

  package mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
  }

  package mutating func sample(_ name: String, _ labels: String = "", _ value: Int) {
    line(name, labels, String(value))
  }

  package mutating func sample(_ name: String, _ labels: String = "", _ value: Double) {
    line(name, labels, Self.number(value))
  }

  /// - Parameter labels: written already, without braces.
  package mutating func histogram(
    _ name: String, _ labels: String = "", _ bounds: BucketBounds, _ reading: LatencyHistogram.Reading
  ) {
    let before = labels.isEmpty ? "{le=\"" : "{" + labels + ",le=\""
    let bucket = Array("\(name)_bucket\(before)".utf8)
    var cumulative = 0
    for (count, label) in zip(reading.counts, bounds.labels + ["+Inf"]) {
      cumulative += count
      bytes += bucket
      bytes += label.utf8
      bytes += "\"} ".utf8
      bytes += String(cumulative).utf8
      bytes.append(UInt8(ascii: "\n"))
    }
    sample(name + "_sum", labels, reading.sum)
    sample(name + "_count", labels, cumulative)
  }

  private mutating func line(_ name: String, _ labels: String, _ value: String) {
    bytes += name.utf8
    if !labels.isEmpty {
      bytes.append(UInt8(ascii: "{"))
      bytes += labels.utf8
      bytes.append(UInt8(ascii: "}"))
    }
    bytes.append(UInt8(ascii: " "))
    bytes += value.utf8
    bytes.append(UInt8(ascii: "\n"))
  }

  /// A label whose value may hold anything: backslash, quote and line feed are escaped.
  package static func label(_ name: String, _ value: String) -> String {
    var escaped = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return "\(name)=\"\(escaped)\""
  }

  /// Shortest text that reads back as the same number; whole numbers without a point.
  package static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
    return value.description
  }
}
