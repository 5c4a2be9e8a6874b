/// Instance types that can be bought, with prices.
public struct Catalog: Sendable {
  /// Where the prices come from, and of which day.
  public var provenance: Provenance
  public var types: [InstanceType]
  /// What a cluster costs beside its nodes, dollars an hour.
  public var clusterCostPerHour: Double

  /// - Parameter clusterCostPerHour: dollars an hour; the files of a catalogue say it.
  public init(
    provenance: Provenance, types: [InstanceType], clusterCostPerHour: Double = Plan.clusterCostPerHour
  ) {
    self.provenance = provenance
    self.types = types
    self.clusterCostPerHour = clusterCostPerHour
  }

  public subscript(name: String) -> InstanceType? { types.first { $0.name == name } }
}
