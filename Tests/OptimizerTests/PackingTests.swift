import Optimizer
import PlannerCore
import Testing

/// The packing problem by itself: the exact cover as one of its solvers, and the check that knows no solver.
@Suite struct PackingTests {
  private func instance(models: Int, _ types: [(cost: Double, room: Double)]) -> PackingInstance {
    PackingInstance(
      resources: ["models"],
      types: types.enumerated().map { .init(name: "t\($0)", cost: $1.cost, capacity: ["models": $1.room]) },
      items: [.init(name: "m", count: models, options: [.init(demand: ["models": 1])])])
  }

  @Test func everySolutionHoldsAndCostsWhatTheCoverCosts() throws {
    var random = RandomStream(seed: 9, stream: "packing")
    for _ in 0..<200 {
      let types = (0..<4).map { _ in (Double(1 + random.integer(below: 30)) / 10, Double(random.integer(below: 40))) }
      let models = 1 + random.integer(below: 300)
      let instance = instance(models: models, types)
      let patterns = types.map { NodePattern(cost: Int64(($0.0 * 1e9).rounded()), models: Int($0.1)) }
      guard let solution = CoverSolver().solve(instance) else {
        #expect(FleetCover.cheapest(models: models, patterns: patterns) == nil)
        continue
      }
      #expect(PackingCheck.violations(of: solution, for: instance) == [])
      let cover = try #require(FleetCover.cheapest(models: models, patterns: patterns))
      #expect(abs(solution.cost - Double(cover.cost) / 1e9) < 1e-9 && solution.proven)
      // No bin is fuller than another of its type by more than one.
      for type in instance.types {
        let counts = solution.bins.filter { $0.type == type.name }.map { $0.items[0].count }
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
      }
    }
  }

  @Test func otherFormsAreLeftToOtherSolvers() {
    var two = instance(models: 5, [(1, 3)])
    two.items.append(.init(name: "n", count: 1, options: [.init(demand: ["models": 1])]))
    #expect(CoverSolver().solve(two) == nil)
    var few = instance(models: 5, [(1, 3)])
    few.types[0].max = 1
    #expect(CoverSolver().solve(few) == nil)
    #expect(CoverSolver().solve(instance(models: 5, [(1, 0)])) == nil)
  }

  @Test func anItemKeepsToItsTypesAndItsSize() throws {
    var only = instance(models: 4, [(1, 10), (5, 10)])
    only.items[0].options[0] = .init(types: ["t1"], demand: ["models": 5])
    let solution = try #require(CoverSolver().solve(only))
    #expect(solution.bins == [.init(type: "t1", count: 2, items: [.init(name: "m", option: 0, count: 2)])])
    #expect(PackingCheck.violations(of: solution, for: only) == [])
  }

  struct Tampering: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var message: String
    var change: @Sendable (inout PackingSolution) -> Void

    init(_ name: String, _ message: String, _ change: @escaping @Sendable (inout PackingSolution) -> Void) {
      testDescription = name
      self.message = message
      self.change = change
    }
  }

  static let tamperings = [
    Tampering("cheaper", "cost is") { $0.cost -= 1 },
    Tampering("fewer bins", "are packed") { $0.bins[0].count -= 1 },
    Tampering("overfull", "takes") { $0.bins[0].items[0].count = 12 },
    Tampering("unknown type", "no such type") { $0.bins[0].type = "x" },
    Tampering("unknown item", "of 'x'") { $0.bins[0].items[0].name = "x" },
    Tampering("unknown option", "option 1") { $0.bins[0].items[0].option = 1 },
    Tampering("negative count", "of 'm'") { $0.bins[0].items[0].count = -1 },
    Tampering("no bins", "bins") { $0.bins[0].count = 0 },
    Tampering("bound above the cost", "lowerBound") { $0.lowerBound += 1 },
    Tampering("bound that proves nothing", "proven") { $0.lowerBound -= 1 },
  ]

  @Test(arguments: tamperings)
  func isFound(_ tampering: Tampering) throws {
    let instance = instance(models: 25, [(1.5, 10)])
    var solution = try #require(CoverSolver().solve(instance))
    tampering.change(&solution)
    let found = PackingCheck.violations(of: solution, for: instance)
    #expect(found.contains { $0.contains(tampering.message) }, "\(found)")
  }

  @Test func anInstanceThatCannotBeCalculatedWithIsSaid() throws {
    let sound = instance(models: 25, [(1.5, 10)])
    let solution = try #require(CoverSolver().solve(sound))
    for change: (inout PackingInstance) -> Void in [
      { $0.types[0].cost = -1 }, { $0.types[0].capacity = ["gold": 1] }, { $0.items[0].count = .max },
      { $0.items[0].options[0].demand = ["models": .nan] }, { $0.types.append($0.types[0]) },
      { $0.items.append($0.items[0]) },
    ] {
      var broken = sound
      change(&broken)
      #expect(PackingCheck.violations(of: solution, for: broken).count >= 1)
    }
    var limited = sound
    limited.types[0].max = 2
    #expect(PackingCheck.violations(of: solution, for: limited).contains { $0.contains("at most 2") })
  }

  // MARK: Stopping the search

  @Test func aSearchThatIsToldToStopHasNoPlan() throws {
    let problem = try Fixture.mission()
    #expect(throws: OptimizerError.stopped) { try Optimizer.optimize(problem, shouldStop: { true }) }
    let plan = try Optimizer.optimize(problem, shouldStop: { false })
    #expect(plan.feasible)
  }
}
