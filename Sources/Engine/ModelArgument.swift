/// What a model's `forward` takes at one place, as its code says.
package struct ModelArgument: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case tensor
    /// The argument is one number.
    case integer, float, bool
    /// A list of numbers.
    case integers, floats, bools
    /// A list of any number of tensors.
    case tensors
    /// So many tensors.
    case tuple(Int)
    /// Tensors by name.
    case dictionary
    /// What no tensor can say.
    case other
  }

  /// Name in the code.
  package var name: String
  /// Type as TorchScript writes it, such as `Optional[Tensor]`.
  package var type: String
  package var kind: Kind
  /// Whether it has a default or may be None.
  package var isOptional: Bool
  /// What is known of its tensor, or of each tensor of a tuple.
  package var hints: [TensorHint]

  package init(name: String, type: String, kind: Kind, isOptional: Bool, hints: [TensorHint] = []) {
    self.name = name
    self.type = type
    self.kind = kind
    self.isOptional = isOptional
    self.hints = hints
  }
}

/// One of the tensors that a model is run with: an argument of `forward`, or a part of one.
package struct ModelInput: Hashable, Sendable {
  package var name: String
  /// What becomes of the tensor: it stays one, or is made a number or a list of numbers.
  package var kind: ModelArgument.Kind
  package var isOptional: Bool
  package var hint: TensorHint
  /// Which argument it belongs to.
  package var argument: Int
  /// Key of the tensor in a dictionary; nil of other arguments.
  package var key: String?

  /// - Parameter part: place of the tensor in a list, a tuple or a dictionary; nil of other arguments.
  fileprivate init(_ argument: ModelArgument, at index: Int, name: String, key: String? = nil, part: Int? = nil) {
    self.name = name
    kind = part == nil ? argument.kind : .tensor
    isOptional = argument.isOptional
    let isKnown = part ?? 0 < argument.hints.count
    hint = isKnown ? argument.hints[part ?? 0] : TensorHint()
    self.argument = index
    self.key = key
  }

  /// The tensors that arguments take, in order.
  ///
  /// - Parameters:
  ///   - names: what clients call them. Arguments that may be left out need none at the end; the tensors of a list, a
  ///     tuple or a dictionary follow each other and are called `ANYTHING.0`, `ANYTHING.1` or `ANYTHING.KEY`. Nil takes
  ///     the code's names, which cannot tell how many tensors a list has or what a dictionary's keys are.
  ///   - path: the model's file, for errors.
  /// - Throws: `EngineError` (`badModel`) where names and arguments do not fit, or an argument that is needed is of a
  ///   type that no tensor can say.
  package static func list(
    of arguments: [ModelArgument], named names: [String]?, path: String
  ) throws(EngineError) -> [ModelInput] {
    var rest = (names ?? [])[...]
    var inputs: [ModelInput] = []
    for (index, argument) in arguments.enumerated() {
      switch argument.kind {
      case .other:
        if !argument.isOptional { throw Self.refusal(argument, path) }
      case .tensors, .tuple, .dictionary:
        inputs += try parts(of: argument, at: index, isNamed: names != nil, &rest, path)
      default:
        if names == nil {
          inputs.append(ModelInput(argument, at: index, name: argument.name))
        } else if let name = rest.popFirst() {
          inputs.append(ModelInput(argument, at: index, name: name))
        } else if !argument.isOptional {
          throw Self.miscount(arguments, names, path)
        }
      }
    }
    guard rest.isEmpty else { throw Self.miscount(arguments, names, path) }
    return inputs
  }

  /// The tensors of a list, a tuple or a dictionary.
  private static func parts(
    of argument: ModelArgument, at index: Int, isNamed: Bool, _ rest: inout ArraySlice<String>, _ path: String
  ) throws(EngineError) -> [ModelInput] {
    var group: [(name: String, key: String)] = []
    if case .tuple(let count) = argument.kind, !isNamed {
      group = (0..<count).map { ("\(argument.name).\($0)", "\($0)") }
    } else if let dot = rest.first?.firstIndex(of: "."), let prefix = rest.first?[...dot],
      !argument.isOptional || prefix == argument.name + "."
    {
      while let name = rest.first, name.hasPrefix(prefix) {
        group.append((name, String(name.dropFirst(prefix.count))))
        rest.removeFirst()
      }
    }
    if group.isEmpty {
      if argument.isOptional { return [] }
      throw refusal(argument, path)
    }
    let isDictionary = argument.kind == .dictionary
    var isWhole = isDictionary || group.map(\.key) == group.indices.map(String.init)
    if case .tuple(let count) = argument.kind { isWhole = isWhole && group.count == count }
    guard isWhole else { throw refusal(argument, path) }
    // What is known of a list or a dictionary itself is nothing that its tensors have.
    let isTuple = if case .tuple = argument.kind { true } else { false }
    return group.enumerated().map { place, one in
      var input = ModelInput(argument, at: index, name: one.name, key: isDictionary ? one.key : nil, part: place)
      if !isTuple { input.hint = TensorHint() }
      return input
    }
  }

  private static func refusal(_ argument: ModelArgument, _ path: String) -> EngineError {
    let name = argument.name
    let remedy =
      switch argument.kind {
      case .dictionary: "name each of its tensors in manifest.json's inputs, as \"\(name).KEY\""
      case .tensors: "name each of its tensors in manifest.json's inputs: \"\(name).0\", \"\(name).1\""
      case .tuple(let count):
        "name its \(count) tensors in manifest.json's inputs, from \"\(name).0\" to \"\(name).\(count - 1)\""
      default: "give it a default, or wrap the model in one that takes tensors and numbers"
      }
    return EngineError(
      .badModel, path, "cannot be served: forward takes '\(name)' of type \(argument.type); \(remedy)")
  }

  private static func miscount(_ arguments: [ModelArgument], _ names: [String]?, _ path: String) -> EngineError {
    EngineError(
      .badModel, path,
      "takes \(arguments.count) inputs (\(arguments.map(\.name).joined(separator: ", "))); the manifest names "
        + "\(names?.count ?? 0); correct inputs in manifest.json")
  }
}
