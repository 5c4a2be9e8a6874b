/// Reads the quantities people write in flags and files: `10ms`, `2000s`, `1.5GiB`, `60%`.
public enum Quantity {
  /// A duration in seconds: a number with `us`, `ms`, `s`, `m` or `h`.
  ///
  /// - Returns: nil where the text is not of that form, is negative or not finite.
  public static func seconds(_ text: some StringProtocol) -> Double? {
    let units: [(suffix: String, seconds: Double)] = [
      ("us", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
    ]
    for unit in units where text.hasSuffix(unit.suffix) {
      if let number = plainNumber(text.dropLast(unit.suffix.count)) { return number * unit.seconds }
    }
    return nil
  }

  /// A size in bytes: a number with `KiB`, `MiB`, `GiB`, `Ki`, `Mi`, `Gi` (Kubernetes), or none for bytes.
  public static func bytes(_ text: some StringProtocol) -> Int64? {
    let units: [(suffix: String, bytes: Double)] = [
      ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824),
      ("Ki", 1024), ("Mi", 1_048_576), ("Gi", 1_073_741_824), ("", 1),
    ]
    for unit in units where text.hasSuffix(unit.suffix) {
      guard let number = plainNumber(text.dropLast(unit.suffix.count)) else { continue }
      let bytes = (number * unit.bytes).rounded()
      return bytes < 9.2e18 ? Int64(bytes) : nil
    }
    return nil
  }

  /// A share of a whole in (0, 1]: `60%` or `0.6`.
  public static func share(_ text: some StringProtocol) -> Double? {
    let value: Double?
    if text.hasSuffix("%") {
      value = plainNumber(text.dropLast()).map { $0 / 100 }
    } else {
      value = plainNumber(text)
    }
    guard let value, value > 0, value <= 1 else { return nil }
    return value
  }

  /// Decimal digits with an optional point and exponent; no sign, no hexadecimal, no `inf` or `nan`.
  private static func plainNumber(_ text: some StringProtocol) -> Double? {
    guard let first = text.utf8.first, first == 0x2E || (0x30...0x39).contains(first) else { return nil }
    guard !text.utf8.contains(where: { $0 == 0x78 || $0 == 0x58 }) else { return nil }
    guard let value = Double(String(text)), value.isFinite else { return nil }
    return value
  }
}
