import Testing
import Tokenizer

/// The ids are those of transformers' BertTokenizer: scripts/make-tokenizer-fixtures wrote what is compared with.
@Suite struct ReferenceTests {
  static let shownDifferences = 10

  @Test func allCasesHaveTheReferencesIDs() throws {
    let cases = try Fixtures.cases()
    #expect(cases.count >= 5000)
    let tokenizers = [
      ReferenceCase.Mode.uncased: try Fixtures.tokenizer(.uncased), .cased: try Fixtures.tokenizer(.cased),
    ]
    var differences: [String] = []
    for item in cases {
      var tokenizer = try #require(tokenizers[item.mode])
      // The reference of these cases is written in Python.
      tokenizer.truncation = .oneByOne
      let encoding = tokenizer.encode(
        item.text, pair: item.pair, maxTokens: item.maxTokens, padTo: item.padded ? item.maxTokens : nil)
      let padding = item.padded ? item.maxTokens - item.ids.count : 0
      let second = item.ids.count - item.firstLength
      let pad = item.mode == .uncased ? Int64(0) : 4
      let zeros = [Int64](repeating: 0, count: padding)
      let expected = (
        ids: item.ids + [Int64](repeating: pad, count: padding),
        types: [Int64](repeating: 0, count: item.firstLength) + [Int64](repeating: 1, count: second) + zeros,
        mask: [Int64](repeating: 1, count: item.ids.count) + zeros
      )
      if encoding.inputIDs != expected.ids || encoding.tokenTypeIDs != expected.types
        || encoding.attentionMask != expected.mask || encoding.truncated != item.truncated
      {
        differences.append(
          """
          cases.tsv:\(item.line) \(item.mode), at most \(item.maxTokens)
            text      \(Fixtures.escaped(item.text))
            pair      \(Fixtures.escaped(item.pair))
            expected  \(expected.ids) truncated \(item.truncated)
            ids       \(encoding.inputIDs) truncated \(encoding.truncated)
            types     \(encoding.tokenTypeIDs)
          """)
      }
    }
    let shown = differences.prefix(Self.shownDifferences).joined(separator: "\n")
    #expect(differences.isEmpty, "\(differences.count) of \(cases.count) differ:\n\(shown)")
  }

  @Test func idsReadAsTheReferencesText() throws {
    let tokenizers = [
      ReferenceCase.Mode.uncased: try Fixtures.tokenizer(.uncased), .cased: try Fixtures.tokenizer(.cased),
    ]
    let cases = try Fixtures.cases().filter { $0.decoded != nil }
    #expect(cases.count >= 500)
    for item in cases {
      let text = try #require(tokenizers[item.mode]).decode(item.ids.dropFirst().dropLast())
      #expect(text.utf8.elementsEqual((item.decoded ?? "").utf8), "cases.tsv:\(item.line): \(Fixtures.escaped(text))")
    }
  }

  /// Every code point in every role, assigned or not: in a word, before marks, beside a capital, and between two
  /// marks that change places unless it keeps them apart.
  ///
  /// The vocabulary holds each scalar as a piece of its own, so the ids spell out what becomes of the text. Code
  /// points assigned after Unicode 14.0 are in it too: the reference removes them, and so must we.
  @Test func everyScalarBecomesWhatTheReferenceMakesOfIt() throws {
    let scalars = [0..<0xD800, 0xE000..<0x323B0, 0xE0100..<0xE01F0].joined().compactMap(Unicode.Scalar.init)
    let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + scalars.flatMap { ["\($0)", "##\($0)"] }
    let uncased = try WordPieceTokenizer(vocabulary: vocabulary, lowercases: true)
    let cased = try WordPieceTokenizer(vocabulary: vocabulary, lowercases: false)
    let sums = try Fixtures.lines("scalars.txt").map { $0.split(separator: " ").compactMap { UInt32($0, radix: 16) } }
    try #require(sums.count == 0x110000 / 1024)
    for (block, expected) in sums.enumerated() {
      let found = [uncased, cased].map { Self.sum(of: UInt32(block * 1024)..<UInt32((block + 1) * 1024), $0) }
      #expect(found == expected, "scalars \(String(block * 1024, radix: 16)) and the 1,023 after it")
    }
  }

  static func sum(of range: Range<UInt32>, _ tokenizer: WordPieceTokenizer) -> UInt32 {
    var sum: UInt32 = 0
    for scalar in range.compactMap(Unicode.Scalar.init) {
      let text = "a\(scalar)b \(scalar)\u{323}\u{1D165}\(scalar)\u{1B44}A\(scalar)"
      for id in tokenizer.encode(text, pair: nil, maxTokens: 512).inputIDs.dropFirst().dropLast() {
        sum = sum &* 1_000_003 &+ UInt32(truncatingIfNeeded: id) &+ 1
      }
    }
    return sum
  }
}
