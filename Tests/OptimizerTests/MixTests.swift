import Foundation
import Optimizer
import PlannerCore
import PlannerFiles
import Simulator
import Testing

/// Plans of several groups, of models that are asked unequally, and of models with several copies.
@Suite struct MixTests {
  static func group(
    _ name: String, _ architecture: String = "bert-tiny", models: Int, total: Double, tokens: Int = 32,
    popularity: Popularity = .uniform, target: Double = 0.02, replicas: Int = 1
  ) -> ModelGroup {
    ModelGroup(
      name: name, architecture: architecture, models: models, requests: RequestMix(tokens: tokens),
      ratePerModelPerSecond: total / Double(models), popularity: popularity, targetP99Seconds: target,
      leastReplicas: replicas)
  }

  /// Two profiled types, of which the larger is the cheaper for what it has.
  static func problem(_ groups: [ModelGroup], instances: [String]? = ["c6i.large", "c6i.2xlarge"]) throws
    -> OptimizationProblem
  {
    func variants(_ workers: Int) -> [Fixture.Variant] {
      [
        .init(memoryPerModelBytes: 40 << 20, cells: [.init(workers: workers, computeSeconds: 0.001)]),
        .init(
          architecture: "minilm", memoryPerModelBytes: 120 << 20,
          cells: [
            .init(workers: workers, tokens: 16, computeSeconds: 0.003),
            .init(workers: workers, tokens: 64, computeSeconds: 0.009),
          ]),
      ]
    }
    var problem = try Fixture.mission(
      budget: nil, instances: instances,
      profiles: [
        try Fixture.profile(variants(2), instanceType: "c6i.large", cores: 2),
        try Fixture.profile(variants(8), instanceType: "c6i.2xlarge", cores: 8),
      ])
    problem.workload = Workload(name: "mix", groups: groups, source: "test")
    return problem
  }

  static let three = [
    group("a", models: 120, total: 300, popularity: .zipf(exponent: 1.1)),
    group("b", "minilm", models: 60, total: 60, tokens: 64, target: 0.05),
    group("c", models: 30, total: 20, target: 0.01),
  ]

  /// The plan of these groups, made once for all tests that change a copy of it.
  static let planned = Result { try Optimizer.optimize(try problem(three)) }

  private func check(_ plan: Plan, _ problem: OptimizationProblem) -> [PlanViolation] {
    PlanChecker.check(plan, against: Fixture.evidence(problem))
  }

  private func readBack(_ plan: Plan) throws -> Plan {
    try JSONDecoder().decode(Plan.self, from: Data(try JSONFile.encode(plan).utf8))
  }

