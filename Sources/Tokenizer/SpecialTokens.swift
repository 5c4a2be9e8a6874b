/// The tokens that a text may hold as they are, and their ids.
struct SpecialTokens: Sendable {
  static let texts = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  /// All of them begin with it, none holds it again: they cannot overlap.
  static let firstByte = UInt8(ascii: "[")

  private let tokens: [(text: [UInt8], id: Int64)]

  let padding: Int64
  let unknown: Int64
  let start: Int64
  let separator: Int64

  /// - Throws: the tokens that the vocabulary lacks.
  init(_ pieces: PieceTable) throws(Missing) {
    var ids: [String: Int64] = [:]
    for text in Self.texts { ids[text] = pieces.id(of: text).map(Int64.init) }
    guard let padding = ids["[PAD]"], let unknown = ids["[UNK]"], let start = ids["[CLS]"],
      let separator = ids["[SEP]"], ids.count == Self.texts.count
    else { throw Missing(texts: Self.texts.filter { ids[$0] == nil }) }
    (self.padding, self.unknown, self.start, self.separator) = (padding, unknown, start, separator)
    tokens = ids.map { (Array($0.key.utf8), $0.value) }
  }

  struct Missing: Error {
    var texts: [String]
  }

  /// The special token that stands at `index` of a text.
  func match(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (id: Int64, length: Int)? {
    for token in tokens where text[index...].starts(with: token.text) { return (token.id, token.text.count) }
    return nil
  }
}
