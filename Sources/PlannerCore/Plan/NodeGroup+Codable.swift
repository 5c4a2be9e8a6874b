/// The form of a node in plan and run files: the first group's figures at the top, as version 1 has them, and what is
/// placed in `placed`, where further variants bring figures of their own.
extension NodeGroup: Codable {
  private enum Key: String, CodingKey {
    case instanceType, count, modelsPerNode, precision = "variant", devices = "queues", workers, threadsPerWorker,
      costPerHour, provenance, executable, latencySeconds, utilization, memoryPerModelBytes, memoryCapacityBytes,
      memoryProvenance, hostMemory, service, environment, host, serverMemoryBytes, placed
  }

  /// More on one node are damage, and their sum might overflow.
  private static let mostModels = 1_000_000_000

  /// Models of one group on the node.
  private struct Placed: Codable {
    var group: String
    var architecture: String
    var vocabulary: Int?
    var variant: Precision
    var models: Int
    /// Figures of this share's variant, where they are not those at the top of the node.
    var service: ServiceModel?
    var memoryPerModelBytes: Int64?
    var memoryProvenance: Provenance?

    var asVariant: Variant { Variant(architecture: architecture, precision: variant, vocabulary: vocabulary) }
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: Key.self)
    let range = try box.decode([Int].self, forKey: .modelsPerNode)
    guard range.count == 2 else {
      throw DecodingError.dataCorruptedError(forKey: .modelsPerNode, in: box, debugDescription: "is not [fewest, most]")
    }
    let service = try box.decode(ServiceModel.self, forKey: .service)
    let memory = try box.decode(Int64.self, forKey: .memoryPerModelBytes)
    let memoryProvenance = try box.decode(Provenance.self, forKey: .memoryProvenance)
    // Version 1 names neither group nor architecture; the plan that holds the node does.
    let placed =
      try box.decodeIfPresent([Placed].self, forKey: .placed)
      ?? [
        Placed(
          group: "", architecture: "", variant: try box.decode(Precision.self, forKey: .precision), models: range[1])
      ]
    guard !placed.isEmpty, placed.allSatisfy({ (1...Self.mostModels).contains($0.models) }),
      placed.reduce(0, { $0 + $1.models }) == range[1]
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .placed, in: box, debugDescription: "does not hold the \(range[1]) models of the fullest node")
    }
    var entries: [NodeFigures.Entry] = []
    for share in placed where !entries.contains(where: { $0.variant == share.asVariant }) {
      entries.append(
        NodeFigures.Entry(
          variant: share.asVariant, service: share.service ?? service,
          memoryPerModelBytes: share.memoryPerModelBytes ?? memory,
          memoryProvenance: share.memoryProvenance ?? memoryProvenance))
    }
    self.init(
      spec: NodeSpec(
        machine: MachineRef(try box.decode(String.self, forKey: .instanceType)),
        server: ServerSettings(
          devices: try box.decode(Int.self, forKey: .devices), workers: try box.decode(Int.self, forKey: .workers),
          threadsPerWorker: try box.decode(Int.self, forKey: .threadsPerWorker),
          environment: try box.decode([String: String].self, forKey: .environment)),
        models: placed.map { ModelShare(group: $0.group, variant: $0.asVariant, count: $0.models) }),
      count: try box.decode(Int.self, forKey: .count), fewestModels: range[0],
      figures: NodeFigures(
        entries: entries, memoryCapacityBytes: try box.decode(Int64.self, forKey: .memoryCapacityBytes),
        hostMemory: try box.decodeIfPresent(HostMemory.self, forKey: .hostMemory),
        host: try box.decodeIfPresent(HostFingerprint.self, forKey: .host),
        serverMemoryBytes: try box.decodeIfPresent(Int64.self, forKey: .serverMemoryBytes)),
      costPerHour: try box.decode(Double.self, forKey: .costPerHour),
      provenance: try box.decode(Provenance.self, forKey: .provenance),
      executable: try box.decode(Bool.self, forKey: .executable),
      latencySeconds: try box.decode(PlannedLatency.self, forKey: .latencySeconds),
      utilization: try box.decode(Double.self, forKey: .utilization))
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Key.self)
    try box.encode(instanceType, forKey: .instanceType)
    try box.encode(count, forKey: .count)
    try box.encode(modelsPerNode, forKey: .modelsPerNode)
    try box.encode(precision, forKey: .precision)
    try box.encode(devices, forKey: .devices)
    try box.encode(workers, forKey: .workers)
    try box.encode(threadsPerWorker, forKey: .threadsPerWorker)
    try box.encode(costPerHour, forKey: .costPerHour)
    try box.encode(provenance, forKey: .provenance)
    try box.encode(executable, forKey: .executable)
    try box.encode(latencySeconds, forKey: .latencySeconds)
    try box.encode(utilization, forKey: .utilization)
    try box.encode(memoryPerModelBytes, forKey: .memoryPerModelBytes)
    try box.encode(memoryCapacityBytes, forKey: .memoryCapacityBytes)
    try box.encode(memoryProvenance, forKey: .memoryProvenance)
    try box.encodeIfPresent(hostMemory, forKey: .hostMemory)
    try box.encode(service, forKey: .service)
    try box.encode(environment, forKey: .environment)
    try box.encode(ExplicitNull(wrappedValue: host), forKey: .host)
    try box.encode(ExplicitNull(wrappedValue: serverMemoryBytes), forKey: .serverMemoryBytes)
    try box.encode(spec.models.map(placed), forKey: .placed)
  }

  private func placed(_ share: ModelShare) -> Placed {
    let entry = share.variant == figures.entries[0].variant ? nil : figures[share.variant]
    return Placed(
      group: share.group, architecture: share.variant.architecture, vocabulary: share.variant.vocabulary,
      variant: share.variant.precision, models: share.count, service: entry?.service,
      memoryPerModelBytes: entry?.memoryPerModelBytes, memoryProvenance: entry?.memoryProvenance)
  }

  /// A node of a version 1 file, which leaves to the plan's workload what its models are.
  mutating func adopt(_ group: ModelGroup) {
    for index in spec.models.indices where spec.models[index].group.isEmpty {
      let old = spec.models[index].variant
      let variant = Variant(
        architecture: group.architecture, precision: old.precision, vocabulary: group.vocabulary)
      spec.models[index] = ModelShare(group: group.name, variant: variant, count: spec.models[index].count)
      for entry in figures.entries.indices where figures.entries[entry].variant == old {
        figures.entries[entry].variant = variant
      }
    }
  }
}