  @Test func aMixIsPlannedAndHolds() throws {
    let problem = try Self.problem(Self.three)
    let plan = try Self.planned.get()
    #expect(plan.feasible, "\(plan.bindingReason)")
    #expect(plan.groups.map(\.name) == ["a", "b", "c"])
    #expect(check(plan, problem) == [])
    let again = try readBack(plan)
    #expect(try JSONFile.encode(again) == (try JSONFile.encode(plan)))
    #expect(check(again, problem) == [])
    let bound = try #require(plan.lowerBoundPerHour)
    let cost = try #require(plan.costPerHour)
    #expect(bound > 0 && bound <= cost)
    for group in plan.groups { #expect(try #require(group.p99Seconds).high <= group.targetP99Seconds) }
  }

  @Test func theSameSeedGivesTheSameBytes() throws {
    let problem = try Self.problem(Self.three)
    let again = try JSONFile.encode(try Optimizer.optimize(problem))
    #expect(again == (try JSONFile.encode(try Self.planned.get())))
  }

  /// Nodes for each group alone cost no less than nodes for all together.
  @Test func aMixCostsNoMoreThanItsSplit() throws {
    let plan = try Self.planned.get()
    let alone = try Self.three.map { group in
      try #require(try Optimizer.optimize(try Self.problem([group])).costPerHour) - plan.clusterCostPerHour
    }
    #expect(try #require(plan.costPerHour) <= alone.reduce(plan.clusterCostPerHour, +) + 1e-9)
  }

  /// One model that no device can carry gets as many copies as it needs, and they are asked alike.
  /// A group whose rest fits a smaller node keeps one, as it would have alone: sharing has to be cheaper than that.
  @Test(arguments: [(100, 12), (230, 31), (64, 90)])
  func aMixCostsNoMoreThanExactCoversOfItsGroups(a: Int, b: Int) throws {
    let groups = [
      Self.group("a", models: a, total: Double(a) * 8),
      Self.group("b", "minilm", models: b, total: Double(b) * 2, tokens: 64, target: 0.05),
    ]
    let problem = try Self.problem(groups)
    let mix = try Optimizer.optimize(problem)
    let cluster = problem.catalog.clusterCostPerHour
    let split = try groups.map { group in
      var alone = problem
      alone.workload = problem.workload.only(group)
      return try #require(try Optimizer.optimize(alone).costPerHour) - cluster
    }
    #expect(try #require(mix.costPerHour) <= split.reduce(cluster, +) + 1e-9)
    #expect(check(mix, problem) == [])
  }

  /// One model that no device can carry gets as many copies as it needs, and they are asked alike.
  @Test func aModelTooHotForADeviceGetsCopies() throws {
    let problem = try Self.problem([Self.group("hot", models: 1, total: 5000)], instances: ["c6i.large"])
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible, "\(plan.bindingReason)")
    let replicas = try #require(plan.groups.first?.replicas)
    #expect(replicas[0] == replicas[1] && replicas[0] > 2)
    #expect(plan.nodes.reduce(0) { $0 + $1.count } >= replicas[0])
    #expect(check(plan, problem) == [])
    let hosts = try #require(plan.placement).hosts(ofGroup: 0, models: 1)[0]
    #expect(Set(hosts.map(\.node)).count == replicas[0])
  }

  /// Three models of which two are too much for one device: on two devices each of them needs a copy on either,
  /// although a device alone could carry any of them.
  @Test func copiesWhereOthersLiveOnTheDevice() throws {
    let profile = try Fixture.profile(
      [.init(memoryPerModelBytes: 20 << 20, cells: [.init(workers: 1, computeSeconds: 0.002)])], cores: 2)
    var problem = try Fixture.local(models: 3, profile: profile, cores: 2, memoryBytes: 8 << 30, fit: false)
    problem.workload = Workload(
      name: "hot", groups: [Self.group("hot", models: 3, total: 675), Self.group("cold", models: 5, total: 1)],
      source: "test")
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible, "\(plan.bindingReason)")
    #expect(plan.nodes.map(\.count) == [2] && plan.groups[0].replicas[1] == 2)
    for group in plan.groups { #expect(try #require(group.p99Seconds).high <= group.targetP99Seconds) }
    #expect(check(plan, problem) == [])
  }

