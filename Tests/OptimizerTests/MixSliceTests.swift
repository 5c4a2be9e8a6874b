import Optimizer
import PlannerCore
import Testing

/// What of a node with many kinds of models a machine runs for which it was not planned.
@Suite struct MixSliceTests {
  private static let cause = SliceReason.Cause.thisMachineIsNo(instanceType: "c6i.2xlarge")

  /// Measures both architectures with one and with two workers.
  private func profile(_ architectures: [String] = ["bert-tiny", "minilm"]) throws -> Profile {
    try Fixture.profile(
      architectures.map { architecture in
        Fixture.Variant(
          architecture: architecture, memoryPerModelBytes: 20 << 20,
          cells: [1, 2].map { .init(workers: $0, tokens: 64, computeSeconds: 0.002) })
      }, cores: 4)
  }

  private func choose(
    _ copies: [Placement.Copy], memory: Int64 = 8 << 30, rateFactor: Double = 1, profile: Profile? = nil
  ) throws -> MixSlice {
    let profile = try profile ?? self.profile()
    let machine = MachineAtHand(
      host: profile.host, servingCores: 2, availableMemoryBytes: memory, freeDiskBytes: 1 << 40)
    let workload = Workload(name: "mix", groups: MixTests.three, source: "test")
    return try MixSlice.choose(
      from: copies.map { copy in
        var copy = copy
        copy.modelRatePerSecond *= rateFactor
        return copy
      }, of: workload, planned: nil, on: machine,
      figures: try Fixture.figures([profile], try Fixture.mission().catalog), because: Self.cause)
  }

  /// All copies of the three groups, one of each model.
  private var copies: [Placement.Copy] {
    MixTests.three.enumerated().flatMap { index, group in
      group.rates().enumerated().map { Placement.Copy(group: index, model: $0, modelRatePerSecond: $1) }
    }
  }

  @Test func whatFitsRunsWhole() throws {
    let slice = try choose(copies, rateFactor: 0.5)
    #expect(slice.copies.count == 210 && slice.reason.models == 210 && slice.reason.limit == .nodesModels)
    #expect(slice.node.spec.models.map(\.group) == ["a", "b", "c"])
    #expect(slice.node.spec.models.map(\.count) == [120, 60, 30] && slice.node.totals == [120, 60, 30])
    // Two workers have more time for the same passes.
    #expect(slice.node.workers == 2 && slice.node.spec.machine.isLocal)
    let busy = copies.reduce(0) { $0 + $1.modelRatePerSecond } * 0.5 * 0.002 / 2
    #expect(abs(slice.node.utilization / busy - 1) < 0.05)
  }

  /// A slice has about the same part of each group, and both the often and the seldom asked of it.
  @Test func memoryLimitsEachGroupAlike() throws {
    // 100 MiB are the server's, and 20 MiB each model's.
    let slice = try choose(copies, memory: (100 + 20 * 70) << 20, rateFactor: 0.1)
    #expect(slice.reason == SliceReason(cause: Self.cause, models: 70, of: 210, limit: .memory))
    #expect(slice.node.spec.models.map(\.count) == [40, 20, 10])
    let own = slice.copies.filter { $0.group == 0 }.map(\.model)
    #expect(own == (0..<40).map { $0 * 3 })
  }

  @Test func theProcessorIsFilledToSixtyPercent() throws {
    let slice = try choose(copies, rateFactor: 5)
    #expect(slice.reason.limit == .processor)
    #expect(slice.node.utilization <= Slice.fullestUtilization)
    #expect(slice.node.spec.models.allSatisfy { $0.count >= 1 })
    let error = #expect(throws: SliceError.self) { try choose(copies, rateFactor: 1000) }
    #expect(error == .notEvenOne(Self.cause, architecture: "bert-tiny"))
  }

  @Test func aGroupWithoutFigureIsNamed() throws {
    let error = #expect(throws: SliceError.self) { try choose(copies, profile: try profile(["bert-tiny"])) }
    #expect(error?.description.contains("planner profile --case minilm:64") == true, "\(String(describing: error))")
  }
}
