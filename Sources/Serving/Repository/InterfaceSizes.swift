import Engine

/// One dimension of one of a model's inputs.
struct Place: Hashable {
  var input: Int
  var dimension: Int
}

/// Which sizes of a model's tensors may be any: those with which a pass was answered beside the first one.
struct Sizes {
  let base: InterfaceFinder.Pass
  private var varied: Set<Place> = []
  /// Places that were tried together.
  private var together: [Set<Place>] = []
  private var outputs: [[Int]]

  /// - Parameter declared: shapes that the manifest declares; −1 is any size.
  init(base: InterfaceFinder.Pass, declared: [[Int]?]) {
    self.base = base
    outputs = base.outputs.map(\.shape)
    for (index, shape) in declared.enumerated() {
      for (dimension, size) in (shape ?? []).enumerated() where size < 0 {
        varied.insert(Place(input: index, dimension: dimension))
      }
    }
  }

  func size(at place: Place) -> Int? {
    guard let shape = base.forms[place.input]?.shape, place.dimension < shape.count else { return nil }
    return shape[place.dimension]
  }

  func varies(_ place: Place) -> Bool { varied.contains(place) }

  /// Takes note of a pass that differs from the first one in these places.
  mutating func note(_ pass: InterfaceFinder.Pass, _ places: [Place]) {
    varied.formUnion(places)
    together.append(Set(places))
    guard pass.outputs.count == base.outputs.count else { return }
    for (index, output) in pass.outputs.enumerated() {
      let first = base.outputs[index].shape
      guard output.shape.count == first.count else {
        outputs[index] = first.map { _ in -1 }
        continue
      }
      for dimension in first.indices where output.shape[dimension] != first[dimension] {
        outputs[index][dimension] = -1
      }
    }
  }

  /// Sizes of an output; −1 where they went with those of the inputs.
  func outputShape(_ index: Int) -> [Int] { outputs[index] }

  /// Whether the first dimensions of these inputs were changed in one pass.
  func rowsVaryTogether(_ inputs: [Int]) -> Bool {
    let rows = Set(inputs.map { Place(input: $0, dimension: 0) })
    return together.contains { $0.isSuperset(of: rows) }
  }
}
