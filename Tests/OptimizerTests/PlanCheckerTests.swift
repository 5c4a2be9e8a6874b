import Optimizer
import PlannerCore
import Testing

/// A checker is worth what it finds: each way to falsify a plan is found, and called by its kind.
@Suite struct PlanCheckerTests {
  struct Tampering: CustomTestStringConvertible, Sendable {
    var name: String
    var kind: PlanViolation.Kind
    var change: @Sendable (inout Plan) -> Void
    var testDescription: String { name }

    init(_ name: String, _ kind: PlanViolation.Kind, _ change: @escaping @Sendable (inout Plan) -> Void) {
      self.name = name
      self.kind = kind
      self.change = change
    }
  }

  static let tamperings: [Tampering] = [
    Tampering("cheaper", .arithmetic) { $0.costPerHour = 40 },
    Tampering("cheaper by the month", .arithmetic) { $0.costPerMonth = 21_273.36 },
    Tampering("fewer nodes", .coverage) { $0.nodes[0].count = 9 },
    Tampering("more models than there are", .coverage) { $0.nodes[0].modelsPerNode = [301, 301] },
    Tampering("uneven", .coverage) { $0.nodes[0].modelsPerNode = [40, 60] },
    Tampering("other number of models", .coverage) { $0.models = 2000 },
    Tampering("lower price", .catalog) { $0.nodes[0].costPerHour = 0.5 },
    Tampering("type that does not exist", .catalog) { $0.nodes[0].instanceType = "inf2.huge" },
    Tampering("overfull chip", .memory) { plan in
      plan.nodes[0].modelsPerNode = [375, 375]
      plan.nodes[0].count = 8
    },
    Tampering("more device memory", .memory) { $0.nodes[0].memoryCapacityBytes *= 2 },
    Tampering("more memory of the host", .memory) { $0.nodes[0].hostMemory?.capacityBytes *= 2 },
    Tampering("models that keep more than the host has", .memory) { $0.nodes[0].hostMemory?.perModelBytes.high *= 2 },
    Tampering("models that keep less of the host", .evidence) { $0.nodes[0].hostMemory?.perModelBytes.high /= 2 },
    Tampering("host left out", .memory) { $0.nodes[0].hostMemory = nil },
    Tampering("a cheaper fleet on less host memory than its price", .arithmetic) { plan in
      plan.atLowHostMemory?.costPerHour = 20
    },
    Tampering("a dearer fleet on less host memory", .arithmetic) { plan in
      plan.atLowHostMemory?.nodes[0].count = 600
      plan.atLowHostMemory?.costPerHour = 455.02
    },
    Tampering("too few nodes on less host memory", .coverage) { plan in
      plan.atLowHostMemory?.nodes[0].count = 30
      plan.atLowHostMemory?.costPerHour = 22.846
    },
    Tampering("less host memory that was measured", .evidence) { plan in
      plan.atLowHostMemory?.provenance = Provenance(.measured, source: "a profile")
    },
    Tampering("a publication as a measurement", .evidence) { plan in
      plan.nodes[0].provenance = Provenance(.measured, source: "a profile")
    },
    Tampering("smaller models", .evidence) { $0.nodes[0].memoryPerModelBytes /= 2 },
    Tampering("faster passes", .evidence) { plan in
      plan.nodes[0].service.computeSeconds = plan.nodes[0].service.computeSeconds.scaled(by: 0.9)
    },
    Tampering("no HTTP time", .evidence) { plan in
      plan.nodes[0].service.overheadSeconds = plan.nodes[0].service.overheadSeconds.scaled(by: 0.001)
    },
    Tampering("more cores on the chip", .evidence) { $0.nodes[0].devices = 4 },
    Tampering("executable", .evidence) { $0.nodes[0].executable = true },
    Tampering("shorter p99 of a node", .latency) { plan in
      plan.nodes[0].latencySeconds.p99 = Estimate(estimate: 0.001, low: 0.001, high: 0.001)
    },
    Tampering("shorter p99 of the plan", .latency) { plan in
      plan.latencySeconds = PlannedLatency(p99: Estimate(estimate: 0.001, low: 0.001, high: 0.001))
    },
    Tampering("shorter p99 everywhere", .latency) { plan in
      let latency = PlannedLatency(p99: Estimate(estimate: 0.0025, low: 0.0024, high: 0.0026))
      plan.nodes[0].latencySeconds = latency
      plan.latencySeconds = latency
    },
    Tampering("shorter p99 of a group", .latency) { plan in
      plan.groups[0].p99Seconds = Estimate(estimate: 0.001, low: 0.001, high: 0.001)
    },
    Tampering("fewer models of a group", .coverage) { $0.groups[0].models = 10 },
    Tampering("more replicas", .coverage) { $0.groups[0].replicas = [1, 2] },
    Tampering("models of another group", .coverage) { $0.nodes[0].spec.models[0].group = "others" },
    Tampering("models of another architecture", .evidence) { plan in
      plan.nodes[0].spec.models[0].variant.architecture = "bert-tiny"
    },
    Tampering("figures of another variant", .evidence) { plan in
      plan.nodes[0].figures.entries[0].variant.precision = .int8
    },
    Tampering("idle", .latency) { $0.nodes[0].utilization = 0.2 },
    Tampering("target missed", .latency) { $0.workload.targetP99Seconds = 0.002 },
    Tampering("busier than it can be", .latency) { $0.workload.ratePerModelPerSecond = 50 },
    Tampering("over budget", .budget) { $0.budgetPerHour = 30 },
    Tampering("bound above the cost", .lowerBound) { plan in
      plan.lowerBoundPerHour = 80
      plan.gap = plan.costPerHour.map { $0 / 80 - 1 }
    },
    Tampering("no bound", .lowerBound) { plan in
      plan.lowerBoundPerHour = nil
      plan.gap = nil
    },
    Tampering("gap", .arithmetic) { $0.gap = 0.1 },
    Tampering("best type hidden from the list", .lowerBound) { plan in
      plan.alternatives.removeAll { $0.instanceType == "inf2.24xlarge" }
    },
    Tampering("cheaper alternative", .arithmetic) { plan in
      guard let row = plan.alternatives.firstIndex(where: { $0.instanceType == "inf2.8xlarge" }) else { return }
      plan.alternatives[row].feasible = true
      plan.alternatives[row].costPerHour = 10
    },
    Tampering("numbers that overflow", .coverage) { plan in
      plan.nodes[0].count = .max
      plan.nodes[0].modelsPerNode = [.max, .max]
      plan.alternatives[0].nodes = .max
    },
    Tampering("infeasible with nodes", .arithmetic) { $0.feasible = false },
    Tampering("no executable plan and no reason", .arithmetic) { $0.bestExecutableReason = nil },
  ]

