/// How an instance type may be bought, and for how much.
public struct Offering: Codable, Hashable, Sendable {
  /// How the machine is paid for.
  public enum Purchase: String, Codable, CaseIterable, Sendable {
    /// Paid by the hour, for as long as the node is wanted.
    case onDemand
    /// Paid by the hour, until the cloud takes the node back.
    case spot
    /// Paid in advance, for a year or longer.
    case reserved
  }

  /// The cloud's name of the place, such as `us-east-1`.
  public var region: String
  public var purchase: Purchase
  /// Dollars an hour.
  public var costPerHour: Double

  /// Region of a catalogue that names none.
  public static let usualRegion = "us-east-1"

  public init(region: String = usualRegion, purchase: Purchase = .onDemand, costPerHour: Double) {
    self.region = region
    self.purchase = purchase
    self.costPerHour = costPerHour
  }
}

/// One kind of machine: its processor, what it has, what pods may use of that, and how it may be bought.
public struct InstanceType: Hashable, Sendable {
  /// The processor that the cloud names.
  public struct Processor: Hashable, Sendable {
    /// `amd64` or `arm64`.
    public var architecture: String
    /// Maker of the processor; empty where unknown.
    public var manufacturer: String
    /// Clock that the processor keeps up, megahertz; nil where unknown.
    public var sustainedClockMHz: Int?

    public init(architecture: String, manufacturer: String, sustainedClockMHz: Int?) {
      self.architecture = architecture
      self.manufacturer = manufacturer
      self.sustainedClockMHz = sustainedClockMHz
    }
  }

  /// Devices of one kind in a machine.
  public struct Accelerator: Codable, Hashable, Sendable {
    public var name: String
    public var count: Int
    /// Memory of one device, bytes.
    public var memoryBytes: Int64

    public init(name: String, count: Int, memoryBytes: Int64) {
      self.name = name
      self.count = count
      self.memoryBytes = memoryBytes
    }
  }

  /// Such as `c7g.4xlarge`; `local` is the machine that was profiled.
  public var name: String
  public var processor: Processor
  /// What the machine has.
  public var capacity: ResourceList
  /// What pods may use of it. Resources that a catalogue names besides processor, memory and pods are here.
  public var allocatable: ResourceList
  /// Kind of its accelerators; nil where it has none.
  public var acceleratorName: String?
  /// Every way to buy it, in the catalogue's order.
  public var offerings: [Offering]

  public init(
    name: String, processor: Processor, capacity: ResourceList, allocatable: ResourceList,
    acceleratorName: String? = nil, offerings: [Offering]
  ) {
    self.name = name
    self.processor = processor
    self.capacity = capacity
    self.allocatable = allocatable
    self.acceleratorName = acceleratorName
    self.offerings = offerings
  }

  /// `c7g` of `c7g.4xlarge`.
  public var familyName: String { String(name.prefix { $0 != "." }) }

  /// The cheapest way to buy it so in that region; nil where it is not offered.
  public func offering(_ purchase: Offering.Purchase, region: String) -> Offering? {
    offerings.filter { $0.purchase == purchase && $0.region == region }.min { $0.costPerHour < $1.costPerHour }
  }
}

// MARK: - Single figures

extension InstanceType {
  /// A type that is bought on demand in the usual region.
  public init(
    name: String, costPerHour: Double, architecture: String, cpuManufacturer: String, sustainedClockMHz: Int?,
    vcpus: Int, memoryBytes: Int64, allocatableMilliCPU: Int, allocatableMemoryBytes: Int64, maxPods: Int,
    accelerator: Accelerator?
  ) {
    self.init(
      name: name,
      processor: Processor(
        architecture: architecture, manufacturer: cpuManufacturer, sustainedClockMHz: sustainedClockMHz),
      capacity: ResourceList([.cpu: Int64(vcpus) * 1000, .memory: memoryBytes]),
      allocatable: ResourceList([
        .cpu: Int64(allocatableMilliCPU), .memory: allocatableMemoryBytes, .pods: Int64(maxPods),
      ]), offerings: [Offering(costPerHour: costPerHour)])
    self.accelerator = accelerator
  }

  /// Index of the offering that is meant where a price is spoken of: on demand, in the usual region where it is offered
  /// there, else in the first region of the catalogue.
  private var standardOffering: Int? {
    offerings.firstIndex { $0.purchase == .onDemand && $0.region == Offering.usualRegion }
      ?? offerings.firstIndex { $0.purchase == .onDemand }
  }

  /// Price on demand, dollars an hour; infinite where the type is not offered on demand.
  public var costPerHour: Double {
    get { standardOffering.map { offerings[$0].costPerHour } ?? .infinity }
    set {
      if let index = standardOffering {
        offerings[index].costPerHour = newValue
      } else {
        offerings.append(Offering(costPerHour: newValue))
      }
    }
  }

