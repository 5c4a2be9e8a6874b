/// A WordPiece vocabulary of any size for models that were never trained: every ASCII text can be written with it.
enum SyntheticVocabulary {
  /// One piece a line, `size` lines, all different.
  ///
  /// The special pieces stand where BERT's vocabularies have them, [PAD] at 0 and [UNK] … [MASK] from 100 on,
  /// or one after the other in vocabularies too small for that.
  static func text(size: Int) -> String {
    var pieces: [String] = []
    var seen = Set<String>()
    func add(_ piece: String) {
      if pieces.count < size, seen.insert(piece).inserted { pieces.append(piece) }
    }
    let special = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    add("[PAD]")
    if size >= 1000 { for index in 0..<99 { add("[unused\(index)]") } }
    special.forEach(add)
    let printable = (33...126).map { String(UnicodeScalar(UInt8($0))) }
    // Capitals never reach an uncased vocabulary.
    let characters = printable.filter { $0 == $0.lowercased() }
    characters.forEach(add)
    let letters = characters.filter { ("a"..."z").contains($0) || ("0"..."9").contains($0) }
    letters.forEach { add("##" + $0) }
    for first in letters { for second in letters { add("##" + first + second) } }
    for first in letters { for second in letters { add(first + second) } }
    var index = 0
    while pieces.count < size {
      add("piece\(index)")
      index += 1
    }
    return pieces.joined(separator: "\n") + "\n"
  }
}
