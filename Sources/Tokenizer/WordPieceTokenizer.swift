import Foundation

/// Token ids of one text or of a pair, ready for the model; all three arrays have the same length.
package struct Encoding: Hashable, Sendable {
  /// Ids in 0 ..< the vocabulary's size.
  package var inputIDs: [Int64]
  /// 0 for [CLS], the first text, its [SEP] and padding; 1 for the second text and its [SEP].
  package var tokenTypeIDs: [Int64]
  /// 1 for tokens, 0 for padding.
  package var attentionMask: [Int64]
  /// Whether tokens were left out to keep to the limit.
  package var truncated: Bool
}

/// How a pair that is too long is cut. Both ways shorten the longer text first; they differ by one token where both
/// texts are cut and the room for them is odd.
public enum PairTruncation: String, Hashable, Sendable, CaseIterable {
  /// As tokenizers 0.23 does, and with it `BertTokenizer` from transformers 5: the odd token stays with the longer
  /// text, with the second where both are as long.
  case halves
  /// As transformers' tokenizers written in Python did, up to version 4: the longer text loses one token at a time,
  /// the second where both are as long, so the odd token stays with the first.
  case oneByOne
}

/// BERT's WordPiece tokenizer, which gives the ids that transformers' `BertTokenizer.from_pretrained` gives.
///
/// Special tokens in a text ([CLS], [SEP], …, in capitals) count as such, as they do there. The Unicode version is
/// 14.0: what was assigned later counts as unassigned and is dropped. A value; copies share their tables.
package struct WordPieceTokenizer: Sendable {
  private let pieces: PieceTable
  private let special: SpecialTokens
  private let lowercases: Bool
  /// How `encode` cuts a pair that is too long.
  public var truncation = PairTruncation.halves
  /// What is odd about the vocabulary and does no harm to the ids, each in a sentence with file and line.
  public let warnings: [String]

  /// Tokens in the vocabulary; ids are below it.
  package var vocabularySize: Int { pieces.count }
  /// Id of [PAD].
  package var paddingID: Int64 { special.padding }

  /// A tokenizer from the lines of a vocab.txt: the id of a token is its index.
  ///
  /// `lowercases`: uncased, that is lower case and without accents.
  package init(vocabulary lines: [String], lowercases: Bool) throws(TokenizerError) {
    var bytes: [UInt8] = []
    var ends: [UInt32] = [0]
    for line in lines {
      bytes += line.utf8.prefix(Self.trimmedLength(of: Array(line.utf8)[...]))
      ends.append(UInt32(bytes.count))
    }
    try self.init(bytes: bytes, ends: ends, lowercases: lowercases, file: "vocabulary")
  }

  /// A tokenizer from a model's vocab.txt: UTF-8, one token a line.
  ///
  /// - Parameter lowercases: nil takes the vocabulary for an uncased one where no piece has a capital letter, but for
  ///   those in square brackets.
  package static func load(path: String, lowercases: Bool?) throws(TokenizerError) -> WordPieceTokenizer {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw TokenizerError(.unreadable(reason: error.localizedDescription), file: path)
    }
    let (bytes, ends) = try splitLines(Array(data), file: path)
    return try WordPieceTokenizer(
      bytes: bytes, ends: ends, lowercases: lowercases ?? isUncased(bytes, ends), file: path)
  }

  /// Whether no piece but special ones has a capital letter of ASCII's.
  private static func isUncased(_ bytes: [UInt8], _ ends: [UInt32]) -> Bool {
    let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
    return !zip(ends, ends.dropFirst()).contains { start, end in
      let piece = bytes[Int(start)..<Int(end)]
      return piece.first != UInt8(ascii: "[") && piece.contains { capitals.contains($0) }
    }
  }

  private init(bytes: [UInt8], ends: [UInt32], lowercases: Bool, file: String) throws(TokenizerError) {
    guard ends.contains(where: { $0 > 0 }) else { throw TokenizerError(.empty, file: file) }
    pieces = PieceTable(bytes: bytes, ends: ends)
    warnings = Self.warnings(pieces, ends: ends, file: file)
    do {
      special = try SpecialTokens(pieces)
    } catch {
      throw TokenizerError(.missingSpecialTokens(error.texts), file: file)
    }
    self.lowercases = lowercases
    // Unpacked here and not in the first request.
    _ = ScalarTable.shared
  }

  /// The lines of a file without their ends, as the bytes of all and where each ends.
  private static func splitLines(
    _ content: [UInt8], file: String
  ) throws(TokenizerError) -> (bytes: [UInt8], ends: [UInt32]) {
    let (newline, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    var bytes: [UInt8] = []
    bytes.reserveCapacity(content.count)
    var ends: [UInt32] = [0]
    var index = 0
    while index < content.count {
      let end = content[index...].firstIndex { $0 == newline || $0 == carriageReturn } ?? content.count
      guard String(validating: content[index..<end], as: UTF8.self) != nil else {
        throw TokenizerError(.notUTF8, file: file, line: ends.count)
      }
      bytes += content[index..<end].prefix(trimmedLength(of: content[index..<end]))
      ends.append(UInt32(bytes.count))
      let isPair = end + 1 < content.count && content[end] == carriageReturn && content[end + 1] == newline
      index = end + (isPair ? 2 : 1)
    }
    return (bytes, ends)
  }

  /// How many bytes of a line of UTF-8 remain without the white space at its end, which the reference takes off.
  private static func trimmedLength(of line: ArraySlice<UInt8>) -> Int {
    // Nearly every line ends in a visible ASCII character.
    if let last = line.last, last > 0x20, last < 0x7F { return line.count }
    var scalars = String(decoding: line, as: UTF8.self).unicodeScalars[...]
    while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
    return String(scalars).utf8.count
  }

  /// One sentence for the blank lines and one for the repeated tokens, each with the first few lines they stand on.
  private static func warnings(_ pieces: PieceTable, ends: [UInt32], file: String) -> [String] {
    func places(_ lines: [Int]) -> String {
      lines.prefix(3).map(String.init).joined(separator: ", ") + (lines.count > 3 ? ", …" : "")
    }
    var warnings: [String] = []
    let blank = (1..<ends.count).filter { ends[$0] == ends[$0 - 1] }
    if !blank.isEmpty {
      warnings.append(
        "\(file): \(blank.count) blank \(blank.count == 1 ? "line" : "lines") (\(places(blank))); each counts as an id "
          + "that no text gets, as Hugging Face's tokenizers count it")
    }
    // A blank line that comes twice has been said already.
    let repeated = pieces.repeated.filter { ends[$0.id + 1] > ends[$0.id] }
    if let first = repeated.first {
      let token = String(decoding: pieces.token(first.id), as: UTF8.self)
      warnings.append(
        "\(file):\(first.id + 1): '\(token)' stands on line \(first.earlier + 1) already"
          + (repeated.count > 1 ? ", and \(repeated.count - 1) more such lines follow" : "")
          + "; the last line's id counts, as with Hugging Face's tokenizers")
    }
    return warnings
  }
}

