/// Instance types that can be bought, with prices.
public struct Catalog: Sendable {
  /// Where the prices come from, and of which day.
  public var provenance: Provenance
  public var types: [InstanceType]
  /// Price of the cluster that a fleet runs on, dollars an hour; part of every fleet's cost, not of the machine at
  /// hand's.
  public var clusterCostPerHour: Double

  /// Price of an EKS cluster in standard support, dollars an hour (AWS's price list, 2026-07-20).
  public static let eksCostPerHour = 0.10

  public init(provenance: Provenance, types: [InstanceType], clusterCostPerHour: Double = Catalog.eksCostPerHour) {
    self.provenance = provenance
    self.types = types
    self.clusterCostPerHour = clusterCostPerHour
  }

  public subscript(name: String) -> InstanceType? { types.first { $0.name == name } }
}

/// One kind of machine and what a pod may use of it.
public struct InstanceType: Codable, Hashable, Sendable {
  public struct Accelerator: Codable, Hashable, Sendable {
    public var name: String
    public var count: Int
    /// Memory of one device.
    public var memoryBytes: Int64

    public init(name: String, count: Int, memoryBytes: Int64) {
      self.name = name
      self.count = count
      self.memoryBytes = memoryBytes
    }
  }

  /// Such as `c7g.4xlarge`; `local` is the machine that was profiled.
  public var name: String
  /// Dollars.
  public var costPerHour: Double
  /// `amd64` or `arm64`.
  public var architecture: String
  public var cpuManufacturer: String
  public var sustainedClockMHz: Int?
  public var vcpus: Int
  public var memoryBytes: Int64
  /// What pods may use of it, in thousandths of a vCPU.
  public var allocatableMilliCPU: Int
  public var allocatableMemoryBytes: Int64
  public var maxPods: Int
  public var accelerator: Accelerator?

  public init(
    name: String, costPerHour: Double, architecture: String, cpuManufacturer: String, sustainedClockMHz: Int?,
    vcpus: Int, memoryBytes: Int64, allocatableMilliCPU: Int, allocatableMemoryBytes: Int64, maxPods: Int,
    accelerator: Accelerator?
  ) {
    self.name = name
    self.costPerHour = costPerHour
    self.architecture = architecture
    self.cpuManufacturer = cpuManufacturer
    self.sustainedClockMHz = sustainedClockMHz
    self.vcpus = vcpus
    self.memoryBytes = memoryBytes
    self.allocatableMilliCPU = allocatableMilliCPU
    self.allocatableMemoryBytes = allocatableMemoryBytes
    self.maxPods = maxPods
    self.accelerator = accelerator
  }

  /// `c7g` of `c7g.4xlarge`.
  public var familyName: String { String(name.prefix { $0 != "." }) }
}
