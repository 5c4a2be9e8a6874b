import RealModule

extension RequestSizes {
  /// Shares of requests below which classes end: fine at the top, since the longest requests make the tail.
  private static let ends = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1]

  /// The sizes in at most 13 classes, ascending; one class where all requests have one size, or none.
  ///
  /// Complexity: O(n) in the number of sizes that there may be.
  public var classes: [SizeClass] {
    switch self {
    case .none: return [SizeClass(upTo: 1, share: 1)]
    case .fixed(let size): return [SizeClass(upTo: size, share: 1)]
    case .histogram(let bins):
      let sum = bins.reduce(0) { $0 + $1.weight }
      return Self.classes(bins.lazy.filter { $0.weight > 0 }.map { ($0.size, $0.weight / sum) })
    case .lognormal(let mean, let cv, let most):
      // X = exp(μ + σZ); a size is X rounded, so P(size ≤ s) = P(X < s + ½); what is longer than `most` is cut to it.
      let variance = Double.log(1 + cv * cv)
      let (mu, sigma) = (Double.log(mean) - variance / 2, variance.squareRoot())
      func below(_ x: Double) -> Double {
        sigma == 0 ? (x > mean ? 1 : 0) : 0.5 * (1 + Double.erf((Double.log(x) - mu) / (sigma * 2.0.squareRoot())))
      }
      var last = 0.0
      return Self.classes(
        (1...most).lazy.map { size in
          let upTo = size == most ? 1 : below(Double(size) + 0.5)
          defer { last = upTo }
          return (size, upTo - last)
        })
    }
  }

  /// - Parameter shares: of each size, ascending in size.
  private static func classes(_ shares: some Sequence<(Int, Double)>) -> [SizeClass] {
    var classes: [SizeClass] = []
    var (total, open, largest) = (0.0, 0.0, 1)
    var end = ends.startIndex
    for (size, share) in shares where share > 0 {
      total += share
      open += share
      largest = size
      guard end < ends.endIndex, total >= ends[end] - 1e-12 else { continue }
      classes.append(SizeClass(upTo: size, share: open))
      open = 0
      while end < ends.endIndex, total >= ends[end] - 1e-12 { end += 1 }
    }
    // What rounding left open.
    if open > 0 {
      if classes.isEmpty || classes[classes.count - 1].upTo != largest {
        classes.append(SizeClass(upTo: largest, share: open))
      } else {
        classes[classes.count - 1].share += open
      }
    }
    return classes
  }
}
