/// A demand that can be written down and not planned: the search knows one group of models that are all asked alike,
/// with requests of one size. A plan for the mean of the others would be wrong without saying so.
public enum UnplannedDemand: Error, Hashable, Sendable, CustomStringConvertible {
  case severalGroups(Int)
  /// Some models are asked more often than others.
  case popularity(group: String)
  case varyingSizes(group: String)
  /// Requests have no length, and figures are known by length.
  case noSize(group: String)
  /// Arrivals of another process than Poisson's or an even one.
  case arrivals(group: String, process: String)
  case tensors(group: String)
  case replicas(group: String, least: Int)

  public var description: String {
    switch self {
    case .severalGroups(let count):
      "the workload has \(count) groups of models, and one can be planned at a time; several groups need a file each"
    case .popularity(let group):
      "group '\(group)': its models are asked unequally, and plans are made for models that are all asked alike; to "
        + "plan every model for the hottest one's rate, write that as rate: {perModel: …}"
    case .varyingSizes(let group):
      "group '\(group)': its requests have many sizes, and plans are made for one; to plan for the longest, write "
        + "that as size: …"
    case .noSize(let group):
      "group '\(group)': its requests have no size, and plans are made with figures of one; write size: …"
    case .arrivals(let group, let process):
      "group '\(group)': its arrivals are of the process \(process), and plans are made for poisson and deterministic"
    case .tensors(let group):
      "group '\(group)': its requests are tensors, and plans are made for text and tokens"
    case .replicas(let group, let least):
      "group '\(group)': it asks for \(least) replicas of each model, and plans hold each model once; write replicas: 1"
    }
  }
}

extension Workload {
  /// The first thing about this demand that cannot be planned; nil where everything can.
  public var unplanned: UnplannedDemand? {
    if groups.count > 1 { return .severalGroups(groups.count) }
    return groups.lazy.compactMap(\.unplanned).first
  }
}

extension ModelGroup {
  fileprivate var unplanned: UnplannedDemand? {
    // A single model is asked as often as the mean.
    if models > 1, popularity != .uniform { return .popularity(group: name) }
    switch requests.sizes {
    case .fixed: break
    case .none: return .noSize(group: name)
    case .lognormal, .histogram: return .varyingSizes(group: name)
    }
    switch arrivals {
    case .poisson, .deterministic: break
    case .gamma, .trace: return .arrivals(group: name, process: arrivals.name)
    }
    if requests.input == .tensors { return .tensors(group: name) }
    return leastReplicas > 1 ? .replicas(group: name, least: leastReplicas) : nil
  }
}
