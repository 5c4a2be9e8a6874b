import Engine
import PlannerCore

/// What one input of a model is tried with.
struct Form: Hashable {
  var type: ElementType
  var shape: [Int]
}

/// What a model's inputs may be tried with, from what names, manifest and code say of them.
struct InputForms {
  /// How much of what the code says is believed. It may be wrong, as where a layer is only reached in one case of many.
  enum Trust: CaseIterable {
    case everything
    /// All but numbers of dimensions that the code asks for, among others perhaps.
    case sizes
    case nothing
  }

  /// A number of dimensions, and the size of the second and further ones.
  struct Layout {
    var dimensions: Int
    var size: Int

    /// Layouts in the order in which they are tried.
    static let all: [Layout] = [
      (2, 8), (1, 8), (3, 8), (4, 32), (2, 4), (2, 16), (4, 28), (4, 224), (2, 1), (2, 2), (2, 3), (3, 16), (2, 64),
      (2, 128), (4, 64), (2, 256), (2, 512), (2, 10), (2, 768), (2, 784), (4, 16), (5, 8), (0, 1),
    ].map { Layout(dimensions: $0, size: $1) }
    /// Layouts that are tried with every type.
    static let likely = all[..<6]
  }

  let inputs: [ModelInput]
  /// What the manifest declares of each input; nil where it says nothing.
  let declared: [TensorDeclaration?]
  /// Token ids that may be tried.
  let vocabulary: Int
  /// Lengths that are tried with models of token ids, the likeliest first.
  let lengths: [Int]
  let takesTokens: Bool

  /// Types of inputs of which nothing is known, the likeliest first. Beside token ids they are rather masks.
  var typeOrder: [ElementType] {
    let hasIDs = takesTokens || inputs.contains { $0.hint.role == .ids }
    return hasIDs ? [.int64, .float32, .bool] : [.float32, .int64, .bool]
  }

  /// Types that few models insist on.
  static let seldomTypes: [ElementType] = [.uint8, .float16, .bfloat16, .float64, .int32, .int16, .int8]

  /// Types that an input can have, where anything tells; empty where nothing does.
  func types(of index: Int, _ trust: Trust = .everything) -> [ElementType] {
    if let declared = declared[index] {
      return TensorDatatype(rawValue: declared.datatype)?.elementType.map { [$0] } ?? []
    }
    switch inputs[index].kind {
    case .integer, .integers: return [.int64]
    case .float, .floats: return [.float64]
    case .bool, .bools: return [.bool]
    default: break
    }
    if takesTokens { return [.int64] }
    guard trust != .nothing else { return [] }
    switch inputs[index].hint.role {
    case .ids, .places, .lengths, .starts: return [.int64]
    case .truths: return [.bool]
    case .values: return inputs[index].hint.type.map { [$0] } ?? []
    }
  }

  /// - Parameter type: where nothing tells the input's own.
  func form(
    of index: Int, _ type: ElementType, _ layout: Layout, rows: Int, _ trust: Trust = .everything
  ) -> Form {
    let type = types(of: index, trust).first ?? type
    switch inputs[index].kind {
    case .integer, .float, .bool: return Form(type: type, shape: [1])
    case .integers, .floats, .bools: return Form(type: type, shape: [max(1, layout.dimensions)])
    default: break
    }
    if let declared = declared[index] {
      return Form(
        type: type, shape: declared.shape.enumerated().map { $1 > 0 ? $1 : $0 == 0 ? rows : layout.size })
    }
    if takesTokens {
      let length = layout.size == 8 ? lengths[0] : layout.size == 4 ? lengths[1] : lengths[2]
      return Form(type: type, shape: [rows, length])
    }
    guard trust != .nothing else { return Form(type: type, shape: Self.shape(TensorHint(), layout, rows: rows)) }
    var hint = inputs[index].hint
    if trust == .everything { hint.dimensions = max(hint.dimensions, hint.askedDimensions) }
    return Form(type: type, shape: Self.shape(hint, layout, rows: rows))
  }

