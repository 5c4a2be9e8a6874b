/// One pass over a text: cleans it, cuts it into words, folds these, cuts them into pieces and looks up the ids.
///
/// Follows the steps of the reference tokenizer for each word: special tokens first, then control characters out,
/// Chinese characters apart, split at white space, lower case and accents (uncased), punctuation apart, WordPiece.
struct TextScanner {
  private let pieces: PieceTable
  private let special: SpecialTokens
  private let lowercases: Bool
  private let table = ScalarTable.shared
  /// Ids wanted; scanning stops at the end of the word that reaches this many.
  private let enough: Int

  private(set) var ids: [Int64] = []
  /// UTF-8 of the word under way, folded where the tokenizer is uncased.
  private var word: [UInt8] = []
  private var wordHasPunctuation = false
  /// Marks at the end of the word that canonical ordering may still rearrange, each with its combining class.
  private var marks: [(order: UInt8, scalar: UInt32)] = []
  /// Hash states after each byte of the word under way.
  private var hashes: [UInt64] = []

  /// The reference tokenizer gives up on longer words; in scalars.
  private static let longestWord = 100
  private static let bytesPerScalar = 4

  init(pieces: PieceTable, special: SpecialTokens, lowercases: Bool, enough: Int) {
    self.pieces = pieces
    self.special = special
    self.lowercases = lowercases
    self.enough = enough
    hashes = [UInt64](repeating: 0, count: max(pieces.longestInitial, pieces.longestContinuing))
  }

  /// Appends the ids of the text; the bytes are valid UTF-8.
  mutating func scan(_ text: UnsafeBufferPointer<UInt8>) {
    word.reserveCapacity(64)
    var index = 0
    while index < text.count, ids.count < enough {
      let byte = text[index]
      if byte < 0x80 {
        if byte == SpecialTokens.firstByte, let token = special.match(text, at: index) {
          endWord()
          ids.append(token.id)
          index += token.length
        } else {
          index += 1
          scanASCII(byte)
        }
      } else {
        let (scalar, length) = Self.decode(text, at: index)
        index += length
        scanScalar(scalar)
      }
    }
    if ids.count < enough { endWord() }
  }

  @inline(__always)
  private mutating func scanASCII(_ byte: UInt8) {
    switch table[UInt32(byte)].scalarClass {
    case .removed: break
    case .space: endWord()
    case let kind:
      if !marks.isEmpty { settleMarks() }
      if kind == .punctuation { wordHasPunctuation = true }
      let isCapital = lowercases && byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
      word.append(isCapital ? byte | 0x20 : byte)
    }
  }

  private mutating func scanScalar(_ scalar: UInt32) {
    let entry = table[scalar]
    switch entry.scalarClass {
    case .removed: break
    case .space: endWord()
    case .han:
      endWord()
      append(scalar, entry)
      endWord()
    default: append(scalar, entry)
    }
  }

  /// Adds a scalar to the word, as it is or as its folded form.
  private mutating func append(_ scalar: UInt32, _ entry: ScalarTable.Entry) {
    guard lowercases else { return appendAsIs(scalar, entry.scalarClass) }
    switch entry.scalarClass {
    case .mark: break
    case .startingMark: settleMarks()
    default:
      if entry.fold != 0 {
        for part in table.folded(entry.fold) { appendOrdered(part) }
      } else if let syllable = HangulSyllable(scalar) {
        syllable.forEachPart { appendOrdered($0) }
      } else {
        appendOrdered(scalar)
      }
    }
  }

  private mutating func appendOrdered(_ scalar: UInt32) {
    let kind = table[scalar].scalarClass
    if kind == .ordered {
      marks.append((table.order(of: scalar), scalar))
    } else {
      if !marks.isEmpty { settleMarks() }
      appendAsIs(scalar, kind)
    }
  }

  private mutating func appendAsIs(_ scalar: UInt32, _ kind: ScalarClass) {
    if kind == .punctuation { wordHasPunctuation = true }
    switch scalar {
    case ..<0x80: word.append(UInt8(scalar))
    case ..<0x800:
      word.append(UInt8(0xC0 | scalar >> 6))
      word.append(UInt8(0x80 | scalar & 0x3F))
    case ..<0x10000:
      word.append(UInt8(0xE0 | scalar >> 12))
      word.append(UInt8(0x80 | scalar >> 6 & 0x3F))
      word.append(UInt8(0x80 | scalar & 0x3F))
    default:
      word.append(UInt8(0xF0 | scalar >> 18))
      word.append(UInt8(0x80 | scalar >> 12 & 0x3F))
      word.append(UInt8(0x80 | scalar >> 6 & 0x3F))
      word.append(UInt8(0x80 | scalar & 0x3F))
    }
  }

