import PlannerCore

/// Reads `application/x-www-form-urlencoded` text: a query string or the body of a form.
package enum QueryString {
  /// The decoded value of the last field called `name`, as the guidance's server takes it; nil where there is none.
  ///
  /// `+` is a space. A percent sign that starts no escape stands for itself, as browsers and Python read it.
  package static func value(_ name: String, in text: some StringProtocol) -> String? {
    var value: String?
    for field in text.utf8.split(separator: UInt8(ascii: "&")) {
      let parts = field.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let key = parts.first, PercentEncoding.decode(key, plusIsSpace: true) == name else { continue }
      value = parts.count > 1 ? PercentEncoding.decode(parts[1], plusIsSpace: true) : ""
    }
    return value
  }
}
