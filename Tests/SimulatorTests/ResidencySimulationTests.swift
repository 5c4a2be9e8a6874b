import PlannerCore
import Simulator
import Testing

/// Nodes with a memory budget.
@Suite struct ResidencySimulationTests {
  static func scenario(models: Int, budget: Int64, load: Double, seed: UInt64 = 1, waiting: Int? = nil) -> Scenario {
    Scenario(
      seed: seed, durationSeconds: 100, warmupSeconds: 5,
      models: [
        ScenarioModel(
          name: "m", count: models, arrivals: .poisson(ratePerSecond: 60 / Double(models)),
          service: .exponential(mean: 0.004), memoryBytes: 10, load: .deterministic(mean: load))
      ],
      nodes: [
        ScenarioNode(
          name: "n", count: 1, workers: 1,
          residency: ResidencyPolicy(budgetBytes: budget, concurrentLoads: 2, maxWaiting: waiting))
      ])
  }

  /// Requests of independent, equally asked models find theirs with probability (models that fit) / (models), whatever
  /// is evicted (the independent reference model; Fagin, 1977).
  @Test(arguments: [(20, 10), (20, 5), (8, 6)])
  func hitsAreTheShareThatFits(_ models: Int, _ fit: Int) throws {
    var rates: [Double] = []
    for seed in 0..<20 {
      let summary = Self.scenario(models: models, budget: Int64(10 * fit), load: 0.00001, seed: UInt64(seed)).simulate()
      let residency = try #require(summary.residency)
      rates.append(Double(residency.hits) / Double(residency.hits + residency.misses))
      #expect(residency.peakMemoryBytes == Int64(10 * fit))
      #expect(summary.requests.rejected == 0)
    }
    let mean = rates.reduce(0, +) / 20
    let deviation = (rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 19).squareRoot()
    // Student's t for 99.9 %, 19 degrees of freedom.
    let half = 3.883 * deviation / 20.0.squareRoot()
    #expect(abs(mean - Double(fit) / Double(models)) < half && half < 0.02, "\(mean) ± \(half)")
  }

  @Test func aBudgetForAllIsNoBudget() throws {
    var free = Self.scenario(models: 20, budget: 200, load: 0.1)
    let held = free.simulate()
    free.nodes[0].residency = nil
    #expect(held.latencySeconds == free.simulate().latencySeconds)
    let residency = try #require(held.residency)
    #expect(residency.misses == 0 && residency.loads == 0 && residency.evictions == 0)
    #expect(residency.missLatencySeconds == nil && free.simulate().residency == nil)
  }

  @Test(arguments: [nil, 2])
  func missesWaitForTheirLoadAndNothingIsLost(_ waiting: Int?) throws {
    let summary = Self.scenario(models: 20, budget: 100, load: 0.03, waiting: waiting).simulate()
    let residency = try #require(summary.residency)
    let (hit, miss) = (try #require(residency.hitLatencySeconds), try #require(residency.missLatencySeconds))
    #expect(miss.p50.estimate > 0.03 * 0.9 && miss.p50.estimate > 3 * hit.p50.estimate)
    let counts = summary.requests
    #expect(counts.completed + counts.rejected + counts.timedOut + counts.inFlight == counts.arrived)
    #expect((counts.rejected > 0) == (waiting != nil))
    #expect(residency.hits + residency.misses == counts.arrived)
    #expect(residency.peakMemoryBytes <= 100)
    // What comes must go.
    #expect(abs(residency.loads - residency.evictions) <= 10)
    #expect(residency.loads > 50)
  }
}
