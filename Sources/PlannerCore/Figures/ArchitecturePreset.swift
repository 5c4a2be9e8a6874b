/// Architectures of the BERT family that the planner knows by name.
public enum ArchitecturePreset: String, Codable, CaseIterable, Sendable {
  case bertTiny = "bert-tiny"
  case bertMini = "bert-mini"
  case miniLM = "minilm"
  case bertBase = "bert-base"

  /// Dimensions as published for each; the vocabulary is the usual one and may be replaced.
  public var shape: BertShape {
    switch self {
    case .bertTiny: BertShape(layers: 2, hidden: 128, heads: 2, intermediate: 512, vocabulary: 30522)
    case .bertMini: BertShape(layers: 4, hidden: 256, heads: 4, intermediate: 1024, vocabulary: 30522)
    case .miniLM: BertShape(layers: 6, hidden: 384, heads: 12, intermediate: 1536, vocabulary: 30522)
    case .bertBase: BertShape(layers: 12, hidden: 768, heads: 12, intermediate: 3072, vocabulary: 28996)
    }
  }
}

/// Dimensions of a BERT encoder with a question-answering head.
public struct BertShape: Codable, Hashable, Sendable {
  public var layers: Int
  public var hidden: Int
  public var heads: Int
  public var intermediate: Int
  public var vocabulary: Int
  public var maxTokens = 512
  public var tokenTypes = 2

  public init(layers: Int, hidden: Int, heads: Int, intermediate: Int, vocabulary: Int) {
    self.layers = layers
    self.hidden = hidden
    self.heads = heads
    self.intermediate = intermediate
    self.vocabulary = vocabulary
  }

  /// Number of weights, embeddings included.
  public var parameterCount: Int {
    let embeddings = (vocabulary + maxTokens + tokenTypes) * hidden + 2 * hidden
    let attention = 4 * (hidden * hidden + hidden) + 2 * hidden
    let feedForward = 2 * hidden * intermediate + intermediate + hidden + 2 * hidden
    return embeddings + layers * (attention + feedForward) + 2 * hidden + 2
  }
}