extension WordPieceTokenizer {
  /// The ids of `[CLS] text [SEP]`, or of `[CLS] text [SEP] pair [SEP]`.
  ///
  /// Too long a text loses tokens at its end; of a pair, the longer text does first (`truncation` says which one where
  /// both are as long). The special tokens always stay, so `maxTokens` below 2 (3 for a pair) counts as that.
  /// `padTo`: append [PAD] up to this length.
  package func encode(_ text: String, pair: String?, maxTokens: Int, padTo: Int? = nil) -> Encoding {
    let fixed = pair == nil ? 2 : 3
    let budget = max(fixed, maxTokens) - fixed
    // One token more than can stay tells that something is cut; the rest of a long text need not be looked at.
    var enough = budget + 1
    var first = pieceIDs(text, enough: enough)
    var second = pair.map { pieceIDs($0, enough: enough) }
    // Where both are cut, an odd token is left to one of them by which is the longer one: the shorter one's end tells.
    while let pair, truncation == .halves, budget % 2 == 1, first.count >= enough, second?.count ?? 0 >= enough {
      enough *= 4
      first = pieceIDs(text, enough: enough)
      second = pieceIDs(pair, enough: enough)
    }
    let kept = truncation.lengths(first.count, second?.count ?? 0, budget: budget)

    var ids: [Int64] = []
    let total = max(kept.first + kept.second + fixed, padTo ?? 0)
    ids.reserveCapacity(total)
    ids.append(special.start)
    ids += first.prefix(kept.first)
    ids.append(special.separator)
    var types = [Int64](repeating: 0, count: ids.count)
    if let second {
      ids += second.prefix(kept.second)
      ids.append(special.separator)
      types += repeatElement(1, count: ids.count - types.count)
    }
    var mask = [Int64](repeating: 1, count: ids.count)
    let padding = total - ids.count
    if padding > 0 {
      ids += repeatElement(special.padding, count: padding)
      types += repeatElement(0, count: padding)
      mask += repeatElement(0, count: padding)
    }
    let truncated = kept.first < first.count || kept.second < (second?.count ?? 0)
    return Encoding(inputIDs: ids, tokenTypeIDs: types, attentionMask: mask, truncated: truncated)
  }

