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

  /// Each closed form where a simpler one says the same.
  @Test func closedFormsAgreeWhereTheyMeet() {
    for probability in [0.5, 0.9, 0.99] {
      let one = ClosedForms.latencyQuantileMM1(probability, arrivalRate: 70, serviceMean: 0.01)
      #expect(
        abs(
          ClosedForms.latencyQuantileMMc(probability, workers: 1, arrivalRate: 70, serviceMean: 0.01) - one) < 1e-9)
      // Two kinds that are alike but for rounding.
      #expect(
        abs(ClosedForms.latencyQuantileMH21(probability, (30, 0.01), (40, 0.010_000_001)) - one) < 1e-6)
      // λ/μ = c − 1, where the formula takes its limit, is between its neighbours.
      let three = [199.999, 200, 200.001].map {
        ClosedForms.latencyQuantileMMc(probability, workers: 3, arrivalRate: $0, serviceMean: 0.01)
      }
      #expect(three[0] < three[1] && three[1] < three[2])
    }
    // Clients with patience for hours hardly leave.
    let patient = ClosedForms.impatientMMc(workers: 2, arrivalRate: 150, serviceMean: 0.01, patienceMean: 1e6)
    let wait = ClosedForms.meanWaitMMc(workers: 2, arrivalRate: 150, serviceMean: 0.01)
    #expect(abs(patient.busy - 1.5) < 1e-6 && abs(patient.waiting - 150 * wait) < 1e-5)
    // Those with as much patience as service make M/M/∞ of it, in which the number inside is λ/μ.
    let alike = ClosedForms.impatientMMc(workers: 3, arrivalRate: 500, serviceMean: 0.01, patienceMean: 0.01)
    #expect(abs(alike.busy + alike.waiting - 5) < 1e-9)
    let classes = ClosedForms.meanWaitsMG1(priorities: [(30, 0.01, 1), (40, 0.01, 1)])
    let pooled = ClosedForms.meanWaitMG1(arrivalRate: 70, serviceMean: 0.01, squaredCV: 1)
    // The conservation law: who is served first changes nothing in the load-weighted mean.
    #expect(abs((30 * classes[0] + 40 * classes[1]) / 70 - pooled) < 1e-12 && classes[0] < classes[1])
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
