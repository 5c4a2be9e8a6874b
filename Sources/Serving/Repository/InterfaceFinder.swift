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
  static let mostTries = 256
  /// Passes at most with inputs that are tried apart from one another.
  private static let mostMixed = 96
  /// Passes at most for an input that may be left out.
  private static let mostOptional = 64
  static let limitSeconds = 10.0
  /// Most elements of one tensor that is tried, whatever file or manifest say of its sizes.
  static let mostElements = 1 << 24

  /// A pass that the model answered.
  struct Pass {
    /// What each input was run with; nil where it was left out.
    var forms: [Form?]
    var outputs: [HostTensor]
  }

  private let known: InputForms
  /// What sums in another order make of an answer, as a share of its largest value.
  private let tolerance: Float
  private let infer: ([HostTensor]) throws(EngineError) -> [HostTensor]
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
    let longest = max(1, min(tokens, description.maxTokens))
    known = InputForms(
      inputs: inputs,
      declared: inputs.map { input in description.inputTensors?.first { $0.name == input.name } },
      vocabulary: vocabulary, lengths: [max(1, min(7, longest - 1)), max(1, longest - 1), longest],
      takesTokens: TokenInputs.areAll(of: inputs.map(\.name)))
    tolerance = description.precision == .fp32 ? 1e-3 : 0.1
    self.infer = infer
  }

  private var inputs: [ModelInput] { known.inputs }

  /// Tries the model.
  ///
  /// - Returns: nil where no try was answered.
  package mutating func find() -> ModelInterface? {
    guard var base = firstPass() else { return nil }
    let required = base
    example = known.tensors(base.forms)
    // An argument of several tensors is left out or given as a whole.
    let left = inputs.indices.filter { base.forms[$0] == nil && inputs[$0].kind == .tensor }
    var arguments: [Int] = []
    for index in left where !arguments.contains(inputs[index].argument) { arguments.append(inputs[index].argument) }
    for argument in arguments { addOptional(left.filter { inputs[$0].argument == argument }, to: &base) }
    tries = 0
    var sizes = Sizes(base: base, declared: known.declared.map { $0?.shape })
    vary(&sizes)
    let rows = tryRows(required, sizes)
    var found = ModelInterface(
      inputs: inputs.indices.map { metadata(of: $0, sizes) }, outputs: outputs(of: base, sizes), rows: rows)
    found.declaredInputs = Set(known.declared.compactMap { $0?.name })
    return found
  }

  /// What is said of a model that answered no try.
  package func assumed() -> ModelInterface {
    var assumed = ModelInterface.assumed(
      inputs.indices.map { index in
        let type = known.types(of: index).first ?? .float32
        return TensorMetadata(
          name: inputs[index].name, datatype: TensorDatatype(type), shape: known.assumedShape(of: index),
          isOptional: isOptional(index))
      })
    assumed.declaredInputs = Set(known.declared.compactMap { $0?.name })
    return assumed
  }

  // MARK: The first pass

  private mutating func firstPass() -> Pass? {
    let needed = inputs.map { !$0.isOptional }
    // Code may want one of several that may all be left out.
    let choices = needed.contains(true) ? [needed, needed.map { _ in true }] : [needed.map { _ in true }]
    for rows in [2, 1] {
      for given in choices {
        tries = 0
        for trust in InputForms.Trust.allCases {
          let types = known.typeOrder
          if let pass = uniformPass(given, rows: rows, types, trust) { return pass }
          if let pass = mentionedPass(given, rows: rows, trust) { return pass }
          if let pass = mixedPass(given, rows: rows, trust) { return pass }
        }
        if let pass = seldomPass(given, rows: rows) { return pass }
      }
    }
    return nil
  }

  private func forms(
    _ given: [Bool], _ type: ElementType, _ layout: InputForms.Layout, rows: Int, _ trust: InputForms.Trust
  ) -> [Form?] {
    inputs.indices.map { given[$0] ? known.form(of: $0, type, layout, rows: rows, trust) : nil }
  }

  /// All inputs of which nothing else is known alike.
  private mutating func uniformPass(
    _ given: [Bool], rows: Int, _ types: [ElementType], _ trust: InputForms.Trust
  ) -> Pass? {
    for (place, layout) in InputForms.Layout.all.enumerated() {
      // Sizes that are seldom wanted only with the likeliest type.
      for type in place < InputForms.Layout.likely.count ? types : [types[0]] {
        if let pass = pass(forms(given, type, layout, rows: rows, trust)) { return pass }
      }
    }
    return nil
  }

  /// Sizes that the model's own errors ask for.
  private mutating func mentionedPass(_ given: [Bool], rows: Int, _ trust: InputForms.Trust) -> Pass? {
    for size in mentioned.prefix(8) {
      for dimensions in [2, 3, 1] {
        let layout = InputForms.Layout(dimensions: dimensions, size: size)
        if let pass = pass(forms(given, known.typeOrder[0], layout, rows: rows, trust)) { return pass }
      }
    }
    return nil
  }

  /// Types and numbers of dimensions of each input by itself, the likeliest together first.
  private mutating func mixedPass(_ given: [Bool], rows: Int, _ trust: InputForms.Trust) -> Pass? {
    guard given.lazy.filter({ $0 }).count > 1 else { return nil }
    let choices = inputs.indices.map { index -> [Form?] in
      given[index] ? known.choices(of: index, rows: rows, trust) : [nil]
    }
    for turn in Self.turns(choices.map(\.count), most: Self.mostMixed) {
      if let pass = pass(inputs.indices.map { choices[$0][turn[$0]] }) { return pass }
    }
    return nil
  }

  /// Types that few models insist on.
  private mutating func seldomPass(_ given: [Bool], rows: Int) -> Pass? {
    for type in InputForms.seldomTypes {
      for layout in InputForms.Layout.likely {
        if let pass = pass(forms(given, type, layout, rows: rows, .everything)) { return pass }
      }
    }
    return nil
  }

  /// Places in lists of so many choices each, those with the smallest sum first.
  static func turns(_ counts: [Int], most: Int) -> [[Int]] {
    var turns: [[Int]] = []
    func extend(_ turn: [Int], _ left: Int) {
      guard turns.count < most else { return }
      guard turn.count < counts.count else {
        if left == 0 { turns.append(turn) }
        return
      }
      for place in 0..<min(counts[turn.count], left + 1) { extend(turn + [place], left - place) }
    }
    let largest = counts.reduce(0) { $0 + $1 - 1 }
    for sum in 0...max(0, largest) where turns.count < most { extend([], sum) }
    return turns
  }

  // MARK: Inputs that may be left out

  private func isOptional(_ index: Int) -> Bool {
    inputs[index].isOptional || known.takesTokens && inputs[index].name != TokenInputNames.ids
  }

  /// Adds the tensors of an argument that was left out to the pass, in the first forms that are answered; leaves them
  /// out where none are.
  private mutating func addOptional(_ parts: [Int], to base: inout Pass) {
    tries = 0
    let choices = parts.map { known.choices(besides: base, of: $0) }
    for turn in 0..<min(Self.mostOptional, choices.map(\.count).max() ?? 0) {
      var wanted = base.forms
      for (place, index) in parts.enumerated() where !choices[place].isEmpty {
        wanted[index] = choices[place][min(turn, choices[place].count - 1)]
      }
      if let pass = pass(wanted) {
        base = pass
        return
      }
    }
  }

  // MARK: Sizes

  /// Tries other sizes, and takes note of those that were answered.
  private mutating func vary(_ sizes: inout Sizes) {
    let forms = sizes.base.forms
    // Rows first, wherever they stand.
    tryTogether(inputs.indices.compactMap { index in forms[index].map { known.rowPlace(index, $0) } }, &sizes)
    for dimension in 0..<(forms.compactMap { $0?.shape.count }.max() ?? 0) {
      let places = inputs.indices.map { Place(input: $0, dimension: dimension) }
      tryTogether(places.filter { !sizes.varies($0) }, &sizes)
    }
    // Sizes of one number may have to be equal wherever they stand.
    let places = inputs.indices.flatMap { index in
      (forms[index]?.shape.indices ?? 0..<0).map { Place(input: index, dimension: $0) }
    }
    for size in Set(places.compactMap { sizes.size(at: $0) }).sorted() {
      tryTogether(places.filter { sizes.size(at: $0) == size && !sizes.varies($0) }, &sizes)
      // The last one may be a layer's width that only happens to be the same number.
      let inner = places.filter { $0.dimension == 0 || $0.dimension + 1 < forms[$0.input]?.shape.count ?? 0 }
      tryTogether(inner.filter { sizes.size(at: $0) == size && !sizes.varies($0) }, &sizes)
    }
    for place in places where !sizes.varies(place) { tryTogether([place], &sizes) }
  }

  /// Twice as large, or else one larger: smaller sizes may be answered because one is repeated. One larger says nothing
  /// of a size that a convolution makes steps in, and so rounds down.
  private mutating func tryTogether(_ places: [Place], _ sizes: inout Sizes) {
    let open = places.filter { place in
      sizes.base.forms[place.input].map { known.mayVary(place, $0) } ?? false
    }
    guard !open.isEmpty else { return }
    let isStepped = open.contains { $0.dimension > 1 && inputs[$0.input].hint.dimensions > 3 }
    for change in (isStepped ? [{ $0 * 2 }] : [{ $0 * 2 }, { $0 + 1 }]) as [(Int) -> Int] {
      var forms = sizes.base.forms
      for place in open {
        guard let size = sizes.size(at: place) else { continue }
        forms[place.input]?.shape[place.dimension] = change(size)
      }
      if known.takesTokens, forms.contains(where: { ($0?.shape.last ?? 0) > known.lengths[2] }) { continue }
      if let pass = pass(forms) {
        sizes.note(pass, open)
        return
      }
    }
  }

  private func metadata(of index: Int, _ sizes: Sizes) -> TensorMetadata {
    let input = inputs[index]
    let isNumber = [.integer, .float, .bool].contains(input.kind)
    let number = isNumber ? known.form(of: index, .int64, InputForms.Layout.all[0], rows: 1) : nil
    let form = sizes.base.forms[index] ?? number
    let type = form?.type ?? known.types(of: index).first ?? .float32
    var shape = form?.shape.indices.map { dimension in
      sizes.varies(Place(input: index, dimension: dimension)) ? -1 : form?.shape[dimension] ?? -1
    }
    if known.takesTokens { shape = [-1, -1] }
    return TensorMetadata(
      name: input.name, datatype: TensorDatatype(type),
      shape: known.declared[index]?.shape ?? shape ?? known.assumedShape(of: index), isOptional: isOptional(index))
  }

  private func outputs(of base: Pass, _ sizes: Sizes) -> [TensorMetadata] {
    let first = base.forms.compactMap { $0?.shape }.first ?? []
    let names = OutputNames.names(
      base.outputs, batch: first.first ?? 1, tokens: known.takesTokens && first.count > 1 ? first[1] : nil)
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
    // Where rows lie end to end, one alone is another tensor.
    guard !places.contains(where: { inputs[$0].hint.role == .starts }) else { return .dependent }
    var forms = pass.forms
    var most = Self.comparedRows[0]
    for index in places { forms[index]?.shape[0] = most }
    if !forms.allSatisfy({ $0.map(Self.isSmall) ?? true }) {
      most = 2
      for index in places { forms[index]?.shape[0] = most }
    }
    // Requests come in any order, and so do their lengths.
    let all = known.tensors(forms, growing: true)
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
    do throws(EngineError) {
      return Pass(forms: forms, outputs: try infer(known.tensors(forms)))
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
}