  /// The text of tokens: joined with blanks, a ## that continues a word joined to it. Unknown ids read as [UNK].
  package func decode(_ ids: ArraySlice<Int64>) -> String {
    var joined: [UInt8] = []
    for id in ids {
      if !joined.isEmpty { joined.append(UInt8(ascii: " ")) }
      joined += pieces.token(Int(exactly: id).flatMap { 0..<pieces.count ~= $0 ? $0 : nil } ?? Int(special.unknown))
    }
    let marker = Array(" ##".utf8)
    var text: [UInt8] = []
    var index = 0
    while index < joined.count {
      if joined[index] == marker[0], joined[index...].starts(with: marker) {
        index += marker.count
      } else {
        text.append(joined[index])
        index += 1
      }
    }
    return Self.trimmed(String(decoding: text, as: UTF8.self))
  }

  /// A text without the white space at its ends.
  private static func trimmed(_ text: String) -> String {
    let scalars = text.unicodeScalars
    let isSpace = { (scalar: Unicode.Scalar) in
      // Besides Unicode's white space, the reference strips the four separators of ASCII.
      scalar.properties.isWhitespace || 0x1C...0x1F ~= scalar.value
    }
    guard let first = scalars.firstIndex(where: { !isSpace($0) }), let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }

  private func pieceIDs(_ text: String, enough: Int) -> [Int64] {
    var scanner = TextScanner(pieces: pieces, special: special, lowercases: lowercases, enough: enough)
    var text = text
    text.withUTF8 { scanner.scan($0) }
    return scanner.ids
  }
}

extension PairTruncation {
  /// How many tokens of each text of a pair remain of `first` and `second`, together at most `budget`.
  ///
  /// `halves`, with a budget of 125: 200 and 10 become 115 and 10; 63 and 63 become 62 and 63; 64 and 63 become 63 and
  /// 62. `oneByOne` makes 63 and 62 of 63 and 63.
  func lengths(_ first: Int, _ second: Int, budget: Int) -> (first: Int, second: Int) {
    guard first + second > budget else { return (first, second) }
    let shorter = min(first, second)
    let half = budget / 2
    if shorter <= half { return first > second ? (budget - shorter, shorter) : (shorter, budget - shorter) }
    let firstKeepsOdd = self == .oneByOne || first > second
    return firstKeepsOdd ? (budget - half, half) : (half, budget - half)
  }
}
