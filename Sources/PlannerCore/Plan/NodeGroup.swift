/// `count` nodes of a plan that are alike, with what was predicted for the fullest of them.
public struct NodeGroup: Hashable, Sendable {
  /// The fullest of these nodes.
  public var spec: NodeSpec
  public var count: Int
  /// Models of the emptiest of these nodes: at most one fewer than the fullest's, so that models are spread evenly.
  public var fewestModels: Int
  /// Copies of the models of each share on all of these nodes together, in the order of the shares.
  public var totals: [Int]
  public var figures: NodeFigures
  /// Price of one node, dollars an hour.
  public var costPerHour: Double
  /// Where the latency comes from.
  public var provenance: Provenance
  /// This program's engine can run it today.
  public var executable: Bool
  public var latencySeconds: PlannedLatency
  /// p99 of each share's requests on the node that is worst for them, in the order of the shares; empty where there is
  /// one share, whose p99 is the node's.
  public var shareP99Seconds: [Estimate]
  /// Busy workers over workers, of the fullest device.
  public var utilization: Double

  /// - Parameter totals: nil where a node has one share and all of these nodes are equally full, or all but one.
  public init(
    spec: NodeSpec, count: Int, fewestModels: Int, totals: [Int]? = nil, figures: NodeFigures, costPerHour: Double,
    provenance: Provenance, executable: Bool, latencySeconds: PlannedLatency, shareP99Seconds: [Estimate] = [],
    utilization: Double
  ) {
    self.totals = totals ?? spec.models.map { $0.count * count - ($0.count > fewestModels ? 1 : 0) }
    self.shareP99Seconds = shareP99Seconds
    self.spec = spec
    self.count = count
    self.fewestModels = fewestModels
    self.figures = figures
    self.costPerHour = costPerHour
    self.provenance = provenance
    self.executable = executable
    self.latencySeconds = latencySeconds
    self.utilization = utilization
  }
}

// MARK: - Nodes of one group

/// What most readers ask of a node whose models are all of one group and variant. A node of several is read by its
/// `spec` and `figures`.
extension NodeGroup {
  /// Nodes of one group and variant.
  public init(
    instanceType: String, count: Int, modelsPerNode: [Int], precision: Precision, devices: Int, workers: Int,
    threadsPerWorker: Int, costPerHour: Double, provenance: Provenance, executable: Bool,
    latencySeconds: PlannedLatency, utilization: Double, memoryPerModelBytes: Int64, memoryCapacityBytes: Int64,
    memoryProvenance: Provenance, service: ServiceModel, environment: [String: String], group: String = "",
    architecture: String = "", vocabulary: Int? = nil
  ) {
    let variant = Variant(architecture: architecture, precision: precision, vocabulary: vocabulary)
    self.init(
      spec: NodeSpec(
        machine: MachineRef(instanceType),
        server: ServerSettings(
          devices: devices, workers: workers, threadsPerWorker: threadsPerWorker, environment: environment),
        models: [ModelShare(group: group, variant: variant, count: modelsPerNode.last ?? 0)]),
      count: count, fewestModels: modelsPerNode.first ?? 0,
      figures: NodeFigures(
        entries: [
          .init(
            variant: variant, service: service, memoryPerModelBytes: memoryPerModelBytes,
            memoryProvenance: memoryProvenance)
        ], memoryCapacityBytes: memoryCapacityBytes),
      costPerHour: costPerHour, provenance: provenance, executable: executable, latencySeconds: latencySeconds,
      utilization: utilization)
  }

  public var instanceType: String {
    get { spec.machine.name }
    set { spec.machine.name = newValue }
  }

  /// Fewest and most models on one of these nodes.
  public var modelsPerNode: [Int] {
    get {
      if spec.models.count == 1 { return [fewestModels, spec.models[0].count] }
      let total = totals.reduce(0) { $0.addingReportingOverflow($1).partialValue }
      return [fewestModels, total > 0 ? (total - 1) / max(1, count) + 1 : 0]
    }
    set {
      fewestModels = newValue.first ?? 0
      spec.models[0].count = newValue.last ?? 0
    }
  }

  /// Precision of the first group's models.
  public var precision: Precision {
    get { spec.models[0].variant.precision }
    set {
      spec.models[0].variant.precision = newValue
      figures.entries[0].variant.precision = newValue
    }
  }

  public var devices: Int {
    get { spec.server.devices }
    set { spec.server.devices = newValue }
  }

  public var workers: Int {
    get { spec.server.workers }
    set { spec.server.workers = newValue }
  }

  public var threadsPerWorker: Int {
    get { spec.server.threadsPerWorker }
    set { spec.server.threadsPerWorker = newValue }
  }

  public var environment: [String: String] {
    get { spec.server.environment }
    set { spec.server.environment = newValue }
  }

  /// Times of the first group's models.
  public var service: ServiceModel {
    get { figures.entries[0].service }
    set { figures.entries[0].service = newValue }
  }

  /// Memory of one model of the first group, bytes.
  public var memoryPerModelBytes: Int64 {
    get { figures.entries[0].memoryPerModelBytes }
    set { figures.entries[0].memoryPerModelBytes = newValue }
  }

  /// Memory that the node has for models, bytes.
  public var memoryCapacityBytes: Int64 {
    get { figures.memoryCapacityBytes }
    set { figures.memoryCapacityBytes = newValue }
  }

  public var memoryProvenance: Provenance { figures.entries[0].memoryProvenance }

  /// The host's part where models live on devices; nil where they live in the host's memory.
  public var hostMemory: HostMemory? {
    get { figures.entries[0].hostMemory }
    set { figures.entries[0].hostMemory = newValue }
  }

  public var host: HostFingerprint? {
    get { figures.host }
    set { figures.host = newValue }
  }

  public var serverMemoryBytes: Int64? {
    get { figures.serverMemoryBytes }
    set { figures.serverMemoryBytes = newValue }
  }
}
