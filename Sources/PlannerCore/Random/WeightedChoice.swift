/// Draws indices with given weights, each draw in constant time: Walker's alias method with Vose's tables.
///
/// Source: M. D. Vose, "A linear algorithm for generating random numbers with a given distribution", 1991.
public struct WeightedChoice: Sendable {
  /// Chance that a column keeps its own index.
  private var keep: [Double]
  /// Index that a column gives otherwise.
  private var alias: [Int]

  /// - Parameter weights: in any unit; an index of weight 0 is never drawn.
  /// - Returns: nil where there is no weight, one that is negative or not finite, or all are 0.
  /// Complexity: O(n).
  public init?(weights: [Double]) {
    let sum = weights.reduce(0, +)
    guard sum > 0, sum.isFinite, weights.allSatisfy({ $0 >= 0 }) else { return nil }
    // In units of the mean weight: below 1 a column has room for another index, above 1 an index needs more columns.
    keep = weights.map { $0 / sum * Double(weights.count) }
    alias = Array(weights.indices)
    var small = keep.indices.filter { keep[$0] < 1 }
    var large = keep.indices.filter { keep[$0] >= 1 }
    while let low = small.last, let high = large.last {
      small.removeLast()
      alias[low] = high
      keep[high] -= 1 - keep[low]
      if keep[high] < 1 {
        large.removeLast()
        small.append(high)
      }
    }
    // What rounding left over is full, but for a weight of 0, which has to stay out.
    let heaviest = weights.indices.max { (weights[$0], $1) < (weights[$1], $0) } ?? 0
    for index in small + large {
      if weights[index] > 0 { keep[index] = 1 } else { alias[index] = heaviest }
    }
  }

  public func draw(from random: inout RandomStream) -> Int {
    let column = random.integer(below: keep.count)
    return random.uniform() < keep[column] ? column : alias[column]
  }
}
