import PlannerCore

/// A price below which no fleet lies, from prices of a node's resources.
///
/// Of each type, its price is shared among the memory of its devices, the memory of its host and its workers' time. A
/// copy of a model then costs at least what it takes of each, at the type that is cheapest for it: what lives on a node
/// takes no more than all of each resource, so no fleet costs less than the sum over the models. This holds for any
/// shares; the best ones are the dual of the fractional packing problem, and are looked for by raising the share of
/// whatever the cheapest choices use most.
struct DualBound {
  /// What one copy of a model takes of a type's resources, as parts of one node.
  struct Need: Hashable {
    /// Part of the devices' memory.
    var memory: Double
    /// Part of the host's memory.
    var hostMemory: Double
    /// Part of the workers' time, for each request a second.
    var compute: Double
  }

  /// Models of a group that are asked so often.
  struct Item {
    var group: Int
    var count: Double
    /// Requests a second to one model.
    var rate: Double
    /// Copies at least.
    var copies: Double
  }

  struct Kind {
    var name: String
    var costPerHour: Double
    /// By group: each way to run its models on that type; none where nothing lets it.
    var needs: [[Need]]
  }

  let kinds: [Kind]
  let items: [Item]

  /// The bound's shares, and the price that follows from them, dollars an hour without the cluster.
  struct Found {
    var prices: [ResourcePrices]
    var costPerHour: Double
    /// The cheapest kind of each item.
    var choices: [Int]
  }

  init(_ problem: OptimizationProblem, _ candidates: [(type: InstanceType, byGroup: [[Candidate]])]) {
    let groups = problem.workload.groups
    kinds = candidates.map { type, byGroup in
      Kind(
        name: type.name, costPerHour: type.costPerHour,
        needs: zip(byGroup, groups).map { candidates, group in candidates.compactMap { Self.need($0, group) } })
    }
    items = groups.enumerated().flatMap { index, group in Self.items(index, group) }
  }

  private static func need(_ candidate: Candidate, _ group: ModelGroup) -> Need? {
    guard candidate.p99FloorSeconds <= group.targetP99Seconds, candidate.meanFloorSeconds > 0, candidate.hasRoom
    else { return nil }
    return Need(
      memory: Double(candidate.memoryPerModelBytes) / Double(candidate.memoryCapacityBytes),
      hostMemory: candidate.hostMemory.map { Double($0.perModelBytes.high) / Double($0.capacityBytes) } ?? 0,
      compute: candidate.meanFloorSeconds / Double(candidate.devices * candidate.workers))
  }

  /// Models that are asked alike are one item.
  private static func items(_ index: Int, _ group: ModelGroup) -> [Item] {
    let copies = Double(group.leastReplicas)
    if group.popularity == .uniform {
      return [Item(group: index, count: Double(group.models), rate: group.ratePerModelPerSecond, copies: copies)]
    }
    var items: [Item] = []
    for rate in group.rates().sorted() {
      if let last = items.last, last.rate == rate {
        items[items.count - 1].count += 1
      } else {
        items.append(Item(group: index, count: 1, rate: rate, copies: copies))
      }
    }
    return items
  }

  /// - Returns: nil where some model has no type.
  func found() -> Found? {
    let groups = (items.map(\.group).max() ?? -1) + 1
    guard (0..<groups).allSatisfy({ group in kinds.contains { !$0.needs[group].isEmpty } }) else { return nil }
    var shares = kinds.map { kind in
      let hasHost = kind.needs.joined().contains { $0.hostMemory > 0 }
      return hasHost ? [1.0 / 3, 1.0 / 3, 1.0 / 3] : [0.5, 0, 0.5]
    }
    let work = max(1, items.count * kinds.count)
    let rounds = min(200, max(20, 20_000_000 / work))
    var best: Found?
    for round in 0..<rounds {
      let (cost, choices, use) = price(shares)
      if cost > best?.costPerHour ?? -1 { best = Found(prices: named(shares), costPerHour: cost, choices: choices) }
      let step = 1.0 / (1 + Double(round) / 10)
      for kind in kinds.indices {
        let most = use[kind].max() ?? 0
        guard most > 0 else { continue }
        for resource in 0..<3 { shares[kind][resource] *= 1 + step * (use[kind][resource] / most - 0.5) }
        let sum = shares[kind].reduce(0, +)
        shares[kind] = shares[kind].map { $0 / sum }
      }
    }
    return best
  }

  private func named(_ shares: [[Double]]) -> [ResourcePrices] {
    zip(kinds, shares).map {
      ResourcePrices(instanceType: $0.name, memory: $1[0], hostMemory: $1[1], compute: $1[2])
    }
  }

  /// The sum over the items, the kind that each chose, and what each kind is used for.
  private func price(_ shares: [[Double]]) -> (cost: Double, choices: [Int], use: [[Double]]) {
    var cost = 0.0
    var use = [[Double]](repeating: [0, 0, 0], count: kinds.count)
    var choices: [Int] = []
    choices.reserveCapacity(items.count)
    for item in items {
      var best: (cost: Double, kind: Int, need: Need)?
      for (index, kind) in kinds.enumerated() {
        for need in kind.needs[item.group] {
          let parts =
            item.copies * (shares[index][0] * need.memory + shares[index][1] * need.hostMemory)
            + shares[index][2] * need.compute * item.rate
          let price = parts * kind.costPerHour
          if price < best?.cost ?? .infinity { best = (price, index, need) }
        }
      }
      guard let best else { continue }
      cost += best.cost * item.count
      choices.append(best.kind)
      use[best.kind][0] += item.count * item.copies * best.need.memory
      use[best.kind][1] += item.count * item.copies * best.need.hostMemory
      use[best.kind][2] += item.count * item.rate * best.need.compute
    }
    return (cost, choices, use)
  }
}
