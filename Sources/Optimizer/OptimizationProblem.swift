import PlannerCore

/// Everything a plan follows from: the same problem gives the same plan, byte for byte.
public struct OptimizationProblem: Sendable {
  public var workload: Workload
  public var catalog: Catalog
  public var figures: [PublishedBenchmark]
  /// Speak for the instance types whose names their fingerprints carry, and for the HTTP and tokenizer time of all.
  public var profiles: [Profile]
  /// The machine at hand as one more place to run: there is one of it, and it costs nothing.
  public var local: LocalMachine?
  /// Dollars, the EKS cluster included; nil for any cost.
  public var budgetPerHour: Double?
  /// Types to choose from; nil for the whole catalogue. `local` names the machine at hand.
  public var instanceNames: [String]?
  public var seed: UInt64
  /// Plan the local machine alone for as many of the workload's models as it takes.
  public var fitModels: Bool
  /// A fit of fewer models counts as infeasible.
  public var leastFittedModels = 1

  public init(
    workload: Workload, catalog: Catalog, figures: [PublishedBenchmark], profiles: [Profile],
    local: LocalMachine? = nil,
    budgetPerHour: Double? = nil, instanceNames: [String]? = nil, seed: UInt64 = 1, fitModels: Bool = false
  ) {
    self.workload = workload
    self.catalog = catalog
    self.figures = figures
    self.profiles = profiles
    self.local = local
    self.budgetPerHour = budgetPerHour
    self.instanceNames = instanceNames
    self.seed = seed
    self.fitModels = fitModels
  }
}

/// The machine at hand as an instance type.
public struct LocalMachine: Sendable {
  public static let name = "local"

  public var profile: Profile
  /// Cores that may compute; those kept for the load generator are not among them.
  public var cores: Int
  /// Memory that the server and its models may take.
  public var memoryBytes: Int64

  public init(profile: Profile, cores: Int, memoryBytes: Int64) {
    self.profile = profile
    self.cores = cores
    self.memoryBytes = memoryBytes
  }

  /// Named `local`, price 0.
  public var instanceType: InstanceType {
    InstanceType(
      name: Self.name, costPerHour: 0, architecture: profile.host.architecture == "aarch64" ? "arm64" : "amd64",
      cpuManufacturer: profile.host.vendor, sustainedClockMHz: nil, vcpus: profile.host.cores,
      memoryBytes: profile.host.memoryBytes, allocatableMilliCPU: cores * 1000, allocatableMemoryBytes: memoryBytes,
      maxPods: 1, accelerator: nil)
  }
}

/// Why there is nothing to optimize. A problem without a feasible plan is no error: that is a plan which says so.
public enum OptimizerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// `similar` are names of the catalogue that the user may have meant.
  case unknownInstance(name: String, similar: [String])
  case emptyCatalog
  case noInstanceNamed
  case noLocalProfile
  case invalidWorkload(key: String, message: String)
  case invalidBudget(Double)
  /// A type of the catalogue that cannot be calculated with; `CatalogFile` lets none of them pass.
  case invalidInstance(name: String, key: String)
  /// Neither an architecture known by name nor one that a profile has measured.
  case unknownFamily(String)

  public var description: String {
    switch self {
    case .unknownInstance(let name, let similar):
      "instance type '\(name)' is not in the catalogue"
        + (similar.isEmpty
          ? "; `planner catalog show` lists its types" : "; did you mean \(similar.joined(separator: ", "))?")
    case .emptyCatalog: "the catalogue holds no instance type; name one that does with --catalog"
    case .noInstanceNamed: "the list of instance types is empty; name at least one, or leave the list out"
    case .noLocalProfile: "no profile of this machine; measure it with `planner profile`"
    case .invalidWorkload(let key, let message): "workload: \(key) \(message)"
    case .invalidBudget(let budget): "a budget of \(budget) dollars an hour is not a positive number; give one above 0"
    case .invalidInstance(let name, let key): "instance type '\(name)': \(key) is out of range; correct the catalogue"
    case .unknownFamily(let architecture):
      "model family '\(architecture)' is neither known by name nor in a profile; "
        + "use \(ArchitecturePreset.allCases.map(\.rawValue).joined(separator: ", ")), or profile it"
    }
  }
}

