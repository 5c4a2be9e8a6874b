extension Figures {
  /// Ways to run such models that a profile has measured, one for each precision and split into workers and threads.
  ///
  /// - Parameters:
  ///   - name: of the machine, whose own HTTP times go before another's.
  ///   - cores: that workers may compute on.
  ///   - memoryBytes: that server and models may take.
  public func serving(
    _ query: FigureQuery, by profile: Profile, for name: String, cores: Int, memoryBytes: Int64, isSuperseded: Bool
  ) -> [ServingFigures] {
    profile.models.filter { $0.isAsked(by: query) }.flatMap { model in
      let usable = usableCells(model, query, cores: cores)
      return splits(usable, query).compactMap { cell in
        var serving = serving(
          query, cell, model, profile, for: name, memoryBytes: memoryBytes, isSuperseded: isSuperseded)
        // A lower bound may not rest on the choice of the cell: the fastest one of that split speaks for it.
        let peers = usable.filter { $0.workers == cell.workers && $0.threads == cell.threads }.map(\.computeSeconds)
        serving?.meanFloorSeconds = peers.map(\.mean).min() ?? 0
        serving?.p99FloorSeconds = peers.map { $0.quantile(0.99) }.min() ?? 0
        if !query.sizes.isEmpty { serving?.rest(onSizes: query.sizes) }
        return serving
      }
    }
  }

  /// Served requests at least as long as those asked for, on no more cores than there are.
  func usableCells(_ model: ModelProfile, _ query: FigureQuery, cores: Int) -> [ServedCell] {
    model.served.filter {
      (query.isExact ? $0.tokens == query.size && $0.input == query.input : $0.tokens >= query.size)
        && $0.workers > 0 && $0.threads > 0 && $0.workers * $0.threads <= cores && $0.computeSeconds.mean > 0
    }
  }

  /// For each split into workers and threads that was measured, the cell that speaks: as little longer as possible,
  /// of the same input, among the most models.
  private func splits(_ usable: [ServedCell], _ query: FigureQuery) -> [ServedCell] {
    let ranked = usable.sorted { a, b in
      (a.workers, a.threads, a.tokens, a.input == query.input ? 0 : 1, -a.residentModels)
        < (b.workers, b.threads, b.tokens, b.input == query.input ? 0 : 1, -b.residentModels)
    }
    var result: [ServedCell] = []
    for cell in ranked where !result.contains(where: { $0.workers == cell.workers && $0.threads == cell.threads }) {
      result.append(cell)
    }
    return result
  }

  private func serving(
    _ query: FigureQuery, _ cell: ServedCell, _ model: ModelProfile, _ profile: Profile, for name: String,
    memoryBytes: Int64, isSuperseded: Bool
  ) -> ServingFigures? {
    let own =
      cell.input == query.input
      ? Overhead(seconds: cell.overheadSeconds, provenance: profile.provenance)
      : Overhead.nearest(in: profile, query: query, isOwn: true)
    guard let overhead = own ?? Overhead.best(for: name, query: query, profiles: profiles) else { return nil }
    let slowdown = contention(cell, model)
    let provenance =
      cell.tokens == query.size
      ? profile.provenance
      : Provenance(
        .estimated,
        source: "measured at \(cell.tokens) tokens, at most what \(query.size) take: \(profile.provenance.source)")
    return ServingFigures(
      variant: Variant(
        architecture: query.architecture, precision: model.precision, vocabulary: query.vocabulary),
      server: ServerSettings(
        devices: 1, workers: cell.workers, threadsPerWorker: cell.threads, environment: profile.settings.environment),
      service: ServiceModel(
        computeSeconds: cell.computeSeconds.scaled(by: slowdown), overheadSeconds: overhead.seconds,
        betweenRunCV: cell.betweenRunCV, computeProvenance: provenance, overheadProvenance: overhead.provenance,
        dispatchGapSeconds: cell.dispatchGapSeconds, wakeUpSeconds: cell.wakeUpSeconds,
        computeTraceSeconds: cell.computeTraceSeconds.map { $0.map { $0 * slowdown } },
        sizes: model.sizeFactors(query.sizes, beside: cell)),
      memoryPerModelBytes: model.memoryPerModelBytes, memoryCapacityBytes: memoryBytes - profile.serverMemoryBytes,
      memoryProvenance: profile.provenance, provenance: provenance, executable: true, host: profile.host,
      serverMemoryBytes: profile.serverMemoryBytes, fileBytes: model.fileBytes,
      label: .measured(
        p99Seconds: cell.computeSeconds.quantile(0.99), size: cell.tokens, precision: model.precision,
        workers: cell.workers, threads: cell.threads),
      meanFloorSeconds: cell.computeSeconds.mean, p99FloorSeconds: cell.computeSeconds.quantile(0.99),
      isSuperseded: isSuperseded, hostMemory: nil, shortage: nil)
  }

  /// How much slower a pass is while all workers compute, as the engine's own matrix shows it; served cells are
  /// taken at a low rate, where workers rarely meet. Applied to every request, which overestimates.
  ///
  /// Both times are of the same length, the one nearest to the cell's of which both were measured.
  private func contention(_ cell: ServedCell, _ model: ModelProfile) -> Double {
    guard cell.workers > 1 else { return 1 }
    let cells = model.forward.filter { $0.threads == cell.threads && $0.batch == 1 }
    let alone = cells.filter { $0.concurrency == 1 && $0.serviceSeconds.mean > 0 }
      .sorted { abs($0.tokens - cell.tokens) < abs($1.tokens - cell.tokens) }
    for one in alone {
      let together = cells.first { $0.concurrency == cell.workers && $0.tokens == one.tokens }
      if let together { return max(1, together.serviceSeconds.mean / one.serviceSeconds.mean) }
    }
    return 1
  }
}