  /// `amd64` or `arm64`.
  public var architecture: String {
    get { processor.architecture }
    set { processor.architecture = newValue }
  }

  /// Maker of the processor; empty where unknown.
  public var cpuManufacturer: String {
    get { processor.manufacturer }
    set { processor.manufacturer = newValue }
  }

  /// Clock that the processor keeps up, megahertz; nil where unknown.
  public var sustainedClockMHz: Int? {
    get { processor.sustainedClockMHz }
    set { processor.sustainedClockMHz = newValue }
  }

  /// Virtual CPUs of the machine.
  public var vcpus: Int {
    get { Int((capacity[.cpu] ?? 0) / 1000) }
    set { capacity[.cpu] = Int64(newValue) * 1000 }
  }

  /// Memory of the machine, bytes.
  public var memoryBytes: Int64 {
    get { capacity[.memory] ?? 0 }
    set { capacity[.memory] = newValue }
  }

  /// What pods may use of the processor, thousandths of a vCPU.
  public var allocatableMilliCPU: Int {
    get { Int(allocatable[.cpu] ?? 0) }
    set { allocatable[.cpu] = Int64(newValue) }
  }

  /// What pods may use of the memory, bytes.
  public var allocatableMemoryBytes: Int64 {
    get { allocatable[.memory] ?? 0 }
    set { allocatable[.memory] = newValue }
  }

  /// Largest number of pods on a node.
  public var maxPods: Int {
    get { Int(allocatable[.pods] ?? 0) }
    set { allocatable[.pods] = Int64(newValue) }
  }

  /// Devices of the type, all alike; nil where it has none.
  public var accelerator: Accelerator? {
    get {
      acceleratorName.map {
        Accelerator(
          name: $0, count: Int(allocatable[.accelerators] ?? 0), memoryBytes: allocatable[.acceleratorMemory] ?? 0)
      }
    }
    set {
      acceleratorName = newValue?.name
      allocatable[.accelerators] = newValue.map { Int64($0.count) }
      allocatable[.acceleratorMemory] = newValue?.memoryBytes
    }
  }

  /// What pods may use besides processor, memory, pods and the accelerators.
  public var otherResources: ResourceList {
    allocatable.without([.cpu, .memory, .pods, .accelerators, .acceleratorMemory])
  }
}

extension InstanceType: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, costPerHour, architecture, cpuManufacturer, sustainedClockMHz, vcpus, memoryBytes, allocatableMilliCPU,
      allocatableMemoryBytes, maxPods, accelerator, resources, offerings
  }

  public init(from decoder: any Decoder) throws {
    let box = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try box.decode(String.self, forKey: .name),
      costPerHour: try box.decode(Double.self, forKey: .costPerHour),
      architecture: try box.decode(String.self, forKey: .architecture),
      cpuManufacturer: try box.decode(String.self, forKey: .cpuManufacturer),
      sustainedClockMHz: try box.decodeIfPresent(Int.self, forKey: .sustainedClockMHz),
      vcpus: try box.decode(Int.self, forKey: .vcpus), memoryBytes: try box.decode(Int64.self, forKey: .memoryBytes),
      allocatableMilliCPU: try box.decode(Int.self, forKey: .allocatableMilliCPU),
      allocatableMemoryBytes: try box.decode(Int64.self, forKey: .allocatableMemoryBytes),
      maxPods: try box.decode(Int.self, forKey: .maxPods),
      accelerator: try box.decodeIfPresent(Accelerator.self, forKey: .accelerator))
    if let others = try box.decodeIfPresent(ResourceList.self, forKey: .resources) {
      for name in others.names { allocatable[name] = others[name] }
    }
    if let all = try box.decodeIfPresent([Offering].self, forKey: .offerings) { offerings = all }
  }

  /// Single figures stand alone; `resources` and `offerings` are there where they say more than these.
  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: CodingKeys.self)
    try box.encode(name, forKey: .name)
    try box.encode(costPerHour, forKey: .costPerHour)
    try box.encode(architecture, forKey: .architecture)
    try box.encode(cpuManufacturer, forKey: .cpuManufacturer)
    try box.encodeIfPresent(sustainedClockMHz, forKey: .sustainedClockMHz)
    try box.encode(vcpus, forKey: .vcpus)
    try box.encode(memoryBytes, forKey: .memoryBytes)
    try box.encode(allocatableMilliCPU, forKey: .allocatableMilliCPU)
    try box.encode(allocatableMemoryBytes, forKey: .allocatableMemoryBytes)
    try box.encode(maxPods, forKey: .maxPods)
    try box.encodeIfPresent(accelerator, forKey: .accelerator)
    if !otherResources.isEmpty { try box.encode(otherResources, forKey: .resources) }
    if offerings != [Offering(costPerHour: costPerHour)] { try box.encode(offerings, forKey: .offerings) }
  }
}
