import PlannerCore

/// Whether a node's figures are borne out by a profile or a publication.
struct EvidenceCheck {
  let workload: Workload
  let evidence: PlanEvidence

  func check(_ node: NodeGroup, at field: String, _ report: inout CheckReport) {
    let type = evidence.catalog[node.instanceType]
    let profiled = profiledSources(node, type)
    report.require(
      !node.executable || !profiled.isEmpty, .evidence, "\(field).executable",
      "is true, but no profile bears the node out")
    if profiled.isEmpty {
      checkPublished(node, type, at: field, &report)
    } else {
      checkProfiled(node, type, profiled, at: field, &report)
    }
    report.require(
      overheadIsKnown(node), .evidence, "\(field).service.overheadSeconds",
      "is neither measured in a profile nor the stated allowance of 0.5 ms at p50 and 2 ms at p99")
  }

  // MARK: - Profiles

  private struct Source {
    var profile: Profile
    var model: ModelProfile
  }

  /// Profiles of that machine with a served measurement that is no faster than the node's, at the same split.
  private func profiledSources(_ node: NodeGroup, _ type: InstanceType?) -> [Source] {
    guard type?.accelerator == nil, node.devices == 1 else { return [] }
    var sources: [Source] = []
    for profile in evidence.profiles
    where node.instanceType == "local"
      || profile.host.instanceType == node.instanceType && !profile.host.isThrottled
    {
      for model in profile.models where workload.isServed(by: model) && model.precision == node.precision {
        let isBorneOut = model.served.contains { cell in
          cell.tokens >= workload.tokens && cell.workers == node.workers && cell.threads == node.threadsPerWorker
            && isNoFaster(node.service.computeSeconds, than: cell.computeSeconds)
        }
        if isBorneOut { sources.append(Source(profile: profile, model: model)) }
      }
    }
    return sources
  }

  private func isNoFaster(_ table: QuantileTable, than other: QuantileTable) -> Bool {
    other.probabilities.allSatisfy { table.quantile($0) >= other.quantile($0) * (1 - 1e-9) }
  }

  private func checkProfiled(
    _ node: NodeGroup, _ type: InstanceType?, _ sources: [Source], at field: String, _ report: inout CheckReport
  ) {
    report.require(
      sources.contains { $0.model.memoryPerModelBytes == node.memoryPerModelBytes }, .evidence,
      "\(field).memoryPerModelBytes", "is \(node.memoryPerModelBytes), which no profile measured")
    let fits = sources.contains { source in
      let host = type.map { evidence.rest(of: $0).memoryBytes } ?? source.profile.host.memoryBytes
      return node.memoryCapacityBytes <= host - source.profile.serverMemoryBytes
    }
    report.require(
      fits, .memory, "\(field).memoryCapacityBytes", "is \(node.memoryCapacityBytes), more than the machine has")
    report.require(
      sources.contains { $0.profile.host == node.host && $0.profile.serverMemoryBytes == node.serverMemoryBytes },
      .evidence, "\(field).host", "is not the machine of the profile that bears the node out")
    let cores = type?.vcpus ?? sources.map(\.profile.host.cores).max() ?? 0
    report.require(
      node.workers * node.threadsPerWorker <= cores, .evidence, "\(field).workers",
      "\(node.workers) × \(node.threadsPerWorker) threads on \(cores) cores")
  }

  // MARK: - Publications

  private func checkPublished(
    _ node: NodeGroup, _ type: InstanceType?, at field: String, _ report: inout CheckReport
  ) {
    guard let type else {
      report.require(false, .evidence, field, "no profile of this machine bears the node out")
      return
    }
    let figures = evidence.figures.filter {
      $0.architecture == workload.architecture && $0.batch == 1 && $0.tokens >= workload.tokens
        && $0.precision == node.precision && $0.instanceFamilies.contains(type.familyName)
    }
    let isBorneOut = figures.contains { figure in
      let split = PublishedSplit(figure, on: type, evidence.catalog)
      guard let split, node.devices == split.devices, node.workers <= split.workers else { return false }
      return isNoFaster(node.service.computeSeconds, than: figure, factor: split.factor)
    }
    report.require(
      isBorneOut, .evidence, "\(field).service.computeSeconds", "is faster than every figure that was published")
    for (key, kind) in [
      ("provenance", node.provenance.kind), ("service.computeProvenance", node.service.computeProvenance.kind),
      ("memoryProvenance", node.memoryProvenance.kind),
    ] {
      report.require(
        kind != .measured, .evidence, "\(field).\(key)", "is measured, but no profile bears the node out")
    }
    checkEstimatedMemory(node, type, at: field, &report)
  }