  private static func shape(_ hint: TensorHint, _ layout: Layout, rows: Int) -> [Int] {
    let least = hint.second > 0 || hint.first > 0 ? 2 : 0
    let count = hint.dimensions > 0 ? hint.dimensions : max(least, layout.dimensions)
    let rowDimension = min(hint.rowDimension, count - 1)
    var shape = (0..<count).map { $0 == rowDimension ? rows : layout.size }
    if hint.first > 0 { shape[0] = hint.first }
    if hint.second > 0, count > 1 { shape[1] = hint.second }
    if hint.last > 0, count > 0 { shape[count - 1] = hint.last }
    return shape
  }

  /// Forms of one input by itself, the likeliest first.
  func choices(of index: Int, rows: Int, _ trust: Trust) -> [Form] {
    var ranked: [(rank: Int, form: Form)] = []
    for (place, dimensions) in [2, 1, 3].enumerated() {
      for (order, type) in typeOrder.enumerated() {
        let one = form(of: index, type, Layout(dimensions: dimensions, size: 8), rows: rows, trust)
        if !ranked.contains(where: { $0.form == one }) { ranked.append((place + order, one)) }
      }
    }
    return ranked.enumerated().sorted { ($0.1.rank, $0.0) < ($1.1.rank, $1.0) }.map(\.1.form)
  }

  /// Forms of an input that may be left out, beside a pass without it: its own by what the code says, then such as its
  /// tensors have, masks of their sizes, and a few more.
  func choices(besides pass: InterfaceFinder.Pass, of index: Int) -> [Form] {
    var shapes: [[Int]] = []
    let hint = inputs[index].hint
    if hint.dimensions > 0 || hint.last > 0 || declared[index] != nil {
      shapes.append(form(of: index, .float32, Layout.all[0], rows: 2).shape)
    }
    let others = pass.forms.compactMap { $0 }
    shapes += others.map(\.shape) + pass.outputs.map(\.shape)
    var sizes: [Int] = []
    for shape in others.map(\.shape) { for size in shape where !sizes.contains(size) { sizes.append(size) } }
    for one in sizes.prefix(3) { for other in sizes.prefix(3) { shapes.append([one, other]) } }
    shapes += sizes.prefix(3).map { [$0] }
    shapes += Layout.all.prefix(3).map { form(of: index, .float32, $0, rows: 2).shape }
    let known = types(of: index)
    let types = known.isEmpty ? others.map(\.type) + typeOrder : known
    var forms: [Form] = []
    for shape in shapes {
      guard hint.dimensions == 0 || shape.count == hint.dimensions else { continue }
      for type in types where !forms.contains(Form(type: type, shape: shape)) {
        forms.append(Form(type: type, shape: shape))
      }
    }
    return forms
  }

  /// Whether the size at that dimension may be another one.
  func mayVary(_ place: Place, _ form: Form) -> Bool {
    guard place.dimension < form.shape.count else { return false }
    switch inputs[place.input].kind {
    case .integer, .float, .bool: return false
    default: break
    }
    if let declared = declared[place.input] { return declared.shape[place.dimension] < 0 }
    let hint = inputs[place.input].hint
    let isLast = place.dimension == form.shape.count - 1
    func isFixed(_ size: Int) -> Bool { size > 0 && form.shape[place.dimension] == size }
    return
      !(place.dimension == 0 && isFixed(hint.first) || place.dimension == 1 && isFixed(hint.second)
      || isLast && isFixed(hint.last))
  }

  /// Which dimension of a form counts its rows.
  func rowPlace(_ index: Int, _ form: Form) -> Place {
    Place(input: index, dimension: max(0, min(takesTokens ? 0 : inputs[index].hint.rowDimension, form.shape.count - 1)))
  }

  /// What is said of an input that no pass had: the shape as far as the code tells it.
  func assumedShape(of index: Int) -> [Int] {
    if let declared = declared[index] { return declared.shape }
    if takesTokens { return [-1, -1] }
    let hint = inputs[index].hint
    return hint.dimensions > 0 ? Self.shape(hint, Layout(dimensions: 1, size: -1), rows: -1) : [-1]
  }

