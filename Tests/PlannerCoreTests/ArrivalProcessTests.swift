import Foundation
import PlannerCore
import Testing

@Suite struct ArrivalProcessTests {
  /// Mean and coefficient of variation of the gaps of many arrivals at one model.
  static func gaps(_ arrivals: Arrivals) -> (mean: Double, cv: Double) {
    var draw = Arrivals.Draw(arrivals)
    var random = RandomStream(seed: 3, stream: "arrivals")
    _ = draw.next(from: &random)
    let gaps = (0..<100_000).compactMap { _ in draw.next(from: &random)?.seconds(after: 0) }
    let mean = gaps.reduce(0, +) / Double(gaps.count)
    let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
    return (mean, variance.squareRoot() / mean)
  }

  @Test(arguments: [
    (ArrivalProcess.poisson, 1.0), (.deterministic, 0), (.gamma(cv: 2), 2), (.gamma(cv: 0.5), 0.5),
  ])
  func gapsHaveTheirMoments(_ process: ArrivalProcess, _ cv: Double) {
    let gaps = Self.gaps(Arrivals(process, ratePerSecond: 4))
    #expect(abs(gaps.mean - 0.25) < 0.005)
    #expect(abs(gaps.cv - cv) < 0.03 * max(cv, 1))
  }

  /// A schedule takes every process that a scenario takes.
  @Test(arguments: [ArrivalProcess.poisson, .deterministic, .gamma(cv: 2)])
  func schedulesHaveTheProcessOfEachModel(_ process: ArrivalProcess) {
    let schedule = Schedule.make(
      models: 4, ratePerModelPerSecond: 50, arrivals: process, durationSeconds: 500, seed: 2)
    #expect(zip(schedule.requests, schedule.requests.dropFirst()).allSatisfy { $0.due <= $1.due })
    let expected = Self.gaps(Arrivals(process, ratePerSecond: 50))
    for model in 0..<4 {
      let times = schedule.requests.filter { $0.model == model }.map(\.due.seconds)
      let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
      let mean = gaps.reduce(0, +) / Double(gaps.count)
      let cv = (gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)).squareRoot() / mean
      #expect(abs(mean - expected.mean) < 0.05 * expected.mean)
      #expect(abs(cv - expected.cv) < 0.08)
    }
  }

  @Test func aTraceIsFollowedUntilItEnds() {
    let schedule = Schedule.make(
      models: 2, ratePerModelPerSecond: 1, arrivals: .trace([0.5, 0.5, 2, 9]), durationSeconds: 5, seed: 1)
    #expect(schedule.requests.map(\.due.seconds) == [0.5, 0.5, 0.5, 0.5, 2, 2])
    #expect(schedule.requests.map(\.model) == [0, 0, 1, 1, 0, 1])
  }

  /// Files of version 1 name the process alone.
  @Test func namesAloneAreKeptInFiles() throws {
    let all: [ArrivalProcess] = [.poisson, .deterministic, .gamma(cv: 1.5), .trace([0, 0.25])]
    let text = try JSONEncoder().encode(all)
    #expect(String(decoding: text, as: UTF8.self).hasPrefix(#"["poisson","deterministic",{"#))
    #expect(try JSONDecoder().decode([ArrivalProcess].self, from: text) == all)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([ArrivalProcess].self, from: Data(#"["bursty"]"#.utf8))
    }
  }
}