  @Test(arguments: tamperings)
  func isFound(tampering: Tampering) throws {
    let problem = try Fixture.mission()
    var plan = try Self.sound.get()
    tampering.change(&plan)
    let kinds = PlanChecker.check(plan, against: Fixture.evidence(problem)).map(\.kind)
    #expect(kinds.contains(tampering.kind), "found \(kinds)")
  }

  /// What an infeasible plan rests on: its budget, and a bound above it.
  @Test(arguments: [
    Tampering("a budget that holds it", .budget) { $0.budgetPerHour = 70 },
    Tampering("no budget", .budget) { $0.budgetPerHour = nil },
    Tampering("a budget below nothing", .budget) { $0.budgetPerHour = -1 },
    Tampering("another reason", .budget) { $0.binding = .latency },
    Tampering("a bound that proves nothing", .lowerBound) { $0.lowerBoundPerHour = 50 },
    Tampering("fewer models of a group", .coverage) { $0.groups[0].models = 1 },
  ])
  func isFoundWhereNoPlanIsFeasible(tampering: Tampering) throws {
    let problem = try Fixture.mission(budget: 60)
    var plan = try Optimizer.optimize(problem)
    #expect(!plan.feasible && plan.binding == .budget)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
    tampering.change(&plan)
    let kinds = PlanChecker.check(plan, against: Fixture.evidence(problem)).map(\.kind)
    #expect(kinds.contains(tampering.kind), "found \(kinds)")
  }

  /// A workload that allows precisions only of which nothing is known has no bound, and that is sound.
  @Test func aPlanWithoutAnAllowedPrecisionHolds() throws {
    var problem = try Fixture.mission(budget: nil)
    problem.workload.groups[0].precisions = [.bf16]
    let plan = try Optimizer.optimize(problem)
    #expect(!plan.feasible && plan.lowerBoundPerHour == nil)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
  }

  /// The bound is derived again, not just compared with the cost: this fleet costs more than it must.
  @Test func aBoundThatCannotBeProven() throws {
    let problem = try Fixture.mission(models: 300, budget: nil, target: 0.006, rate: 30, instances: ["inf2.8xlarge"])
    var plan = try Optimizer.optimize(problem)
    let cost = try #require(plan.costPerHour)
    #expect(try #require(plan.lowerBoundPerHour) < cost)
    plan.lowerBoundPerHour = cost
    plan.gap = 0
    let violations = PlanChecker.check(plan, against: Fixture.evidence(problem))
    #expect(violations.map(\.kind) == [.lowerBound])
  }

  /// A node without a place for the server beside its agents is found, whatever the plan says of itself.
  @Test func aNodeWithoutAPlaceForTheServer() throws {
    let plan = try Self.sound.get()
    var evidence = Fixture.evidence(try Fixture.mission())
    let index = try #require(evidence.catalog.types.firstIndex { $0.name == plan.nodes[0].instanceType })
    evidence.catalog.types[index].maxPods = 7
    #expect(PlanChecker.check(plan, against: evidence).contains { $0.kind == .room })
    evidence = Fixture.evidence(try Fixture.mission())
    evidence.catalog.types[index].allocatableMilliCPU = 100
    #expect(PlanChecker.check(plan, against: evidence).contains { $0.kind == .room })
    evidence = Fixture.evidence(try Fixture.mission())
    evidence.catalog.nodeAgents[0].memoryMiB = 200_000
    #expect(PlanChecker.check(plan, against: evidence).contains { $0.field == "nodes[0].hostMemory.capacityBytes" })
  }

  @Test func infeasibleByAssertion() throws {
    let problem = try Fixture.mission()
    var plan = try Self.sound.get()
    plan.feasible = false
    plan.costPerHour = nil
    plan.nodes = []
    plan.lowerBoundPerHour = nil
    plan.gap = nil
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).contains { $0.kind == .lowerBound })
  }

  @Test func aLocalPlanWithoutItsProfile() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    let problem = try Fixture.local(models: 20, profile: profile, cores: 1, memoryBytes: 1000 << 20)
    let plan = try Optimizer.optimize(problem)
    var evidence = Fixture.evidence(problem)
    #expect(PlanChecker.check(plan, against: evidence).isEmpty)
    evidence.profiles = []
    #expect(PlanChecker.check(plan, against: evidence).contains { $0.kind == .evidence })
    var elsewhere = plan
    elsewhere.nodes[0].host?.cpuModel = "Another CPU"
    let violations = PlanChecker.check(elsewhere, against: Fixture.evidence(problem))
    #expect(violations.map(\.field) == ["nodes[0].host"])
  }

  /// Found once for all of them.
  private static let sound = Result { try Optimizer.optimize(try Fixture.mission()) }
}
