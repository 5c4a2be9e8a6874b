/// What a model's code does first with a tensor that `forward` takes. It may be wrong: whoever uses it tries it.
package struct TensorHint: Hashable, Sendable {
  /// What the tensor's elements are for.
  package enum Role: Hashable, Sendable {
    case values
    /// What is, or is not, to be looked at: true or false.
    case truths
    /// Whole numbers that choose among elements.
    case places
    /// Length of each row of another tensor, and where each begins in it.
    case lengths, starts
    /// Rows of an embedding.
    case ids
  }

  package var role = Role.values
  /// Elements that ids and places choose from; 0 where they are not known, as below.
  package var rows = 0
  /// Number of dimensions where the code can have no other, and the largest number that it asks for.
  package var dimensions = 0
  package var askedDimensions = 0
  /// Which dimension counts the rows of a batch: the first, but in a layer's state and where time comes first.
  package var rowDimension = 0
  /// The dimension of another tensor that lengths measure.
  package var measuredDimension = 0
  /// Sizes of the dimensions at 0 and 1, and of the last one.
  package var first = 0
  package var second = 0
  package var last = 0
  /// Type of the weights that it meets.
  package var type: ElementType?

  package init() {}
}
