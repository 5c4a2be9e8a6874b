/// What stops a plan, a node or an instance type from being cheaper, or from being feasible.
public enum Binding: String, Codable, Hashable, Sendable, CaseIterable {
  case memory
  /// More pods than a node may have.
  case pods
  /// The workers could not keep up with more requests.
  case compute
  case latency
  case budget
  /// There are no more models.
  case count
  /// It was not tried by itself.
  case notTried
  /// No measurement and no publication says.
  case noFigure
}

/// Why something is as it is, with the values that make it so; `sentence` says it in words.
///
/// A plan file holds the sentence. What is read back from one is `stated`.
public indirect enum Reason: Hashable, Sendable {
  /// Memory of one model, and whether that was measured or estimated.
  public struct ModelMemory: Hashable, Sendable {
    public var bytes: Int64
    public var kind: Provenance.Kind

    public init(bytes: Int64, kind: Provenance.Kind) {
      self.bytes = bytes
      self.kind = kind
    }
  }

  /// The part of a node that a model lives on.
  public enum Place: Hashable, Sendable {
    case node
    case accelerator(String)
    case core(of: String)
  }

  /// So many nodes of one type.
  public struct FleetPart: Hashable, Sendable {
    public var count: Int
    public var instanceType: String

    public init(count: Int, instanceType: String) {
      self.count = count
      self.instanceType = instanceType
    }
  }

  // MARK: A node takes no more models

  /// So many models fill the memory of one place; 0 where not even one fits.
  case memory(models: Int, ModelMemory, roomBytes: Int64, place: Place)
  /// So many models keep as much of the host's memory as it has for them.
  case hostMemory(models: Int, ModelMemory, roomBytes: Int64)
  /// Not even one model has a place on the node.
  case noRoom(RoomShortage)
  /// So many models would keep the workers of one place busy all the time.
  case compute(models: Int, ratePerModelPerSecond: Double, workers: Int, place: Place, meanSeconds: Double)
  /// So many models in one place break the target; nil where they have no steady state.
  case latency(models: Int, place: Place, p99Seconds: Estimate?, targetSeconds: Double)
  /// The bare pass takes longer than the target.
  case passAboveTarget(FigureLabel, targetSeconds: Double)
  /// A single model breaks the target; nil where it has no steady state.
  case oneModelAboveTarget(FigureLabel, p99Seconds: Estimate?, place: Place, targetSeconds: Double)

  // MARK: Everything has a place

  case oneNodeTakesAll(models: Int)
  case oneTypeTakesAll(instanceType: String, models: Int)
  case machineAtHandTakesAll(models: Int)
  case allThatWereAskedFor(models: Int)

  // MARK: Too little of something

  case machineAtHandTakes(models: Int, of: Int, Reason)
  case fitted(models: Int, of: Int, Reason)
  case nodesAboveBudget(nodes: Int, costPerHour: Double, budgetPerHour: Double, Reason)
  case fleetAboveBudget([FleetPart], costPerHour: Double, budgetPerHour: Double, Reason)
  /// No type keeps the target; the named one comes nearest.
  case nearest(instanceType: String, targetSeconds: Double, Reason, typesWithoutFigure: Int)

  // MARK: Nothing is known

  case noFigure(NoFigure)
  case noTypeHasFigure(types: Int, architecture: String, size: Int)

  // MARK: Why there is no plan that the engine can run today

  case executableFleetAboveBudget([FleetPart], costPerHour: Double, budgetPerHour: Double)
  case noProfiledTypeKeepsTarget(instanceType: String, Reason)
  case noProfile(architecture: String, size: Int)

  // MARK: Many kinds of models

  /// A reason that is one group's.
  case ofGroup(String, Reason)
  /// On so many nodes some group would break its target.
  case mixTooSlow(nodes: Int, instanceType: String)
  /// The models take more memory than so many nodes have; `isHosts` says whether it is the hosts' or the devices'.
  case mixMemory(nodes: Int, instanceType: String, neededBytes: Int64, isHosts: Bool)
  /// The fullest nodes hold so much of what they have most use for, as a share of 1.
  case mixFills(Binding, share: Double, nodes: Int, instanceType: String)
  /// A model has more copies than there would be devices.
  case mixReplicas(copies: Int, devices: Int)
  /// The machine at hand does not take all groups.
  case mixDoesNotFit(groups: Int, models: Int)
  /// No profiled type keeps the targets of all groups.
  case noProfiledTypeKeepsTargets
  /// A type that no fleet of it alone was looked for.
  case notTriedAlone

  // MARK: The guidance's own packing

  case notInCatalogue
  /// The packing of a row of the guidance, on the cheapest type with the same chip.
  case packingOfAnotherType(instanceType: String, models: Int, Reason)
  case packingMemory(models: Int, ModelMemory, capacityBytes: Int64)
  /// So many models keep more of the host's memory than it has for them.
  case packingHostMemory(models: Int, ModelMemory, capacityBytes: Int64)
  /// Latency of a packing beside the target, seconds; nil where so many models have no steady state.
  case packing(models: Int, p99Seconds: Estimate?, targetSeconds: Double)

  /// A reason in the words of a plan file.
  case stated(String)
}

extension Reason: Codable {
  public init(from decoder: any Decoder) throws {
    self = .stated(try decoder.singleValueContainer().decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    try box.encode(sentence)
  }
}
