import Engine
import PlannerCore

/// Inputs of models that take token ids: which models those are, and rows to try them with.
package enum TokenInputs {
  private static let names = Set(TokenInputNames.all)

  /// Whether a model whose inputs have these names takes token ids: one is the ids, and none is foreign to BERT.
  package static func areAll(of inputs: [String]) -> Bool {
    inputs.contains(TokenInputNames.ids) && names.isSuperset(of: inputs)
  }

  /// Whether a model of token ids may take an input of that name.
  static func isOne(_ name: String) -> Bool { names.contains(name) }

  /// What an input holds where a request leaves it out: a mask that hides nothing, and the first text's type.
  package static func filler(_ name: String) -> Int64 { name == TokenInputNames.mask ? 1 : 0 }

  /// One row: `ids`, and in the other inputs what stands for one text without padding.
  ///
  /// - Parameter inputs: names of the model's inputs, in its order.
  package static func row(_ ids: [Int64], for inputs: [String]) -> [HostTensor] {
    inputs.map { name in
      let values = name == TokenInputNames.ids ? ids : Array(repeating: filler(name), count: ids.count)
      return HostTensor(shape: [1, ids.count], elements: .int64(values))
    }
  }

  /// Whether three inputs are BERT's, whatever they are called: their names mean that, or some choose rows of an
  /// embedding, and one, which is then the mask, does not.
  package static func areBERTs(_ inputs: [ModelInput]) -> Bool {
    guard Set(inputs.map(\.argument)).count == 3, inputs.count == 3 else { return false }
    guard inputs.allSatisfy({ $0.kind == .tensor && canBeBERTs($0.hint) }) else { return false }
    let meanings = inputs.enumerated().map { meaning(of: $1.name, at: $0) }
    let indices = inputs.lazy.filter { $0.hint.role == .ids }.count
    return 1...2 ~= indices || meanings == [.ids, .mask, .types]
  }

  /// Whether the code leaves it open that a tensor is one of BERT's: no lengths, and no state of a recurrent layer.
  private static func canBeBERTs(_ hint: TensorHint) -> Bool {
    switch hint.role {
    case .ids: true
    case .values, .truths, .places: hint.dimensions <= 2 && hint.last == 0 && hint.type == nil
    case .lengths, .starts: false
    }
  }

  /// What an input of any exporter is taken for by its name.
  package enum Meaning {
    case ids, mask, types
  }

  /// - Parameter index: place among the inputs: the first that is nothing else is the ids.
  /// - Returns: nil where neither name nor place tells.
  package static func meaning(of name: String, at index: Int) -> Meaning? {
    if name.contains("mask") { return .mask }
    if name.contains("type") || name.contains("segment") { return .types }
    return index == 0 ? .ids : nil
  }
}

/// Names of a model's outputs.
package enum OutputNames {
  /// The model's own names, as far as it has some. A question-answering model has two outputs without, a number for
  /// each token; of others only the place is known.
  package static func names(_ outputs: [HostTensor], batch: Int, tokens: Int?) -> [String] {
    if outputs.count == 2, let tokens, outputs.allSatisfy({ $0.name == nil && $0.shape == [batch, tokens] }) {
      return ["start_logits", "end_logits"]
    }
    guard outputs.contains(where: { $0.name != nil }) else { return outputs.indices.map { "output_\($0)" } }
    var seen = Set<String>()
    return outputs.enumerated().map { index, output in
      // A key may hold dots, and so say what another name is made of.
      if let name = output.name, !name.isEmpty, seen.insert(name).inserted { return name }
      let place = "output_\(index)"
      seen.insert(place)
      return place
    }
  }
}
