import Engine
import PlannerCore
import Serving

/// Tensors of requests for the bare engine.
enum RequestTensors {
  /// What is in them.
  enum Values {
    case random
    /// One value in every element; a whole number as far as the declaration allows it.
    case all(Double)
  }

  /// One row: what a request brings, and what stands for the inputs that it leaves out.
  ///
  /// - Parameters:
  ///   - inputs: names of the model's inputs, in its order.
  ///   - tensors: what a request brings; −1 is the size.
  static func row(
    of inputs: [String], _ tensors: [TensorDeclaration], size: Int, _ values: Values, from random: inout RandomStream
  ) -> [HostTensor] {
    inputs.map { name in
      guard let tensor = tensors.first(where: { $0.name == name }) else { return .leftOut }
      return make(tensor, size: size, values, from: &random)
    }
  }

  static func make(
    _ tensor: TensorDeclaration, size: Int, _ values: Values, from random: inout RandomStream
  ) -> HostTensor {
    let shape = tensor.shape(ofSize: size)
    let count = shape.reduce(1, *)
    let bound = tensor.bound
    var numbers: [Double] = []
    numbers.reserveCapacity(count)
    for _ in 0..<count {
      switch values {
      case _ where tensor.isMask: numbers.append(1)
      case .random: numbers.append(tensor.isReal ? random.uniform() : Double(random.integer(below: bound)))
      case .all(let value): numbers.append(tensor.isReal ? value : min(value.rounded(), Double(bound - 1)))
      }
    }
    return HostTensor(shape: shape, elements: elements(TensorDatatype(rawValue: tensor.datatype)?.elementType, numbers))
  }

  private static func elements(_ type: ElementType?, _ numbers: [Double]) -> HostTensor.Element {
    switch type {
    case .int64: .int64(numbers.map { Int64($0) })
    case .int32: .int32(numbers.map { Int32($0) })
    case .int16: .int16(numbers.map { Int16($0) })
    case .int8: .int8(numbers.map { Int8($0) })
    case .uint8: .uint8(numbers.map { UInt8($0) })
    case .bool: .bool(numbers.map { $0 == 0 ? 0 : 1 })
    case .float64: .float64(numbers)
    // The upper half of a float32.
    case .bfloat16: .bfloat16(numbers.map { UInt16(truncatingIfNeeded: Float($0).bitPattern >> 16) })
    // 0 or 1: nothing here has 16-bit floats of IEEE 754.
    case .float16: .float16(numbers.map { $0 < 0.5 ? 0 : 0x3C00 })
    case .float32, nil: .float32(numbers.map { Float($0) })
    }
  }
}
