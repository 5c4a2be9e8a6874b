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
    _ change: (inout TensorHint) -> Void = { _ in }
  ) -> ModelArgument {
    var hint = TensorHint()
    change(&hint)
    return ModelArgument(name: name, type: "Tensor", kind: kind, isOptional: isOptional, hints: [hint])
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
      hint.role = .ids
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

  /// State of a recurrent layer, with its layers first and its rows second.
  @Test func stateHasItsRowsSecond() throws {
    let ids = Self.argument("ids") { hint in
      hint.role = .ids
      hint.rows = 9
    }
    let state = Self.argument("c") { hint in
      hint.dimensions = 3
      (hint.first, hint.last, hint.rowDimension, hint.type) = (6, 16, 1, .float32)
    }
    let found = try Self.find([ids, state]) { (inputs) throws(EngineError) in
      _ = try Self.floats(inputs[1])
      guard inputs[1].shape == [6, inputs[0].shape[0], 16] else { throw Self.bad("wants a state for each row") }
      return [inputs[1]]
    }
    #expect(found?.inputs.map(\.datatype) == [.int64, .fp32])
    #expect(found?.inputs.map(\.shape) == [[-1, -1], [6, -1, 16]])
    #expect(found?.outputs.map(\.shape) == [[6, -1, 16]] && found?.rows == .dependent)
  }

  /// Lengths of rows are whole numbers within the rows, the longest first; in a batch they come in any order.
  @Test func lengthsFitWhatTheyMeasure() throws {
    for measured in [0, 1] {
      let x = Self.argument("x") { hint in
        (hint.dimensions, hint.rowDimension) = (3, 1 - measured)
      }
      let lengths = Self.argument("lengths") { hint in
        hint.role = .lengths
        (hint.dimensions, hint.measuredDimension) = (1, measured)
      }
      func find(insistsOnOrder: Bool) throws -> ModelInterface? {
        try Self.find([x, lengths]) { (inputs) throws(EngineError) in
          guard case .int64(let lengths) = inputs[1].elements, inputs[1].shape == [inputs[0].shape[1 - measured]]
          else { throw Self.bad("wants a length for each row") }
          guard lengths.allSatisfy({ 1...Int64(inputs[0].shape[measured]) ~= $0 }) else { throw Self.bad("too long") }
          guard !insistsOnOrder || lengths == lengths.sorted(by: >) else { throw Self.bad("wants the longest first") }
          return [HostTensor(shape: inputs[1].shape, elements: .float32(lengths.map { Float($0) }))]
        }
      }
      let found = try find(insistsOnOrder: true)
      #expect(found?.inputs.map(\.datatype) == [.fp32, .int64])
      #expect(found?.inputs.map(\.shape) == [[-1, -1, -1], [-1]])
      #expect(found?.rows == (measured == 1 ? .untried : .dependent))
      #expect(try find(insistsOnOrder: false)?.rows == (measured == 1 ? .independent : .dependent))
    }
  }

  /// Rows that lie end to end are no rows of a tensor.
  @Test func startsAreInOrderAndNeverBatched() throws {
    let text = Self.argument("text") { hint in
      (hint.role, hint.dimensions, hint.rows) = (.ids, 1, 50)
    }
    let starts = Self.argument("offsets") { hint in
      (hint.role, hint.dimensions) = (.starts, 1)
    }
    let found = try Self.find([text, starts]) { (inputs) throws(EngineError) in
      guard case .int64(let starts) = inputs[1].elements, inputs[0].shape.count == 1, starts.first == 0,
        starts == starts.sorted(), (starts.last ?? 0) <= inputs[0].shape[0]
      else { throw Self.bad("wants starts within the text") }
      return [HostTensor(shape: inputs[1].shape, elements: .float32(starts.map { Float($0) }))]
    }
    #expect(found?.inputs.map(\.datatype) == [.int64, .int64])
    #expect(found?.inputs.map(\.shape) == [[-1], [-1]] && found?.rows == .dependent)
  }

  /// Types that nobody declared and the code does not tell.
  @Test(arguments: [TensorDatatype.uint8, .fp16, .bf16, .fp64, .int32, .int16, .int8, .bool])
  func everyTypeIsTried(_ type: TensorDatatype) throws {
    let found = try Self.find([Self.argument("x")]) { (inputs) throws(EngineError) in
      guard inputs[0].elements.datatype == type else { throw Self.bad("wants another type") }
      return [HostTensor(shape: inputs[0].shape, elements: inputs[0].elements)]
    }
    #expect(found?.inputs.map(\.datatype) == [type] && found?.inputs.first?.shape == [-1, -1])
  }

  /// What the code seems to say may hold in a case that is never met.
  @Test func whatTheCodeSaysIsNotInsistedOn() throws {
    let wrong = Self.argument("x") { hint in
      (hint.role, hint.dimensions, hint.second, hint.last, hint.type) = (.places, 4, 3, 7, .float64)
    }
    let found = try Self.find([wrong], Self.sums { _ in 0 })
    #expect(found?.inputs == [TensorMetadata(name: "x", datatype: .fp32, shape: [-1, -1])])
    let asked = Self.argument("x") { $0.askedDimensions = 3 }
    #expect(try Self.find([asked], Self.sums { _ in 0 })?.inputs.first?.shape == [-1, -1])
    #expect(try Self.find([asked]) { (inputs) throws(EngineError) in inputs }?.inputs.first?.shape == [-1, -1, -1])
  }

  /// Tensors of an optional tuple are given together; masks have the sizes of what they hide.
  @Test func tuplesAndMasksThatMayBeLeftOutAreFound() throws {
    let arguments = [
      Self.argument("x"), Self.argument("pair", .tuple(2), isOptional: true),
      Self.argument("mask", isOptional: true) { $0.role = .truths },
    ]
    let found = try Self.find(arguments) { (inputs) throws(EngineError) in
      let shape = inputs[0].shape
      guard shape.count == 3 else { throw Self.bad("wants three dimensions") }
      for pair in inputs[1...2] where !pair.isLeftOut && pair.shape != shape { throw Self.bad("wants the shape of x") }
      guard inputs[1].isLeftOut == inputs[2].isLeftOut else { throw Self.bad("wants both") }
      if !inputs[3].isLeftOut {
        guard case .bool = inputs[3].elements, inputs[3].shape == [shape[1], shape[1]] else {
          throw Self.bad("wants truths for each two places")
        }
      }
      return [inputs[0]]
    }
    #expect(found?.inputs.map(\.name) == ["x", "pair.0", "pair.1", "mask"])
    #expect(found?.inputs.map(\.datatype) == [.fp32, .fp32, .fp32, .bool])
    #expect(found?.inputs.map(\.shape) == [[-1, -1, -1], [-1, -1, -1], [-1, -1, -1], [-1, -1]])
  }

  /// What is not known of a model that answers nothing is any size.
  @Test func whatTheCodeSaysIsSaidOfAModelThatAnswersNothing() throws {
    let video = Self.argument("video") { hint in
      (hint.dimensions, hint.second, hint.type) = (5, 3, .bfloat16)
    }
    let description = RepositoryManifest.Model(
      name: "m", file: "m.pt", architecture: "unknown", precision: .fp32, vocabulary: 0, maxTokens: 512,
      inputs: ["video"], fileBytes: 0)
    let finder = InterfaceFinder(
      inputs: try ModelInput.list(of: [video], named: nil, path: "m.pt"), description: description, vocabulary: .max,
      tokens: 32
    ) { (_) throws(EngineError) in throw Self.bad("never") }
    #expect(
      finder.assumed().inputs == [TensorMetadata(name: "video", datatype: .bf16, shape: [-1, 3, -1, -1, -1])])
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
    #expect(found == nil && passes <= 2 * 256)
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
