import Foundation

/// A moment as the engine writes it: `2026-11-28T04:36:54.906805535Z`.
package struct EngineTime: Hashable, Sendable {
  /// Whole seconds and nanoseconds since 1970, as the engine's queries take them: `1795840614.906805535`.
  package let text: String
  package let seconds: Double

  /// - Returns: nil where `text` is no such moment.
  package init?(_ text: String) {
    guard text.utf8.count <= 40, let point = text.firstIndex(where: { $0 == "." || $0 == "Z" || $0 == "+" }) else {
      return nil
    }
    let fraction = text[point] == "." ? text[text.index(after: point)...].prefix { $0.isASCII && $0.isNumber } : ""
    let zone = text[point] == "." ? text[text.index(point, offsetBy: fraction.count + 1)...] : text[point...]
    guard let date = try? Date("\(text[..<point])\(zone)", strategy: .iso8601) else { return nil }
    let whole = Int64(date.timeIntervalSince1970)
    let digits = (fraction + String(repeating: "0", count: max(0, 9 - fraction.count))).prefix(9)
    self.text = "\(whole).\(digits)"
    seconds = Double(whole) + (Double("0.\(digits)") ?? 0)
  }
}
