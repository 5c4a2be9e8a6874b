/// A kind of node that may be bought any number of times.
package struct NodePattern: Hashable {
  /// Billionths of a dollar an hour, so that sums are exact.
  package var cost: Int64
  /// Models that one such node takes.
  package var models: Int

  package init(cost: Int64, models: Int) {
    self.cost = cost
    self.models = models
  }

  static func nanodollars(_ dollars: Double) -> Int64 { Int64((dollars * 1e9).rounded()) }
  static func dollars(_ nanodollars: Int64) -> Double { Double(nanodollars) / 1e9 }
}

/// The cheapest set of nodes that takes a number of identical models, exactly.
package enum FleetCover {
  package struct Solution: Hashable {
    package var cost: Int64
    /// How many of each pattern, in the order given.
    package var counts: [Int]
  }

  /// Dynamic program over the number of models: cheapest(n) is the minimum over patterns of its cost plus
  /// cheapest(n − its models). Among equal costs the fewest nodes win, then the pattern that comes first.
  ///
  /// - Returns: nil where no pattern takes a model.
  /// Complexity: O(models × patterns that are not dominated).
  package static func cheapest(models: Int, patterns: [NodePattern]) -> Solution? {
    precondition(models > 0)
    let useful = undominated(patterns)
    guard !useful.isEmpty else { return nil }
    var costs = [Int64](repeating: 0, count: models + 1)
    var nodes = [Int32](repeating: 0, count: models + 1)
    var choices = [Int32](repeating: 0, count: models + 1)
    for n in 1...models {
      var best: (cost: Int64, nodes: Int32, choice: Int32) = (.max, .max, 0)
      for (index, pattern) in useful.enumerated() {
        let rest = max(0, n - pattern.element.models)
        let cost = costs[rest] + pattern.element.cost
        let count = nodes[rest] + 1
        if cost < best.cost || (cost == best.cost && count < best.nodes) { best = (cost, count, Int32(index)) }
      }
      (costs[n], nodes[n], choices[n]) = best
    }
    var counts = [Int](repeating: 0, count: patterns.count)
    var left = models
    while left > 0 {
      let pattern = useful[Int(choices[left])]
      counts[pattern.offset] += 1
      left -= pattern.element.models
    }
    return Solution(cost: costs[models], counts: counts)
  }

  /// Patterns that take a model and that no other replaces: one at least as large for at most the same cost.
  private static func undominated(_ patterns: [NodePattern]) -> [(offset: Int, element: NodePattern)] {
    let ranked = patterns.enumerated().filter { $0.element.models > 0 }.sorted { a, b in
      (a.element.cost, -a.element.models, a.offset) < (b.element.cost, -b.element.models, b.offset)
    }
    var result: [(offset: Int, element: NodePattern)] = []
    for pattern in ranked where pattern.element.models > result.last?.element.models ?? 0 { result.append(pattern) }
    return result
  }

  /// How many models each kind of node gets, in total: the slack of the fleet falls on all kinds in proportion, so
  /// that no node is fuller than it has to be.
  ///
  /// - Returns: totals that add up to `models`, none above its kind's capacity; rounding goes to the largest
  ///   remainder, then to the first.
  package static func shares(models: Int, patterns: [NodePattern], counts: [Int]) -> [Int] {
    let capacities = zip(patterns, counts).map { $0.models * $1 }
    let total = capacities.reduce(0, +)
    precondition(total >= models)
    guard total > 0 else { return capacities }
    // Products stay below 2^63: both factors are at most a few million.
    var shares = capacities.map { $0 * models / total }
    let remainders = capacities.map { $0 * models % total }
    let order = shares.indices.sorted { (-remainders[$0], $0) < (-remainders[$1], $1) }
    var left = models - shares.reduce(0, +)
    for index in order where left > 0 && shares[index] < capacities[index] {
      shares[index] += 1
      left -= 1
    }
    return shares
  }
}
