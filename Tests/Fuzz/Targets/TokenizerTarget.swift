import Foundation
import Tokenizer

private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path

/// Texts into WordPiece ids and back, with the vocabulary of bert-base-uncased. The first two bytes are settings.
struct TokenizerTarget: FuzzTarget {
  private let uncased: WordPieceTokenizer
  private let cased: WordPieceTokenizer

  init() throws {
    let fixtures = repository + "/Tests/TokenizerTests/Fixtures/"
    uncased = try WordPieceTokenizer.load(path: fixtures + "uncased-vocab.txt", lowercases: true)
    cased = try WordPieceTokenizer.load(path: fixtures + "cased-vocab.txt", lowercases: false)
  }

  mutating func run(_ input: [UInt8]) async throws -> String {
    guard input.count >= 2 else { return "short" }
    let (settings, limit) = (input[0], Int(input[1]))
    let tokenizer = settings & 1 == 0 ? uncased : cased
    let text = input[2...]
    let middle = settings & 2 == 0 ? text.endIndex : text.startIndex + text.count / 2
    let first = String(decoding: text[..<middle], as: UTF8.self)
    let second = settings & 2 == 0 ? nil : String(decoding: text[middle...], as: UTF8.self)
    let padding = settings & 4 == 0 ? nil : limit
    let encoding = tokenizer.encode(first, pair: second, maxTokens: limit, padTo: padding)
    let ids = encoding.inputIDs
    guard ids.count <= max(limit, second == nil ? 2 : 3), encoding.attentionMask.count == ids.count,
      encoding.tokenTypeIDs.count == ids.count
    else { throw BrokenLaw("\(ids.count) ids where \(limit) may be") }
    guard ids.allSatisfy({ 0..<Int64(tokenizer.vocabularySize) ~= $0 }) else {
      throw BrokenLaw("an id is out of range")
    }
    guard encoding == tokenizer.encode(first, pair: second, maxTokens: limit, padTo: padding) else {
      throw BrokenLaw("two runs differ")
    }
    let decoded = tokenizer.decode(ids[...])
    let size = decoded.utf8.count
    return "\(settings & 7) \(encoding.truncated) \(ids.count.bitWidth - ids.count.leadingZeroBitCount) \(size / 64)"
  }
}

/// Vocabulary files: either refused with a reason, or a tokenizer that works.
struct VocabularyTarget: FuzzTarget {
  private let path = NSTemporaryDirectory() + "planner-fuzz-vocabulary-\(getpid())"

  mutating func run(_ input: [UInt8]) async throws -> String {
    try Data(input).write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    do {
      let tokenizer = try WordPieceTokenizer.load(path: path, lowercases: input.count % 2 == 0)
      let ids = tokenizer.encode("the little engine [SEP] \u{e9}", pair: nil, maxTokens: 32).inputIDs
      guard ids.allSatisfy({ 0..<Int64(tokenizer.vocabularySize) ~= $0 }) else {
        throw BrokenLaw("an id is out of range")
      }
      return "works \(ids.count)"
    } catch let error as TokenizerError {
      return String(describing: error).filter { $0.isLetter }.prefix(120).description
    }
  }
}
