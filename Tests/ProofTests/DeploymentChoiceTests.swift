import PlannerCore
import Proof
import Testing

@Suite struct DeploymentChoiceTests {
  private func choose(_ node: NodeGroup, _ machine: DeploymentChoice.Machine, workload: Workload = Samples.workload())
    throws -> DeploymentChoice
  {
    try DeploymentChoice.choose(from: Samples.plan([node], workload: workload), machine: machine)
  }

  private func refusal(
    _ node: NodeGroup, _ machine: DeploymentChoice.Machine, workload: Workload = Samples.workload()
  ) -> ProofError? {
    #expect(throws: ProofError.self) { try choose(node, machine, workload: workload) }
  }

  @Test func aPlanWithoutANodeIsRefused() {
    let error = #expect(throws: ProofError.self) {
      try DeploymentChoice.choose(from: Samples.plan([]), machine: Samples.machine())
    }
    #expect(error == ProofError(.noNode, "the plan has no node to deploy: memory binds"))
  }

  // MARK: Whole

  @Test func aNodeOfThisVeryMachineRunsAsPlanned() throws {
    let node = Samples.node("local", host: Samples.host())
    // Profiles are not looked at: the plan carries its own figures.
    let profile = Samples.profile([Samples.model(.int8, [Samples.cell()])])
    let choice = try choose(node, Samples.machine(profiles: [profile]))
    #expect(choice.node == node && choice.models == 10)
    #expect(choice.scope == .full && choice.sliceReason == nil)
  }

  @Test func aWholeNodeNeedsItsCores() throws {
    let node = Samples.node("local", host: Samples.host(), workers: 2, threads: 2)
    #expect(
      refusal(node, Samples.machine(cores: 3))
        == ProofError(
          .unavailable, "the plan needs 4 cores for its workers; 3 are free beside the load generator's"))
    #expect(try choose(node, Samples.machine(cores: 4)).scope == .full)
  }

  @Test func aWholeNodeNeedsItsMemory() throws {
    let node = Samples.node("local", host: Samples.host())
    let error = refusal(node, Samples.machine(memory: (100 << 20) - 1))
    #expect(error?.kind == .unavailable)
    #expect(error?.description.hasPrefix("10 models need 100 MiB and 99 MiB are free;") == true)
    #expect(error?.description.contains("planner optimize --fit") == true)
    #expect(try choose(node, Samples.machine(memory: 100 << 20)).models == 10)
  }

  @Test func anotherMachineWithThisNameGetsASlice() throws {
    let profile = Samples.profile([Samples.model(.fp32, [Samples.cell()])])
    for other in [Samples.host(cores: 8), Samples.host(model: "Model B")] {
      let choice = try choose(Samples.node("local", host: other), Samples.machine(profiles: [profile]))
      #expect(choice.scope == .slice)
      #expect(
        choice.sliceReason?.hasPrefix("the plan was made for another machine (\(other.cpuModel), \(other.cores) cores)")
          == true)
    }
    let unknown = try choose(Samples.node("local"), Samples.machine(profiles: [profile]))
    #expect(unknown.sliceReason?.contains("(unknown, 0 cores)") == true)
  }

  // MARK: Slice

  private static let cloud = Samples.node("inf2.xlarge", models: 50, precision: .fp32, workers: 4)

  @Test func aSliceRunsOnThisMachinesFiguresAndSaysThatItProvesNothing() throws {
    let cell = Samples.cell(workers: 2, compute: 0.003)
    let profile = Samples.profile([Samples.model(.fp32, memory: 7 << 20, [cell])])
    let choice = try choose(Self.cloud, Samples.machine(profiles: [profile]))
    let node = choice.node
    #expect(choice.models == 50 && node.modelsPerNode == [50, 50])
    #expect(node.instanceType == "local" && node.count == 1 && node.devices == 1 && node.costPerHour == 0)
    #expect(node.workers == 2 && node.threadsPerWorker == 1 && node.memoryPerModelBytes == 7 << 20)
    #expect(node.service.computeSeconds == cell.computeSeconds && node.service.betweenRunCV == cell.betweenRunCV)
    #expect(node.service.dispatchGapSeconds == 1e-5 && node.service.wakeUpSeconds == 2e-5)
    #expect(node.environment == ["OPENBLAS_CORETYPE": "X"] && node.provenance == profile.provenance)
    #expect(node.host == Samples.host() && node.serverMemoryBytes == 100 << 20)
    #expect(
      choice.sliceReason
        == "this machine is no inf2.xlarge; 50 of a node's 50 models run here (one node's models sets the limit), "
        + "with this machine's profile: this does not confirm the plan's own latency")
  }

  /// Memory, disk and processor each limit a slice where they are the scarcest, and are named.
  @Test func theScarcestThingLimitsASlice() throws {
    let profile = Samples.profile([Samples.model(.fp32, memory: 10 << 20, file: 5 << 20, [Samples.cell()])])
    // 100 MiB are the server's; 10 MiB each.
    let memory = try choose(Self.cloud, Samples.machine(memory: (100 + 75) << 20, profiles: [profile]))
    #expect(memory.models == 7 && memory.sliceReason?.contains("(memory sets the limit)") == true)
    // Four fifths of 62 MiB hold nine files of 5 MiB.
    let disk = try choose(Self.cloud, Samples.machine(disk: 62 << 20, profiles: [profile]))
    #expect(disk.models == 9 && disk.sliceReason?.contains("(disk space sets the limit)") == true)
    // One worker, 2 ms a request, 25 requests a second a model: 0.05 each, 0.6 in all.
    let processor = try choose(Self.cloud, Samples.machine(profiles: [profile]), workload: Samples.workload(rate: 25.1))
    #expect(processor.models == 11 && processor.sliceReason?.contains("(processor sets the limit)") == true)
    for machine in [
      Samples.machine(memory: 109 << 20, profiles: [profile]), Samples.machine(memory: 1 << 20, profiles: [profile]),
      Samples.machine(disk: 6 << 20, profiles: [profile]),
    ] {
      let error = refusal(Self.cloud, machine)
      #expect(
        error
          == ProofError(
            .unavailable, "this machine is no inf2.xlarge, and not even one bert-tiny fits this machine at that rate"))
    }
  }

  @Test func withoutAFittingProfileTheCommandThatMeasuresItIsNamed() {
    let models = [
      Samples.model(.fp32, [Samples.cell(tokens: 128)]), Samples.model(.fp32, [Samples.cell(input: .tokens)]),
      Samples.model(.fp32, vocabulary: 400, [Samples.cell()]), Samples.model(.fp32, [Samples.cell(workers: 4)]),
    ]
    let elsewhere = Samples.profile([Samples.model(.fp32, [Samples.cell()])], host: Samples.host(cores: 64))
    let error = refusal(
      Self.cloud, Samples.machine(profiles: [elsewhere] + models.map { Samples.profile([$0]) }))
    #expect(
      error
        == ProofError(
          .unavailable,
          "this machine is no inf2.xlarge, and no profile of this machine covers bert-tiny at 16 tokens; measure it "
            + "with: planner profile --case bert-tiny:16:300"))
    let anyVocabulary = refusal(
      Self.cloud, Samples.machine(), workload: Samples.workload(vocabulary: nil))
    #expect(anyVocabulary?.description.hasSuffix("--case bert-tiny:16") == true)
  }

  @Test func thePlannedPrecisionComesBeforeSpeedAndTheNewestProfileBeforeOthers() throws {
    let slow = Samples.model(.fp32, [Samples.cell(compute: 0.004), Samples.cell(workers: 2, compute: 0.003)])
    let fast = Samples.model(.int8, [Samples.cell(compute: 0.001)])
    let both = try choose(Self.cloud, Samples.machine(profiles: [Samples.profile([fast, slow])]))
    #expect(both.node.precision == .fp32 && both.node.workers == 2)
    let other = try choose(Self.cloud, Samples.machine(profiles: [Samples.profile([fast])]))
    #expect(other.node.precision == .int8)
    let (newer, older) = (Samples.profile([slow], at: "2026-02-01T00:00:00Z"), Samples.profile([fast]))
    let newest = try choose(Self.cloud, Samples.machine(profiles: [newer, older]))
    #expect(newest.node.provenance == newer.provenance)
  }

  @Test func theNodeIsRenderedOnceForEveryRuntime() throws {
    let choice = try choose(Samples.node("local", host: Samples.host()), Samples.machine())
    let names = (0..<10).map { "model\($0)" }
    let settings = choice.settings(repository: "models/x", models: names, tokens: 16)
    #expect(settings.repository == "models/x" && settings.models == names && settings.warmTokens == [16])
    #expect(settings.workers == 2 && settings.threadsPerWorker == 1)
    #expect(settings.environment == choice.node.environment && settings.memoryBytes == 100 << 20)
    #expect(settings.instanceType == nil)
  }
}
