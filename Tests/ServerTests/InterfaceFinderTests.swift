import Engine
import PlannerCore
import Serving
import Testing

/// What trying finds of models that are functions of the test, without a file or a library.
@Suite struct InterfaceFinderTests {
  typealias Function = ([HostTensor]) throws(EngineError) -> [HostTensor]

  private static func bad(_ message: String) -> EngineError { EngineError(.badInput, "", message) }

  static func argument(
    _ name: String, _ kind: ModelArgument.Kind = .tensor, isOptional: Bool = false,
    _ change: (inout ModelArgument.Hint) -> Void = { _ in }
  ) -> ModelArgument {
    var hint = ModelArgument.Hint()
    change(&hint)
    return ModelArgument(name: name, type: "Tensor", kind: kind, isOptional: isOptional, hint: hint)
  }

  static func find(
    _ arguments: [ModelArgument], tensors: [TensorDeclaration]? = nil, _ function: @escaping Function
  ) throws -> ModelInterface? {
    let description = RepositoryManifest.Model(
      name: "m", file: "m.pt", architecture: "unknown", precision: .fp32, vocabulary: 0, maxTokens: 512,
      inputs: arguments.map(\.name), inputTensors: tensors, fileBytes: 0)
    var finder = InterfaceFinder(
      inputs: try ModelInput.list(of: arguments, named: nil, path: "m.pt"), description: description,
      vocabulary: .max, tokens: 32, infer: function)
    return finder.find()
  }

  static func floats(_ tensor: HostTensor) throws(EngineError) -> [Float] {
    guard case .float32(let values) = tensor.elements else { throw bad("wants FP32") }
    return values
  }

  /// Sums of the last dimension, which are the rows' own, less something that is perhaps not.
  static func sums(less other: @escaping ([Float]) -> Float) -> Function {
    { (inputs) throws(EngineError) in
      let values = try floats(inputs[0])
      guard inputs[0].shape.count == 2, let width = inputs[0].shape.last else { throw bad("wants two dimensions") }
      let mean = other(values)
      let sums = stride(from: 0, to: values.count, by: width).map { values[$0..<($0 + width)].reduce(0, +) - mean }
      return [HostTensor(shape: [inputs[0].shape[0]], elements: .float32(sums))]
    }
  }

  @Test func sizesThatMayBeAnyAreTold() throws {
    let found = try #require(try Self.find([Self.argument("x")], Self.sums { _ in 0 }))
    #expect(found.inputs == [TensorMetadata(name: "x", datatype: .fp32, shape: [-1, -1])])
    #expect(found.outputs == [TensorMetadata(name: "output_0", datatype: .fp32, shape: [-1])])
    #expect(found.rows == .independent && !found.isAssumed)
  }

  /// Sums that another order changes in their last digits are no dependence.
  @Test func rowsThatDependOnOneAnotherAreSeen() throws {
    let mean: ([Float]) -> Float = { $0.reduce(0, +) / Float($0.count) }
    #expect(try Self.find([Self.argument("x")], Self.sums(less: mean))?.rows == .dependent)
    // Dependence that begins at three rows of eight.
    #expect(try Self.find([Self.argument("x")], Self.sums { $0.count > 16 ? mean($0) : 0 })?.rows == .dependent)
    let rounding: ([Float]) -> Float = { 1e-5 * Float($0.count) }
    #expect(try Self.find([Self.argument("x")], Self.sums(less: rounding))?.rows == .independent)
  }

  @Test func answersWithoutRowsAreNotBatched() throws {
    let found = try Self.find([Self.argument("x")]) { (inputs) throws(EngineError) in
      [HostTensor(shape: [1], elements: .float64([Double(try Self.floats(inputs[0]).reduce(0, +))]))]
    }
    #expect(found?.rows == .dependent)
    #expect(found?.outputs == [TensorMetadata(name: "output_0", datatype: .fp64, shape: [1])])
  }

  @Test func sizesThatAreBakedInStay() throws {
    let found = try Self.find([Self.argument("x")]) { (inputs) throws(EngineError) in
      guard inputs[0].shape.dropFirst() == [64] else {
        throw Self.bad("wants 64")
      }
      return [
        HostTensor(
          shape: [inputs[0].shape[0], 3], elements: .int32(Array(repeating: 1, count: 3 * inputs[0].shape[0])))
      ]
    }
    #expect(found?.inputs.first?.shape == [-1, 64] && found?.outputs.first?.shape == [-1, 3])
    let single = try Self.find([Self.argument("x")]) { (inputs) throws(EngineError) in
      guard inputs[0].shape == [1, 8] else { throw Self.bad("wants one row") }
      return inputs
    }
    #expect(single?.inputs.first?.shape == [1, 8] && single?.rows == .dependent)
  }

  /// Number of dimensions and type of one input are not those of the other.
  @Test func inputsAreTriedApartWhereTheyAreNotAlike() throws {
    let found = try Self.find([Self.argument("x"), Self.argument("lengths")]) { (inputs) throws(EngineError) in
      guard inputs[0].shape.count == 3, inputs[1].shape == [inputs[0].shape[0]], case .int64 = inputs[1].elements else {
        throw Self.bad("wants a number for each row")
      }
      return [HostTensor(shape: inputs[1].shape, elements: inputs[1].elements)]
    }
    #expect(found?.inputs.map(\.datatype) == [.fp32, .int64])
    #expect(found?.inputs.map(\.shape) == [[-1, -1, -1], [-1]])
    #expect(found?.rows == .independent)
  }