  /// 3,000 requests a second to one model whose pass takes a millisecond keep three cores busy: both cores of one
  /// inf2.xlarge do not carry them, those of two do.
  @Test func copiesOnTheCoresOfAccelerators() throws {
    var problem = try Fixture.mission(models: 1, budget: nil, target: 0.010, rate: 3000, instances: ["inf2.xlarge"])
    problem.workload.architecture = "bert-base"
    problem.workload.tokens = 128
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible, "\(plan.bindingReason)")
    #expect(check(plan, problem) == [])
    #expect(plan.nodes.map(\.count) == [2] && plan.groups.map(\.replicas) == [[4, 4]])
    let devices = try #require(plan.placement).devices
    #expect(devices.count == 4 && devices.allSatisfy { $0.copyCount == 1 })
  }

  @Test func leastReplicasAreKept() throws {
    let problem = try Self.problem([Self.group("a", models: 30, total: 60, replicas: 2)])
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible, "\(plan.bindingReason)")
    #expect(plan.groups[0].replicas == [2, 2])
    #expect(check(plan, problem) == [])
  }

  /// Requests of many sizes take less than if all were of the longest, and more than if all were of the shortest.
  @Test func sizesCount() throws {
    func utilization(_ sizes: RequestSizes) throws -> Double {
      var group = Self.group("b", "minilm", models: 8, total: 40, tokens: 64, target: 0.1)
      group.requests.sizes = sizes
      let problem = try Self.problem([group], instances: ["c6i.large"])
      let plan = try Optimizer.optimize(problem)
      #expect(plan.feasible, "\(plan.bindingReason)")
      #expect(check(plan, problem) == [])
      #expect(plan.nodes[0].count == 1)
      return plan.nodes[0].utilization
    }
    let (low, high) = (try utilization(.fixed(16)), try utilization(.fixed(64)))
    let mixed = try utilization(
      .histogram([SizeWeight(size: 16, weight: 1), SizeWeight(size: 64, weight: 1)]))
    #expect(abs(mixed - (low + high) / 2) < 0.05 * high)
  }

  @Test func whyThereIsNoPlanNamesTheGroup() throws {
    var groups = Self.three
    groups[1].targetP99Seconds = 0.002
    let plan = try Optimizer.optimize(try Self.problem(groups))
    #expect(!plan.feasible && plan.costPerHour == nil && plan.binding == .latency)
    #expect(plan.bindingReason.sentence.contains("group 'b'"))
    var problem = try Self.problem(Self.three)
    problem.budgetPerHour = 0.11
    let dear = try Optimizer.optimize(problem)
    #expect(!dear.feasible && dear.binding == .budget)
    #expect(check(dear, problem) == [])
  }

  struct Tampering: Sendable, CustomTestStringConvertible {
    var name: String
    var kind: PlanViolation.Kind
    var change: @Sendable (inout Plan) -> Void

    init(_ name: String, _ kind: PlanViolation.Kind, _ change: @escaping @Sendable (inout Plan) -> Void) {
      (self.name, self.kind, self.change) = (name, kind, change)
    }

    var testDescription: String { name }
  }

  static let tamperings = [
    Tampering("a cheaper fleet", .arithmetic) { $0.costPerHour = ($0.costPerHour ?? 0) * 0.9 },
    Tampering("fewer copies than models", .coverage) { $0.nodes[0].totals[0] -= 1 },
    Tampering("more requests than were planned for", .latency) { plan in
      for index in plan.workload.groups.indices { plan.workload.groups[index].ratePerModelPerSecond *= 2 }
    },
    Tampering("a faster p99", .latency) { plan in
      for index in plan.nodes.indices where !plan.nodes[index].shareP99Seconds.isEmpty {
        plan.nodes[index].shareP99Seconds[0].estimate /= 2
      }
    },
    Tampering("a group's p99 of another node", .latency) { $0.groups[0].p99Seconds?.estimate *= 0.9 },
    Tampering("models of less memory", .evidence) { $0.nodes[0].figures.entries[0].memoryPerModelBytes /= 2 },
    Tampering("more memory than the node has", .memory) { $0.nodes[0].figures.memoryCapacityBytes *= 2 },
    Tampering("a higher bound", .lowerBound) { plan in
      plan.lowerBoundPerHour = plan.costPerHour
      plan.gap = 0
    },
    Tampering("prices that share out too much", .lowerBound) { plan in
      guard var prices = plan.certificate?.prices else { return }
      for index in prices.indices { prices[index].compute += 0.5 }
      plan.certificate?.prices = prices
    },
    Tampering("a type without a price", .lowerBound) { $0.certificate?.prices?.removeFirst() },
    Tampering("other replicas", .coverage) { $0.groups[0].replicas = [1, 9] },
    Tampering("a group that is not asked for", .coverage) { $0.groups[0].models += 1 },
  ]

  @Test(arguments: tamperings)
  func theCheckerFinds(_ tampering: Tampering) throws {
    let problem = try Self.problem(Self.three)
    var plan = try Self.planned.get()
    tampering.change(&plan)
    #expect(check(plan, problem).contains { $0.kind == tampering.kind }, "\(check(plan, problem))")
  }
}
