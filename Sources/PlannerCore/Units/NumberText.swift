/// Numbers as the sentences of reasons and provenances print them.
package enum NumberText {
  /// `value` with exactly that many decimals, rounded half away from zero.
  package static func decimal(_ value: Double, _ places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    var digits = String(Int64(scaled))
    while digits.count <= places { digits = "0" + digits }
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return sign + digits }
    return sign + digits.dropLast(places) + "." + digits.suffix(places)
  }

  /// A rate with two decimals, or as many as show its first two digits where it is smaller: `0.49`, `0.0012`.
  package static func rate(_ perSecond: Double) -> String {
    var (places, scale) = (2, 0.0995)
    while perSecond > 0, perSecond < scale, places < 9 {
      places += 1
      scale /= 10
    }
    return decimal(perSecond, places)
  }

  package static func milliseconds(_ seconds: Double) -> String {
    let value = seconds * 1e3
    return decimal(value, value < 1 ? 3 : value < 10 ? 2 : 1) + " ms"
  }

  /// The target as the user wrote it: no decimals that say nothing.
  package static func target(_ seconds: Double) -> String {
    let value = seconds * 1e3
    return (value == value.rounded() ? decimal(value, 0) : decimal(value, 3)) + " ms"
  }

  package static func interval(_ estimate: Estimate) -> String {
    "\(milliseconds(estimate.estimate)) (\(milliseconds(estimate.low)) to \(milliseconds(estimate.high)))"
  }

  package static func mebibytes(_ bytes: Int64) -> String { decimal(Double(bytes) / 1_048_576, 0) + " MiB" }

  package static func dollars(_ value: Double) -> String { "$" + decimal(value, 2) }

  package static func models(_ count: Int) -> String { count == 1 ? "1 model" : "\(count) models" }

  package static func nodes(_ count: Int) -> String { count == 1 ? "1 node" : "\(count) nodes" }

  package static func count(_ count: Int, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }
}
