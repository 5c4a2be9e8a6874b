/// What a model on an accelerator keeps of its host's memory, and a plan is sized on the upper end of.
public struct HostMemory: Codable, Hashable, Sendable {
  /// Bytes that one model keeps for as long as it is loaded.
  public struct Range: Codable, Hashable, Sendable {
    public var low: Int64
    public var high: Int64

    public init(low: Int64, high: Int64) {
      self.low = low
      self.high = high
    }
  }

  public var perModelBytes: Range
  /// What the host has for all models of the node, bytes.
  public var capacityBytes: Int64
  /// How the two were come by.
  public var provenance: Provenance

  public init(perModelBytes: Range, capacityBytes: Int64, provenance: Provenance) {
    self.perModelBytes = perModelBytes
    self.capacityBytes = capacityBytes
    self.provenance = provenance
  }

  /// Most models of the node, each keeping the upper end.
  public var mostModels: Int {
    perModelBytes.high > 0 ? Int(max(0, capacityBytes) / perModelBytes.high) : Int.max
  }
}

/// How much host memory models on the accelerators of some instance families keep, as far as others have published it.
public struct HostMemoryRule: Codable, Hashable, Sendable {
  /// A part of a model's weights and a fixed number of bytes.
  public struct Share: Codable, Hashable, Sendable {
    public var weightFactor: Double
    public var fixedBytes: Int64

    public init(weightFactor: Double, fixedBytes: Int64) {
      self.weightFactor = weightFactor
      self.fixedBytes = fixedBytes
    }

    /// Bytes of a model with so many bytes of weights.
    public func bytes(weightBytes: Int64) -> Int64 {
      Int64((Double(weightBytes) * weightFactor).rounded(.up)) + fixedBytes
    }
  }

  public var instanceFamilies: [String]
  /// Memory of the server's process with the device's runtime and no model, bytes.
  public var processBytes: Int64
  /// Least that a loaded model may keep.
  public var low: Share
  /// Most that a loaded model may keep.
  public var high: Share
  public var source: String

  public init(instanceFamilies: [String], processBytes: Int64, low: Share, high: Share, source: String) {
    self.instanceFamilies = instanceFamilies
    self.processBytes = processBytes
    self.low = low
    self.high = high
    self.source = source
  }

  /// For families of which nobody has published anything: the most that is known of any.
  static let ofUnknown = HostMemoryRule(
    instanceFamilies: [], processBytes: MemoryEstimate.serverAllowanceBytes,
    low: Share(weightFactor: 0, fixedBytes: 0), high: Share(weightFactor: 1.5, fixedBytes: 0),
    source: "nothing is published of this family; planned with the most that is known of any, 1.5 × the weights")
}

/// Something without which not even one model has a place on a node.
public enum RoomShortage: Hashable, Sendable {
  /// The node's agents and the server are more pods than the node may have.
  case pods(agents: Int, most: Int)
  /// The node's agents ask for more of the processor than pods may have, thousandths of a vCPU.
  case cpu(agentsMilliCPU: Int, availableMilliCPU: Int)
  /// The host cannot hold the device's runtime, one model and a copy of it while it loads.
  case hostMemory(neededBytes: Int64, availableBytes: Int64)
}
