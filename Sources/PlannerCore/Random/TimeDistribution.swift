import RealModule

/// A distribution of a positive time, in seconds: what a forward pass takes, or a gap between arrivals.
public enum TimeDistribution: Hashable, Sendable {
  case deterministic(mean: Double)
  case exponential(mean: Double)
  /// `cv` is the coefficient of variation of the time itself, not of its logarithm.
  case lognormal(mean: Double, cv: Double)
  case gamma(mean: Double, cv: Double)
  /// Two exponential phases with balanced means, `cv` > 1 (Whitt, 1982, "Approximating a point process by a
  /// renewal process").
  case hyperexponential(mean: Double, cv: Double)
  /// A measured distribution.
  case empirical(QuantileTable)

  public var mean: Double {
    switch self {
    case .deterministic(let mean), .exponential(let mean), .lognormal(let mean, _), .gamma(let mean, _),
      .hyperexponential(let mean, _):
      mean
    case .empirical(let table): table.mean
    }
  }

  /// Variance over squared mean.
  public var squaredCV: Double {
    switch self {
    case .deterministic: 0
    case .exponential: 1
    case .lognormal(_, let cv), .gamma(_, let cv), .hyperexponential(_, let cv): cv * cv
    case .empirical(let table): table.squaredCV
    }
  }

  /// One draw, in seconds, greater than or equal to zero.
  public func sample(from random: inout RandomStream) -> Double {
    switch self {
    case .deterministic(let mean): return mean
    case .exponential(let mean): return mean * random.exponential()
    case .lognormal(let mean, let cv):
      let variance = Double.log(1 + cv * cv)
      return mean * Double.exp(variance.squareRoot() * random.normal() - variance / 2)
    case .gamma(let mean, let cv):
      return cv > 0 ? mean * random.gamma(shape: 1 / (cv * cv)) : mean
    case .hyperexponential(let mean, let cv):
      let squared = cv * cv
      let share = 0.5 * (1 + ((squared - 1) / (squared + 1)).squareRoot())
      let phaseMean = random.uniform() < share ? mean / (2 * share) : mean / (2 * (1 - share))
      return phaseMean * random.exponential()
    case .empirical(let table): return table.quantile(random.uniform())
    }
  }

  /// This distribution with every time multiplied by `factor`.
  public func scaled(by factor: Double) -> TimeDistribution {
    switch self {
    case .deterministic(let mean): .deterministic(mean: mean * factor)
    case .exponential(let mean): .exponential(mean: mean * factor)
    case .lognormal(let mean, let cv): .lognormal(mean: mean * factor, cv: cv)
    case .gamma(let mean, let cv): .gamma(mean: mean * factor, cv: cv)
    case .hyperexponential(let mean, let cv): .hyperexponential(mean: mean * factor, cv: cv)
    case .empirical(let table): .empirical(table.scaled(by: factor))
    }
  }
}
