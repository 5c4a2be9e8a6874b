/// A published cost table that a plan is laid beside: so many models of one architecture on one type of node each.
public struct GuidanceTable: Codable, Hashable, Sendable {
  public struct Row: Codable, Hashable, Sendable {
    public var instanceType: String
    /// Price of one node as printed, dollars an hour.
    public var pricePerHour: Double
    public var nodes: Int
    /// As printed, dollars an hour; it may leave out what other rows include.
    public var totalPerHour: Double

    public init(instanceType: String, pricePerHour: Double, nodes: Int, totalPerHour: Double) {
      self.instanceType = instanceType
      self.pricePerHour = pricePerHour
      self.nodes = nodes
      self.totalPerHour = totalPerHour
    }
  }

  public var source: String
  public var models: Int
  public var architecture: String
  public var rows: [Row]
  /// The row whose packing of a chip is tried on the cheapest type with the same chip, too.
  public var chipRow: String

  public init(source: String, models: Int, architecture: String, rows: [Row], chipRow: String) {
    self.source = source
    self.models = models
    self.architecture = architecture
    self.rows = rows
    self.chipRow = chipRow
  }

  /// How many models a node holds at the row's number of nodes.
  public func modelsPerNode(_ row: Row) -> Int { (models + row.nodes - 1) / row.nodes }
}
