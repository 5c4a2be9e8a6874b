/// A demand that can be written down and not planned. A plan for something near it would be wrong without saying so.
public enum UnplannedDemand: Error, Hashable, Sendable, CustomStringConvertible {
  /// The machine at hand is to be filled with as many models as it takes, and they are not all alike.
  case fitOfUnlikeModels

  public var description: String {
    switch self {
    case .fitOfUnlikeModels:
      "--fit fills this machine with models that are all asked alike, and this workload has several groups, sizes, "
        + "copies or unequal rates; plan all of it with --instances local"
    }
  }
}

extension Workload {
  /// Whether all models are alike: one group, one size, the same rate for each, one copy of each.
  public var isFlat: Bool { groups.count == 1 && groups[0].isFlat }
}

extension ModelGroup {
  /// Whether the models are all asked alike, at one size or none, and have one copy each.
  public var isFlat: Bool {
    // A single model is asked as often as the mean.
    guard models == 1 || popularity == .uniform, leastReplicas == 1 else { return false }
    switch requests.sizes {
    case .fixed, .none: break
    case .lognormal, .histogram: return false
    }
    switch arrivals {
    case .poisson, .deterministic: return true
    case .gamma, .trace: return false
    }
  }
}
