import RealModule

/// How the requests to a group are shared among its models.
public enum Popularity: Hashable, Sendable {
  case uniform
  /// The model of rank r, counted from 1 in the group's order, has a share proportional to r^−exponent.
  case zipf(exponent: Double)
  /// A weight for each model, in the group's order; its share is that over the sum of all.
  case shares([Double])

  /// The share of each of `models` models, in their order; they sum to 1.
  ///
  /// Precondition: listed shares are as many as the models, and not all 0.
  /// Complexity: O(models).
  public func shares(models: Int) -> [Double] {
    let weights: [Double]
    switch self {
    case .uniform: return Array(repeating: 1 / Double(models), count: models)
    case .zipf(let exponent): weights = (0..<models).map { Double.pow(Double($0 + 1), -exponent) }
    case .shares(let listed):
      precondition(listed.count == models, "there is a share for each model")
      weights = listed
    }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }
}
