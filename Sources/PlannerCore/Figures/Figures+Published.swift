extension Figures {
  /// Ways to run such models that publications speak for; those that a better one replaces are marked.
  func published(_ query: FigureQuery, on type: InstanceType, isMeasured: Bool) -> [ServingFigures] {
    guard !query.isExact else { return [] }
    let applicable = benchmarks.filter {
      $0.architecture == query.architecture && query.allows($0.precision) && $0.batch == 1 && $0.tokens >= query.size
        && $0.instanceFamilies.contains(type.familyName)
    }
    return applicable.enumerated().compactMap { index, figure in
      let rivals = applicable.enumerated().filter { $0.element.precision == figure.precision }
      let isBest = rivals.allSatisfy { rival in
        rival.offset == index || !Self.precedes((rival.element, rival.offset), (figure, index), on: type)
      }
      return serving(query, figure, type, isSuperseded: isMeasured || !isBest)
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

  private func serving(
    _ query: FigureQuery, _ figure: PublishedBenchmark, _ type: InstanceType, isSuperseded: Bool
  ) -> ServingFigures? {
    let variant = Variant(
      architecture: query.architecture, precision: figure.precision, vocabulary: query.vocabulary)
    guard let size = sizing(query, figure, type), let mean = PublishedLatency.meanSeconds(figure), mean > 0,
      let table = PublishedLatency.table(figure, factor: size.factor), let weights = weightBytes(variant),
      let label = PublishedLatency.label(figure),
      let overhead = Overhead.best(for: type.name, query: query, profiles: profiles)
    else { return nil }
    let room = room(for: variant, weightBytes: weights, on: type)
    return ServingFigures(
      variant: variant,
      server: ServerSettings(devices: size.devices, workers: size.workers, threadsPerWorker: size.threads),
      service: ServiceModel(
        computeSeconds: table, overheadSeconds: overhead.seconds, betweenRunCV: PublishedLatency.assumedBetweenRunCV,
        computeProvenance: Provenance(
          size.provenance.kind, source: size.provenance.source + "; run-to-run drift of 2 % assumed"),
        overheadProvenance: overhead.provenance),
      memoryPerModelBytes: room.perModel.bytes, memoryCapacityBytes: room.capacityBytes,
      memoryProvenance: room.provenance, provenance: size.provenance, executable: false, host: nil,
      serverMemoryBytes: nil, fileBytes: nil, label: label,
      meanFloorSeconds: mean * size.factor, p99FloorSeconds: PublishedLatency.floorSeconds(figure),
      isSuperseded: isSuperseded, hostMemory: room.hostMemory, shortage: room.shortage)
  }

  private struct Sizing {
    var devices: Int
    var workers: Int
    var threads: Int
    /// Factor by which the published time grows on the type.
    var factor: Double
    var provenance: Provenance
  }

  /// How the processor of a figure is found again on a type of its family.
  ///
  /// On an accelerator the same device computes, whatever the size around it. On a CPU of another size, which is an
  /// estimate: larger ones run several workers of the measured size; smaller ones take longer in proportion to
  /// their vCPUs, which is slower than any that was ever measured, since no pass speeds up more than its threads.
  private func sizing(_ query: FigureQuery, _ figure: PublishedBenchmark, _ type: InstanceType) -> Sizing? {
    let padded = figure.tokens == query.size ? "" : "requests padded to \(figure.tokens) tokens; "
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
    guard let reference = catalog[figure.measuredOn], reference.vcpus > 0, type.vcpus > 0 else { return nil }
    let workers = max(1, type.vcpus / reference.vcpus)
    let factor = max(1, Double(reference.vcpus) / Double(type.vcpus))
    let method =
      factor > 1
      ? "\(reference.vcpus) vCPUs there, \(type.vcpus) here, time in proportion"
      : "\(reference.vcpus) vCPUs there, \(NumberText.count(workers, "worker")) of as many here"
    return Sizing(
      devices: 1, workers: workers, threads: min(type.vcpus, reference.vcpus), factor: factor,
      provenance: Provenance(
        .estimated, source: padded + "published for \(figure.measuredOn), \(method): \(figure.source)"))
  }
}
