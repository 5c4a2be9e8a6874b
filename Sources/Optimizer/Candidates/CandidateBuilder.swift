import PlannerCore

/// Turns profiles and published figures into candidates.
struct CandidateBuilder {
  let problem: OptimizationProblem
  var workload: Workload { problem.workload }

  func prospects(_ type: InstanceType) -> Prospects {
    if type.name == LocalMachine.name, let local = problem.local { return localProspects(type, local) }
    let measured = problem.profiles.enumerated()
      .filter { $0.element.host.instanceType == type.name && type.accelerator == nil }
      .sorted { a, b in
        if a.element.quick != b.element.quick { return !a.element.quick }
        if a.element.measuredAt != b.element.measuredAt { return a.element.measuredAt > b.element.measuredAt }
        return a.offset < b.offset
      }
    var candidates: [Candidate] = []
    for (_, profile) in measured {
      // The newest profile that has the model speaks; the older ones count in the lower bound only.
      let isSuperseded = !candidates.isEmpty
      candidates += self.candidates(
        from: profile, type: type, cores: type.vcpus, memoryBytes: type.allocatableMemoryBytes,
        isSuperseded: isSuperseded)
    }
    candidates += publishedCandidates(type, isMeasured: !candidates.isEmpty)
    return Prospects(type: type, candidates: candidates, missing: candidates.isEmpty ? missing(type) : "")
  }

  private func localProspects(_ type: InstanceType, _ local: LocalMachine) -> Prospects {
    let candidates = self.candidates(
      from: local.profile, type: type, cores: local.cores, memoryBytes: local.memoryBytes, isSuperseded: false)
    let missing =
      candidates.isEmpty
      ? "the profile of this machine has no \(modelText) served at \(workload.tokens) or more tokens on "
        + "\(local.cores) of its cores; run `planner profile` with such models" : ""
    return Prospects(type: type, candidates: candidates, missing: missing)
  }

  private var vocabulary: Int? {
    workload.vocabulary ?? ArchitecturePreset(rawValue: workload.architecture)?.shape.vocabulary
  }

  private var modelText: String {
    workload.vocabulary.map { "\(workload.architecture) with a vocabulary of \($0)" } ?? workload.architecture
  }

  // MARK: - Measured

  func candidates(
    from profile: Profile, type: InstanceType, cores: Int, memoryBytes: Int64, isSuperseded: Bool
  ) -> [Candidate] {
    profile.models.filter {
      $0.architecture == workload.architecture && (vocabulary == nil || $0.vocabulary == vocabulary)
    }
    .flatMap { model in
      let usable = usableCells(model, cores: cores)
      return splits(usable).compactMap { cell in
        var candidate = candidate(
          cell, model, profile, type: type, memoryBytes: memoryBytes, isSuperseded: isSuperseded)
        // A lower bound may not rest on the choice of the cell: the fastest one of that split speaks for it.
        let peers = usable.filter { $0.workers == cell.workers && $0.threads == cell.threads }.map(\.computeSeconds)
        candidate?.meanFloorSeconds = peers.map(\.mean).min() ?? 0
        candidate?.p99FloorSeconds = peers.map { $0.quantile(0.99) }.min() ?? 0
        return candidate
      }
    }
  }

  private func usableCells(_ model: ModelProfile, cores: Int) -> [ServedCell] {
    model.served.filter {
      $0.tokens >= workload.tokens && $0.workers > 0 && $0.threads > 0 && $0.workers * $0.threads <= cores
        && $0.computeSeconds.mean > 0
    }
  }

  /// For each split into workers and threads that was measured, the cell that speaks for the workload: requests at
  /// least as long, as little longer as possible, of the same input, among the most models.
  private func splits(_ usable: [ServedCell]) -> [ServedCell] {
    let ranked = usable.sorted { a, b in
      (a.workers, a.threads, a.tokens, a.input == workload.input ? 0 : 1, -a.residentModels)
        < (b.workers, b.threads, b.tokens, b.input == workload.input ? 0 : 1, -b.residentModels)
    }
    var result: [ServedCell] = []
    for cell in ranked where !result.contains(where: { $0.workers == cell.workers && $0.threads == cell.threads }) {
      result.append(cell)
    }
    return result
  }

