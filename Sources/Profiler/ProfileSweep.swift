import PlannerCore

/// What a profile measures, and in which order.
///
/// First the library settings: flavours of BLAS, then kernel families with the best flavour. Then forward passes of
/// each variant. Then the served cells, round after round over all variants: what a cell says comes from several
/// moments of the machine, and variants are compared under the same ones.
struct ProfileSweep: Sendable {
  let request: ProfileRequest
  let candidates: LibraryCandidates

  // MARK: Cells

  /// Cells of forward passes for one variant, in the calls that measure them: a worker alone with each number of
  /// threads, and then all cores in workers of one thread side by side.
  func forwardCalls(sizes: [Int]) -> [[Conditions]] {
    let alone = Conditions.grid(tokens: sizes, threads: request.threadCounts, coRunners: 1)
    guard request.threadCounts.count > 1 else { return [alone] }
    return [alone, Conditions.grid(tokens: sizes, threads: [1], coRunners: request.servingCores)]
  }

  /// Cells in which the server itself is measured: all cores in use, in every even split into workers and threads.
  func servedCells(sizes: [Int], input: RequestInput) -> [Conditions] {
    sizes.flatMap { size in
      request.threadCounts.map { threads in
        Conditions(
          tokens: size, input: input, threads: threads, coRunners: max(1, request.servingCores / threads))
      }
    }
  }

  // MARK: Counts

  /// Sizes of each variant that is measured.
  private var variants: [[Int]] {
    if !request.repositories.isEmpty { return request.repositories.map(\.sizes) }
    return request.cases.flatMap { one in request.precisions.map { _ in one.tokens } }
  }

  private var trials: Int { candidates.flavours.count + candidates.coreTypes.count - 1 }

  /// Steps that are reported as progress: writing models, trials, calls of forward passes, served rounds.
  var stepCount: Int {
    let synthesis = request.repositories.isEmpty ? 1 : 0
    return variants.reduce(synthesis + trials) {
      $0 + synthesis + forwardCalls(sizes: $1).count
        + request.servedRounds * servedCells(sizes: $1, input: request.input).count
    }
  }

  /// Cells that are measured: each trial with each number of threads, each cell of forward passes, and each round of
  /// each served cell.
  var cellCount: Int {
    variants.reduce(trials * request.threadCounts.count) {
      $0 + forwardCalls(sizes: $1).reduce(0) { $0 + $1.count }
        + request.servedRounds * servedCells(sizes: $1, input: request.input).count
    }
  }

  // MARK: Load

  /// Requests of one round of a served cell.
  ///
  /// - Parameter meanSeconds: time of a forward pass of the worker alone.
  func schedule(meanSeconds: Double, workers: Int, models: Int, round: Int) -> Schedule {
    let rate = ProfileRequest.servedUtilization * Double(workers) / max(meanSeconds, ProfileRequest.leastBusySeconds)
    let usual = min(max(request.servedRequests / rate, request.minServedSeconds), request.maxServedSeconds)
    let duration = max(usual, ProfileRequest.leastServedRequests / rate)
    return Schedule.make(
      models: models, ratePerModelPerSecond: rate / Double(models), arrivals: .poisson, durationSeconds: duration,
      seed: request.seed &+ UInt64(round))
  }
}
