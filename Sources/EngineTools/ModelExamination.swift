import Engine
import Foundation
import PlannerCore
import ServerContract
import Serving

/// Finds out by trying what a model takes and answers, at which sizes, and how its time goes with what it is given.
///
/// For a process of its own: code may crash, hang or take all memory.
package struct ModelExamination {
  /// Sizes that are tried, as long as they are answered within `longestPassSeconds`.
  private static let sizes = [
    1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256, 384, 512, 768, 1024, 2048, 4096,
  ]
  private static let longestPassSeconds = 1.0
  private static let limitSeconds = 20.0
  /// Most elements of one tensor.
  private static let mostElements = 1 << 22
  /// Embeddings have no more rows than this.
  private static let mostRows = 1 << 24

  private let opened: OpenedModel
  private let model: TorchModel
  private let interface: ModelInterface
  private let entry: RepositoryManifest.Model
  private let end = ContinuousClock.now + .seconds(limitSeconds)
  private var found: ExaminedModel
  /// Sizes that were answered, ascending.
  private var answered: [Int] = []

  /// Examines the model of a file.
  ///
  /// - Parameter memoryLimitBytes: address space beyond what the library takes; nil sets no limit.
  /// - Throws: `EngineError` where it cannot be opened, or what it takes or answers cannot be said.
  package static func run(
    model path: String, _ entry: RepositoryManifest.Model, memoryLimitBytes: Int64?
  ) throws(EngineError) -> ExaminedModel {
    try Engine.setThreads(1)
    if let memoryLimitBytes { Probe.limitMemory(memoryLimitBytes) }
    var examination = try ModelExamination(path: path, entry)
    guard !examination.interface.isAssumed else {
      examination.found.problem = "it answered none of the tensors that were tried"
      return examination.found
    }
    examination.findSizes()
    examination.findRows()
    examination.tryPadding()
    examination.timeValues()
    return examination.found
  }

  private init(path: String, _ entry: RepositoryManifest.Model) throws(EngineError) {
    opened = try OpenedModel(entry, path: path, vocabulary: nil)
    let findings = try opened.findInterface(tokens: 32)
    (model, interface) = (findings.untouched, findings.interface)
    self.entry = entry
    let takesTokens = TokenInputs.areAll(of: interface.inputs.map(\.name))
    let isBatched = interface.rows == .independent
    // Where rows are no batch, the first dimension may be what varies.
    let others = interface.inputs.contains { $0.shape.dropFirst().contains(-1) }
    let firstVaries = !isBatched && !others && !takesTokens
    var requests: [TensorDeclaration] = []
    let needed = interface.inputs.contains { !$0.isOptional }
    for (index, input) in interface.inputs.enumerated() where takesTokens || !needed || !input.isOptional {
      var shape = input.shape
      if !shape.isEmpty, shape[0] < 0, !firstVaries { shape[0] = 1 }
      let hint = opened.inputs[index].hint
      let known = takesTokens && input.name == TokenInputNames.ids ? opened.vocabulary : hint.rows
      requests.append(
        TensorDeclaration(
          name: input.name, datatype: input.datatype.rawValue, shape: shape,
          below: known > 0 && known < .max ? known : nil))
    }
    found = ExaminedModel(
      inputs: interface.inputs.map(Self.declaration), optionalInputs: interface.inputs.filter(\.isOptional).map(\.name),
      outputs: interface.outputs.map(Self.declaration), requestTensors: requests, takesTokens: takesTokens,
      rows: ExaminedModel.Rows(interface.rows))
    found.keepsState = interface.keepsState
  }

  private static func declaration(_ tensor: TensorMetadata) -> TensorDeclaration {
    TensorDeclaration(name: tensor.name, datatype: tensor.datatype.rawValue, shape: tensor.shape)
  }

  // MARK: Passes

  private func inputs(size: Int, _ values: RequestTensors.Values = .random, seed: UInt64 = 1) -> [HostTensor] {
    var random = RandomStream(seed: seed, stream: "examined values")
    var tensors = found.requestTensors
    // The first text's type.
    for index in tensors.indices where found.takesTokens && tensors[index].name == TokenInputNames.types {
      tensors[index].below = 1
    }
    return RequestTensors.row(of: interface.inputs.map(\.name), tensors, size: size, values, from: &random)
  }

  /// - Returns: nil where it was answered.
  private func failure(_ inputs: [HostTensor]) -> EngineError? {
    do throws(EngineError) {
      _ = try model.run(inputs)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Sizes

  private mutating func findSizes() {
    guard found.varies else {
      answered = [1]
      return
    }
    let most = found.takesTokens ? entry.statedMaxTokens ?? Int.max : Int.max
    var failed: [ExaminedModel.FailedSize] = []
    for size in Self.sizes + (most < Int.max && !Self.sizes.contains(most) ? [most] : []) where size <= most {
      guard isSmall(size), ContinuousClock.now < end else { break }
      let began = ContinuousClock.now
      if let error = failure(inputs(size: size)) {
        failed.append(ExaminedModel.FailedSize(size: size, reason: String(error.message.prefix(200))))
        // Far beyond the last one that was answered, nothing will be.
        if let last = answered.last, size >= 8 * last { break }
      } else {
        answered.append(size)
        if ContinuousClock.now - began > .seconds(Self.longestPassSeconds) { break }
      }
    }
    answered.sort()
    guard var largest = answered.last else { return }
    if let next = failed.map(\.size).filter({ $0 > largest }).min() {
      found.isLargestALimit = true
      var tooLarge = next
      while tooLarge - largest > 1, ContinuousClock.now < end {
        let middle = (largest + tooLarge) / 2
        if failure(inputs(size: middle)) == nil { largest = middle } else { tooLarge = middle }
      }
      if largest > answered[answered.count - 1] { answered.append(largest) }
    }
    found.largestSize = largest
    found.failedSizes = failed.filter { $0.size < largest }
  }

  private func isSmall(_ size: Int) -> Bool {
    found.requestTensors.allSatisfy { tensor in
      var count = 1
      for one in tensor.shape(ofSize: size) {
        let (product, overflow) = count.multipliedReportingOverflow(by: one)
        guard !overflow, product <= Self.mostElements else { return false }
        count = product
      }
      return true
    }
  }

  // MARK: Rows of embeddings

  /// Below which numbers whole numbers have to be, where the code does not say it: rows of an embedding.
  private mutating func findRows() {
    guard let size = answered.first else { return }
    for (index, input) in opened.inputs.enumerated() where input.kind == .tensor {
      let name = interface.inputs[index].name
      guard let place = found.requestTensors.firstIndex(where: { $0.name == name }),
        found.requestTensors[place].below == nil, ["INT32", "INT64"].contains(found.requestTensors[place].datatype),
        !found.requestTensors[place].isMask
      else { continue }
      func answers(_ value: Int) -> Bool {
        var other = self
        other.found.requestTensors[place].below = value + 1
        var tensors = other.inputs(size: size)
        var random = RandomStream(seed: 1, stream: "examined values")
        tensors[index] = RequestTensors.make(
          other.found.requestTensors[place], size: size, .all(Double(value)), from: &random)
        return failure(tensors) == nil
      }
      var known = 1
      while known <= Self.mostRows, answers(known * 2) { known *= 2 }
      // It takes any number.
      guard known <= Self.mostRows else { continue }
      var tooLarge = known * 2
      while tooLarge - known > 1 {
        let middle = (known + tooLarge) / 2
        if answers(middle) { known = middle } else { tooLarge = middle }
      }
      found.requestTensors[place].below = known + 1
    }
  }

  // MARK: Padding

  /// Compares an answer with that to the same request made longer with zeros.
  private mutating func tryPadding() {
    guard found.varies else {
      found.padding = .none
      return
    }
    let middle = answered.filter { $0 >= 3 }
    guard !found.keepsState, middle.count > 1 else { return }
    let (short, long) = (middle[0], middle[1])
    let alone = inputs(size: short)
    let padded = interface.inputs.indices.map { index -> HostTensor in
      let name = interface.inputs[index].name
      guard let tensor = found.requestTensors.first(where: { $0.name == name }) else { return .leftOut }
      return Self.padded(alone[index], to: tensor.shape(ofSize: long))
    }
    do throws(EngineError) {
      let (one, other) = (try model.run(alone), try model.run(padded))
      let tolerance: Float = entry.precision == .fp32 ? 1e-3 : 0.1
      let isSame =
        one.count == other.count
        && zip(one, other).allSatisfy { answer, longer in
          guard answer.shape.count == longer.shape.count else { return false }
          guard let rows = longer.shape.first, answer.shape.first == rows else { return answer == longer }
          let cut = answer.shape.indices.dropFirst().filter { answer.shape[$0] == short && longer.shape[$0] == long }
          let own = BatchLayout.cut(longer, rows: 0..<rows, Array(cut), to: short)
          return BatchLayout.isNear(answer, own, tolerance)
        }
      found.padding = isSame ? .unchanged : .changed
    } catch {
      found.padding = .untried
    }
  }

  /// The tensor in the first corner of a larger one of zeros.
  private static func padded(_ tensor: HostTensor, to shape: [Int]) -> HostTensor {
    guard tensor.shape != shape else { return tensor }
    let size = tensor.elements.type.byteSize
    let elements = HostTensor.Element(tensor.elements.type, count: shape.reduce(1, *)) { memory in
      memory.initializeMemory(as: UInt8.self, repeating: 0)
      tensor.elements.withUnsafeBytes { source in
        for index in 0..<tensor.elements.count {
          var (rest, offset, stride) = (index, 0, 1)
          for dimension in shape.indices.reversed() {
            offset += rest % tensor.shape[dimension] * stride
            rest /= tensor.shape[dimension]
            stride *= shape[dimension]
          }
          for byte in 0..<size { memory[offset * size + byte] = source[index * size + byte] }
        }
      }
    }
    return HostTensor(shape: shape, elements: elements)
  }

  // MARK: Values

  /// Times passes of one size with different values, in turns, and keeps the fastest of each.
  private mutating func timeValues() {
    guard let size = answered.last(where: { $0 <= 32 }) ?? answered.first else { return }
    let kinds = (1...4).map { inputs(size: size, seed: UInt64($0)) } + [0, 1, 10].map { inputs(size: size, .all($0)) }
    var best = kinds.map { _ in Double.infinity }
    for _ in 0..<6 {
      for (index, one) in kinds.enumerated() where ContinuousClock.now < end + .seconds(5) {
        let began = ContinuousClock.now
        guard failure(one) == nil else { continue }
        best[index] = min(best[index], (ContinuousClock.now - began) / .seconds(1))
      }
    }
    let times = best.filter(\.isFinite)
    guard let fastest = times.min(), let slowest = times.max() else { return }
    found.valueTimes = ExaminedModel.ValueTimes(fastestSeconds: fastest, slowestSeconds: slowest)
  }
}

extension ExaminedModel.Rows {
  fileprivate init(_ rows: ModelInterface.Rows) {
    self =
      switch rows {
      case .independent: .independent
      case .dependent: .dependent
      case .untried: .untried
      }
  }
}
