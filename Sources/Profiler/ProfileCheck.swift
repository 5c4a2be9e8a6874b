import PlannerCore

/// What must hold between the figures of a profile: a file can be well-formed and still not be believable.
public enum ProfileCheck {
  /// Sentences, in the order of the file; empty where the profile holds together.
  public static func violations(_ profile: Profile) -> [String] {
    var found: [String] = []
    for model in profile.models {
      let name = "\(model.architecture) \(model.precision.rawValue)"
      if model.memoryPerModelBytes < model.weightBytes / 2 {
        found.append(
          "\(name): \(model.memoryPerModelBytes) bytes a model are too few for \(model.weightBytes) of weights")
      }
      if model.served.isEmpty { found.append("\(name): was never measured served") }
      for cell in model.served {
        let place = "\(name), \(cell.tokens) tokens, \(cell.workers) × \(cell.threads)"
        if cell.computeSeconds.sampleCount < 20 {
          found.append("\(place): only \(cell.computeSeconds.sampleCount) samples")
        }
        if cell.betweenRunCV > 0.25 {
          found.append("\(place): the machine drifted by \(Int(cell.betweenRunCV * 100)) % while it was measured")
        }
        let forward = model.forward.first {
          $0.tokens == cell.tokens && $0.threads == cell.threads && $0.concurrency == 1
        }
        if let forward, cell.computeSeconds.quantile(0.5) < 0.5 * forward.serviceSeconds.quantile(0.5) {
          found.append("\(place): served requests took less than half of a forward pass alone")
        }
      }
    }
    if let chosen = profile.trials.filter({ $0.settings == profile.settings }).map(\.p50Seconds).min(),
      let best = profile.trials.map(\.p50Seconds).min(), chosen > 1.25 * best
    {
      found.append("the chosen library settings are more than 25 % slower than the best trial")
    }
    return found
  }
}
