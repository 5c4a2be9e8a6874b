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
    /// Models on the fullest of these nodes.
    var models: Int
    /// On all of these nodes; files of before leave it to the plan, whose models are of one group.
    var total: Int?
    /// Figures of this share, where they are not those at the top of the node.
    var service: ServiceModel?
    var memoryPerModelBytes: Int64?
    var memoryProvenance: Provenance?
    var hostMemory: HostMemory?
    /// p99 of this share's requests, where it is not the node's.
    var p99Seconds: Estimate?

    /// Whether so many models go onto so many nodes.
    func isPossible(on nodes: Int) -> Bool {
      guard (1...NodeGroup.mostModels).contains(models), (1...1_000_000).contains(nodes) else { return false }
      guard let total else { return true }
      return (1...NodeGroup.mostModels).contains(total) && (total - 1) / nodes + 1 == models
    }

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
    let count = try box.decode(Int.self, forKey: .count)
    guard !placed.isEmpty, placed.allSatisfy({ $0.isPossible(on: count) }), Self.agrees(range, placed, count) else {
      throw DecodingError.dataCorruptedError(
        forKey: .placed, in: box, debugDescription: "does not hold the \(range[1]) models of the fullest node")
    }
    let hostMemory = try box.decodeIfPresent(HostMemory.self, forKey: .hostMemory)
    let entries = placed.map {
      NodeFigures.Entry(
        variant: $0.asVariant, service: $0.service ?? service, memoryPerModelBytes: $0.memoryPerModelBytes ?? memory,
        memoryProvenance: $0.memoryProvenance ?? memoryProvenance, hostMemory: $0.hostMemory ?? hostMemory)
    }
    let latency = try box.decode(PlannedLatency.self, forKey: .latencySeconds)
    self.init(
      spec: NodeSpec(
        machine: MachineRef(try box.decode(String.self, forKey: .instanceType)),
        server: ServerSettings(
          devices: try box.decode(Int.self, forKey: .devices), workers: try box.decode(Int.self, forKey: .workers),
          threadsPerWorker: try box.decode(Int.self, forKey: .threadsPerWorker),
          environment: try box.decode([String: String].self, forKey: .environment)),
        models: placed.map { ModelShare(group: $0.group, variant: $0.asVariant, count: $0.models) }),
      count: count, fewestModels: range[0],
      totals: placed.count == 1 ? placed[0].total.map { [$0] } : placed.map { $0.total ?? 0 },
      figures: NodeFigures(
        entries: entries, memoryCapacityBytes: try box.decode(Int64.self, forKey: .memoryCapacityBytes),
        host: try box.decodeIfPresent(HostFingerprint.self, forKey: .host),
        serverMemoryBytes: try box.decodeIfPresent(Int64.self, forKey: .serverMemoryBytes)),
      costPerHour: try box.decode(Double.self, forKey: .costPerHour),
      provenance: try box.decode(Provenance.self, forKey: .provenance),
      executable: try box.decode(Bool.self, forKey: .executable), latencySeconds: latency,
      shareP99Seconds: placed.count == 1 ? [] : placed.map { $0.p99Seconds ?? latency.p99 },
      utilization: try box.decode(Double.self, forKey: .utilization))
  }

  /// Whether the models of the fullest node are those that are placed: of a node with several shares, which are not all
  /// fullest on the same one, their totals say it.
  private static func agrees(_ range: [Int], _ placed: [Placed], _ count: Int) -> Bool {
    if placed.count == 1 { return placed[0].models == range[1] }
    let total = placed.reduce(0) { $0 + ($1.total ?? 0) }
    return total > 0 && (total - 1) / count + 1 == range[1]
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
    try box.encode(spec.models.indices.map(placed), forKey: .placed)
  }

  private func placed(_ index: Int) -> Placed {
    let share = spec.models[index]
    let (entry, top) = (figures.entries[index], figures.entries[0])
    func own<Value: Equatable>(_ key: KeyPath<NodeFigures.Entry, Value>) -> Value? {
      entry[keyPath: key] == top[keyPath: key] ? nil : entry[keyPath: key]
    }
    return Placed(
      group: share.group, architecture: share.variant.architecture, vocabulary: share.variant.vocabulary,
      variant: share.variant.precision, models: share.count, total: totals[index], service: own(\.service),
      memoryPerModelBytes: own(\.memoryPerModelBytes), memoryProvenance: own(\.memoryProvenance),
      hostMemory: own(\.hostMemory).flatMap { $0 },
      p99Seconds: shareP99Seconds.indices.contains(index) ? shareP99Seconds[index] : nil)
  }

  /// Sets the totals of nodes whose file has none: such plans hold each model of one group once. Every kind of node has
  /// at least what its emptiest nodes have; the first kinds are filled up.
  static func settleTotals(of nodes: inout [NodeGroup], models: Int) {
    let isOld = nodes.allSatisfy { $0.spec.models.count == 1 && $0.modelsPerNode[0] <= $0.modelsPerNode[1] }
    guard isOld, nodes.reduce(0, { $0 + $1.totals[0] }) != models else { return }
    let least = nodes.reduce(0) { $0 + $1.count * $1.fewestModels }
    guard models >= least else { return }
    var left = models - least
    for index in nodes.indices {
      let more = min(left, nodes[index].count * (nodes[index].spec.models[0].count - nodes[index].fewestModels))
      nodes[index].totals = [nodes[index].count * nodes[index].fewestModels + more]
      left -= more
    }
  }

  /// A node of a version 1 file, which leaves to the plan's workload what its models are.
  mutating func adopt(_ group: ModelGroup) {
    for index in spec.models.indices where spec.models[index].group.isEmpty {
      let old = spec.models[index].variant
      let variant = Variant(
        architecture: group.architecture, precision: old.precision, vocabulary: group.vocabulary)
      spec.models[index] = ModelShare(group: group.name, variant: variant, count: spec.models[index].count)
      figures.entries[index].variant = variant
    }
  }
}
