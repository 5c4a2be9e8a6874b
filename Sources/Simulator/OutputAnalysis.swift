import PlannerCore
import RealModule

/// Confidence intervals for the output of simulations.
///
/// A single run is cut into batches that are long beside the queue's memory, so that their means are nearly
/// independent (batch means: Law, "Simulation Modeling and Analysis", section 9.5.3); several replications
/// are cut into fewer batches each. A quantile's estimate is that of all observations; its half-width comes
/// from the batches' own quantiles.
enum OutputAnalysis {
  static let batches = 20

  /// - Parameter runs: observations of each replication, in time order.
  /// - Returns: nil where there is no observation.
  static func mean(of runs: [[Double]]) -> Estimate? {
    let all = runs.joined()
    guard !all.isEmpty else { return nil }
    let estimate = all.reduce(0, +) / Double(all.count)
    return interval(around: estimate, of: slices(of: runs).map { $0.reduce(0, +) / Double($0.count) }, runs)
  }

  /// - Returns: nil where there is no observation.
  static func latencies(of runs: [[Double]]) -> LatencyEstimates? {
    guard let mean = mean(of: runs) else { return nil }
    // Each slice is sorted once; sorting what they make together is then a merge.
    let slices = slices(of: runs).map { Array($0).sortedAscending() }
    let all = slices.joined().sorted()
    func quantile(_ probability: Double) -> Estimate {
      interval(around: all.quantile(probability), of: slices.map { $0.quantile(probability) }, runs)
    }
    return LatencyEstimates(
      mean: mean, p50: quantile(0.50), p90: quantile(0.90), p95: quantile(0.95), p99: quantile(0.99))
  }

  /// At least `batches` contiguous slices over all runs, as equal as they come; fewer where observations are few.
  private static func slices(of runs: [[Double]]) -> [ArraySlice<Double>] {
    let perRun = max(1, (batches + runs.count - 1) / max(runs.count, 1))
    var result: [ArraySlice<Double>] = []
    for run in runs where !run.isEmpty {
      let count = min(perRun, max(1, run.count / 10))
      for index in 0..<count { result.append(run[run.count * index / count..<run.count * (index + 1) / count]) }
    }
    return result
  }

  private static func interval(around estimate: Double, of batchValues: [Double], _ runs: [[Double]]) -> Estimate {
    guard batchValues.count >= 2 else {
      // Too few observations for a spread: all that can be said is where they lay.
      let all = runs.joined()
      return Estimate(estimate: estimate, low: all.min() ?? estimate, high: all.max() ?? estimate)
    }
    let half =
      studentT975(degreesOfFreedom: batchValues.count - 1) * standardDeviation(batchValues)
      / Double(batchValues.count).squareRoot()
    return Estimate(estimate: estimate, low: max(0, estimate - half), high: estimate + half)
  }

  /// Sample standard deviation (n − 1); 0 for fewer than two values.
  static func standardDeviation(_ values: [Double]) -> Double {
    guard values.count > 1 else { return 0 }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(values.count - 1)).squareRoot()
  }

  /// The 97.5 % point of Student's t: exact for one and two degrees of freedom, else the expansion of
  /// Abramowitz and Stegun 26.7.5, good to 0.5 % at three and to 0.01 % from ten on.
  static func studentT975(degreesOfFreedom: Int) -> Double {
    switch degreesOfFreedom {
    case ...1: return 12.7062
    case 2: return 4.30265
    default:
      let x = 1.959964
      let n = Double(degreesOfFreedom)
      let x3 = x * x * x
      let x5 = x3 * x * x
      let x7 = x5 * x * x
      let x9 = x7 * x * x
      let g1 = (x3 + x) / 4
      let g2 = (5 * x5 + 16 * x3 + 3 * x) / 96
      let g3 = (3 * x7 + 19 * x5 + 17 * x3 - 15 * x) / 384
      let g4 = (79 * x9 + 776 * x7 + 1482 * x5 - 1920 * x3 - 945 * x) / 92160
      return x + g1 / n + g2 / (n * n) + g3 / (n * n * n) + g4 / (n * n * n * n)
    }
  }
}