  @Test func whatTheCodeSaysIsTriedFirst() throws {
    let ids = Self.argument("ids") { hint in
      hint.isIndex = true
      hint.rows = 5
    }
    let found = try Self.find([ids, Self.argument("mask")]) { (inputs) throws(EngineError) in
      guard case .int64(let ids) = inputs[0].elements, case .int64 = inputs[1].elements,
        inputs[0].shape == inputs[1].shape, ids.allSatisfy({ (0..<5).contains($0) })
      else { throw Self.bad("index out of range") }
      return [inputs[0]]
    }
    #expect(found?.inputs.map(\.datatype) == [.int64, .int64])
    let image = Self.argument("image") { hint in
      hint.dimensions = 4
      hint.second = 3
    }
    var passes = 0
    let seen = try Self.find([image]) { (inputs) throws(EngineError) in
      passes += 1
      guard inputs[0].shape.count == 4, inputs[0].shape[1] == 3 else { throw Self.bad("wants an image") }
      return [inputs[0]]
    }
    #expect(seen?.inputs.first?.shape == [-1, 3, -1, -1])
    #expect(passes < 16)
  }

  @Test func sizesThatErrorsNameAreTried() throws {
    let found = try Self.find([Self.argument("x")]) { (inputs) throws(EngineError) in
      guard inputs[0].shape.last == 23 else {
        throw Self.bad("mat1 and mat2 shapes cannot be multiplied (2x\(inputs[0].shape.last ?? 0) and 23x5)")
      }
      return [inputs[0]]
    }
    #expect(found?.inputs.first?.shape == [-1, 23])
  }

  /// What a file says of its sizes may be anything.
  @Test func sizesBeyondReasonAreNotTried() throws {
    let vast = Self.argument("x") { $0.last = 1 << 60 }
    _ = try Self.find([vast]) { (inputs) throws(EngineError) in
      #expect(inputs[0].elements.count <= 1 << 24)
      return []
    }
  }

  @Test func whatMayBeLeftOutIsFoundAsWell() throws {
    let arguments = [
      Self.argument("x"), Self.argument("bias", isOptional: true), Self.argument("k", .integer, isOptional: true),
    ]
    let found = try Self.find(arguments) { (inputs) throws(EngineError) in
      guard inputs[1].isLeftOut || inputs[1].shape == inputs[0].shape else { throw Self.bad("wants the shape of x") }
      return [inputs[0]]
    }
    #expect(found?.inputs.map(\.isOptional) == [false, true, true])
    #expect(found?.inputs.map(\.datatype) == [.fp32, .fp32, .int64])
    #expect(found?.inputs.map(\.shape) == [[-1, -1], [-1, -1], [1]])
  }

  @Test func aModelThatAnswersNothingIsGivenUp() throws {
    var passes = 0
    let found = try Self.find([Self.argument("x"), Self.argument("y")]) { (_) throws(EngineError) in
      passes += 1
      throw Self.bad("never")
    }
    #expect(found == nil && passes <= 256)
  }

  @Test func whatIsDeclaredIsTried() throws {
    let declared = TensorDeclaration(name: "x", datatype: "INT8", shape: [-1, 77])
    let found = try Self.find([Self.argument("x")], tensors: [declared]) { (inputs) throws(EngineError) in
      guard case .int8 = inputs[0].elements, inputs[0].shape.last == 77 else { throw Self.bad("wants INT8") }
      return [inputs[0]]
    }
    #expect(found?.inputs == [TensorMetadata(name: "x", datatype: .int8, shape: [-1, 77])])
    #expect(found?.outputs.first?.shape == [-1, 77] && found?.declaredInputs == ["x"])
  }

  // MARK: Names

  @Test func partsOfContainersFollowEachOther() throws {
    let arguments = [
      Self.argument("x"), Self.argument("state", .tuple(2)), Self.argument("all", .dictionary),
      Self.argument("more", .tensors, isOptional: true), Self.argument("k", .float, isOptional: true),
    ]
    let inputs = try ModelInput.list(
      of: arguments, named: ["x", "s.0", "s.1", "a.left", "a.right.eye", "k"], path: "m.pt")
    #expect(inputs.map(\.argument) == [0, 1, 1, 2, 2, 4])
    #expect(inputs.map(\.key) == [nil, nil, nil, "left", "right.eye", nil])
    for names in [
      ["x"], ["x", "s.0", "a.left"], ["x", "s.1", "s.0", "a.left"], ["x", "s.0", "s.1", "a.left", "k", "y"],
    ] {
      #expect(throws: EngineError.self) { try ModelInput.list(of: arguments, named: names, path: "m.pt") }
    }
    // A tuple's parts can be counted, a dictionary's keys cannot.
    #expect(try ModelInput.list(of: [arguments[1]], named: nil, path: "").map(\.name) == ["state.0", "state.1"])
    let refused = #expect(throws: EngineError.self) {
      try ModelInput.list(of: [arguments[2]], named: nil, path: "m.pt")
    }
    #expect(refused?.message.contains("all.KEY") ?? false, "\(String(describing: refused))")
  }

  @Test func outputsThatAreCalledAlikeAreToldApart() {
    func output(_ name: String?) -> HostTensor { HostTensor(shape: [1, 2], elements: .float32([1, 2]), name: name) }
    func names(_ names: String?...) -> [String] { OutputNames.names(names.map(output), batch: 1, tokens: 2) }
    #expect(names(nil, nil) == ["start_logits", "end_logits"])
    #expect(names("a", "b") == ["a", "b"] && names("a", nil, "a") == ["a", "output_1", "output_2"])
  }
}
