import Foundation
import Optimizer
import PlannerCore
import PlannerFiles
import Testing

/// The guidance's mission on the shipped catalogue, worked out by hand.
///
/// bert-base has 107,721,218 weights: embeddings (28,996 + 512 + 2) · 768 + 2 · 768, twelve layers of 7,087,872, head
/// 1,538. In fp32 430,884,872 bytes; × 1.15 + 40 MiB = 537,460,643; a quarter more = 671,825,804. A NeuronCore of an
/// Inferentia2 has 16 GiB = 17,179,869,184 bytes: 25 models, 50 a chip.
///
/// On the host a model keeps up to 1.5 × 430,884,872 + 20 KiB = 646,347,788 bytes. An inf2.xlarge has 14,162 MiB for
/// pods: the agents keep 762, the server 2,048, a model while it loads 671,825,804 bytes; 11,231,595,828 are left, 17
/// models. An inf2.24xlarge has six chips and room for 570 on its host: 300. 3,000 models take ten for $6.49063: 10 ·
/// 6.49063 + 0.10 = 65.0063, where 177 inf2.xlarge cost 134.3014. At 12.25 requests/s of 1 ms a core is 1.2 % busy.
@Suite struct MissionTests {
  @Test func byHand() throws {
    let problem = try Fixture.mission()
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible)
    #expect(plan.models == 3000)
    #expect(plan.nodes.count == 1)
    let node = try #require(plan.nodes.first)
    #expect(node.instanceType == "inf2.24xlarge")
    #expect(node.count == 10)
    #expect(node.modelsPerNode == [300, 300])
    #expect(node.devices == 12)
    #expect(node.memoryPerModelBytes == 671_825_804)
    #expect(node.memoryCapacityBytes == 6 * 34_359_738_368)
    let host = try #require(node.hostMemory)
    #expect(host.perModelBytes == HostMemory.Range(low: 20480, high: 646_347_788))
    #expect(host.capacityBytes == (355_262 - 762 - 2048) << 20 - 671_825_804)
    #expect(host.provenance.kind == .estimated && host.provenance.source.contains("762 MiB for the node's agents"))
    #expect(node.memoryProvenance.kind == .estimated)
    #expect(node.provenance.kind == .published)
    #expect(!node.executable)
    #expect(abs(try #require(plan.costPerHour) - 65.0063) < 1e-9)
    #expect(abs(try #require(plan.costPerMonth) - 65.0063 * 730) < 1e-6)
    #expect(abs(try #require(plan.lowerBoundPerHour) - 65.0063) < 1e-9)
    #expect(plan.gap == 0)
    #expect(plan.binding == .memory)
    // HTTP and tokenizer were not measured here: the allowance counts, and is called one.
    #expect(node.service.overheadProvenance.kind == .estimated)
    #expect(node.service.overheadSeconds.quantile(0.99) == 0.002)
    let p99 = try #require(plan.latencySeconds?.p99)
    #expect(p99.estimate > 0.00104 + 0.001)
    #expect(p99.high < 0.010)
    #expect(plan.bestExecutable == nil)
    #expect(plan.bestExecutableReason != nil)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
  }

  /// The guidance's own budget is too small on the upper end of host memory, and would not be on the lower one.
  @Test func sixtyDollarsRestOnHostMemory() throws {
    let problem = try Fixture.mission(budget: 60)
    let plan = try Optimizer.optimize(problem)
    #expect(!plan.feasible && plan.binding == .budget)
    #expect(plan.bindingReason.sentence.contains("10 × inf2.24xlarge, costs $65.01 an hour"))
    let low = try #require(plan.atLowHostMemory)
    // As many as the chip holds: 60 · 0.7582 + 0.10.
    #expect(low.nodes == [.init(instanceType: "inf2.xlarge", count: 60)])
    #expect(abs(low.costPerHour - 45.592) < 1e-9)
    #expect(low.perModelBytes == HostMemory.Range(low: 20480, high: 646_347_788))
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
    let other = try Optimizer.optimize(try Fixture.mission(budget: nil, instances: ["inf2.24xlarge"]))
    #expect(other.atLowHostMemory == nil)
  }

  /// The host fills before the chip does, and the last model has no core of its own to wait for.
  @Test func theHostsMemoryLimitsASmallNode() throws {
    let problem = try Fixture.mission(budget: nil, instances: ["inf2.xlarge"])
    let plan = try Optimizer.optimize(problem)
    let node = try #require(plan.nodes.first)
    #expect(node.count == 177 && node.modelsPerNode == [16, 17])
    #expect(abs(try #require(plan.costPerHour) - 134.3014) < 1e-9)
    #expect(abs(try #require(plan.lowerBoundPerHour) - 134.3014) < 1e-9)
    #expect(plan.binding == .memory)
    #expect(plan.bindingReason.sentence.hasPrefix("host memory: 17 models, which keep up to 616 MiB (estimated) each"))
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
  }

  @Test func everyTypeIsListedWithAReason() throws {
    let problem = try Fixture.mission()
    let plan = try Optimizer.optimize(problem)
    #expect(plan.alternatives.count == 240)
    #expect(Set(plan.alternatives.map(\.instanceType)).count == 240)
    for row in plan.alternatives {
      #expect(!row.reason.sentence.isEmpty)
      if row.feasible == nil {
        #expect(row.binding == .noFigure)
        #expect(row.costPerHour == nil)
      }
    }
    let ranks = plan.alternatives.map { $0.feasible == true ? 0 : $0.feasible == false ? 1 : 2 }
    #expect(ranks == ranks.sorted())
    let row = try #require(plan.alternatives.first { $0.instanceType == "c6i.2xlarge" })
    #expect(row.feasible == false)
    #expect(row.binding == .latency)
    #expect(row.reason.sentence.contains("p95 54.3 ms at 128 tokens, fp32"))
    #expect(row.provenance?.kind == .published)
    #expect(plan.alternatives.first { $0.instanceType == "c6i.4xlarge" }?.provenance?.kind == .estimated)
    #expect(plan.alternatives.first { $0.instanceType == "inf2.8xlarge" }?.binding == .budget)
  }

  @Test func theGuidancesTableIsThereAgain() throws {
    let plan = try Optimizer.optimize(try Fixture.mission())
    #expect(
      plan.guidance.map(\.instanceType)
        == ["c7g.4xlarge", "c5.4xlarge", "c6i.4xlarge", "inf2.8xlarge", "g5.4xlarge", "inf2.xlarge"])
    #expect(plan.guidance.map(\.guidanceModelsPerNode) == [30, 30, 30, 42, 43, 42])
    #expect(plan.guidance.map(\.guidanceTotalPerHour) == [58.10, 68.10, 68.10, 141.94, 113.40, 141.94])
    // 72 · 1.96786 + 0.10, 70 · 1.624 + 0.10, 72 · 0.7582 + 0.10.
    #expect(abs(plan.guidance[3].packingCostPerHour - 141.78592) < 1e-9)
    #expect(abs(plan.guidance[4].packingCostPerHour - 113.78) < 1e-9)
    #expect(abs(plan.guidance[5].packingCostPerHour - 54.6904) < 1e-9)
    #expect(plan.guidance.map(\.packingFeasible) == [nil, false, false, true, false, false])
    // 43 models of 641 MiB do not fit an A10G's 22,888 MiB.
    #expect(plan.guidance[4].packingReason.sentence.contains("27550 MiB of 22888 MiB"))
    #expect(plan.guidance[5].packingReason.sentence.contains("not a row of the guidance"))
    #expect(plan.guidance[5].packingReason.sentence.contains("42 models a node keep up to"))
    #expect(abs(try #require(plan.guidance[5].planned.costPerHour) - 134.3014) < 1e-9)
  }

  @Test func sameSeedSameBytes() throws {
    let first = try JSONFile.encode(try Optimizer.optimize(try Fixture.mission()))
    let second = try JSONFile.encode(try Optimizer.optimize(try Fixture.mission()))
    #expect(first == second)
  }

  @Test func namedTypesOnly() throws {
    let plan = try Optimizer.optimize(try Fixture.mission(budget: nil, instances: ["inf2.8xlarge", "c7g.large"]))
    #expect(plan.alternatives.map(\.instanceType) == ["inf2.8xlarge", "c7g.large"])
    #expect(plan.nodes.first?.instanceType == "inf2.8xlarge")
    // The guidance's other types are still judged for its table.
    #expect(plan.guidance.count == 6)
    #expect(plan.guidance[5].planned.feasible == true)
  }

  @Test func queueingLimitsTheModelsOfANode() throws {
    // 30 requests/s a model on a core of 1 ms: 25 models would keep it 76 % busy, which 6 ms do not allow.
    let problem = try Fixture.mission(models: 300, budget: nil, target: 0.006, rate: 30, instances: ["inf2.8xlarge"])
    let plan = try Optimizer.optimize(problem)
    let node = try #require(plan.nodes.first)
    #expect(plan.binding == .latency)
    #expect(node.modelsPerNode[1] < 50)
    #expect(node.latencySeconds.p99.high <= 0.006)
    #expect(try #require(plan.gap) > 0)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
  }
}

/// The plan file is the plan.
@Suite struct PlanFileLawTests {
  @Test func aPlanReadBackIsTheSameAndStillHolds() throws {
    let problem = try Fixture.mission()
    let text = try JSONFile.encode(try Optimizer.optimize(problem))
    let plan = try JSONDecoder().decode(Plan.self, from: Data(text.utf8))
    #expect(try JSONFile.encode(plan) == text)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
  }
}
