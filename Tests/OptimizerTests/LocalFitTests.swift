import Optimizer
import PlannerCore
import Testing

/// This machine as an instance type, and profiles as figures.
@Suite struct LocalFitTests {
  @Test func memoryStopsTheFit() throws {
    // 100 MiB for the server, 20 MiB a model: (1000 − 100) / 20 = 45.
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    let problem = try Fixture.local(models: 100, profile: profile, cores: 1, memoryBytes: 1000 << 20)
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible)
    #expect(plan.models == 45)
    #expect(plan.workload.models == 45)
    #expect(plan.binding == .memory)
    #expect(plan.bindingReason.sentence.contains("45 of 100 models"))
    #expect(plan.costPerHour == 0)
    #expect(plan.lowerBoundPerHour == 0)
    let node = try #require(plan.nodes.first)
    #expect(node.instanceType == "local")
    #expect(node.executable)
    #expect(node.provenance.kind == .measured)
    #expect(node.environment == ["OMP_NUM_THREADS": "1"])
    #expect(node.host == profile.host)
    #expect(node.serverMemoryBytes == 100 << 20)
    #expect(plan.bestExecutable?.nodes == plan.nodes)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
  }

  @Test func allThatWereAskedFor() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    let plan = try Optimizer.optimize(
      try Fixture.local(models: 40, profile: profile, cores: 1, memoryBytes: 1000 << 20))
    #expect(plan.models == 40)
    #expect(plan.binding == .count)
  }

  @Test func latencyStopsTheFit() throws {
    // 6 ms a pass, 10 ms target: two requests may rarely meet.
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.006)])])
    let problem = try Fixture.local(models: 500, profile: profile, cores: 1, memoryBytes: 16 << 30)
    let plan = try Optimizer.optimize(problem)
    #expect(plan.binding == .latency)
    #expect((1..<300).contains(plan.models))
    #expect(try #require(plan.latencySeconds).p99.high <= 0.010)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
    // One model more breaks the target: the fit is not just feasible.
    #expect(plan.bindingReason.sentence.contains("with \(plan.models + 1) models on each node"))
  }

  @Test func tooFewAreNoPlan() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    var problem = try Fixture.local(models: 100, profile: profile, cores: 1, memoryBytes: 1000 << 20)
    problem.leastFittedModels = 45
    #expect(try Optimizer.optimize(problem).models == 45)
    problem.leastFittedModels = 46
    let plan = try Optimizer.optimize(problem)
    #expect(!plan.feasible && plan.nodes.isEmpty && plan.costPerHour == nil)
    #expect(plan.binding == .memory && plan.bindingReason.sentence.contains("takes 45 of 100 models"))
  }

  @Test func nothingFits() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.020)])])
    let problem = try Fixture.local(models: 5, profile: profile, cores: 1, memoryBytes: 16 << 30)
    let plan = try Optimizer.optimize(problem)
    #expect(!plan.feasible)
    #expect(plan.costPerHour == nil)
    #expect(plan.binding == .latency)
    #expect(plan.bindingReason.sentence.contains("measured p99 26.0 ms at 32 tokens, fp32"))
  }

  @Test func noMeasurementOfThatModel() throws {
    let profile = try Fixture.profile([.init(architecture: "minilm", cells: [.init(computeSeconds: 0.001)])])
    let plan = try Optimizer.optimize(
      try Fixture.local(models: 5, profile: profile, cores: 1, memoryBytes: 16 << 30))
    #expect(!plan.feasible)
    #expect(plan.binding == .noFigure)
    #expect(plan.alternatives.first?.feasible == nil)
  }

  @Test func splitsStayWithinTheCores() throws {
    let profile = try Fixture.profile([
      .init(cells: [.init(computeSeconds: 0.004), .init(workers: 2, computeSeconds: 0.004)])
    ])
    let one = try Optimizer.optimize(
      try Fixture.local(models: 5000, profile: profile, cores: 1, memoryBytes: 400 << 30))
    let two = try Optimizer.optimize(
      try Fixture.local(models: 5000, profile: profile, cores: 2, memoryBytes: 400 << 30))
    #expect(one.nodes.first?.workers == 1)
    #expect(two.nodes.first?.workers == 2)
    #expect(two.models > 2 * one.models)
  }

  @Test func workersThatSlowEachOtherAreCountedSo() throws {
    let cells = [Fixture.Cell(workers: 2, computeSeconds: 0.004)]
    let contended = try Fixture.profile([.init(cells: cells, forward: [.init(1, 0.004), .init(2, 0.006)])])
    let plan = try Optimizer.optimize(
      try Fixture.local(models: 5, profile: contended, cores: 2, memoryBytes: 16 << 30))
    let node = try #require(plan.nodes.first)
    #expect(abs(node.service.computeSeconds.mean - 1.5 * (try Fixture.table(mean: 0.004)).mean) < 1e-9)
  }

  @Test func aLowerPrecisionOnlyWhereItSaves() throws {
    let profile = try Fixture.profile([
      .init(precision: .int8, memoryPerModelBytes: 10 << 20, cells: [.init(computeSeconds: 0.0005)]),
      .init(cells: [.init(computeSeconds: 0.001)]),
    ])
    let few = try Optimizer.optimize(
      try Fixture.local(models: 40, profile: profile, cores: 1, memoryBytes: 1000 << 20))
    #expect(few.nodes.first?.precision == .fp32)
    let many = try Optimizer.optimize(
      try Fixture.local(models: 90, profile: profile, cores: 1, memoryBytes: 1000 << 20))
    #expect(many.nodes.first?.precision == .int8)
    #expect(many.models == 90)
  }

  @Test func longerMeasurementsSpeakForShorterRequestsAsEstimates() throws {
    let profile = try Fixture.profile([.init(cells: [.init(tokens: 128, computeSeconds: 0.002)])])
    let plan = try Optimizer.optimize(
      try Fixture.local(models: 5, profile: profile, cores: 1, memoryBytes: 16 << 30))
    #expect(plan.nodes.first?.provenance.kind == .estimated)
  }

  @Test func aProfiledTypeOfTheCatalogueIsExecutable() throws {
    let profile = try Fixture.profile(
      [
        .init(
          architecture: "bert-base", precision: .int8, memoryPerModelBytes: 288 << 20,
          cells: [.init(workers: 4, tokens: 128, computeSeconds: 0.006)])
      ],
      instanceType: "r7g.4xlarge", cores: 16)
    let problem = try Fixture.mission(profiles: [profile])
    let plan = try Optimizer.optimize(problem)
    let executable = try #require(plan.bestExecutable)
    #expect(executable.nodes.allSatisfy { $0.instanceType == "r7g.4xlarge" && $0.executable })
    #expect(plan.bestExecutableReason == nil)
    #expect(executable.costPerHour >= (try #require(plan.costPerHour)))
    // HTTP and tokenizer time of that machine now speaks for the others, and says whose it is.
    let other = try #require(plan.nodes.first { $0.instanceType != "r7g.4xlarge" } ?? plan.nodes.first)
    #expect(other.service.overheadProvenance.kind == .measured)
    if other.instanceType != "r7g.4xlarge" {
      #expect(other.service.overheadProvenance.source.contains("measured on another machine"))
    }
    let violations = PlanChecker.check(plan, against: Fixture.evidence(problem))
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test func theMachineAtHandInAFleet() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    var problem = try Fixture.local(models: 30, profile: profile, cores: 1, memoryBytes: 1000 << 20, fit: false)
    problem.instanceNames = nil
    let enough = try Optimizer.optimize(problem)
    #expect(enough.costPerHour == 0)
    #expect(enough.nodes.first?.instanceType == "local")
    #expect(PlanChecker.check(enough, against: Fixture.evidence(problem)).isEmpty)
    problem.workload.models = 100
    let short = try Optimizer.optimize(problem)
    let row = try #require(short.alternatives.first { $0.instanceType == "local" })
    #expect(row.feasible == false)
    #expect(row.modelsPerNode == 45)
    #expect(row.reason.sentence.contains("takes 45 of 100 models"))
    #expect(!short.feasible)
    #expect(short.binding == .memory)
  }
}
