import Engine

/// A tensor as a client names it.
package struct NamedTensor: Equatable, Sendable {
  package var name: String
  /// As the wire has it; `elements` may be of a wider type where libtorch lacks this one.
  package var datatype: TensorDatatype
  package var shape: [Int]
  /// Row major; as many as the shape's product.
  package var elements: HostTensor.Element

  package init(name: String, datatype: TensorDatatype, shape: [Int], elements: HostTensor.Element) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.elements = elements
  }

  package init(name: String, _ tensor: HostTensor) {
    self.init(name: name, datatype: tensor.elements.datatype, shape: tensor.shape, elements: tensor.elements)
  }
}

/// Name, type and shape of one of a model's tensors.
package struct TensorMetadata: Hashable, Sendable {
  package var name: String
  /// Type of the elements.
  package var datatype: TensorDatatype
  /// −1 is any size.
  package var shape: [Int]
  /// Whether requests may leave an input out; false of outputs.
  package var isOptional = false

  package init(name: String, datatype: TensorDatatype, shape: [Int], isOptional: Bool = false) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.isOptional = isOptional
  }

  /// Whether a tensor of that shape is one of these.
  package func admits(_ other: [Int]) -> Bool {
    other.count == shape.count && zip(other, shape).allSatisfy { $1 < 0 || $0 == $1 }
  }
}
