/// Names of models as files hold them.
public enum ModelNames {
  /// Most bytes of a name.
  public static let mostBytes = 256

  /// Why a text cannot be a model's name in a file; nil where it can.
  public static func problem(_ name: String) -> String? {
    if name.isEmpty { return "has an empty name" }
    if name.utf8.count > mostBytes { return "has a name of more than \(mostBytes) bytes" }
    let isPlain = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    if !isPlain { return "has a name with control characters" }
    return name.first?.isWhitespace == true || name.last?.isWhitespace == true
      ? "has a name that begins or ends with a space" : nil
  }
}
