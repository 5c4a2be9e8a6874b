import RealModule

/// Number of successes in `trials` independent trials, each with chance `probability`.
public struct Binomial: Sendable {
  public let trials: Int
  public let probability: Double

  public init(trials: Int, probability: Double) {
    precondition(trials >= 0 && probability >= 0 && probability <= 1)
    self.trials = trials
    self.probability = probability
  }

  /// P(X = k), through logarithms of the gamma function: no overflow, about 9 digits at a million trials.
  public func mass(_ k: Int) -> Double {
    guard k >= 0, k <= trials else { return 0 }
    if probability == 0 { return k == 0 ? 1 : 0 }
    if probability == 1 { return k == trials ? 1 : 0 }
    let n = Double(trials)
    let x = Double(k)
    let choose = Double.logGamma(n + 1) - Double.logGamma(x + 1) - Double.logGamma(n - x + 1)
    return Double.exp(choose + x * Double.log(probability) + (n - x) * Double.log(onePlus: -probability))
  }

  /// P(X ≤ k). Complexity: O(√trials); terms further than 40 standard deviations below the mean are nil
  /// to a double and not added.
  public func cumulative(_ k: Int) -> Double {
    if k < 0 { return 0 }
    if k >= trials { return 1 }
    var sum = 0.0
    var i = firstRelevant
    while i <= k {
      sum += mass(i)
      i += 1
    }
    return min(sum, 1)
  }

  /// The largest k with P(X ≤ k) ≤ `level`; −1 where even P(X = 0) exceeds it.
  public func largest(notAbove level: Double) -> Int {
    var k = firstRelevant
    var sum = mass(k)
    while sum <= level, k < trials {
      k += 1
      sum += mass(k)
    }
    return k - 1
  }

  private var firstRelevant: Int {
    let n = Double(trials)
    let spread = (n * probability * (1 - probability)).squareRoot()
    return max(0, Int(n * probability - 40 * spread - 1))
  }
}

/// A confidence interval for a quantile that assumes nothing of the distribution's shape.
///
/// Of n independent samples, the number that lie at or below the true q-quantile is binomial (n, q). The
/// order statistics whose ranks catch that number with the wanted probability therefore bracket the
/// quantile (David and Nagaraja, Order Statistics, 7.1). Each side is wrong with at most half of what the
/// level leaves, so the level is kept on both sides.
public struct QuantileInterval: Hashable, Sendable {
  /// Rank, from 1, of the sample that bounds the quantile from below; nil where the samples are too few.
  public let lowerRank: Int?
  /// Rank, from 1, of the sample that bounds it from above; nil where the samples are too few.
  public let upperRank: Int?

  /// - Parameters:
  ///   - samples: how many independent samples there are.
  ///   - quantile: strictly between 0 and 1.
  ///   - level: such as 0.95.
  public init(samples: Int, quantile: Double, level: Double = 0.95) {
    precondition(samples >= 0 && quantile > 0 && quantile < 1 && level > 0 && level < 1)
    let tail = (1 - level) / 2
    // The quantile lies above rank u only if at most n − u samples exceed it, and exceedances are few.
    let above = Binomial(trials: samples, probability: 1 - quantile).largest(notAbove: tail)
    upperRank = above >= 0 ? samples - above : nil
    // It lies below rank l only if at most l − 1 samples lie at or below it.
    let below = Binomial(trials: samples, probability: quantile).largest(notAbove: tail)
    lowerRank = below >= 0 ? below + 1 : nil
  }
}

/// How many times as many samples it takes because neighbours in time resemble each other.
///
/// Latencies of one queue come in spells, and the binomial interval assumes independence. The variance of
/// batch means of "this sample exceeds the quantile", over what independence would give, is the design
/// effect (Kish); dividing the sample count by it restores the interval's level. It is never taken
/// below 1: an estimate from few batches that happens to be small is no ground for a narrower interval.
///
/// - Parameter exceeds: in order of time.
/// - Returns: 1 for fewer than two samples a batch, or where none or all exceed.
public func designEffect(_ exceeds: [Bool], batches: Int = 32) -> Double {
  precondition(batches >= 2)
  let size = exceeds.count / batches
  guard size >= 2 else { return 1 }
  var counts = [Double](repeating: 0, count: batches)
  for index in 0..<(size * batches) where exceeds[index] { counts[index / size] += 1 }
  let mean = counts.reduce(0, +) / Double(batches)
  let share = mean / Double(size)
  guard share > 0, share < 1 else { return 1 }
  let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(batches - 1)
  return max(1, variance / (Double(size) * share * (1 - share)))
}