  private func candidate(
    _ cell: ServedCell, _ model: ModelProfile, _ profile: Profile, type: InstanceType, memoryBytes: Int64,
    isSuperseded: Bool
  ) -> Candidate? {
    let own =
      cell.input == workload.input
      ? Overhead(seconds: cell.overheadSeconds, provenance: profile.provenance)
      : Overhead.nearest(in: profile, workload: workload, isOwn: true)
    guard let overhead = own ?? Overhead.best(for: type.name, workload: workload, profiles: problem.profiles) else {
      return nil
    }
    let slowdown = contention(cell, model)
    let isExact = cell.tokens == workload.tokens
    let provenance =
      isExact
      ? profile.provenance
      : Provenance(
        .estimated,
        source: "measured at \(cell.tokens) tokens, at most what \(workload.tokens) take: \(profile.provenance.source)")
    return Candidate(
      type: type, precision: model.precision, devices: 1, workers: cell.workers, threadsPerWorker: cell.threads,
      service: ServiceModel(
        computeSeconds: cell.computeSeconds.scaled(by: slowdown), overheadSeconds: overhead.seconds,
        betweenRunCV: cell.betweenRunCV, computeProvenance: provenance, overheadProvenance: overhead.provenance,
        dispatchGapSeconds: cell.dispatchGapSeconds, wakeUpSeconds: cell.wakeUpSeconds,
        computeTraceSeconds: cell.computeTraceSeconds.map { $0.map { $0 * slowdown } }),
      memoryPerModelBytes: model.memoryPerModelBytes, memoryCapacityBytes: memoryBytes - profile.serverMemoryBytes,
      memoryProvenance: profile.provenance, provenance: provenance, executable: true,
      environment: profile.settings.environment, host: profile.host, serverMemoryBytes: profile.serverMemoryBytes,
      figureText: "measured p99 \(Text.milliseconds(cell.computeSeconds.quantile(0.99))) at \(cell.tokens) tokens, "
        + "\(model.precision.rawValue), \(cell.workers) × \(cell.threads) threads",
      meanFloorSeconds: cell.computeSeconds.mean, p99FloorSeconds: cell.computeSeconds.quantile(0.99),
      isSuperseded: isSuperseded, hostMemoryShortage: nil)
  }

  /// How much slower a pass is while all workers compute, as the engine's own matrix shows it; served cells are
  /// taken at a low rate, where workers rarely meet. Applied to every request, which errs to the slow side.
  private func contention(_ cell: ServedCell, _ model: ModelProfile) -> Double {
    guard cell.workers > 1 else { return 1 }
    func mean(_ concurrency: Int) -> Double? {
      let cells = model.forward.filter {
        $0.threads == cell.threads && $0.batch == 1 && $0.concurrency == concurrency
      }
      let nearest = cells.min { abs($0.tokens - cell.tokens) < abs($1.tokens - cell.tokens) }
      return nearest?.serviceSeconds.mean
    }
    guard let alone = mean(1), let together = mean(cell.workers), alone > 0 else { return 1 }
    return max(1, together / alone)
  }

  // MARK: - Published

  private func figures(_ type: InstanceType) -> [PublishedBenchmark] {
    problem.figures.filter {
      $0.architecture == workload.architecture && $0.batch == 1 && $0.tokens >= workload.tokens
        && $0.instanceFamilies.contains(type.familyName)
    }
  }

  private func publishedCandidates(_ type: InstanceType, isMeasured: Bool) -> [Candidate] {
    let applicable = figures(type)
    return applicable.enumerated().compactMap { index, figure in
      let rivals = applicable.enumerated().filter { $0.element.precision == figure.precision }
      let isBest = rivals.allSatisfy { rival in
        rival.offset == index || !Self.precedes((rival.element, rival.offset), (figure, index), on: type)
      }
      return candidate(figure, type, isSuperseded: isMeasured || !isBest)
    }
  }

  /// The figure to plan with: least padding, then one that knows p99, which is what is planned for, then one taken
  /// on that very type, then the first in the file.
  private static func precedes(
    _ a: (figure: PublishedBenchmark, index: Int), _ b: (figure: PublishedBenchmark, index: Int), on type: InstanceType
  ) -> Bool {
    func rank(_ figure: PublishedBenchmark, _ index: Int) -> (Int, Int, Int, Int) {
      (figure.tokens, figure.seconds["p99"] == nil ? 1 : 0, figure.measuredOn == type.name ? 0 : 1, index)
    }
    return rank(a.figure, a.index) < rank(b.figure, b.index)
  }

