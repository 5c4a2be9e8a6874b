/// How bursty arrivals are, from counts in windows of whole seconds.
///
/// Logs cut times to whole seconds; counts in windows that begin and end on whole seconds do not notice. Windows come
/// in pairs. With N₁ and N₂ requests in the two, I = Σ (N₁ − N₂)² / Σ (N₁ + N₂) over all pairs is 1 for Poisson
/// arrivals, whatever the rate does from pair to pair: busy hours and quiet nights leave it alone, and only what
/// changes within two windows is taken for burstiness.
///
/// For gamma arrivals in equilibrium with gaps of coefficient of variation c, and windows of m requests in the mean,
/// Var N ≈ c²m + b with b = (1 − c⁴) / 6 (Cox, "Renewal Theory", 1962, section 4.5), so that the mean of (N₁ − N₂)²,
/// which is 4 Var N less the variance of both windows together, is 2c²m + 3b, and I ≈ c² + (1 − c⁴) / 4m. That is
/// solved for c.
struct DispersionPool {
  /// Pairs of windows, those without a request among them.
  private(set) var pairs = 0
  private var sum = 0.0
  private var squares = 0.0
  private var sumSquared = 0.0
  private var squaresSquared = 0.0
  private var products = 0.0

  /// Fewer pairs say nothing, and nor do the pairs of many models in less time than so many of the shortest take.
  static let fewestPairs = 30
  static let fewestSeconds = Double(2 * fewestPairs)

  mutating func add(_ first: Int, _ second: Int) {
    let difference = Double(first - second)
    let total = Double(first + second)
    let square = difference * difference
    pairs += 1
    sum += total
    squares += square
    sumSquared += total * total
    squaresSquared += square * square
    products += square * total
  }

  mutating func addEmpty(_ count: Int) { pairs += count }

  struct Figure: Hashable {
    /// Index of dispersion I.
    var index: Double
    /// Coefficient of variation of the gaps, with its 95 % interval.
    var cv: Double
    var low: Double
    var high: Double
  }

  /// - Returns: nil where there are too few pairs.
  var figure: Figure? {
    guard pairs >= Self.fewestPairs, sum > 0 else { return nil }
    let index = squares / sum
    // The variance of a ratio of sums, by its residuals (N₁ − N₂)² − I (N₁ + N₂).
    let residuals = max(0, squaresSquared - 2 * index * products + index * index * sumSquared)
    let n = Double(pairs)
    let error = 1.96 * (residuals * n / (n - 1)).squareRoot() / sum
    return Figure(
      index: index, cv: cv(index), low: cv(max(0, index - error)), high: cv(index + error))
  }

  /// Solves I = c² + (1 − c⁴) / 4m for c, for c² up to m; where windows are too short for burstier arrivals than that,
  /// c² goes on in proportion to I.
  private func cv(_ index: Double) -> Double {
    let m = sum / Double(2 * pairs)
    let limit = m + (1 - m * m) / (4 * m)
    if index > limit { return (index * m / limit).squareRoot() }
    let root = 1 - (index - 1 / (4 * m)) / m
    return max(0, 2 * m * (1 - root.squareRoot())).squareRoot()
  }
}

/// The two windows of one model that are being counted. They get longer until they hold enough requests.
struct WindowPair {
  /// In the mean, a window has at least so many requests.
  private static let fewestRequests = 32.0
  /// Windows have 2^shift seconds; the longest are 34 minutes.
  private static let mostShift: Int64 = 11
  /// Pairs that are looked at before a length is settled.
  private static let trialPairs: Int64 = 4
  private static let fewestTrialRequests = 8

  private var shift: Int64 = 0
  private var isSettled = false
  /// Number of the pair, from 1970 on or from the table's start; −1 before the first.
  private var pair: Int64 = -1
  private var counts: (Int32, Int32) = (0, 0)
  /// First pair that was counted whole since the length was last changed.
  private var trialStart: Int64 = 0
  private var trialRequests = 0

  mutating func add(second: Int64, to pool: inout DispersionPool) {
    let current = second >> (shift + 1)
    if current != pair {
      // Late: its window was counted without it.
      if current < pair { return }
      close(at: current, second, &pool)
    }
    if second >> shift & 1 == 0 { counts.0 += 1 } else { counts.1 += 1 }
  }

  /// Ends the last pair, if a later one has begun by this second.
  mutating func finish(second: Int64, to pool: inout DispersionPool) {
    let current = second >> (shift + 1)
    if isSettled, pair >= 0, current > pair { record(counts, empty: current - pair - 1, &pool) }
  }

  private func record(_ counts: (Int32, Int32), empty: Int64, _ pool: inout DispersionPool) {
    if counts.0 + counts.1 > 0 { pool.add(Int(counts.0), Int(counts.1)) } else { pool.addEmpty(1) }
    pool.addEmpty(Int(empty))
  }

  private mutating func close(at current: Int64, _ second: Int64, _ pool: inout DispersionPool) {
    defer { counts = (0, 0) }
    guard pair >= 0 else {
      // It may have begun before the log.
      pair = current
      trialStart = current + 1
      return
    }
    if isSettled {
      record(counts, empty: current - pair - 1, &pool)
      pair = current
      return
    }
    if pair >= trialStart { trialRequests += Int(counts.0 + counts.1) }
    let trials = current - trialStart
    pair = current
    guard trials >= Self.trialPairs else { return }
    var mean = Double(trialRequests) / Double(2 * trials)
    if mean >= Self.fewestRequests {
      isSettled = true
      return
    }
    guard shift < Self.mostShift else { return }
    // A few requests say how far to go; without them, one step.
    let isKnown = trialRequests >= Self.fewestTrialRequests
    repeat {
      shift += 1
      mean *= 2
    } while isKnown && mean < Self.fewestRequests && shift < Self.mostShift
    pair = second >> (shift + 1)
    trialStart = pair + 1
    trialRequests = 0
  }
}
