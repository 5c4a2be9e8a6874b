import Engine
import Foundation
import PlannerCore
import Synchronization

/// How a model's requests are put together into one forward pass and its answers taken apart again.
///
/// Tensors are joined along their first dimension. Rows of token models may be of different lengths: they are padded
/// with zeros, which the attention mask hides, to the longest, and the answers cut back. Which dimensions of an answer
/// go with the length is learned from passes without padding, of two lengths; until then only equal lengths share
/// a pass. They do for ever where padding has been seen to change answers: not every model regards its mask.
package final class BatchLayout: Sendable {
  /// Lengths that share a pass differ by less than this factor, so that at most a fifth of a row is padding.
  static let lengthRatio = 1.25

  private enum Axes: Sendable {
    case unknown
    /// A pass of that length, and its answers' shapes.
    case seen(length: Int, shapes: [[Int]])
    /// For each output, the dimensions that are as long as the request.
    case known([[Int]])
    /// Answers cannot be cut to length, or do not have a row for each of the request's.
    case never
  }

  private struct Learned: Sendable {
    var axes = Axes.unknown
    var joinsRows = true
  }

  private let canPad: Bool
  /// Inputs that are one number for the whole pass.
  private let numbers: [Int]
  private let learned = Mutex(Learned())

  /// - Parameters:
  ///   - inputs: names of the model's inputs; without an `attention_mask` nothing is padded.
  ///   - numbers: places of those that have no rows: requests that bring one are computed alone.
  ///   - joinsRows: whether rows of several requests may share a pass at all.
  package init(inputs: [String], numbers: [Int] = [], joinsRows: Bool = true) {
    canPad = inputs.contains(TokenInputNames.mask)
    self.numbers = numbers
    learned.withLock { $0.joinsRows = joinsRows }
  }

  /// Equal for requests that may be computed in one pass; nil where they cannot share one.
  package func key(for inputs: [HostTensor]) -> Int? {
    let state = learned.withLock { $0 }
    guard state.joinsRows, numbers.allSatisfy({ inputs[$0].isLeftOut }) else { return nil }
    if canPad, let shape = Self.tokenShape(inputs) {
      if case .known = state.axes { return Self.lengthClass(shape.length) }
      // Apart from the classes.
      return -1 - shape.length
    }
    var hasher = Hasher()
    for input in inputs {
      hasher.combine(input.isLeftOut)
      hasher.combine(input.shape.dropFirst())
      hasher.combine(input.elements.type)
    }
    return hasher.finalize()
  }

  package static func lengthClass(_ length: Int) -> Int { Int(log(Double(max(1, length))) / log(lengthRatio) + 1e-9) }

  /// Rows and length of inputs that are token ids, mask and types of one shape.
  private static func tokenShape(_ inputs: [HostTensor]) -> (rows: Int, length: Int)? {
    guard let shape = inputs.first?.shape, shape.count == 2 else { return nil }
    for input in inputs {
      guard input.shape == shape, case .int64 = input.elements else { return nil }
    }
    return (shape[0], shape[1])
  }

  // MARK: Joining

  /// Requests' inputs as one pass.
  struct Joined {
    var inputs: [HostTensor]
    var rows: [Int]
    /// Lengths of each request and of the padded rows, in tokens; nil where the inputs are no tokens.
    var lengths: [Int]?
    var longest = 0
  }

  /// - Returns: nil where these requests cannot share a pass.
  func join(_ requests: [[HostTensor]]) -> Joined? {
    guard let first = requests.first, learned.withLock({ $0.joinsRows }),
      requests.allSatisfy({ $0.count == first.count })
    else { return nil }
    let shapes = requests.compactMap(Self.tokenShape)
    if canPad, shapes.count == requests.count {
      let lengths = shapes.map(\.length)
      let longest = lengths.max() ?? 0
      let isPadded = lengths.contains { $0 != longest }
      if isPadded {
        guard case .known = learned.withLock({ $0.axes }) else { return nil }
      }
      let inputs = first.indices.map { index in
        Self.pad(requests.map { $0[index] }, to: longest)
      }
      return Joined(inputs: inputs, rows: shapes.map(\.rows), lengths: lengths, longest: longest)
    }
    var inputs: [HostTensor] = []
    for index in first.indices {
      guard let joined = Self.concatenate(requests.map { $0[index] }) else { return nil }
      inputs.append(joined)
    }
    let rows = requests.map { $0.first { !$0.isLeftOut }?.shape.first ?? 0 }
    // Every input of a request has a row for each of its rows.
    guard
      zip(requests, rows).allSatisfy({ request, rows in request.allSatisfy { $0.isLeftOut || $0.shape.first == rows } })
    else { return nil }
    return Joined(inputs: inputs, rows: rows, lengths: nil)
  }

  private static func pad(_ tensors: [HostTensor], to length: Int) -> HostTensor {
    var values: [Int64] = []
    var rows = 0
    for tensor in tensors {
      guard case .int64(let row) = tensor.elements else { continue }
      let own = tensor.shape[1]
      for index in 0..<tensor.shape[0] {
        values.append(contentsOf: row[(index * own)..<((index + 1) * own)])
        values.append(contentsOf: repeatElement(0, count: length - own))
      }
      rows += tensor.shape[0]
    }
    return HostTensor(shape: [rows, length], elements: .int64(values))
  }

  /// Along the first dimension; nil where types or the other dimensions differ.
  static func concatenate(_ tensors: [HostTensor]) -> HostTensor? {
    guard let first = tensors.first else { return nil }
    if first.isLeftOut { return tensors.allSatisfy(\.isLeftOut) ? first : nil }
    guard !first.shape.isEmpty else { return nil }
    let rest = Array(first.shape.dropFirst())
    guard tensors.allSatisfy({ !$0.shape.isEmpty && Array($0.shape.dropFirst()) == rest }) else { return nil }
    guard tensors.allSatisfy({ $0.elements.type == first.elements.type }) else { return nil }
    let rows = tensors.reduce(0) { $0 + $1.shape[0] }
    let count = tensors.reduce(0) { $0 + $1.elements.count }
    let elements = HostTensor.Element(first.elements.type, count: count) { memory in
      var rest = memory[...]
      for tensor in tensors {
        tensor.elements.withUnsafeBytes { part in
          UnsafeMutableRawBufferPointer(rebasing: rest.prefix(part.count)).copyMemory(from: part)
          rest = rest.dropFirst(part.count)
        }
      }
    }
    return HostTensor(shape: [rows] + rest, elements: elements)
  }

  // MARK: Taking apart

  /// Each request's own rows, cut to its own length.
  ///
  /// - Returns: nil where the answer does not have a row for each row of the requests: it was no answer to them.
  func split(_ outputs: [HostTensor], of joined: Joined) -> [[HostTensor]]? {
    let total = joined.rows.reduce(0, +)
    guard outputs.allSatisfy({ $0.shape.first == total }) else {
      learned.withLock { $0.joinsRows = false }
      return nil
    }
    var axes: [[Int]]?
    if case .known(let known) = learned.withLock({ $0.axes }) { axes = known }
    var answers: [[HostTensor]] = []
    var start = 0
    for (request, rows) in joined.rows.enumerated() {
      let length = joined.lengths?[request] ?? joined.longest
      answers.append(
        outputs.indices.map { index in
          let dimensions = length == joined.longest ? [] : axes?[index] ?? []
          return Self.cut(outputs[index], rows: start..<(start + rows), dimensions, to: length)
        })
      start += rows
    }
    return answers
  }

  /// Some rows of a tensor, with `dimensions` cut to their first `length` entries.
  package static func cut(_ tensor: HostTensor, rows: Range<Int>, _ dimensions: [Int], to length: Int) -> HostTensor {
    var shape = tensor.shape
    shape[0] = rows.count
    for dimension in dimensions { shape[dimension] = min(length, shape[dimension]) }
    let elements = HostTensor.Element(tensor.elements.type, count: shape.reduce(1, *)) { memory in
      tensor.elements.withUnsafeBytes { source in
        var target = memory[...]
        let pieces = Pieces(
          whole: tensor.shape, cut: shape, firstRow: rows.lowerBound, innermost: dimensions.max() ?? 0,
          elementBytes: tensor.elements.type.byteSize)
        pieces.forEach { start, length in
          let piece = UnsafeRawBufferPointer(rebasing: source[start..<(start + length)])
          UnsafeMutableRawBufferPointer(rebasing: target.prefix(length)).copyMemory(from: piece)
          target = target.dropFirst(length)
        }
      }
    }
    return HostTensor(shape: shape, elements: elements, name: tensor.name)
  }

  /// The pieces of a tensor's memory that a cut leaves, in order.
  private struct Pieces {
    let whole: [Int]
    let cut: [Int]
    let firstRow: Int
    /// The last dimension that is cut: what is further in lies in one piece.
    let innermost: Int
    let elementBytes: Int

    /// Calls `body` with start and length of each, in bytes.
    func forEach(_ body: (Int, Int) -> Void) { visit(dimension: 0, offset: 0, body) }

    private func visit(dimension: Int, offset: Int, _ body: (Int, Int) -> Void) {
      let stride = whole[(dimension + 1)...].reduce(elementBytes, *)
      let start = offset + (dimension == 0 ? firstRow : 0) * stride
      guard dimension < innermost else { return body(start, cut[dimension] * stride) }
      for index in 0..<cut[dimension] { visit(dimension: dimension + 1, offset: start + index * stride, body) }
    }
  }

  // MARK: Learning

  /// Takes note of a pass without padding.
  package func learn(_ inputs: [HostTensor], _ outputs: [HostTensor]) {
    guard canPad, let shape = Self.tokenShape(inputs) else { return }
    learned.withLock { learned in
      switch learned.axes {
      case .known, .never: return
      case .unknown: learned.axes = .seen(length: shape.length, shapes: outputs.map(\.shape))
      case .seen(let length, let shapes):
        guard length != shape.length else { return }
        learned.axes = Self.axes((length, shapes), (shape.length, outputs.map(\.shape)))
      }
    }
  }

  /// Compares a request's answer alone with its answer beside a longer one.
  ///
  /// - Parameter tolerance: of the largest value, what the model's precision makes of sums in another order.
  package func tryPadding(
    _ short: [HostTensor], beside long: [HostTensor], tolerance: Float,
    infer: ([HostTensor]) throws(EngineError) -> [HostTensor]
  ) throws(EngineError) {
    guard case .known = learned.withLock({ $0.axes }), let joined = join([short, long]) else { return }
    let alone = try infer(short)
    guard let answers = split(try infer(joined.inputs), of: joined) else { return }
    for (one, other) in zip(alone, answers[0]) where !Self.isNear(one, other, tolerance) {
      learned.withLock { $0.axes = .never }
    }
  }

  /// Whether two answers differ by no more than sums in another order do.
  ///
  /// - Parameter tolerance: of the largest finite value.
  package static func isNear(_ one: HostTensor, _ other: HostTensor, _ tolerance: Float) -> Bool {
    guard one.shape == other.shape else { return false }
    switch (one.elements, other.elements) {
    case (.float32(let first), .float32(let second)): return isNear(first, second, tolerance)
    case (.float64(let first), .float64(let second)): return isNear(first, second, Double(tolerance))
    default: return one.elements == other.elements
    }
  }

  private static func isNear<Value: BinaryFloatingPoint>(
    _ first: [Value], _ second: [Value], _ tolerance: Value
  ) -> Bool {
    let largest = first.reduce(Value(0)) { $1.isFinite ? max($0, abs($1)) : $0 }
    return zip(first, second).allSatisfy { one, other in
      one == other || one.isNaN && other.isNaN || abs(one - other) <= tolerance * largest
    }
  }

  private static func axes(_ one: (length: Int, shapes: [[Int]]), _ other: (length: Int, shapes: [[Int]])) -> Axes {
    guard one.shapes.count == other.shapes.count else { return .never }
    var axes: [[Int]] = []
    for (first, second) in zip(one.shapes, other.shapes) {
      guard first.count == second.count else { return .never }
      var own: [Int] = []
      for dimension in first.indices.dropFirst() where first[dimension] != second[dimension] {
        guard first[dimension] == one.length, second[dimension] == other.length else { return .never }
        own.append(dimension)
      }
      axes.append(own)
    }
    return .known(axes)
  }
}
