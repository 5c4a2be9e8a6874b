import Foundation
import Testing
import Tokenizer

/// What holds for every text, and how the tokenizer refuses vocabularies that it cannot use.
@Suite struct TokenizerLawTests {
  static let small = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "ab", "##c", ".", "é", "e\u{301}"]

  static func randomText(_ random: inout SplitMix, vocabulary: [String]) -> String {
    var scalars = String.UnicodeScalarView()
    for _ in 0..<Int(random.next() % 60) {
      switch random.next() % 6 {
      case 0: scalars.append(Unicode.Scalar(UInt32(random.next() % 0x110000)) ?? "\u{FFFD}")
      case 1: scalars.append(Unicode.Scalar(UInt32(random.next() % 0x3000)) ?? " ")
      case 2: scalars.append(Unicode.Scalar(UInt8(random.next() % 128)))
      case 3: scalars.append(contentsOf: vocabulary[Int(random.next() % UInt64(vocabulary.count))].unicodeScalars)
      case 4: scalars.append(Unicode.Scalar(UInt32(0x300 + random.next() % 0x70)) ?? " ")
      default: scalars.append(random.next() % 2 == 0 ? " " : "[")
      }
    }
    return String(scalars)
  }

  @Test(arguments: [ReferenceCase.Mode.uncased, .cased])
  func encodingsOfRandomTextsKeepTheLaws(_ mode: ReferenceCase.Mode) throws {
    let tokenizer = try Fixtures.tokenizer(mode)
    let size = Int64(tokenizer.vocabularySize)
    let special = try Self.specialIDs(mode)
    var random = SplitMix(state: 7)
    for _ in 0..<20_000 {
      let text = Self.randomText(&random, vocabulary: Self.small)
      let pair = random.next() % 2 == 0 ? nil : Self.randomText(&random, vocabulary: Self.small)
      let maxTokens = 3 + Int(random.next() % 40)
      let padTo = random.next() % 2 == 0 ? nil : Int(random.next() % 60)
      let encoding = tokenizer.encode(text, pair: pair, maxTokens: maxTokens, padTo: padTo)
      let used = encoding.attentionMask.count { $0 == 1 }
      #expect(used <= maxTokens)
      #expect(encoding.inputIDs.count == max(used, padTo ?? 0))
      #expect(encoding.tokenTypeIDs.count == encoding.inputIDs.count)
      #expect(encoding.inputIDs.allSatisfy { 0..<size ~= $0 })
      #expect(encoding.inputIDs[0] == special.start && encoding.inputIDs[used - 1] == special.separator)
      #expect(
        encoding.attentionMask
          == [1, 0].flatMap { value in
            [Int64](repeating: value, count: value == 1 ? used : encoding.inputIDs.count - used)
          })
      // What is cut is the end: without a limit the text begins the same way.
      let whole = tokenizer.encode(text, pair: nil, maxTokens: .max)
      let kept = encoding.tokenTypeIDs[..<used].count { $0 == 0 } - 2
      #expect(encoding.inputIDs[1..<(kept + 1)].elementsEqual(whole.inputIDs[1..<(kept + 1)]))
      #expect(!whole.truncated)
      _ = tokenizer.decode(encoding.inputIDs[...])
    }
  }

  static func specialIDs(_ mode: ReferenceCase.Mode) throws -> (start: Int64, separator: Int64) {
    let lines = try Fixtures.lines(mode == .uncased ? "uncased-vocab.txt" : "cased-vocab.txt")
    let start = try #require(lines.firstIndex(of: "[CLS]"))
    return (Int64(start), Int64(try #require(lines.firstIndex(of: "[SEP]"))))
  }

  @Test func tooSmallALimitLeavesTheSpecialTokens() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: Self.small, lowercases: true)
    for limit in [Int.min, -1, 0, 1, 2] {
      #expect(tokenizer.encode("ab a", pair: nil, maxTokens: limit).inputIDs == [2, 3])
      #expect(tokenizer.encode("ab a", pair: "a", maxTokens: limit).inputIDs == [2, 3, 3])
    }
    let padded = tokenizer.encode("ab", pair: nil, maxTokens: 8, padTo: 5)
    #expect(padded.inputIDs == [2, 7, 3, 0, 0] && padded.attentionMask == [1, 1, 1, 0, 0])
  }

  @Test func decodingJoinsPiecesAndSurvivesUnknownIDs() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: Self.small, lowercases: true)
    #expect(tokenizer.decode([5, 6, 8, 9]) == "abc .")
    #expect(tokenizer.decode([6, 6]) == "##bb")
    #expect(tokenizer.decode([-1, 12, .max, .min, 5]) == "[UNK] [UNK] [UNK] [UNK] a")
    #expect(tokenizer.decode([]) == "")
    #expect(tokenizer.decode([9, 5, 9, 9].dropFirst(2)) == ". .")
  }

  /// A megabyte that is costly for a careless tokenizer takes some ten times as long as a tenth of it, and no more ids
  /// than were asked for.
  @Test(arguments: ["a", "ab", "\u{301}", "\u{302E}", "[", "[CLS", " ", "\u{1F600}", "\u{AC01}", "##", "a.", "\u{0}"])
  func hugeTextsAreHarmless(_ unit: String) throws {
    for mode in [ReferenceCase.Mode.uncased, .cased] {
      let tokenizer = try Fixtures.tokenizer(mode)
      // The thread's own processor time: what else the machine does is not in it.
      func seconds(bytes: Int) -> Double {
        let text = String(repeating: unit, count: bytes / unit.utf8.count)
        let start = Self.processorSeconds()
        #expect(tokenizer.encode(text, pair: text, maxTokens: 512).inputIDs.count <= 512)
        return Self.processorSeconds() - start
      }
      let short = (0..<3).map { _ in seconds(bytes: 100_000) }.max() ?? 0
      // Where time goes with the square it is a hundred times. The tenth of a second is for texts that take none.
      #expect(seconds(bytes: 1_000_000) < short * 40 + 0.1)
    }
  }

  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Composed and decomposed letters are different tokens, though Swift holds such strings for equal.
  @Test func tokensAreToldApartByTheirBytes() throws {
    let tokenizer = try WordPieceTokenizer(vocabulary: Self.small, lowercases: false)
    #expect(tokenizer.encode("é e\u{301}", pair: nil, maxTokens: 8).inputIDs == [2, 10, 11, 3])
  }

  @Test func unusableVocabulariesAreRefused() throws {
    func problem(_ lines: [String]) -> TokenizerError? {
      do {
        _ = try WordPieceTokenizer(vocabulary: lines, lowercases: true)
        return nil
      } catch {
        return error
      }
    }
    #expect(problem([])?.problem == .empty)
    let incomplete = Self.small.filter { $0 != "[SEP]" && $0 != "[PAD]" }
    #expect(problem(incomplete)?.problem == .missingSpecialTokens(["[PAD]", "[SEP]"]))
    #expect(problem(Self.small + ["##"]) == nil)
  }

  /// Blank lines and repeated tokens keep the place of every id, and the last of several lines counts: as
  /// tokenizers 0.23.3 and BertTokenizer of transformers 5.24.0 do with this very vocabulary.
  @Test func blankLinesAndRepeatedTokensCountAsTheReferenceCountsThem() throws {
    let lines = [
      "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "", "b", "a", "c ", "d\u{2028}", "##x", "##x", "[UNK]",
    ]
    let tokenizer = try WordPieceTokenizer(vocabulary: lines, lowercases: true)
    #expect(tokenizer.vocabularySize == 14)
    #expect(tokenizer.encode("a b c d ax zz", pair: nil, maxTokens: 32).inputIDs == [2, 8, 7, 9, 10, 8, 12, 13, 3])
    #expect(tokenizer.warnings.count == 2)
    #expect(tokenizer.warnings.first?.hasPrefix("vocabulary: 1 blank line (7);") == true)
    #expect(
      tokenizer.warnings.last?.hasPrefix("vocabulary:9: 'a' stands on line 6 already, and 2 more such lines follow;")
        == true)
    #expect(try WordPieceTokenizer(vocabulary: Self.small, lowercases: true).warnings.isEmpty)
    #expect(try WordPieceTokenizer(vocabulary: Self.small + ["", ""], lowercases: true).warnings.count == 1)
  }

  /// Lengths of both texts and the room for them, with what tokenizers 0.23.3 leaves of each (`halves`) and what the
  /// Python tokenizers of transformers 4 leave (`oneByOne`).
  @Test func pairsAreCutInEitherWay() throws {
    let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    var tokenizer = try WordPieceTokenizer(vocabulary: tokens, lowercases: true)
    for (first, second, limit, halves, oneByOne) in [
      (63, 63, 128, [62, 63], [63, 62]), (64, 63, 128, [63, 62], [63, 62]), (63, 64, 128, [62, 63], [63, 62]),
      (200, 10, 128, [115, 10], [115, 10]), (10, 200, 128, [10, 115], [10, 115]), (70, 70, 127, [62, 62], [62, 62]),
      (2000, 1000, 128, [63, 62], [63, 62]), (1000, 2000, 128, [62, 63], [63, 62]), (62, 63, 128, [62, 63], [62, 63]),
      (5, 5, 3, [0, 0], [0, 0]), (5, 5, 4, [0, 1], [1, 0]), (5, 4, 4, [1, 0], [1, 0]),
      (62, 90, 128, [62, 63], [62, 63]),
    ] {
      for (truncation, expected) in [(PairTruncation.halves, halves), (.oneByOne, oneByOne)] {
        tokenizer.truncation = truncation
        let ids = tokenizer.encode(
          String(repeating: "a ", count: first), pair: String(repeating: "b ", count: second), maxTokens: limit
        ).inputIDs
        #expect([ids.count { $0 == 5 }, ids.count { $0 == 6 }] == expected, "\(first), \(second) in \(limit)")
      }
    }
  }

  @Test func filesAreReadWithAnyLineEndAndRefusedByLine() throws {
    let path = FileManager.default.temporaryDirectory.path + "/vocab-\(UUID().uuidString).txt"
    defer { try? FileManager.default.removeItem(atPath: path) }
    func load(_ bytes: [UInt8]) throws -> WordPieceTokenizer {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return try WordPieceTokenizer.load(path: path, lowercases: true)
    }
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for end in ["\n", "\r\n", "\r"] {
      let tokenizer = try load(Array((specials + ["a\u{2028}", "b"]).joined(separator: end).utf8))
      #expect(tokenizer.vocabularySize == 7)
      #expect(tokenizer.encode("b", pair: nil, maxTokens: 8).inputIDs == [2, 6, 3])
    }
    func problem(_ bytes: [UInt8]) -> TokenizerError? {
      do {
        _ = try load(bytes)
        return nil
      } catch {
        return error as? TokenizerError
      }
    }
    let text = Array((specials.joined(separator: "\n") + "\n").utf8)
    #expect(problem([])?.problem == .empty)
    #expect(problem(text) == nil)
    #expect(problem(text + [0x61, 0xFF, 0x0A]) == TokenizerError(.notUTF8, file: path, line: 6))
    #expect(problem(text + [0x0A, 0x61]) == nil)
    #expect(problem([0xEF, 0xBB, 0xBF] + text)?.problem == .missingSpecialTokens(["[PAD]"]))
    do {
      _ = try WordPieceTokenizer.load(path: path + ".none", lowercases: true)
      Issue.record("a file that is not there was read")
    } catch {
      #expect(error.file == path + ".none" && error.description.contains("put the model's vocab.txt there"))
    }
  }
}

/// A small generator with a fixed seed, so that a failure can be repeated.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
