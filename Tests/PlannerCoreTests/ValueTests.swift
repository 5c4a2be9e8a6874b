import PlannerCore
import Testing

@Suite struct ValueTests {
  @Test(arguments: [
    ("10ms", 0.010), ("2000s", 2000), ("1.5m", 90), ("2h", 7200), ("250us", 0.00025), ("0s", 0), (".5s", 0.5),
  ])
  func durations(_ text: String, _ seconds: Double) throws {
    #expect(abs(try #require(Quantity.seconds(text)) - seconds) < 1e-12)
  }

  @Test(arguments: ["", "10", "ms", "-1s", "1e999s", "0x10s", "nans", "infs", "1 s", "1sec", "+1s"])
  func notDurations(_ text: String) { #expect(Quantity.seconds(text) == nil) }

  @Test func sizesAndShares() {
    #expect(Quantity.bytes("27000Mi") == 27000 << 20)
    #expect(Quantity.bytes("1.5GiB") == 3 << 29)
    #expect(Quantity.bytes("-1GiB") == nil)
    #expect(Quantity.share("60%") == 0.6)
    #expect(Quantity.share("0%") == nil && Quantity.share("101%") == nil && Quantity.share("x") == nil)
  }

  @Test func percentEncodingKeepsUnreservedCharactersOnly() {
    #expect(PercentEncoding.component("aZ09-._~ +/%ü") == "aZ09-._~%20%2B%2F%25%C3%BC")
    #expect(PercentEncoding.path("a b/c") == "a%20b/c")
    let all = String(decoding: (0...127).map { UInt8($0) }, as: UTF8.self) + "é東"
    #expect(PercentEncoding.decode(PercentEncoding.component(all).utf8) == all)
    #expect(PercentEncoding.decode("a+b%2b%2G%".utf8) == "a+b+%2G%")
    #expect(PercentEncoding.decode("a+b".utf8, plusIsSpace: true) == "a b")
    #expect(PercentEncoding.decode("%ff".utf8) == "\u{FFFD}")
  }

  @Test func nanosecondsAreExactWhereTheyCanBe() {
    #expect(Nanoseconds(seconds: 0.010).rawValue == 10_000_000)
    #expect(Nanoseconds(seconds: .infinity) == .never)
    #expect(Nanoseconds(.milliseconds(3)).rawValue == 3_000_000)
    #expect(Nanoseconds(seconds: .nan) == .zero)
  }

  /// bert-base-cased is published with 108,310,272 weights, its pooler (590,592) included and no question-answering
  /// head (1,538).
  @Test func bertBaseHasItsWeights() {
    #expect(ArchitecturePreset.bertBase.shape.parameterCount == 108_310_272 - 590_592 + 1_538)
  }

  @Test func erlangCIsTextbook() {
    // Two workers at 75 %: 9/14 (any text on queueing).
    #expect(abs(ClosedForms.erlangC(workers: 2, arrivalRate: 1.5, serviceMean: 1) - 9.0 / 14) < 1e-12)
    #expect(abs(ClosedForms.erlangC(workers: 1, arrivalRate: 0.3, serviceMean: 1) - 0.3) < 1e-12)
  }

  @Test func schedulesHaveTheirRate() {
    let schedule = Schedule.make(
      models: 10, ratePerModelPerSecond: 5, arrivals: .poisson, durationSeconds: 400, seed: 4)
    #expect(abs(Double(schedule.requests.count) - 20_000) < 600)
    #expect(zip(schedule.requests, schedule.requests.dropFirst()).allSatisfy { $0.due <= $1.due })
    #expect(schedule.requests.allSatisfy { $0.due.seconds < 400 && (0..<10).contains($0.model) })
    let even = Schedule.make(
      models: 3, ratePerModelPerSecond: 2, arrivals: .deterministic, durationSeconds: 100, seed: 4)
    #expect(even.requests.count == 600)
    #expect(Set((0..<3).map { model in even.requests.count { $0.model == model } }) == [200])
  }
}
