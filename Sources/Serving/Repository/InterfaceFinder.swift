import Engine
import PlannerCore

/// Finds out by trying what a model takes and answers: types, shapes, which sizes may be any, and whether its rows are
/// answered as they would be alone.
///
/// A TorchScript file says of a tensor that it is one, and no more. What its code does first with it (an embedding, a
/// convolution, a linear layer) is tried first, then a fixed list of forms, each once; the same model always gets the
/// same tries.
package struct InterfaceFinder {
  /// Passes at most in each part of the search, all of them small; and how long they may take together.
  static let mostTries = 128
  static let limitSeconds = 10.0
  /// Most elements of one tensor that is tried, whatever file or manifest say of its sizes.
  static let mostElements = 1 << 24

  /// What one input is tried with.
  struct Form: Hashable {
    var type: ElementType
    var shape: [Int]
  }

  /// A pass that the model answered.
  struct Pass {
    /// What each input was run with; nil where it was left out.
    var forms: [Form?]
    var outputs: [HostTensor]
  }

  let inputs: [ModelInput]
  /// What the manifest declares of each input; nil where it says nothing.
  let declared: [TensorDeclaration?]
  /// Token ids that may be tried.
  let vocabulary: Int
  /// Lengths that are tried with models of token ids, the likeliest first.
  let lengths: [Int]
  /// What sums in another order make of an answer, as a share of its largest value.
  let tolerance: Float
  let infer: ([HostTensor]) throws(EngineError) -> [HostTensor]
  private let takesTokens: Bool
  private var tried: Set<[Form?]> = []
  private var tries = 0
  /// Numbers in the reasons of tries that were not answered, the first ones: "expected 6, got 8".
  private var mentioned: [Int] = []
  private let end = ContinuousClock.now + .seconds(limitSeconds)
  /// Why the last try was not answered, or the first one that ran and whose answer cannot be said.
  package private(set) var failure: EngineError?
  /// A try took more memory than there is; then there are no more.
  package private(set) var ranOutOfMemory = false
  /// What the model was run with in the first pass that it answered; nil where there was none.
  package private(set) var example: [HostTensor]?

  /// - Parameters:
  ///   - inputs: what the model is run with, in order, called as clients call it.
  ///   - description: what the repository says of the model.
  ///   - vocabulary: token ids that it knows.
  ///   - tokens: a length that the model is to be served at.
  package init(
    inputs: [ModelInput], description: RepositoryManifest.Model, vocabulary: Int, tokens: Int,
    infer: @escaping ([HostTensor]) throws(EngineError) -> [HostTensor]
  ) {
    self.inputs = inputs
    declared = inputs.map { input in description.inputTensors?.first { $0.name == input.name } }
    takesTokens = TokenInputs.areAll(of: inputs.map(\.name))
    self.vocabulary = vocabulary
    let longest = max(1, min(tokens, description.maxTokens))
    lengths = [max(1, min(7, longest - 1)), max(1, longest - 1), longest]
    tolerance = description.precision == .fp32 ? 1e-3 : 0.1
    self.infer = infer
  }

  /// Tries the model.
  ///
  /// - Returns: nil where no try was answered.
  package mutating func find() -> ModelInterface? {
    guard var base = firstPass() else { return nil }
    let required = base
    example = base.forms.indices.map { tensor($0, base.forms[$0]) }
    tries = 0
    for index in inputs.indices where base.forms[index] == nil && inputs[index].kind == .tensor {
      addOptional(index, to: &base)
    }
    tries = 0
    var sizes = Sizes(base: base, declared: declared.map { $0?.shape })
    vary(&sizes)
    let rows = tryRows(required, sizes)
    var found = ModelInterface(
      inputs: inputs.indices.map { metadata(of: $0, sizes) }, outputs: outputs(of: base, sizes), rows: rows)
    found.declaredInputs = Set(declared.compactMap { $0?.name })
    return found
  }

  /// What is said of a model that answered no try.
  package func assumed() -> ModelInterface {
    var assumed = ModelInterface.assumed(
      inputs.indices.map { index in
        let type = types(of: index).first ?? .float32
        let shape = takesTokens ? [-1, -1] : declared[index]?.shape ?? [-1]
        return TensorMetadata(
          name: inputs[index].name, datatype: TensorDatatype(type), shape: shape, isOptional: isOptional(index))
      })
    assumed.declaredInputs = Set(declared.compactMap { $0?.name })
    return assumed
  }

  // MARK: The first pass

  /// Numbers of dimensions, sizes of the second and further ones, and rows, in the order in which they are tried.
  private static let layouts: [(dimensions: Int, size: Int)] = [
    (2, 8), (1, 8), (3, 8), (4, 32), (2, 4), (2, 16), (4, 28), (4, 224), (2, 1), (2, 2), (2, 3), (3, 16), (2, 64),
    (2, 128), (4, 64), (2, 256), (2, 512), (2, 10), (2, 768), (2, 784), (4, 16), (5, 8), (0, 1),
  ]

  private mutating func firstPass() -> Pass? {
    let needed = inputs.map { !$0.isOptional }
    // Code may want one of several that may all be left out.
    let choices = needed.contains(true) ? [needed, needed.map { _ in true }] : [needed.map { _ in true }]
    for rows in [2, 1] {
      for given in choices {
        tries = 0
        if let pass = uniformPass(given, rows: rows) { return pass }
        if let pass = mentionedPass(given, rows: rows) { return pass }
        if let pass = mixedPass(given, rows: rows) { return pass }
      }
    }
    return nil
  }

  /// All inputs of which nothing else is known alike.
  private mutating func uniformPass(_ given: [Bool], rows: Int) -> Pass? {
    let orders = typeOrder
    for (place, layout) in Self.layouts.enumerated() {
      // Sizes that are seldom wanted only with the likeliest type.
      for type in place < 6 ? orders : [orders[0]] {
        let forms = inputs.indices.map { index -> Form? in
          given[index] ? form(of: index, type, layout.dimensions, layout.size, rows: rows) : nil
        }
        if let pass = pass(forms) { return pass }
      }
    }
    return nil
  }

  /// Sizes that the model's own errors ask for.
  private mutating func mentionedPass(_ given: [Bool], rows: Int) -> Pass? {
    for size in mentioned.prefix(8) {
      for dimensions in [2, 3, 1] {
        let forms = inputs.indices.map { index -> Form? in
          given[index] ? form(of: index, typeOrder[0], dimensions, size, rows: rows) : nil
        }
        if let pass = pass(forms) { return pass }
      }
    }
    return nil
  }

  /// Types and numbers of dimensions of each input by itself.
  private mutating func mixedPass(_ given: [Bool], rows: Int) -> Pass? {
    guard given.lazy.filter({ $0 }).count > 1 else { return nil }
    let choices = inputs.indices.map { index -> [Form?] in
      guard given[index] else { return [nil] }
      var forms: [Form?] = []
      for dimensions in [2, 1, 3] {
        for type in typeOrder {
          let one = form(of: index, type, dimensions, 8, rows: rows)
          if !forms.contains(one) { forms.append(one) }
        }
      }
      return forms
    }
    // Counts through the choices, the last input's fastest.
    var turns = inputs.indices.map { _ in 0 }
    for _ in 0..<Self.mostTries {
      if let pass = pass(inputs.indices.map { choices[$0][turns[$0]] }) { return pass }
      guard let next = turns.indices.last(where: { turns[$0] + 1 < choices[$0].count }) else { return nil }
      turns[next] += 1
      for index in turns.indices.suffix(from: next + 1) { turns[index] = 0 }
    }
    // There are too many, and the next are no likelier.
    return nil
  }

  /// Beside token ids, what nothing is known of is rather their mask than a number.
  private var typeOrder: [ElementType] {
    let hasIDs = takesTokens || inputs.contains { $0.hint.isIndex }
    return hasIDs ? [.int64, .float32, .bool] : [.float32, .int64, .bool]
  }

  /// Types that an input can have, where anything tells; empty where nothing does.
  private func types(of index: Int) -> [ElementType] {
    if let declared = declared[index] {
      return TensorDatatype(rawValue: declared.datatype)?.elementType.map { [$0] } ?? []
    }
    switch inputs[index].kind {
    case .integer, .integers: return [.int64]
    case .float, .floats: return [.float64]
    case .bool, .bools: return [.bool]
    default: return takesTokens || inputs[index].hint.isIndex ? [.int64] : []
    }
  }

  private func form(of index: Int, _ type: ElementType, _ dimensions: Int, _ size: Int, rows: Int) -> Form {
    let type = types(of: index).first ?? type
    switch inputs[index].kind {
    case .integer, .float, .bool: return Form(type: type, shape: [1])
    case .integers, .floats, .bools: return Form(type: type, shape: [max(1, dimensions)])
    default: break
    }
    if let declared = declared[index] {
      return Form(
        type: type, shape: declared.shape.enumerated().map { $1 > 0 ? $1 : $0 == 0 ? rows : size })
    }
    if takesTokens {
      let length = size == 8 ? lengths[0] : size == 4 ? lengths[1] : lengths[2]
      return Form(type: type, shape: [rows, length])
    }
    let hint = inputs[index].hint
    let count = hint.dimensions > 0 ? hint.dimensions : hint.second > 0 ? max(2, dimensions) : dimensions
    var shape = (0..<count).map { $0 == 0 ? rows : size }
    if hint.second > 0, count > 1 { shape[1] = hint.second }
    if hint.last > 0, count > 0 { shape[count - 1] = hint.last }
    return Form(type: type, shape: shape)
  }

  // MARK: Inputs that may be left out

  private func isOptional(_ index: Int) -> Bool {
    inputs[index].isOptional || takesTokens && inputs[index].name != TokenInputNames.ids
  }

  /// Adds an input that was left out to the pass, in the first form that is answered; leaves it out where none is.
  private mutating func addOptional(_ index: Int, to base: inout Pass) {
    var forms: [Form] = []
    for other in base.forms.compactMap({ $0 }) where !forms.contains(other) { forms.append(other) }
    for type in typeOrder {
      for (dimensions, size) in Self.layouts.prefix(3) {
        let one = form(of: index, type, dimensions, size, rows: 2)
        if !forms.contains(one) { forms.append(one) }
      }
    }
    let known = types(of: index)
    for one in forms where known.isEmpty || known.contains(one.type) {
      var wanted = base.forms
      wanted[index] = one
      if let pass = pass(wanted) {
        base = pass
        return
      }
    }
  }

  // MARK: Sizes

  /// Tries other sizes, and takes note of those that were answered.
  private mutating func vary(_ sizes: inout Sizes) {
    let last = sizes.base.forms.compactMap { $0?.shape.count }.max() ?? 0
    for dimension in 0..<last {
      tryTogether(inputs.indices.map { Place(input: $0, dimension: dimension) }, &sizes)
    }
    // Sizes of one number may have to be equal wherever they stand.
    let places = inputs.indices.flatMap { index in
      (sizes.base.forms[index]?.shape.indices ?? 0..<0).map { Place(input: index, dimension: $0) }
    }
    for size in Set(places.compactMap { sizes.size(at: $0) }).sorted() {
      tryTogether(places.filter { sizes.size(at: $0) == size && !sizes.varies($0) }, &sizes)
    }
    for place in places where !sizes.varies(place) { tryTogether([place], &sizes) }
  }

  /// Twice as large, or else one larger: smaller sizes may be answered because one is repeated. One larger says nothing
  /// of a size that a convolution makes steps in, and so rounds down.
  private mutating func tryTogether(_ places: [Place], _ sizes: inout Sizes) {
    let open = places.filter { mayVary($0, sizes) }
    guard !open.isEmpty else { return }
    let isStepped = open.contains { $0.dimension > 1 && inputs[$0.input].hint.dimensions > 0 }
    for change in (isStepped ? [{ $0 * 2 }] : [{ $0 * 2 }, { $0 + 1 }]) as [(Int) -> Int] {
      var forms = sizes.base.forms
      for place in open {
        guard let size = sizes.size(at: place) else { continue }
        forms[place.input]?.shape[place.dimension] = change(size)
      }
      if takesTokens, forms.contains(where: { ($0?.shape.last ?? 0) > lengths[2] }) { continue }
      if let pass = pass(forms) {
        sizes.note(pass, open)
        return
      }
    }
  }

  private func mayVary(_ place: Place, _ sizes: Sizes) -> Bool {
    guard let form = sizes.base.forms[place.input], place.dimension < form.shape.count else { return false }
    let input = inputs[place.input]
    switch input.kind {
    case .integer, .float, .bool: return false
    default: break
    }
    if let declared = declared[place.input] { return declared.shape[place.dimension] < 0 }
    if input.hint.second > 0, place.dimension == 1, form.shape.count > 1 { return false }
    if input.hint.last > 0, place.dimension == form.shape.count - 1 { return false }
    return true
  }

  private func metadata(of index: Int, _ sizes: Sizes) -> TensorMetadata {
    let input = inputs[index]
    let isNumber = [.integer, .float, .bool].contains(input.kind)
    let form = sizes.base.forms[index] ?? (isNumber ? self.form(of: index, .int64, 1, 1, rows: 1) : nil)
    let type = form?.type ?? types(of: index).first ?? .float32
    var shape = form?.shape.indices.map { dimension in
      sizes.varies(Place(input: index, dimension: dimension)) ? -1 : form?.shape[dimension] ?? -1
    }
    if takesTokens { shape = [-1, -1] }
    return TensorMetadata(
      name: input.name, datatype: TensorDatatype(type), shape: declared[index]?.shape ?? shape ?? [-1],
      isOptional: isOptional(index))
  }

  private func outputs(of base: Pass, _ sizes: Sizes) -> [TensorMetadata] {
    let first = base.forms.compactMap { $0?.shape }.first ?? []
    let names = OutputNames.names(
      base.outputs, batch: first.first ?? 1, tokens: takesTokens && first.count > 1 ? first[1] : nil)
    return base.outputs.indices.map { index in
      TensorMetadata(
        name: names[index], datatype: base.outputs[index].elements.datatype, shape: sizes.outputShape(index))
    }
  }

  // MARK: Rows

  /// Rows of the passes that are compared with rows alone, the most first: some code tells few rows from many.
  private static let comparedRows = [8, 3, 2]

  /// Compares rows of passes of several sizes with each of them alone.
  private mutating func tryRows(_ pass: Pass, _ sizes: Sizes) -> ModelInterface.Rows {
    let places = inputs.indices.filter { pass.forms[$0] != nil && inputs[$0].kind == .tensor }
    let haveRows = places.allSatisfy { sizes.varies(Place(input: $0, dimension: 0)) }
    guard !places.isEmpty, haveRows, sizes.rowsVaryTogether(places) else { return .dependent }
    var forms = pass.forms
    var most = Self.comparedRows[0]
    for index in places { forms[index]?.shape[0] = most }
    if !forms.allSatisfy({ $0.map(Self.isSmall) ?? true }) {
      most = 2
      for index in places { forms[index]?.shape[0] = most }
    }
    let all = forms.indices.map { tensor($0, forms[$0]) }
    func cut(_ rows: Range<Int>) -> [HostTensor] {
      all.indices.map { places.contains($0) ? BatchLayout.cut(all[$0], rows: rows, [], to: 1) : all[$0] }
    }
    do throws(EngineError) {
      // The first rows are in every pass, the last in the largest.
      var alone: [Int: [HostTensor]] = [:]
      for row in Set([0, 1, 2, most - 1]).sorted() where row < most { alone[row] = try infer(cut(row..<(row + 1))) }
      for count in Self.comparedRows where count <= most {
        let together = try infer(cut(0..<count))
        guard together.allSatisfy({ $0.shape.first == count }) else { return .dependent }
        for row in 0..<count {
          guard let single = alone[row] else { continue }
          guard single.count == together.count else { return .dependent }
          for (one, other) in zip(single, together) {
            let own = BatchLayout.cut(other, rows: row..<(row + 1), [], to: 1)
            guard BatchLayout.isNear(one, own, tolerance) else { return .dependent }
          }
        }
      }
      return .independent
    } catch {
      return .untried
    }
  }

  // MARK: Passes

  /// Runs the model with what it was not run with before.
  private mutating func pass(_ forms: [Form?]) -> Pass? {
    guard !ranOutOfMemory, tries < Self.mostTries, ContinuousClock.now < end, tried.insert(forms).inserted else {
      return nil
    }
    tries += 1
    guard forms.allSatisfy({ $0.map(Self.isSmall) ?? true }) else { return nil }
    let tensors = forms.indices.map { tensor($0, forms[$0]) }
    do throws(EngineError) {
      return Pass(forms: forms, outputs: try infer(tensors))
    } catch {
      // That the model ran says more than why it did not otherwise.
      if failure?.kind != .unavailable { failure = error }
      for number in error.message.split(whereSeparator: { !("0"..."9" ~= $0) }).compactMap({ Int($0) })
      where 1...4096 ~= number && mentioned.count < 32 && !mentioned.contains(number) {
        mentioned.append(number)
      }
      ranOutOfMemory = ["allocate memory", "bad_alloc", "not enough memory"].contains { error.message.contains($0) }
      return nil
    }
  }

  private static func isSmall(_ form: Form) -> Bool {
    var count = 1
    for size in form.shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, size >= 0, product <= mostElements else { return false }
      count = product
    }
    return true
  }

  /// A tensor of that form whose rows are different.
  private func tensor(_ index: Int, _ form: Form?) -> HostTensor {
    guard let form else { return .leftOut }
    let input = inputs[index]
    if takesTokens, input.name != TokenInputNames.ids {
      let values = Array(repeating: TokenInputs.filler(input.name), count: form.shape.reduce(1, *))
      return HostTensor(shape: form.shape, elements: .int64(values))
    }
    // An embedding of which nothing is known has two rows at least.
    var bound = input.hint.rows > 0 ? input.hint.rows : 2
    if takesTokens, vocabulary < .max { bound = input.hint.rows > 0 ? min(bound, vocabulary) : vocabulary }
    return ExampleTensor.make(form.type, shape: form.shape, bound: min(bound, 1000))
  }
}
