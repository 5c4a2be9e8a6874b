import PlannerCore

/// Latencies of requests that are too few in a run for a quantile of their own.
///
/// All requests of a device wait in one queue, and a request that comes by chance finds what any other finds (Poisson
/// arrivals see time averages: Wolff, 1982). So the waits of all requests, each with a time and a way of the rare ones
/// drawn to it, are what more of the rare ones would have seen.
enum RareRequests {
  /// Fewer latencies than this are replaced.
  static let enough = 2_000

  /// - Parameters:
  ///   - waits: of all requests, seconds from the front end to a worker.
  ///   - wakeUpSeconds: what a request takes longer that finds a worker asleep.
  static func latencies(
    waits: [Double], times: ServiceTimes, factor: Double, random: inout RandomStream
  ) -> [Double] {
    guard !waits.isEmpty else { return [] }
    let stride = max(1, waits.count / (2 * enough))
    let shares = times.sizes.isEmpty ? nil : WeightedChoice(weights: times.sizes.map(\.share))
    return Swift.stride(from: 0, to: waits.count, by: stride).map { index in
      let size = shares.map { times.sizes[$0.draw(from: &random)].factor } ?? 1
      let compute = times.computeSeconds.quantile(random.uniform()) * size
      let overhead = times.overheadSeconds.quantile(random.uniform())
      let wake = waits[index] == 0 ? times.wakeUpSeconds : 0
      return waits[index] + (compute + overhead + wake) * factor
    }
  }
}
