import LoadTest
import Optimizer
import PlannerCore
import Proof
import Testing

@Suite struct NodesUnderLoadTests {
  private func node(_ sender: FakeSender, rate: Double) throws -> NodesUnderLoad {
    let node = Samples.node("local", host: Samples.host())
    let plan = Samples.plan([node], workload: Samples.workload(rate: rate))
    return NodesUnderLoad(sender: sender, excerpt: try Excerpt(of: plan, slices: [Slice(node: node, reason: nil)]))
  }

  private func calibrate(
    _ sender: FakeSender, rate: Double, runSeconds: Double = 8
  ) async throws -> CalibrationRun? {
    try await node(sender, rate: rate).calibrate(runSeconds: runSeconds, seed: 5, progress: { _, _ in })
  }

  @Test func aMachineThatIsAsProfiledIsFoundSo() async throws {
    let sender = FakeSender()
    let found = try #require(try await calibrate(sender, rate: 5))
    #expect(abs(found.speed.computeFactor - 1) < 0.01 && abs(found.speed.overheadFactor - 1) < 0.01)
    // 50 a second: 30 s are enough for 1,200.
    #expect(found.seconds == 30 && (1300...1700).contains(found.requests))
  }

  @Test func aSlowMachineIsFoundSoAndItsTimesGoIntoThePrediction() async throws {
    let sender = FakeSender(times: { index in (index.isMultiple(of: 2) ? 0.002 : 0.004, 0.001) })
    let found = try #require(try await calibrate(sender, rate: 5))
    #expect(abs(found.speed.computeFactor - 1.5) < 0.02 && abs(found.speed.overheadFactor - 2) < 0.02)
    #expect(abs(found.figures[0].entries[0].service.computeSeconds.mean - 0.003) < 1e-4)
    // Above 1,000 requests what was measured stands beside the profile's own times, in order.
    #expect(found.figures[0].entries[0].service.computeTraceSeconds?.count == found.requests)
    #expect(found.figures[0].entries[0].service.betweenRunCV == Samples.service().betweenRunCV)
  }

  @Test func fewRequestsTellTheSpeedAndNoMore() async throws {
    // 0.4 a second a model, ten models: 240 in the longest calibration.
    let found = try #require(try await calibrate(FakeSender(), rate: 0.4))
    #expect(found.seconds == 60 && (150...330).contains(found.requests))
    #expect(found.figures[0].entries[0].service.computeTraceSeconds == nil)
  }

  @Test func tooFewRequestsTellNothing() async throws {
    #expect(try await calibrate(FakeSender(), rate: 0.1) == nil)
    // Answers without timings are none that could tell.
    #expect(try await calibrate(FakeSender(times: { _ in nil }), rate: 5) == nil)
  }

  @Test func theNodeSettlesNoLongerThanTheRunAndOnOtherArrivals() async throws {
    let sender = FakeSender()
    _ = try await calibrate(sender, rate: 5, runSeconds: 8)
    let sent = sender.calls.schedules
    #expect(sent.map(\.durationSeconds) == [8 + 3, 30 + 3])
    let long = FakeSender()
    _ = try await calibrate(long, rate: 5, runSeconds: 600)
    #expect(long.calls.schedules.map(\.durationSeconds) == [30 + 3, 30 + 3])
    let first = long.calls.schedules.map { $0.requests.prefix(10).map(\.due) }
    #expect(first[0] != first[1])
    // The run's own arrivals are neither.
    let run = try node(sender, rate: 5).schedule(seconds: 30, seed: 4)
    #expect(!first.contains(run.schedule.requests.prefix(10).map(\.due)) && run.schedule.durationSeconds == 33)
  }
}
