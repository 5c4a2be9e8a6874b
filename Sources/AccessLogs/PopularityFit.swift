import PlannerCore
import RealModule

/// Which law the requests to a group's models follow.
struct PopularityFit: Hashable {
  /// Pearson's statistic against equal shares, over the index of dispersion where arrivals are burstier than Poisson's;
  /// and what it exceeds in one of a thousand cases where shares are equal.
  var chiSquare: Double
  var criticalChiSquare: Double
  /// Exponent by maximum likelihood over the ranks, with its 95 % interval; nil for fewer than `fewestForZipf` models.
  var exponent: Estimate?
  /// Share of requests that the law gives to other models than the log has: half the sum of the differences.
  var misplaced: Double?
  /// What is allowed of that: a twentieth, and what chance alone would misplace.
  var allowed: Double?
  /// Whether the most asked model's share is within a tenth of the log's, or within three standard errors.
  var fitsHottest = false

  static let fewestForZipf = 10
  private static let mostExponent = 10.0

  var isUniform: Bool { chiSquare <= criticalChiSquare }
  var isZipf: Bool {
    guard let misplaced, let allowed else { return false }
    return !isUniform && misplaced <= allowed && fitsHottest
  }

  /// - Parameters:
  ///   - counts: requests of each model, the most asked one first.
  ///   - dispersion: variance over mean of counts; below 1 counts as 1.
  init(counts: [Int], dispersion: Double) {
    let dispersion = max(1, dispersion)
    let total = Double(counts.reduce(0, +))
    let mean = total / Double(counts.count)
    let squares = counts.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    chiSquare = total > 0 ? squares / mean / dispersion : 0
    criticalChiSquare = Self.chiSquare999(freedom: Double(counts.count - 1))
    guard counts.count >= Self.fewestForZipf, !isUniform else { return }
    let logs = counts.indices.map { Double.log(Double($0 + 1)) }
    let observed = zip(counts, logs).reduce(0) { $0 + Double($1.0) * $1.1 } / total
    // The mean of the ranks' logarithms falls as the exponent rises.
    var low = 0.0
    var high = Self.mostExponent
    for _ in 0..<50 {
      let middle = (low + high) / 2
      if Self.moments(middle, logs).mean > observed { low = middle } else { high = middle }
    }
    let fitted = (low + high) / 2
    let moments = Self.moments(fitted, logs)
    let error = 1.96 * (dispersion / (total * max(moments.variance, 1e-12))).squareRoot()
    exponent = Estimate(estimate: fitted, low: max(0, fitted - error), high: fitted + error)
    let shares = Popularity.zipf(exponent: fitted).shares(models: counts.count)
    var misplaced = 0.0
    var byChance = 0.0
    for (count, share) in zip(counts, shares) {
      misplaced += (Double(count) / total - share).magnitude / 2
      // Half the mean deviation of a share that is normally distributed about `share`.
      byChance += (share * dispersion / (2 * Double.pi * total)).squareRoot()
    }
    self.misplaced = misplaced
    allowed = 0.05 + byChance
    let hottest = Double(counts[0]) / total
    fitsHottest =
      (hottest - shares[0]).magnitude <= max(0.1 * hottest, 3 * (hottest * dispersion / total).squareRoot())
  }

  /// Mean and variance of the logarithm of the rank, under Zipf's law.
  private static func moments(_ exponent: Double, _ logs: [Double]) -> (mean: Double, variance: Double) {
    var sum = 0.0
    var first = 0.0
    var second = 0.0
    for log in logs {
      let weight = Double.exp(-exponent * log)
      sum += weight
      first += weight * log
      second += weight * log * log
    }
    let mean = first / sum
    return (mean, second / sum - mean * mean)
  }

  /// The 99.9th percentile of the chi-square distribution (Wilson and Hilferty, 1931).
  static func chiSquare999(freedom: Double) -> Double {
    guard freedom >= 1 else { return 0 }
    let part = 2 / (9 * freedom)
    let root = 1 - part + 3.0902 * part.squareRoot()
    return freedom * root * root * root
  }
}
