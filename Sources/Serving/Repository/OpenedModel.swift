import Engine
import PlannerCore

/// A model that was read from its file, with its inputs in place: what is needed to find out what it takes and answers.
package struct OpenedModel: Sendable {
  package let model: TorchModel
  /// What it is run with, in order, called as clients call it.
  package let inputs: [ModelInput]
  /// Number of token ids that it knows; `Int.max` where nothing tells.
  package let vocabulary: Int
  private let device: String
  private let entry: RepositoryManifest.Model
  /// The inputs under the code's names, where they are called as BERT's because they look like these.
  private let unguessed: [ModelInput]?

  /// - Parameter vocabulary: size of the repository's, for models that do not state their own.
  /// - Throws: `EngineError` (`badModel`) where the file cannot be used, or the protocol cannot say what it takes or
  ///   answers.
  package init(
    _ entry: RepositoryManifest.Model, path: String, vocabulary: Int?, device: String = Engine.device
  ) throws(EngineError) {
    self.device = device
    model = try TorchModel(path: path, device: device)
    (inputs, unguessed) = try Self.inputs(of: model, named: entry.inputs)
    self.entry = entry
    if let problem = model.answerProblem {
      throw EngineError(
        .badModel, path,
        "cannot be served: forward \(problem); wrap the model in one that answers with tensors and numbers")
    }
    try model.place(inputs)
    // Of an embedding that is larger than the vocabulary, the rest was never trained.
    let rows = inputs.first { $0.name == TokenInputNames.ids }?.hint.rows ?? 0
    let known = min(rows > 0 ? rows : Int.max, vocabulary ?? Int.max)
    self.vocabulary = entry.vocabulary > 0 ? entry.vocabulary : known
  }

  /// What the model takes, in order, under the manifest's names, or where there are none those in the model's code.
  ///
  /// Three inputs are BERT's where names or code say so: most that are traced with names of their own making are that.
  ///
  /// - Returns: the inputs, and where that is a guess, how they are called if it is wrong.
  private static func inputs(
    of model: TorchModel, named names: [String]
  ) throws(EngineError) -> (inputs: [ModelInput], unguessed: [ModelInput]?) {
    guard names.isEmpty else {
      return (try ModelInput.list(of: model.arguments, named: names, path: model.path), nil)
    }
    // Tracing makes `ids.1` of a name that it meets again.
    let own = model.inputNames.map { String($0.prefix { $0 != "." }) }
    var arguments = model.arguments
    for index in arguments.indices { arguments[index].name = own[index] }
    var inputs = try ModelInput.list(of: arguments, named: nil, path: model.path)
    let isUnclear = Set(inputs.map(\.name)).count < inputs.count || inputs.contains { $0.name.isEmpty }
    if isUnclear { for index in inputs.indices { inputs[index].name = "input_\(index)" } }
    let unguessed = inputs
    if !TokenInputs.areAll(of: own), TokenInputs.areBERTs(inputs) {
      for (index, name) in TokenInputNames.all.enumerated() { inputs[index].name = name }
      return (inputs, unguessed)
    }
    return (inputs, nil)
  }

  // MARK: What it takes and answers

  /// What tells models apart that take and answer different things.
  func key(code: String) -> InterfaceFindings.Key {
    InterfaceFindings.Key(
      code: code, inputs: inputs, outputs: entry.outputTensors, tensors: entry.inputTensors,
      weightBytes: model.weightBytes, vocabulary: vocabulary, maxTokens: entry.maxTokens, precision: entry.precision)
  }

  /// Finds out by trying what the model takes and answers.
  ///
  /// - Parameter tokens: a length at which a model of token ids is to be served.
  /// - Throws: `EngineError` (`badModel`) where the manifest declares something else.
  package func findInterface(tokens: Int) throws(EngineError) -> Findings {
    var finder = self.finder(inputs, tokens)
    var found = finder.find()
    if found == nil, let unguessed {
      // Three inputs may look like BERT's and be an LSTM's.
      var other = self.finder(unguessed, tokens)
      found = other.find()
      if found != nil || other.ranOutOfMemory { finder = other }
    }
    if finder.ranOutOfMemory {
      throw EngineError(.badModel, model.path, "needs more memory to be run with small tensors than there is")
    }
    guard let found else {
      if isFullyDeclared, let failure = finder.failure {
        throw contradiction("inputTensors", "it does not run with them (\(failure.message))")
      }
      if let failure = finder.failure, failure.kind == .unavailable {
        throw EngineError(.badModel, model.path, "cannot be served: \(failure.message)")
      }
      return Findings(interface: try declaringOutputs(finder.assumed()), untouched: try again())
    }
    var interface = try declaringOutputs(found)
    let untouched = try again()
    guard let example = finder.example, remembers(example, untouched) else {
      return Findings(interface: interface, untouched: untouched)
    }
    interface.keepsState = true
    interface.rows = .dependent
    return Findings(interface: interface, untouched: try again())
  }

  private func finder(_ inputs: [ModelInput], _ tokens: Int) -> InterfaceFinder {
    let model = model
    return InterfaceFinder(inputs: inputs, description: entry, vocabulary: vocabulary, tokens: tokens) {
      (inputs) throws(EngineError) in try model.run(inputs)
    }
  }

  /// What was found, and the model as it is in its file: the tries may have changed the one that was tried.
  package struct Findings {
    package var interface: ModelInterface
    package var untouched: TorchModel
  }

  /// Opens the model's file once more. While this model is there, both share their compiled code.
  private func again() throws(EngineError) -> TorchModel {
    let other = try TorchModel(path: model.path, device: device)
    try other.place(inputs)
    return other
  }

  /// Whether the model that was tried answers what it was not tried with otherwise than one that was not tried, be it
  /// because it counts or keeps what it was given, or because its answers are drawn at random.
  private func remembers(_ example: [HostTensor], _ untouched: TorchModel) -> Bool {
    let inputs = example.map { $0.isLeftOut ? $0 : $0.reversed() }
    let (fresh, used) = (try? untouched.run(inputs), try? model.run(inputs))
    guard let first = fresh, let second = used else { return (fresh == nil) != (used == nil) }
    guard first.count == second.count else { return true }
    return !zip(first, second).allSatisfy { BatchLayout.isNear($0, $1, 1e-3) }
  }

  /// Whether the manifest leaves nothing to choose but the number of rows.
  private var isFullyDeclared: Bool {
    inputs.allSatisfy { input in
      guard !input.isOptional, input.kind == .tensor else { return true }
      guard let declared = entry.inputTensors?.first(where: { $0.name == input.name }) else { return false }
      return declared.shape.dropFirst().allSatisfy { $0 > 0 }
    }
  }

  /// The interface with the manifest's outputs, where it declares some that can be the model's.
  private func declaringOutputs(_ interface: ModelInterface) throws(EngineError) -> ModelInterface {
    guard let declared = entry.outputTensors else { return interface }
    let outputs = declared.map { one in
      TensorMetadata(name: one.name, datatype: TensorDatatype(rawValue: one.datatype) ?? .fp32, shape: one.shape)
    }
    if !interface.isAssumed {
      guard outputs.count == interface.outputs.count else {
        throw contradiction(
          "outputTensors", "it answers with \(interface.outputs.count) tensors, not \(outputs.count)")
      }
      for (own, found) in zip(outputs, interface.outputs) {
        guard own.datatype == found.datatype else {
          throw contradiction(
            "outputTensors", "'\(own.name)' is \(found.datatype.rawValue), not \(own.datatype.rawValue)")
        }
        let sizes = zip(own.shape, found.shape)
        let fits = own.shape.count == found.shape.count && sizes.allSatisfy { $0 < 0 || $1 < 0 || $0 == $1 }
        guard fits else {
          throw contradiction("outputTensors", "'\(own.name)' has shape \(found.shape), not \(own.shape)")
        }
      }
    }
    var interface = interface
    interface.outputs = outputs
    interface.namesOutputs = true
    return interface
  }

  private func contradiction(_ key: String, _ sentence: String) -> EngineError {
    EngineError(
      .badModel, model.path,
      "is not as \(RepositoryManifest.fileName) declares \(key) of '\(entry.name)': \(sentence); correct it there, or "
        + "leave it out and it is found by trying")
  }
}

extension HostTensor {
  /// A tensor of that shape whose elements are in the other order, the last first.
  fileprivate func reversed() -> HostTensor {
    let size = elements.type.byteSize
    let turned = Element(elements.type, count: elements.count) { memory in
      elements.withUnsafeBytes { source in
        for byte in source.indices {
          memory[source.count - size - byte / size * size + byte % size] = source[byte]
        }
      }
    }
    return HostTensor(shape: shape, elements: turned)
  }
}
