import PlannerCore
import Profiler
import Testing

/// Which figures of a profile are not believed.
@Suite struct ProfileCheckTests {
  private static func profile() async throws -> Profile { try await ProfileRunTests.profile(KnownMachine()) }

  private static func samples(_ seconds: Double, count: Int) throws -> QuantileTable {
    try #require(QuantileTable(samples: Array(repeating: seconds, count: count)))
  }

  @Test func aProfileOfAQuietMachineHolds() async throws {
    #expect(ProfileCheck.violations(try await Self.profile()) == [])
  }

  /// Between-run variation above a quarter is said, with the cell: a plan made of it would promise what no run keeps.
  @Test(arguments: [(0.25, false), (0.26, true), (0.57, true)])
  func driftAboveAQuarterIsSaid(_ drift: Double, _ isSaid: Bool) async throws {
    var profile = try await Self.profile()
    profile.models[0].served[1].times.betweenRunCV = drift
    let place = "bert-tiny fp32, 16 tokens, 1 × 2"
    #expect(
      ProfileCheck.violations(profile)
        == (isSaid ? ["\(place): the machine drifted by \(Int(drift * 100)) % while it was measured"] : []))
  }

  @Test func otherFiguresThatContradictEachOtherAreSaid() async throws {
    let whole = try await Self.profile()
    var profile = whole
    profile.models[1].served = []
    profile.models[2].memoryPerModelBytes = profile.models[2].weightBytes / 2 - 1
    profile.models[0].served[0].times.computeSeconds = try Self.samples(0.5, count: 19)
    let found = ProfileCheck.violations(profile)
    #expect(found.count == 3)
    #expect(found.contains("bert-tiny fp32, 16 tokens, 2 × 1: only 19 samples"))
    #expect(found.contains("bert-tiny int8: was never measured served"))
    #expect(found.contains { $0.hasPrefix("minilm fp32: ") && $0.contains("bytes a model are too few") })

    profile = whole
    profile.models[0].served[0].times.computeSeconds = try Self.samples(1e-9, count: 100)
    #expect(
      ProfileCheck.violations(profile) == [
        "bert-tiny fp32, 16 tokens, 2 × 1: served requests took less than half of a forward pass alone"
      ])

    profile = whole
    profile.settings = try #require(profile.trials.max { $0.p50Seconds < $1.p50Seconds }).settings
    #expect(
      ProfileCheck.violations(profile) == [
        "the chosen library settings are more than 25 % slower than the best trial"
      ])
  }
}