  private func isNoFaster(_ table: QuantileTable, than figure: PublishedBenchmark, factor: Double) -> Bool {
    let known: [(String, Double)] = [("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99)]
    for (key, probability) in known {
      if let seconds = figure.seconds[key], table.quantile(probability) < seconds * factor * (1 - 1e-9) { return false }
    }
    if let mean = figure.seconds["mean"], table.mean < mean * factor * (1 - 1e-9) { return false }
    return true
  }

  /// Weights × 1.15 + 40 MiB, and a quarter more; beside models that live in the host's memory the server takes 2 GiB.
  private func checkEstimatedMemory(
    _ node: NodeGroup, _ type: InstanceType, at field: String, _ report: inout CheckReport
  ) {
    let gibibyte: Int64 = 1 << 30
    guard let weights = evidence.weightBytes(workload, node.precision) else {
      report.require(
        false, .evidence, "\(field).memoryPerModelBytes", "the size of \(workload.architecture) is not known")
      return
    }
    let least = (1.15 * Double(weights) + 41_943_040) * 1.25
    report.require(
      Double(node.memoryPerModelBytes) >= least - 1, .evidence, "\(field).memoryPerModelBytes",
      "is \(node.memoryPerModelBytes), below the upper end of the estimate, \(least)")
    var capacity = evidence.rest(of: type).memoryBytes - 2 * gibibyte
    if let accelerator = type.accelerator {
      RoomCheck(evidence: evidence).checkHostMemory(node, type, weightBytes: weights, at: field, &report)
      capacity = Int64(accelerator.count) * accelerator.memoryBytes
    }
    report.require(
      node.memoryCapacityBytes <= capacity, .memory, "\(field).memoryCapacityBytes",
      "is \(node.memoryCapacityBytes), the type has \(capacity)")
  }

  private func overheadIsKnown(_ node: NodeGroup) -> Bool {
    let overhead = node.service.overheadSeconds
    if overhead.probabilities == [0, 0.5, 0.9, 0.99, 1], overhead.seconds == [0.0002, 0.0005, 0.001, 0.002, 0.004] {
      return true
    }
    return evidence.profiles.contains { profile in
      profile.models.contains { model in
        model.served.contains { $0.input == workload.input && $0.overheadSeconds == overhead }
      }
    }
  }
}

/// How a published figure may be used on a type: the checker's own reading of the rule.
struct PublishedSplit {
  var devices: Int
  var workers: Int
  /// Factor by which the published time grows on the type.
  var factor: Double

  /// - Returns: nil where the rule has no answer.
  init?(_ figure: PublishedBenchmark, on type: InstanceType, _ catalog: Catalog) {
    if let accelerator = type.accelerator {
      (devices, workers, factor) = (accelerator.count * figure.coresPerAccelerator, 1, 1)
      if devices < 1 { return nil }
    } else if figure.measuredOn == type.name {
      (devices, workers, factor) = (1, 1, 1)
    } else {
      guard let there = catalog[figure.measuredOn]?.vcpus, there > 0 else { return nil }
      let here = type.vcpus
      (devices, workers, factor) = here >= there ? (1, here / there, 1) : (1, 1, Double(there) / Double(here))
    }
  }
}

extension Workload {
  /// The profile's figures are of this workload's models: the same architecture with the same vocabulary.
  func isServed(by model: ModelProfile) -> Bool {
    let words = vocabulary ?? ArchitecturePreset(rawValue: architecture)?.shape.vocabulary
    return model.architecture == architecture && (words == nil || words == model.vocabulary)
  }
}
