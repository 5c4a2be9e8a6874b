/// The machine that a node runs on: an instance type by its name in the catalogue, or the machine at hand.
public struct MachineRef: Codable, Hashable, Sendable {
  public var name: String

  public init(_ name: String) { self.name = name }

  public static let local = MachineRef(LocalMachine.name)

  public var isLocal: Bool { name == LocalMachine.name }

  public init(from decoder: any Decoder) throws {
    name = try decoder.singleValueContainer().decode(String.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    try box.encode(name)
  }
}

/// So many models of a group of the workload, in one variant.
public struct ModelShare: Codable, Hashable, Sendable {
  /// Name of the group.
  public var group: String
  public var variant: Variant
  public var count: Int

  public init(group: String, variant: Variant, count: Int) {
    self.group = group
    self.variant = variant
    self.count = count
  }
}

/// A node with its models: what is predicted, checked, deployed, loaded and reported.
public struct NodeSpec: Codable, Hashable, Sendable {
  public var machine: MachineRef
  public var server: ServerSettings
  public var models: [ModelShare]

  public init(machine: MachineRef, server: ServerSettings, models: [ModelShare]) {
    self.machine = machine
    self.server = server
    self.models = models
  }

  /// Models of the node, over all groups.
  public var modelCount: Int { models.reduce(0) { $0 + $1.count } }
}

/// What a node is planned with: the figures of each of its shares, and its memory. A plan holds them, so that others
/// can predict the node again.
public struct NodeFigures: Codable, Hashable, Sendable {
  /// Times and memory of the models of one share on that node.
  public struct Entry: Codable, Hashable, Sendable {
    public var variant: Variant
    public var service: ServiceModel
    public var memoryPerModelBytes: Int64
    public var memoryProvenance: Provenance
    /// The host's part where models live on devices; nil where they live in the host's memory.
    public var hostMemory: HostMemory?

    public init(
      variant: Variant, service: ServiceModel, memoryPerModelBytes: Int64, memoryProvenance: Provenance,
      hostMemory: HostMemory? = nil
    ) {
      self.hostMemory = hostMemory
      self.variant = variant
      self.service = service
      self.memoryPerModelBytes = memoryPerModelBytes
      self.memoryProvenance = memoryProvenance
    }
  }

  /// One for each share of the node, in their order.
  public var entries: [Entry]
  /// What the node has for models where they live, bytes.
  public var memoryCapacityBytes: Int64
  /// The machine whose profile the figures are from; nil for published ones.
  public var host: HostFingerprint?
  /// Memory of the server itself, beside its models, bytes; nil where it was not measured.
  public var serverMemoryBytes: Int64?

  public init(
    entries: [Entry], memoryCapacityBytes: Int64, host: HostFingerprint? = nil, serverMemoryBytes: Int64? = nil
  ) {
    self.entries = entries
    self.memoryCapacityBytes = memoryCapacityBytes
    self.host = host
    self.serverMemoryBytes = serverMemoryBytes
  }
}

extension ServingFigures {
  /// A node of one kind of machine with so many models of a group.
  public func spec(models: Int, ofGroup group: String, on machine: MachineRef) -> NodeSpec {
    NodeSpec(
      machine: machine, server: server, models: [ModelShare(group: group, variant: variant, count: models)])
  }

  /// What a node keeps of these figures.
  public var nodeFigures: NodeFigures {
    NodeFigures(
      entries: [nodeEntry], memoryCapacityBytes: memoryCapacityBytes, host: host, serverMemoryBytes: serverMemoryBytes)
  }

  /// What a node keeps of these figures for one of its shares.
  public var nodeEntry: NodeFigures.Entry {
    NodeFigures.Entry(
      variant: variant, service: service, memoryPerModelBytes: memoryPerModelBytes, memoryProvenance: memoryProvenance,
      hostMemory: hostMemory)
  }
}

extension NodeFigures.Entry {
  /// Mean time for which a request keeps a worker from others, over requests of all sizes.
  public var meanBusySeconds: Double { service.meanBusySeconds }
}