  private func candidate(_ figure: PublishedBenchmark, _ type: InstanceType, isSuperseded: Bool) -> Candidate? {
    guard let size = sizing(figure, type), let mean = PublishedLatency.meanSeconds(figure), mean > 0,
      let table = PublishedLatency.table(figure, factor: size.factor),
      let memory = MemoryModel.perModel(workload, figure.precision),
      let overhead = Overhead.best(for: type.name, workload: workload, profiles: problem.profiles)
    else { return nil }
    let host = type.allocatableMemoryBytes
    let needed = MemoryModel.runtimeAllowanceBytes + memory.bytes
    let capacity = type.accelerator.map { $0.memoryBytes * Int64($0.count) } ?? host - MemoryModel.runtimeAllowanceBytes
    let place =
      type.accelerator == nil
      ? "; of host memory less 2048 MiB allowed for the server"
      : "; host memory: 2048 MiB allowed for the device runtime and \(Text.mebibytes(memory.bytes)) for a model "
        + "while it loads, of \(Text.mebibytes(host))"
    let shortage =
      needed > host
      ? "host memory: the device runtime and one model while it loads take \(Text.mebibytes(needed)) "
        + "(estimated) of \(Text.mebibytes(host))" : nil
    return Candidate(
      type: type, precision: figure.precision, devices: size.devices, workers: size.workers,
      threadsPerWorker: size.threads,
      service: ServiceModel(
        computeSeconds: table, overheadSeconds: overhead.seconds, betweenRunCV: PublishedLatency.assumedBetweenRunCV,
        computeProvenance: Provenance(
          size.provenance.kind, source: size.provenance.source + "; run-to-run drift of 2 % assumed"),
        overheadProvenance: overhead.provenance),
      memoryPerModelBytes: memory.bytes, memoryCapacityBytes: capacity,
      memoryProvenance: Provenance(.estimated, source: memory.provenance.source + place),
      provenance: size.provenance, executable: false, environment: [:], host: nil, serverMemoryBytes: nil,
      figureText: "published \(PublishedLatency.describe(figure)) on \(figure.measuredOn)",
      meanFloorSeconds: mean * size.factor, p99FloorSeconds: PublishedLatency.floorSeconds(figure),
      isSuperseded: isSuperseded, hostMemoryShortage: shortage)
  }

  private struct Sizing {
    var devices: Int
    var workers: Int
    var threads: Int
    /// Of the published time.
    var factor: Double
    var provenance: Provenance
  }

  /// How the processor of a figure is found again on a type of its family.
  ///
  /// On an accelerator the same device computes, whatever the size around it. On a CPU of another size, which is an
  /// estimate: larger ones run several workers of the measured size; smaller ones take longer in proportion to
  /// their vCPUs, which is slower than any that was ever measured, since no pass speeds up more than its threads.
  private func sizing(_ figure: PublishedBenchmark, _ type: InstanceType) -> Sizing? {
    let padded = figure.tokens == workload.tokens ? "" : "requests padded to \(figure.tokens) tokens; "
    let isSameType = figure.measuredOn == type.name
    if let accelerator = type.accelerator {
      guard figure.coresPerAccelerator > 0, accelerator.count > 0 else { return nil }
      let source = padded + (isSameType ? "" : "same accelerator, published for \(figure.measuredOn): ") + figure.source
      return Sizing(
        devices: accelerator.count * figure.coresPerAccelerator, workers: 1, threads: 1, factor: 1,
        provenance: Provenance(.published, source: source))
    }
    if isSameType {
      return Sizing(
        devices: 1, workers: 1, threads: type.vcpus, factor: 1,
        provenance: Provenance(.published, source: padded + figure.source))
    }
    guard let reference = problem.catalog[figure.measuredOn], reference.vcpus > 0, type.vcpus > 0 else { return nil }
    let workers = max(1, type.vcpus / reference.vcpus)
    let factor = max(1, Double(reference.vcpus) / Double(type.vcpus))
    let method =
      factor > 1
      ? "\(reference.vcpus) vCPUs there, \(type.vcpus) here, time in proportion"
      : "\(reference.vcpus) vCPUs there, \(Text.count(workers, "worker")) of as many here"
    return Sizing(
      devices: 1, workers: workers, threads: min(type.vcpus, reference.vcpus), factor: factor,
      provenance: Provenance(
        .estimated, source: padded + "published for \(figure.measuredOn), \(method): \(figure.source)"))
  }

  // MARK: - Nothing

  private func missing(_ type: InstanceType) -> String {
    let family = type.familyName
    let known = problem.figures.filter {
      $0.architecture == workload.architecture && $0.instanceFamilies.contains(family)
    }
    if let longest = known.filter({ $0.batch == 1 }).map(\.tokens).max(), longest < workload.tokens {
      return "figures of \(workload.architecture) on \(family) end at \(longest) tokens, \(workload.tokens) are needed"
    }
    if problem.profiles.contains(where: { $0.host.instanceType == type.name }) {
      return "the profile of \(type.name) has no \(modelText) served at \(workload.tokens) or more tokens"
    }
    if !known.isEmpty { return "the figures of \(workload.architecture) on \(family) cannot be planned with" }
    return "no measured or published latency of \(workload.architecture) on \(family)"
  }
}
