/// A packing problem by itself: items with resource demands, and types of bins to buy for them.
///
/// What a fleet is to the solvers, and the form of a file that holds nothing but the problem. A node's capacity for
/// models of one group is the number that its memory, its workers and its simulated latency allow, as one resource.
public struct PackingInstance: Codable, Hashable, Sendable {
  /// A kind of bin that may be bought.
  public struct BinType: Codable, Hashable, Sendable {
    public var name: String
    /// Price of one bin.
    public var cost: Double
    /// What one bin has of each resource; one that is not named is not there.
    public var capacity: [String: Double]
    /// Most bins of this type; nil for any number.
    public var max: Int?

    public init(name: String, cost: Double, capacity: [String: Double], max: Int? = nil) {
      self.name = name
      self.cost = cost
      self.capacity = capacity
      self.max = max
    }
  }

  /// One way to pack an item.
  public struct Option: Codable, Hashable, Sendable {
    /// Names of the types that it may be packed into; nil for all.
    public var types: [String]?
    /// What it takes of each resource.
    public var demand: [String: Double]

    public init(types: [String]? = nil, demand: [String: Double]) {
      self.types = types
      self.demand = demand
    }
  }

  /// `count` items that are alike.
  public struct Item: Codable, Hashable, Sendable {
    public var name: String
    public var count: Int
    public var options: [Option]

    public init(name: String, count: Int, options: [Option]) {
      self.name = name
      self.count = count
      self.options = options
    }
  }

  public var resources: [String]
  public var types: [BinType]
  public var items: [Item]

  public init(resources: [String], types: [BinType], items: [Item]) {
    self.resources = resources
    self.types = types
    self.items = items
  }
}

/// Bins to buy and what to put into each.
public struct PackingSolution: Codable, Hashable, Sendable {
  /// So many items of one name, packed in one of its ways.
  public struct Content: Codable, Hashable, Sendable {
    public var name: String
    /// Place of the way among the item's options.
    public var option: Int
    public var count: Int

    public init(name: String, option: Int, count: Int) {
      self.name = name
      self.option = option
      self.count = count
    }
  }

  /// `count` bins that are alike.
  public struct Bin: Codable, Hashable, Sendable {
    public var type: String
    public var count: Int
    /// What is in each of them.
    public var items: [Content]

    public init(type: String, count: Int, items: [Content]) {
      self.type = type
      self.count = count
      self.items = items
    }
  }

  public var cost: Double
  /// No solution costs less.
  public var lowerBound: Double
  /// The cost is the lower bound.
  public var proven: Bool
  public var bins: [Bin]

  public init(cost: Double, lowerBound: Double, proven: Bool, bins: [Bin]) {
    self.cost = cost
    self.lowerBound = lowerBound
    self.proven = proven
    self.bins = bins
  }
}

/// A way to solve packing problems.
protocol PackingSolver {
  /// - Returns: nil where no bin takes an item, or where the solver does not know this form of the problem.
  func solve(_ instance: PackingInstance) -> PackingSolution?
}
