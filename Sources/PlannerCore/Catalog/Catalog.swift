/// Instance types that can be bought, with prices.
public struct Catalog: Sendable {
  /// Where the prices come from, and of which day.
  public var provenance: Provenance
  public var types: [InstanceType]

  public init(provenance: Provenance, types: [InstanceType]) {
    self.provenance = provenance
    self.types = types
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

/// A published latency of one model on one processor, good for planning with.
public struct PublishedBenchmark: Codable, Hashable, Sendable {
  /// Instance families that have this processor, such as `["inf2"]`.
  public var instanceFamilies: [String]
  /// The type on which it was taken; on another size of the family it is an estimate.
  public var measuredOn: String
  public var architecture: String
  public var precision: Precision
  public var tokens: Int
  public var batch: Int
  /// What is known of the distribution, seconds; the keys are `mean`, `p50`, `p90`, `p95`, `p99`.
  public var seconds: [String: Double]
  /// Requests that one device computes at once, each in a core with a queue and models of its own.
  public var coresPerAccelerator: Int
  public var source: String

  private enum CodingKeys: String, CodingKey {
    case instanceFamilies, measuredOn, architecture = "modelFamily", precision, tokens, batch, seconds,
      coresPerAccelerator, source
  }

  public init(
    instanceFamilies: [String], measuredOn: String, architecture: String, precision: Precision, tokens: Int,
    batch: Int, seconds: [String: Double], coresPerAccelerator: Int, source: String
  ) {
    self.instanceFamilies = instanceFamilies
    self.measuredOn = measuredOn
    self.architecture = architecture
    self.precision = precision
    self.tokens = tokens
    self.batch = batch
    self.seconds = seconds
    self.coresPerAccelerator = coresPerAccelerator
    self.source = source
  }
}
