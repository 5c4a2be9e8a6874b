/// Something of the cluster's own that takes a part of a node before the plan's server does: a pod of a DaemonSet, or
/// one that any node may have to hold.
public struct NodeAgent: Codable, Hashable, Sendable {
  public var name: String
  /// Pods of it on a node.
  public var pods: Int
  /// What it asks for of the processor, thousandths of a vCPU.
  public var milliCPU: Int
  /// Memory that is kept for it, MiB.
  public var memoryMiB: Int
  /// Whether the memory is published as a request or limit, or an allowance.
  public var memoryKind: Provenance.Kind
  /// Names of the accelerators on whose nodes it runs; nil where it runs on every node.
  public var accelerators: [String]?
  public var source: String

  public init(
    name: String, pods: Int = 1, milliCPU: Int, memoryMiB: Int, memoryKind: Provenance.Kind,
    accelerators: [String]? = nil, source: String
  ) {
    self.name = name
    self.pods = pods
    self.milliCPU = milliCPU
    self.memoryMiB = memoryMiB
    self.memoryKind = memoryKind
    self.accelerators = accelerators
    self.source = source
  }

  /// Whether it runs on nodes of that type.
  public func runs(on type: InstanceType) -> Bool {
    guard let accelerators else { return true }
    return type.acceleratorName.map(accelerators.contains) ?? false
  }

  /// What it takes of a node.
  public var demand: ResourceList {
    ResourceList([.cpu: Int64(milliCPU), .memory: Int64(memoryMiB) << 20, .pods: Int64(pods)])
  }
}

extension Catalog {
  /// What runs on a node of that type beside the plan's server.
  public func agents(on type: InstanceType) -> [NodeAgent] { nodeAgents.filter { $0.runs(on: type) } }

  /// What a node of that type has for the plan's server: what pods may use, less what the node's agents take. Below 0
  /// where these alone do not fit.
  public func room(on type: InstanceType) -> ResourceList {
    var room = ResourceList()
    let agents = agents(on: type)
    for name in [ResourceName.cpu, .memory, .pods] {
      room[name] = agents.reduce(type.allocatable[name] ?? 0) { $0 - ($1.demand[name] ?? 0) }
    }
    return room
  }
}
