import Foundation
import Synchronization

/// How a model's requests are put together into one forward pass and its answers taken apart again.
///
/// Tensors are joined along their first dimension. Rows of token models may be of different lengths: they are padded
/// with zeros, which the attention mask hides, to the longest, and the answers cut back. Which dimensions of an answer
/// go with the length is learned from passes without padding, of two lengths; until then only equal lengths share
/// a pass. They do for ever where padding has been seen to change answers: not every model heeds its mask.
public final class BatchLayout: Sendable {
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
  private let learned = Mutex(Learned())

  /// - Parameter inputs: names of the model's inputs; without an `attention_mask` nothing is padded.
  public init(inputs: [String]) { canPad = inputs.contains("attention_mask") }

  /// Equal for requests that may be computed in one pass; nil where they cannot share one.
  func key(for inputs: [HostTensor]) -> Int? {
    let state = learned.withLock { $0 }
    guard state.joinsRows else { return nil }
    if canPad, let shape = Self.tokenShape(inputs) {
      if case .known = state.axes { return Self.lengthClass(shape.length) }
      // Apart from the classes.
      return -1 - shape.length
    }
    var hasher = Hasher()
    for input in inputs {
      hasher.combine(input.shape.dropFirst())
      hasher.combine(input.elements.openInferenceType)
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
    /// Of each request, and of the padded rows; nil where the inputs are no tokens.
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
    let rows = requests.map { $0.first?.shape.first ?? 0 }
    // Every input of a request has a row for each of its rows.
    guard zip(requests, rows).allSatisfy({ request, rows in request.allSatisfy { $0.shape.first == rows } }) else {
      return nil
    }
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
    guard let first = tensors.first, !first.shape.isEmpty else { return nil }
    let rest = Array(first.shape.dropFirst())
    guard tensors.allSatisfy({ !$0.shape.isEmpty && Array($0.shape.dropFirst()) == rest }) else { return nil }
    let rows = tensors.reduce(0) { $0 + $1.shape[0] }
    func joined<Value>(_ values: (HostTensor.Element) -> [Value]?) -> [Value]? {
      let parts = tensors.compactMap { values($0.elements) }
      return parts.count == tensors.count ? Array(parts.joined()) : nil
    }
    let elements: HostTensor.Element?
    switch first.elements {
    case .float32: elements = joined { if case .float32(let all) = $0 { all } else { nil } }.map { .float32($0) }
    case .float64: elements = joined { if case .float64(let all) = $0 { all } else { nil } }.map { .float64($0) }
    case .int64: elements = joined { if case .int64(let all) = $0 { all } else { nil } }.map { .int64($0) }
    case .int32: elements = joined { if case .int32(let all) = $0 { all } else { nil } }.map { .int32($0) }
    case .bool: elements = joined { if case .bool(let all) = $0 { all } else { nil } }.map { .bool($0) }
    case .int16: elements = joined { if case .int16(let all) = $0 { all } else { nil } }.map { .int16($0) }
    case .int8: elements = joined { if case .int8(let all) = $0 { all } else { nil } }.map { .int8($0) }
    case .uint8: elements = joined { if case .uint8(let all) = $0 { all } else { nil } }.map { .uint8($0) }
    case .float16: elements = joined { if case .float16(let all) = $0 { all } else { nil } }.map { .float16($0) }
    case .bfloat16: elements = joined { if case .bfloat16(let all) = $0 { all } else { nil } }.map { .bfloat16($0) }
    }
    return elements.map { HostTensor(shape: [rows] + rest, elements: $0) }
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
  static func cut(_ tensor: HostTensor, rows: Range<Int>, _ dimensions: [Int], to length: Int) -> HostTensor {
    var shape = tensor.shape
    shape[0] = rows.count
    for dimension in dimensions { shape[dimension] = min(length, shape[dimension]) }
    func taken<Value>(_ values: [Value]) -> [Value] {
      var result: [Value] = []
      result.reserveCapacity(shape.reduce(1, *))
      copy(values, dimension: 0, offset: 0, &result)
      return result
    }
    func copy<Value>(_ values: [Value], dimension: Int, offset: Int, _ result: inout [Value]) {
      let stride = tensor.shape[(dimension + 1)...].reduce(1, *)
      let first = dimension == 0 ? rows.lowerBound : 0
      // Nothing is cut further in: the rest lies in one piece.
      if !dimensions.contains(where: { $0 > dimension }) {
        let start = offset + first * stride
        result.append(contentsOf: values[start..<(start + shape[dimension] * stride)])
        return
      }
      for index in 0..<shape[dimension] {
        copy(values, dimension: dimension + 1, offset: offset + (first + index) * stride, &result)
      }
    }
    let elements: HostTensor.Element =
      switch tensor.elements {
      case .float32(let values): .float32(taken(values))
      case .float64(let values): .float64(taken(values))
      case .int64(let values): .int64(taken(values))
      case .int32(let values): .int32(taken(values))
      case .bool(let values): .bool(taken(values))
      case .int16(let values): .int16(taken(values))
      case .int8(let values): .int8(taken(values))
      case .uint8(let values): .uint8(taken(values))
      case .float16(let values): .float16(taken(values))
      case .bfloat16(let values): .bfloat16(taken(values))
      }
    return HostTensor(shape: shape, elements: elements)
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

  private static func isNear(_ one: HostTensor, _ other: HostTensor, _ tolerance: Float) -> Bool {
    guard case .float32(let first) = one.elements, case .float32(let second) = other.elements else {
      return one == other
    }
    guard first.count == second.count else { return false }
    let largest = first.reduce(Float(0)) { max($0, abs($1)) }
    return zip(first, second).allSatisfy { $0 == $1 || abs($0 - $1) <= tolerance * largest }
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
