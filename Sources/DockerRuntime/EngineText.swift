/// Texts that an engine sent, made fit to be shown: it may run anywhere, and says what images and programs made it say.
package enum EngineText {
  /// One line without control characters, of at most `most` characters.
  package static func plain(_ text: String, most: Int = 500) -> String {
    let line = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }.joined()
    let words = line.split(separator: " ").joined(separator: " ")
    return words.count <= most ? words : words.prefix(most) + "…"
  }
}