  /// Puts the waiting marks in canonical order; equal classes keep theirs.
  private mutating func settleMarks() {
    let sorted = marks.enumerated().sorted { ($0.element.order, $0.offset) < ($1.element.order, $1.offset) }
    marks.removeAll(keepingCapacity: true)
    for mark in sorted { appendAsIs(mark.element.scalar, .ordered) }
  }

  /// Looks up the word under way, part by part where it has punctuation, and begins a new one.
  private mutating func endWord() {
    if !marks.isEmpty { settleMarks() }
    if word.isEmpty { return }
    // The word leaves the scanner while its ids are appended, and its memory comes back for the next one.
    var finished: [UInt8] = []
    swap(&finished, &word)
    finished.withUnsafeBufferPointer { bytes in
      if !wordHasPunctuation {
        appendPieces(bytes, 0, bytes.count)
      } else if let token = special.match(bytes, at: 0), token.length == bytes.count {
        // A special token that removed characters had hidden: whole, as it would be without them.
        ids.append(token.id)
      } else {
        splitAtPunctuation(bytes)
      }
    }
    finished.removeAll(keepingCapacity: true)
    swap(&finished, &word)
    wordHasPunctuation = false
  }

  private mutating func splitAtPunctuation(_ bytes: UnsafeBufferPointer<UInt8>) {
    var start = 0
    var index = 0
    while index < bytes.count {
      let (scalar, length) = Self.decode(bytes, at: index)
      if table[scalar].scalarClass == .punctuation {
        if start < index { appendPieces(bytes, start, index) }
        appendPieces(bytes, index, index + length)
        start = index + length
      }
      index += length
    }
    if start < bytes.count { appendPieces(bytes, start, bytes.count) }
  }

  /// WordPiece: the longest token that begins the word, then the longest that continues it, and so on; [UNK] for
  /// the whole word if there is none at some place.
  private mutating func appendPieces(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
    guard let base = bytes.baseAddress else { return }
    if end - start > Self.longestWord, Self.isTooLong(bytes, start, end) { return ids.append(special.unknown) }
    let idsBefore = ids.count
    var position = start
    while position < end {
      let continuing = position > start
      var length = min(end - position, continuing ? pieces.longestContinuing : pieces.longestInitial)
      var hash = PieceTable.seed(continuing: continuing)
      for index in 0..<length {
        hash = PieceTable.step(hash, bytes[position + index])
        hashes[index] = hash
      }
      while length > 0 {
        let found = pieces.id(hash: hashes[length - 1], at: base + position, count: length, continuing: continuing)
        if let found {
          ids.append(Int64(found))
          break
        }
        length -= 1
      }
      if length == 0 {
        ids.removeSubrange(idsBefore...)
        return ids.append(special.unknown)
      }
      position += length
    }
  }

  private static func isTooLong(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    if end - start > longestWord * bytesPerScalar { return true }
    return (start..<end).count { bytes[$0] & 0xC0 != 0x80 } > longestWord
  }

  /// The scalar at `index` and its bytes; the bytes are valid UTF-8.
  private static func decode(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (scalar: UInt32, length: Int) {
    func tail(_ offset: Int) -> UInt32 { UInt32(bytes[index + offset] & 0x3F) }
    let first = UInt32(bytes[index])
    switch first {
    case ..<0x80: return (first, 1)
    case ..<0xE0: return ((first & 0x1F) << 6 | tail(1), 2)
    case ..<0xF0: return ((first & 0x0F) << 12 | tail(1) << 6 | tail(2), 3)
    default: return ((first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4)
    }
  }
}

/// A composed Hangul syllable, which decomposes by arithmetic (Unicode, section 3.12).
struct HangulSyllable {
  private static let first: UInt32 = 0xAC00
  private static let count: UInt32 = 11172
  private static let (leading, vowel, trailing): (UInt32, UInt32, UInt32) = (0x1100, 0x1161, 0x11A7)
  private static let (trailingCount, perLeading): (UInt32, UInt32) = (28, 588)

  private let index: UInt32

  init?(_ scalar: UInt32) {
    guard scalar >= Self.first, scalar - Self.first < Self.count else { return nil }
    index = scalar - Self.first
  }

  func forEachPart(_ body: (UInt32) -> Void) {
    body(Self.leading + index / Self.perLeading)
    body(Self.vowel + index % Self.perLeading / Self.trailingCount)
    if index % Self.trailingCount != 0 { body(Self.trailing + index % Self.trailingCount) }
  }
}
