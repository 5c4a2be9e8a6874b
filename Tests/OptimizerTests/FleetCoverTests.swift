import Optimizer
import PlannerCore
import Testing

@Suite struct FleetCoverTests {
  @Test func agreesWithTryingEveryFleet() {
    var random = RandomStream(seed: 7, stream: "fleet-cover")
    for _ in 0..<300 {
      let kinds = 1 + random.integer(below: 4)
      let patterns = (0..<kinds).map { _ in
        NodePattern(cost: Int64(1 + random.integer(below: 30)), models: random.integer(below: 9))
      }
      let models = 1 + random.integer(below: 25)
      let cheapest = everyFleet(models, patterns[...])
      let found = FleetCover.cheapest(models: models, patterns: patterns)
      #expect(found?.cost == cheapest, "\(models) models, \(patterns)")
      guard let found else { continue }
      #expect(zip(patterns, found.counts).reduce(0) { $0 + $1.0.cost * Int64($1.1) } == found.cost)
      #expect(zip(patterns, found.counts).reduce(0) { $0 + $1.0.models * $1.1 } >= models)
    }
  }

  /// The cheapest cost by trying every number of the first pattern, then of the rest; nil where none fits.
  private func everyFleet(_ models: Int, _ patterns: ArraySlice<NodePattern>) -> Int64? {
    if models <= 0 { return 0 }
    guard let first = patterns.first else { return nil }
    let most = first.models > 0 ? (models + first.models - 1) / first.models : 0
    return (0...most).compactMap { count in
      everyFleet(models - count * first.models, patterns.dropFirst()).map { $0 + Int64(count) * first.cost }
    }.min()
  }

  @Test func theRemainderSitsOnASmallerType() {
    // 101 models: two large nodes at 10 would be 20; one large, one small is 11.
    let patterns = [NodePattern(cost: 10, models: 100), NodePattern(cost: 1, models: 3)]
    #expect(FleetCover.cheapest(models: 101, patterns: patterns)?.counts == [1, 1])
  }

  @Test func fewerNodesAmongEqualCosts() {
    let patterns = [NodePattern(cost: 1, models: 10), NodePattern(cost: 4, models: 40)]
    #expect(FleetCover.cheapest(models: 40, patterns: patterns)?.counts == [0, 1])
  }

  @Test func nothingTakesAModel() {
    #expect(FleetCover.cheapest(models: 5, patterns: []) == nil)
    #expect(FleetCover.cheapest(models: 5, patterns: [NodePattern(cost: 1, models: 0)]) == nil)
  }

  @Test func sharesAddUpAndFit() {
    var random = RandomStream(seed: 8, stream: "shares")
    for _ in 0..<300 {
      let patterns = (0..<3).map { _ in
        NodePattern(cost: Int64(1 + random.integer(below: 30)), models: 1 + random.integer(below: 40))
      }
      let models = 1 + random.integer(below: 300)
      guard let found = FleetCover.cheapest(models: models, patterns: patterns) else { continue }
      let shares = FleetCover.shares(models: models, patterns: patterns, counts: found.counts)
      #expect(shares.reduce(0, +) == models)
      for index in patterns.indices {
        #expect(shares[index] <= patterns[index].models * found.counts[index])
        // Nodes that were bought hold at least one model each.
        #expect(shares[index] >= found.counts[index])
      }
    }
  }
}
