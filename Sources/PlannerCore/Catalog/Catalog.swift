/// Instance types that can be bought, with prices.
public struct Catalog: Sendable {
  /// Where the prices come from, and of which day.
  public var provenance: Provenance
  public var types: [InstanceType]
  /// Price of the cluster that a fleet runs on, dollars an hour; part of every fleet's cost, not of the machine at
  /// hand's.
  public var clusterCostPerHour: Double
  /// What runs on the nodes beside a plan's server.
  public var nodeAgents: [NodeAgent]

  /// Price of an EKS cluster in standard support, dollars an hour (AWS's price list, 2026-07-20).
  public static let eksCostPerHour = 0.10

  public init(
    provenance: Provenance, types: [InstanceType], clusterCostPerHour: Double = Catalog.eksCostPerHour,
    nodeAgents: [NodeAgent] = []
  ) {
    self.provenance = provenance
    self.types = types
    self.clusterCostPerHour = clusterCostPerHour
    self.nodeAgents = nodeAgents
  }

  public subscript(name: String) -> InstanceType? { types.first { $0.name == name } }
}
