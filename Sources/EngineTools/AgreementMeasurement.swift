import Engine
import PlannerCore
import Serving
import Tokenizer

/// Runs a float32 model and its variant on the same texts and compares what they answer.
package struct AgreementMeasurement: Sendable {
  package var tokenizer: WordPieceTokenizer
  package var texts: [String]
  package var maxTokens: Int

  /// - Parameter texts: nil takes the built-in ones, of 3 to about 250 tokens.
  package init(tokenizer: WordPieceTokenizer, texts: [String]? = nil, maxTokens: Int = 512) {
    self.tokenizer = tokenizer
    self.texts = texts ?? AgreementTexts.all
    self.maxTokens = maxTokens
  }

  /// - Throws: `EngineError` (`badInput`) where a model takes other inputs than ids, mask and token types, or their
  ///   answers have different shapes.
  package func compare(_ reference: TorchModel, with variant: TorchModel) throws(EngineError) -> VariantAgreement {
    var tally = AgreementTally()
    for text in texts {
      let parts = text.split(separator: "\t", maxSplits: 1).map(String.init)
      let encoding = tokenizer.encode(parts.first ?? "", pair: parts.count > 1 ? parts[1] : nil, maxTokens: maxTokens)
      let expected = try reference.run(try Self.inputs(reference, encoding))
      let actual = try variant.run(try Self.inputs(variant, encoding))
      guard expected.map(\.shape) == actual.map(\.shape) else {
        throw EngineError(.badInput, variant.path, "answers in other shapes than \(reference.path)")
      }
      for (a, b) in zip(expected, actual) { tally.add(a, b, tokens: encoding.inputIDs.count) }
    }
    guard let agreement = tally.agreement(reference: reference.path, texts: texts.count) else {
      throw EngineError(.badInput, reference.path, "gives no numbers to compare")
    }
    return agreement
  }

  /// What the model's inputs are is told by their names, as transformers and its exporters give them.
  private static func inputs(_ model: TorchModel, _ encoding: Encoding) throws(EngineError) -> [HostTensor] {
    let shape = [1, encoding.inputIDs.count]
    var tensors: [HostTensor] = []
    for (index, name) in model.inputNames.enumerated() {
      let values: [Int64]
      switch TokenInputs.meaning(of: name, at: index) {
      case .ids: values = encoding.inputIDs
      case .mask: values = encoding.attentionMask
      case .types: values = encoding.tokenTypeIDs
      case nil:
        throw EngineError(
          .badInput, model.path, "takes '\(name)'; agreement is measured for token ids, mask and token types")
      }
      tensors.append(HostTensor(shape: shape, elements: .int64(values)))
    }
    return tensors
  }
}

/// Sums up outputs, pair by pair.
struct AgreementTally {
  private var fewestTokens = Int.max
  private var mostTokens = 0
  private var rows = 0
  private var sameRows = 0
  private var cosines: [Double] = []
  private var isEmbedding = false
  private var largestDifference = 0.0
  private var largestValue = 0.0

  /// One output of both models. Vectors of 64 numbers and more are embeddings, unless a number stands for each token;
  /// those of single tokens are averaged, as sentence embeddings are.
  mutating func add(_ expected: HostTensor, _ actual: HostTensor, tokens: Int) {
    guard case .float32(let a) = expected.elements, case .float32(let b) = actual.elements, a.count == b.count,
      let width = expected.shape.last, width > 0
    else { return }
    fewestTokens = min(fewestTokens, tokens)
    mostTokens = max(mostTokens, tokens)
    for (x, y) in zip(a, b) {
      // Anything that is no number differs from everything.
      let difference = x.isFinite && y.isFinite ? abs(x - y) : Float.greatestFiniteMagnitude
      largestDifference = max(largestDifference, Double(difference))
      largestValue = max(largestValue, Double(abs(x)))
    }
    if width >= 64, expected.shape.count > 2 || width != tokens {
      isEmbedding = true
      cosines.append(Self.cosine(Self.mean(a, width: width), Self.mean(b, width: width)))
      return
    }
    for start in stride(from: 0, to: a.count, by: width) {
      rows += 1
      if Self.highest(a[start..<start + width]) == Self.highest(b[start..<start + width]) { sameRows += 1 }
    }
  }

  func agreement(reference: String, texts: Int) -> VariantAgreement? {
    guard rows > 0 || !cosines.isEmpty else { return nil }
    return VariantAgreement(
      task: isEmbedding ? .embedding : .choice, reference: reference, texts: texts, fewestTokens: fewestTokens,
      mostTokens: mostTokens, sameChoices: isEmbedding ? nil : Double(sameRows) / Double(rows),
      worstCosine: cosines.min(),
      meanCosine: cosines.isEmpty ? nil : cosines.reduce(0, +) / Double(cosines.count),
      largestDifference: largestDifference, largestValue: largestValue)
  }

  private static func highest(_ values: ArraySlice<Float>) -> Int {
    (values.indices.max { values[$0] < values[$1] } ?? values.startIndex) - values.startIndex
  }

  private static func mean(_ values: [Float], width: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: width)
    for (index, value) in values.enumerated() { sums[index % width] += Double(value) }
    return sums
  }

  private static func cosine(_ a: [Double], _ b: [Double]) -> Double {
    func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
    let product = dot(a, a).squareRoot() * dot(b, b).squareRoot()
    return product > 0 ? dot(a, b) / product : 0
  }
}