  // MARK: Tensors

  /// Tensors of these forms whose rows are different.
  ///
  /// - Parameter growing: lengths grow from row to row; otherwise the first is the longest, as some layers insist.
  func tensors(_ forms: [Form?], growing: Bool = false) -> [HostTensor] {
    forms.indices.map { index in
      guard let form = forms[index] else { return .leftOut }
      return tensor(index, form, beside: forms, growing: growing)
    }
  }

  private func tensor(_ index: Int, _ form: Form, beside forms: [Form?], growing: Bool) -> HostTensor {
    let input = inputs[index]
    let hint = input.hint
    if takesTokens {
      guard input.name == TokenInputNames.ids else {
        let values = Array(repeating: TokenInputs.filler(input.name), count: form.shape.reduce(1, *))
        return HostTensor(shape: form.shape, elements: .int64(values))
      }
    } else if hint.role == .lengths {
      let longest = measured(index, hint.measuredDimension, forms)
      let rows = form.shape.first ?? 1
      return ExampleTensor.make(form) { max(1, longest - (growing ? rows - 1 - $0 : $0)) }
    } else if hint.role == .starts {
      return ExampleTensor.make(form) { $0 }
    }
    // An embedding of which nothing is known has two rows at least.
    var bound = hint.rows > 0 ? hint.rows : 2
    if takesTokens, vocabulary < .max { bound = hint.rows > 0 ? min(bound, vocabulary) : vocabulary }
    return ExampleTensor.make(form, bound: min(bound, 1000))
  }

  /// The size of a dimension in the other inputs, the smallest.
  private func measured(_ index: Int, _ dimension: Int, _ forms: [Form?]) -> Int {
    let sizes = forms.indices.compactMap { other -> Int? in
      guard other != index, let shape = forms[other]?.shape, shape.count > 1, inputs[other].hint.first == 0 else {
        return nil
      }
      return shape[dimension]
    }
    return sizes.min() ?? 1
  }
}

/// Tensors to try a model with: the same each time, no two rows alike.
enum ExampleTensor {
  /// - Parameter bound: whole numbers are 0 ..< this; 1 where there is one element alone.
  static func make(_ form: Form, bound: Int) -> HostTensor {
    let count = form.shape.reduce(1, *)
    let width = max(1, form.shape.dropFirst().reduce(1, *))
    return make(form) { index in
      count == 1 ? min(1, bound - 1) : (index % width * 7 + index / width + 1) % max(1, bound)
    }
  }

  /// - Parameter whole: element at an index, of types of whole numbers.
  static func make(_ form: Form, whole: (Int) -> Int) -> HostTensor {
    let count = form.shape.reduce(1, *)
    // Between 0 and 1, so that logarithms and roots are numbers.
    func real(_ index: Int) -> Double { Double((index * 37 + 11) % 101 + 1) / 103 }
    let elements: HostTensor.Element =
      switch form.type {
      case .float32: .float32((0..<count).map { Float(real($0)) })
      case .float64: .float64((0..<count).map(real))
      case .float16: .float16((0..<count).map { bits(real($0), 0x3800, 0x3C00, 10) })
      case .bfloat16: .bfloat16((0..<count).map { bits(real($0), 0x3F00, 0x3F80, 7) })
      case .int64: .int64((0..<count).map { Int64(whole($0)) })
      case .int32: .int32((0..<count).map { Int32(whole($0)) })
      case .int16: .int16((0..<count).map { Int16(whole($0)) })
      case .int8: .int8((0..<count).map { Int8(whole($0) % 128) })
      case .uint8: .uint8((0..<count).map { UInt8(whole($0) % 256) })
      case .bool: .bool((0..<count).map { UInt8(whole($0) % 2) })
      }
    return HostTensor(shape: form.shape, elements: elements)
  }

  /// A number from 0.5 to 1 as a half float's bits, which are those of one half and one and between them even steps.
  private static func bits(_ real: Double, _ half: UInt16, _ one: UInt16, _ mantissa: Int) -> UInt16 {
    min(one, half + UInt16(real * Double(1 << mantissa)))
  }
}
