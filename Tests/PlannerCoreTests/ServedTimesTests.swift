import PlannerCore
import Testing

/// How answered requests are taken apart.
@Suite struct ServedTimesTests {
  private func sample(ahead: Int, overhead: Double, queue: Double = 0.001) -> ServedSample {
    ServedSample(due: 0, latency: queue + 0.002 + overhead, queue: queue, compute: 0.002, ahead: ahead)
  }

  @Test func overheadIsThatOfRequestsThatFoundTheServerIdle() throws {
    let samples = [sample(ahead: 0, overhead: 0.0003, queue: 0.00002), sample(ahead: 1, overhead: 0.0009)]
    let times = try #require(ServedTimes(rounds: [samples]))
    #expect(abs(times.overheadSeconds.mean - 0.0003) < 1e-9)
    #expect(abs(try #require(times.wakeUpSeconds) - 0.00002) < 1e-9)
  }

  /// A server that others keep busy all the time is measured all the same.
  @Test func whereNoneDidThoseSpeakThatFoundTheFewest() throws {
    let samples = [sample(ahead: 5, overhead: 0.002), sample(ahead: 2, overhead: 0.0004)]
    let times = try #require(ServedTimes(rounds: [samples]))
    #expect(abs(times.overheadSeconds.mean - 0.0004) < 1e-9)
    #expect(times.wakeUpSeconds == 0)
    #expect(ServedTimes(rounds: [[]]) == nil)
  }
}
