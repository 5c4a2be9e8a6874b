import Optimizer
import PlannerCore
import Testing

/// What of a plan a machine runs that is not the planned one.
@Suite struct SliceTests {
  private func machine(
    _ profile: Profile, cores: Int = 1, memoryBytes: Int64 = 1 << 30, disk: Int64 = 1 << 40
  ) -> MachineAtHand {
    MachineAtHand(
      host: profile.host, servingCores: cores, availableMemoryBytes: memoryBytes, freeDiskBytes: disk)
  }

  private func figures(_ profiles: [Profile]) throws -> Figures {
    try Fixture.figures(profiles, try Fixture.mission().catalog)
  }

  /// 3,000 bert-base on 60 inf2.8xlarge.
  private func cloudPlan(_ change: (inout Workload) -> Void = { _ in }) throws -> Plan {
    var plan = try Optimizer.optimize(try Fixture.mission(budget: nil, instances: ["inf2.8xlarge"]))
    change(&plan.workload)
    return plan
  }

  private func base(
    _ cells: [Fixture.Cell], precision: Precision = .fp32, vocabulary: Int? = nil, memory: Int64 = 20 << 20,
    forward: [Fixture.Forward] = []
  ) -> Fixture.Variant {
    Fixture.Variant(
      architecture: "bert-base", precision: precision, vocabulary: vocabulary, memoryPerModelBytes: memory,
      cells: cells, forward: forward)
  }

  private func cell(_ seconds: Double, workers: Int = 1, tokens: Int = 128, input: RequestInput = .text) -> Fixture.Cell
  {
    Fixture.Cell(workers: workers, tokens: tokens, computeSeconds: seconds, input: input)
  }

