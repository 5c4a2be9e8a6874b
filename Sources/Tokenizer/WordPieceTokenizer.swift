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

/// BERT's WordPiece tokenizer, which gives the ids that transformers' `BertTokenizer.from_pretrained` gives.
///
/// Special tokens in a text ([CLS], [SEP], …, in capitals) count as such, as they do there. The Unicode version is
/// 14.0: what was assigned later counts as unassigned and is dropped. A value; copies share their tables.
package struct WordPieceTokenizer: Sendable {
  private let pieces: PieceTable
  private let special: SpecialTokens
  private let lowercases: Bool

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
      bytes += line.utf8
      ends.append(UInt32(bytes.count))
    }
    try self.init(bytes: bytes, ends: ends, lowercases: lowercases, file: "vocabulary")
  }

  /// A tokenizer from a model's vocab.txt: UTF-8, one token a line.
  package static func load(path: String, lowercases: Bool) throws(TokenizerError) -> WordPieceTokenizer {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw TokenizerError(.unreadable(reason: error.localizedDescription), file: path)
    }
    let (bytes, ends) = try splitLines(Array(data), file: path)
    return try WordPieceTokenizer(bytes: bytes, ends: ends, lowercases: lowercases, file: path)
  }

  private init(bytes: [UInt8], ends: [UInt32], lowercases: Bool, file: String) throws(TokenizerError) {
    guard ends.count > 1 else { throw TokenizerError(.empty, file: file) }
    for line in 1..<ends.count where ends[line] == ends[line - 1] {
      throw TokenizerError(.blankLine, file: file, line: line)
    }
    do {
      pieces = try PieceTable(bytes: bytes, ends: ends)
    } catch {
      let token = String(decoding: bytes[Int(ends[error.id])..<Int(ends[error.id + 1])], as: UTF8.self)
      throw TokenizerError(.duplicate(token: token, firstLine: error.first + 1), file: file, line: error.id + 1)
    }
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
      bytes += content[index..<end]
      ends.append(UInt32(bytes.count))
      let isPair = end + 1 < content.count && content[end] == carriageReturn && content[end + 1] == newline
      index = end + (isPair ? 2 : 1)
    }
    return (bytes, ends)
  }
}

extension WordPieceTokenizer {
  /// The ids of `[CLS] text [SEP]`, or of `[CLS] text [SEP] pair [SEP]`.
  ///
  /// Too long a text loses tokens at its end; of a pair, the longer text loses one at a time, the second if both are
  /// as long. The special tokens always stay, so `maxTokens` below 2 (3 for a pair) counts as that.
  /// `padTo`: append [PAD] up to this length.
  package func encode(_ text: String, pair: String?, maxTokens: Int, padTo: Int? = nil) -> Encoding {
    let fixed = pair == nil ? 2 : 3
    let budget = max(fixed, maxTokens) - fixed
    // One token more than can stay tells that something is cut; the rest of a long text need not be looked at.
    let first = pieceIDs(text, enough: budget + 1)
    let second = pair.map { pieceIDs($0, enough: budget + 1) }
    let kept = Self.lengths(first.count, second?.count ?? 0, budget: budget)

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

  /// How many tokens of each text stay: the longer one gives way until the sum fits, the second if both are as long.
  private static func lengths(_ first: Int, _ second: Int, budget: Int) -> (first: Int, second: Int) {
    var (first, second) = (first, second)
    while first + second > budget {
      if first > second { first -= 1 } else { second -= 1 }
    }
    return (first, second)
  }
}
