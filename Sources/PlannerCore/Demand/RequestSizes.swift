import RealModule

/// Lengths of the varying dimension of requests: tokens of a text, steps of a sequence.
public enum RequestSizes: Hashable, Sendable {
  /// The models have no dimension that varies.
  case none
  case fixed(Int)
  /// min(`max`, max(1, X rounded)), where X is lognormal with that mean and coefficient of variation.
  ///
  /// What is longer than `max` is cut to it, as tokenizers cut texts, and not drawn again: the mean of what is sent is
  /// below `mean` where much is cut.
  case lognormal(mean: Double, cv: Double, max: Int)
  /// Sizes with how often they are asked for, ascending, each once.
  case histogram([SizeWeight])

  /// The longest request; nil where requests have no length.
  public var largest: Int? {
    switch self {
    case .none: nil
    case .fixed(let size): size
    case .lognormal(_, _, let max): max
    case .histogram(let bins): bins.last { $0.weight > 0 }?.size ?? 1
    }
  }

  /// The size of every request; nil where sizes vary or there are none.
  public var only: Int? {
    if case .fixed(let size) = self { size } else { nil }
  }

  /// Draws sizes, one after the other; 0 where requests have no length.
  public struct Draw: Sendable {
    private let sizes: RequestSizes
    private let choice: WeightedChoice?

    /// Precondition: the weights of a histogram are not negative, and not all 0.
    public init(_ sizes: RequestSizes) {
      self.sizes = sizes
      guard case .histogram(let bins) = sizes else {
        choice = nil
        return
      }
      choice = WeightedChoice(weights: bins.map(\.weight))
      precondition(choice != nil, "a histogram has weights above 0")
    }

    public func next(from random: inout RandomStream) -> Int {
      switch sizes {
      case .none: return 0
      case .fixed(let size): return size
      case .lognormal(let mean, let cv, let most):
        let length = TimeDistribution.lognormal(mean: mean, cv: cv).sample(from: &random).rounded()
        return length >= Double(most) ? most : max(1, Int(length))
      case .histogram(let bins): return choice.map { bins[$0.draw(from: &random)].size } ?? 0
      }
    }
  }
}

/// A size of requests and its weight, in any unit, beside those of other sizes.
public struct SizeWeight: Codable, Hashable, Sendable {
  public var size: Int
  public var weight: Double

  public init(size: Int, weight: Double) {
    self.size = size
    self.weight = weight
  }
}