  @Test func aLocalPlanRunsInFull() throws {
    let profile = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.001)])])
    let plan = try Optimizer.optimize(
      try Fixture.local(models: 20, profile: profile, cores: 1, memoryBytes: 1000 << 20))
    let slice = try Slice.choose(from: plan, on: machine(profile), figures: try figures([]))
    #expect(slice.reason == nil && slice.models == 20 && slice.node == plan.nodes[0])
    #expect(throws: SliceError.tooFewCores(needed: 1, free: 0)) {
      try Slice.choose(from: plan, on: machine(profile, cores: 0), figures: try figures([]))
    }
    #expect(throws: SliceError.tooLittleMemory(models: 20, neededBytes: 400 << 20, freeBytes: 1 << 20)) {
      try Slice.choose(from: plan, on: machine(profile, memoryBytes: 1 << 20), figures: try figures([]))
    }
    var elsewhere = machine(profile)
    elsewhere.host.cpuModel = "Another CPU"
    let error = #expect(throws: SliceError.self) {
      try Slice.choose(from: plan, on: elsewhere, figures: try figures([profile]))
    }
    #expect(
      error?.description.hasPrefix("the plan was made for another machine (Test CPU, 4 cores), and no profile") == true)
  }

  /// As much of the workload as fits, predicted by itself; nothing of it is called a part of the plan.
  @Test func ofAnInfeasiblePlanTheWorkloadRuns() throws {
    let profile = try Fixture.profile([base([cell(0.001)])])
    let plan = try Optimizer.optimize(try Fixture.mission(budget: 5))
    #expect(!plan.feasible && plan.nodes.isEmpty)
    let slice = try Slice.choose(from: plan, on: machine(profile), figures: try figures([profile]))
    let cause = SliceReason.Cause.noPlan(plan.bindingReason.sentence)
    // 100 MiB of 1 GiB are the server's, and 20 MiB each model's.
    #expect(slice.reason == SliceReason(cause: cause, models: 46, of: 3000, limit: .memory))
    #expect(slice.node.spec.machine.isLocal && slice.node.modelsPerNode == [46, 46])
    let p99 = slice.node.latencySeconds.p99
    #expect(p99.estimate > 0.001 && p99.low <= p99.estimate && p99.estimate < 0.01)
    #expect(slice.reason?.description.contains("46 of the workload's 3000 models") == true)
    let error = #expect(throws: SliceError.noFigure(cause, plan.workload.query)) {
      try Slice.choose(from: plan, on: machine(profile), figures: try figures([]))
    }
    #expect(error?.hasNoPlan == true && error?.description.contains("planner profile --case bert-base:128") == true)
  }

  @Test(arguments: [
    (Int64(2 << 30), Int64(1 << 40), 50, SliceReason.Limit.nodesModels),
    (Int64(300 << 20), Int64(1 << 40), 10, .memory), (Int64(1 << 30), Int64(5), 4, .disk),
  ])
  func theTightestLimitCounts(memory: Int64, disk: Int64, models: Int, limit: SliceReason.Limit) throws {
    // 100 MiB for the server, 20 MiB a model, a file of one byte, and four fifths of the disk.
    let profile = try Fixture.profile([base([cell(0.001)])])
    let slice = try Slice.choose(
      from: try cloudPlan(), on: machine(profile, memoryBytes: memory, disk: disk), figures: try figures([profile]))
    #expect(slice.models == models)
    #expect(slice.reason?.limit == limit)
    #expect(slice.reason?.of == 50 && slice.reason?.cause == .thisMachineIsNo(instanceType: "inf2.8xlarge"))
    #expect(slice.node.spec.machine.isLocal && slice.node.count == 1 && slice.node.modelsPerNode == [models, models])
    #expect(slice.node.costPerHour == 0 && slice.node.host == profile.host)
    #expect(slice.node.environment == ["OMP_NUM_THREADS": "1"])
  }

  @Test func theProcessorIsFilledToSixtyPercent() throws {
    let profile = try Fixture.profile([base([cell(0.004)])])
    let plan = try cloudPlan { $0.ratePerModelPerSecond = 5 }
    let slice = try Slice.choose(from: plan, on: machine(profile), figures: try figures([profile]))
    // 0.6 / (5 × 4 ms) = 30, the mean being a little off 4 ms.
    #expect(slice.reason?.limit == .processor)
    #expect((28...31).contains(slice.models))
    let hot = try cloudPlan { $0.ratePerModelPerSecond = 500 }
    #expect(throws: SliceError.notEvenOne(.thisMachineIsNo(instanceType: "inf2.8xlarge"), architecture: "bert-base")) {
      try Slice.choose(from: hot, on: machine(profile), figures: try figures([profile]))
    }
  }

  /// The models that will be synthesized have the vocabulary that the workload means; so has the figure.
  @Test func theVocabularyIsTheWorkloads() throws {
    let profile = try Fixture.profile([
      base([cell(0.001)], vocabulary: 2000), base([cell(0.003)]),
    ])
    func mean(_ vocabulary: Int?) throws -> Double {
      var plan = try cloudPlan()
      plan.workload.vocabulary = vocabulary
      let slice = try Slice.choose(from: plan, on: machine(profile), figures: try figures([profile]))
      #expect(slice.node.spec.models[0].variant.vocabulary == vocabulary)
      return slice.node.service.computeSeconds.mean
    }
    #expect(try mean(nil) == (try Fixture.table(mean: 0.003)).mean)
    #expect(try mean(2000) == (try Fixture.table(mean: 0.001)).mean)
  }

  @Test func thePlannedPrecisionGoesFirst() throws {
    let fast = base([cell(0.001)], precision: .int8)
    let both = try Fixture.profile([fast, base([cell(0.003)])])
    let slice = try Slice.choose(from: try cloudPlan(), on: machine(both), figures: try figures([both]))
    #expect(slice.node.precision == .fp32)
    let other = try Fixture.profile([fast])
    #expect(
      try Slice.choose(from: try cloudPlan(), on: machine(other), figures: try figures([other])).node.precision == .int8
    )
  }

  /// A slice is planned with the contention that a plan of this machine would have.
  @Test func workersThatSlowEachOtherAreCountedSo() throws {
    let profile = try Fixture.profile([
      base(
        [cell(0.004, workers: 2)], forward: [.init(1, 0.004, tokens: 128), .init(2, 0.006, tokens: 128)])
    ])
    let slice = try Slice.choose(
      from: try cloudPlan(), on: machine(profile, cores: 2), figures: try figures([profile]))
    #expect(abs(slice.node.service.computeSeconds.mean - 1.5 * (try Fixture.table(mean: 0.004)).mean) < 1e-9)
  }

  /// A measurement is laid beside the prediction, so that no longer request and no other input stands in.
  @Test(arguments: [
    Fixture.Cell(tokens: 256, computeSeconds: 0.001), .init(tokens: 128, computeSeconds: 0.001, input: .tokens),
  ])
  func onlyExactFigures(_ cell: Fixture.Cell) throws {
    let profile = try Fixture.profile([base([cell])])
    let error = #expect(throws: SliceError.self) {
      try Slice.choose(from: try cloudPlan(), on: machine(profile), figures: try figures([profile]))
    }
    #expect(error?.description.contains("planner profile --case bert-base:128") == true)
  }
}
