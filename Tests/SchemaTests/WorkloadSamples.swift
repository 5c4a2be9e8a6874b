import PlannerCore

extension Samples {
  /// Every way in which groups may differ.
  static let groups = {
    func group(_ name: String, _ change: (inout ModelGroup) -> Void) -> ModelGroup {
      var group = ModelGroup(
        name: name, architecture: "minilm", models: 2, requests: RequestMix(tokens: 16), ratePerModelPerSecond: 2,
        targetP99Seconds: 0.02)
      change(&group)
      return group
    }
    return Workload(
      name: "mix",
      groups: [
        group("plain") { _ in },
        group("named") { group in
          group.vocabulary = 2000
          group.precisions = [.bf16]
          group.modelNames = ["a", "b"]
          group.popularity = .shares([0.75, 0.25])
          group.arrivals = .gamma(cv: 2)
          group.leastReplicas = 2
        },
        group("sized") { group in
          group.requests = RequestMix(
            sizes: .lognormal(mean: 8, cv: 0.5, max: 32), input: .tokens, isProxied: true)
          group.popularity = .zipf(exponent: 1.1)
          group.arrivals = .trace([0.5, 1])
        },
        group("binned") { $0.requests.sizes = .histogram([SizeWeight(size: 8, weight: 3)]) },
        group("even") { $0.requests = RequestMix(sizes: .none, input: .tensors) },
      ], source: "made up")
  }()

  /// A flat workload with every key that one may have.
  static let fullFlat = {
    var flat = Workload(name: "flat", groups: [groups.groups[1]], source: "made up")
    flat.groups[0].name = "flat"
    flat.groups[0].requests = RequestMix(
      sizes: .lognormal(mean: 8, cv: 0.5, max: 32), input: .tokens, isProxied: true)
    return flat
  }()
}
