/// One architecture at some lengths, as `planner profile --case` names it.
public struct ProfileCase: Codable, Hashable, Sendable {
  public var architecture: ArchitecturePreset
  /// Word pieces of the vocabulary; nil is the architecture's own.
  public var vocabulary: Int?
  /// Lengths of requests, tokens.
  public var tokens: [Int]

  /// Lengths where a case names none.
  public static let usualTokens = [16, 32, 128]

  public init(architecture: ArchitecturePreset, vocabulary: Int?, tokens: [Int]) {
    self.architecture = architecture
    self.vocabulary = vocabulary
    self.tokens = tokens
  }

  /// Reads `FAMILY[:TOKENS[,TOKENS…][:VOCABULARY]]`, such as `bert-tiny:32:2000`.
  ///
  /// - Returns: nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let first = parts.first, parts.count <= 3, let architecture = ArchitecturePreset(rawValue: String(first))
    else {
      return nil
    }
    self.architecture = architecture
    tokens = Self.usualTokens
    if parts.count > 1 {
      let lengths = parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      guard lengths.allSatisfy({ ($0.map { (4...512).contains($0) }) ?? false }) else { return nil }
      tokens = lengths.compactMap { $0 }
    }
    if parts.count > 2 {
      guard let size = Int(parts[2]), (200...1_000_000).contains(size) else { return nil }
      vocabulary = size
    }
  }
}