extension OptimizationProblem {
  /// The largest fleet of models that a search is made for; the exact cover keeps an array of this length.
  static let mostModels = 1_000_000

  func validate() throws(OptimizerError) {
    func require(_ holds: Bool, _ key: String, _ message: String) throws(OptimizerError) {
      if !holds { throw .invalidWorkload(key: key, message: message) }
    }
    let rate = workload.ratePerModelPerSecond
    let target = workload.targetP99Seconds
    try require((1...Self.mostModels).contains(workload.models), "models", "must be 1 to \(Self.mostModels)")
    try require(workload.tokens > 0, "tokens", "must be at least 1")
    // Slower than once in six days, the simulated time for 12,000 requests leaves the engine's clock.
    try require((2e-6...1e6).contains(rate), "ratePerModelPerSecond", "must be from 0.000002 to 1000000")
    try validateCatalog()
    try require(target > 0 && target.isFinite, "targetP99Seconds", "must be longer than 0")
    if let budgetPerHour, !(budgetPerHour > 0 && budgetPerHour.isFinite) { throw .invalidBudget(budgetPerHour) }
    let profiled = (profiles + [local?.profile].compactMap { $0 }).contains { profile in
      profile.models.contains { $0.architecture == workload.architecture }
    }
    if ArchitecturePreset(rawValue: workload.architecture) == nil, !profiled {
      throw .unknownFamily(workload.architecture)
    }
    if fitModels {
      if local == nil { throw .noLocalProfile }
      return
    }
    if catalog.types.isEmpty, local == nil { throw .emptyCatalog }
    guard let instanceNames else { return }
    if instanceNames.isEmpty { throw .noInstanceNamed }
    for name in instanceNames {
      if name == LocalMachine.name {
        if local == nil { throw .noLocalProfile }
      } else if catalog[name] == nil {
        throw .unknownInstance(name: name, similar: similarNames(to: name))
      }
    }
  }

  /// Bounds that keep exact sums within 64 bits.
  private func validateCatalog() throws(OptimizerError) {
    for type in catalog.types {
      func require(_ holds: Bool, _ key: String) throws(OptimizerError) {
        if !holds { throw .invalidInstance(name: type.name, key: key) }
      }
      try require((0...5000).contains(type.costPerHour), "price")
      try require((1...1_000_000_000).contains(type.vcpus), "vCPUs")
      try require((0...(1 << 50)).contains(type.allocatableMemoryBytes), "allocatable memory")
      guard let accelerator = type.accelerator else { continue }
      try require((1...1024).contains(accelerator.count), "number of accelerators")
      try require((1...(1 << 50)).contains(accelerator.memoryBytes), "accelerator memory")
    }
  }

  /// Up to five names of the same family, else with the same size.
  private func similarNames(to name: String) -> [String] {
    let family = name.prefix { $0 != "." }
    let size = name.drop { $0 != "." }
    let names = catalog.types.map(\.name)
    let relatives = names.filter { $0.prefix { $0 != "." } == family }
    if !relatives.isEmpty { return Array(relatives.prefix(5)) }
    guard let initial = family.first, size.count > 1 else { return [] }
    return Array(names.filter { $0.hasSuffix(size) && $0.first == initial }.prefix(5))
  }

  /// The types to choose from, in the catalogue's order, the local machine last.
  var consideredTypes: [InstanceType] {
    var types = catalog.types
    if let instanceNames { types = types.filter { instanceNames.contains($0.name) } }
    if let local, instanceNames?.contains(LocalMachine.name) ?? true { types.append(local.instanceType) }
    return types
  }
}
