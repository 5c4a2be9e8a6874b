import PlannerCore

/// Everything a plan follows from: the same problem gives the same plan, byte for byte.
public struct OptimizationProblem: Sendable {
  public var workload: Workload
  /// Instance types to choose from, with prices.
  public var catalog: Catalog
  /// What is known of models on machines.
  public var figures: Figures
  /// The machine at hand as one more place to run: there is one of it, and it costs nothing.
  public var local: LocalMachine?
  /// Most dollars an hour, the cluster included; nil for any cost.
  public var budgetPerHour: Double?
  /// Types to choose from; nil for the whole catalogue. `local` names the machine at hand.
  public var instanceNames: [String]?
  public var seed: UInt64
  /// Plan the local machine alone for as many of the workload's models as it takes.
  public var fitModels: Bool
  /// A fit of fewer models counts as infeasible.
  public var leastFittedModels = 1
  /// A published table to lay the plan beside; nil leaves the comparison out.
  public var guidance: GuidanceTable?

  public init(
    workload: Workload, catalog: Catalog, figures: Figures, local: LocalMachine? = nil, budgetPerHour: Double? = nil,
    instanceNames: [String]? = nil, seed: UInt64 = 1, fitModels: Bool = false, guidance: GuidanceTable? = nil
  ) {
    self.workload = workload
    self.catalog = catalog
    self.figures = figures
    self.local = local
    self.budgetPerHour = budgetPerHour
    self.instanceNames = instanceNames
    self.seed = seed
    self.fitModels = fitModels
    self.guidance = guidance
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
  /// A demand that a workload may have and the search cannot plan yet.
  case unplanned(UnplannedDemand)
  /// The search was told to stop before it had a plan with a proof.
  case stopped
  case invalidBudget(Double)
  /// A type of the catalogue that cannot be calculated with; `CatalogFile` lets none of them pass.
  case invalidInstance(name: String, key: String)
  /// Neither an architecture known by name nor one with a figure; `known` are those that can be planned.
  case unknownArchitecture(String, known: [String])

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
    case .stopped: "the search was stopped before it was finished"
    case .unplanned(let demand): demand.description
    case .invalidBudget(let budget): "a budget of \(budget) dollars an hour is not a positive number; give one above 0"
    case .invalidInstance(let name, let key): "instance type '\(name)': \(key) is out of range; correct the catalogue"
    case .unknownArchitecture(let name, let known):
      "architecture '\(name)' has neither a profile nor a published figure; use \(known.joined(separator: ", ")), "
        + "or measure models of your own with: planner profile --models DIR"
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
    if fitModels, !workload.isFlat { throw .unplanned(.fitOfUnlikeModels) }
    let models = workload.groups.reduce(0) { $0 + min($1.models, Self.mostModels + 1) }
    try require((1...Self.mostModels).contains(models), "models", "must be 1 to \(Self.mostModels)")
    for group in workload.groups { try validate(group) }
    try validateCatalog()
    if let budgetPerHour, !(budgetPerHour > 0 && budgetPerHour.isFinite) { throw .invalidBudget(budgetPerHour) }
    var everything = figures
    if let local { everything.profiles.append(local.profile) }
    let known = everything.knownArchitectures
    for group in workload.groups where !known.contains(group.architecture) {
      throw .unknownArchitecture(group.architecture, known: known)
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

  private func validate(_ group: ModelGroup) throws(OptimizerError) {
    let place = workload.groups.count == 1 ? "" : "groups: \(group.name): "
    func require(_ holds: Bool, _ key: String, _ message: String) throws(OptimizerError) {
      if !holds { throw .invalidWorkload(key: place + key, message: message) }
    }
    try require(group.models >= 1, "models", "must be at least 1")
    if let names = group.modelNames {
      try require(names.count == group.models, "names", "are \(names.count), and the models are \(group.models)")
    }
    try require(group.requests.tokens > 0, "tokens", "must be at least 1")
    // Slower than once in six days, the simulated time for 12,000 requests leaves the engine's clock.
    try require(
      (2e-6...1e6).contains(group.ratePerModelPerSecond), "ratePerModelPerSecond", "must be from 0.000002 to 1000000")
    let target = group.targetP99Seconds
    try require(target > 0 && target.isFinite, "targetP99Seconds", "must be longer than 0")
    try require((1...1000).contains(group.leastReplicas), "replicas", "must be 1 to 1000")
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
