import Foundation
import PlannerCore
import Testing

@Suite struct DemandTests {
  static func group(
    _ name: String = "g", models: Int = 10, rate: Double = 2, popularity: Popularity = .uniform,
    sizes: RequestSizes = .fixed(16), arrivals: ArrivalProcess = .poisson
  ) -> ModelGroup {
    ModelGroup(
      name: name, architecture: "bert-tiny", models: models, requests: RequestMix(sizes: sizes),
      ratePerModelPerSecond: rate, popularity: popularity, arrivals: arrivals, targetP99Seconds: 0.01)
  }

  static func workload(_ groups: ModelGroup...) -> Workload { Workload(name: "w", groups: groups, source: "a test") }

  // MARK: Rates

  @Test(arguments: [
    Popularity.uniform, .zipf(exponent: 0.7), .zipf(exponent: 1), .zipf(exponent: 2.5),
    .shares([0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0, 0]),
  ])
  func ratesSumToTheTotal(_ popularity: Popularity) {
    let group = Self.group(popularity: popularity)
    let rates = group.rates()
    #expect(rates.count == 10 && rates.allSatisfy { $0 >= 0 })
    #expect(abs(rates.reduce(0, +) - group.totalRatePerSecond) < 1e-9 && group.totalRatePerSecond == 20)
    for model in 0..<10 { #expect(group.rate(ofModel: model) == rates[model]) }
  }

  @Test func zipfsRatesFollowTheRank() {
    let rates = Self.group(popularity: .zipf(exponent: 1.5)).rates()
    for rank in 1...10 { #expect(abs(rates[0] / rates[rank - 1] - pow(Double(rank), 1.5)) < 1e-9) }
  }

  @Test func weightsAreDrawnByTheirShare() throws {
    let weights: [Double] = [3, 0, 1, 0.5, 5.5, 0]
    let choice = try #require(WeightedChoice(weights: weights))
    var random = RandomStream(seed: 1, stream: "choice")
    var counts = [Int](repeating: 0, count: weights.count)
    for _ in 0..<200_000 { counts[choice.draw(from: &random)] += 1 }
    for (weight, count) in zip(weights, counts) {
      #expect(abs(Double(count) - weight * 20_000) <= 5 * (weight * 20_000).squareRoot())
    }
    for bad in [[], [0, 0], [1, -1, 3], [.nan], [.infinity]] as [[Double]] {
      #expect(WeightedChoice(weights: bad) == nil, "\(bad)")
    }
  }

  // MARK: Schedules

  @Test func requestsStaySmall() { #expect(MemoryLayout<ScheduledRequest>.stride <= 24) }

  /// A workload of one group that is asked alike has the times and models of a schedule made of a rate.
  @Test(arguments: [ArrivalProcess.poisson, .deterministic])
  func aPlainGroupIsAskedAsBefore(_ process: ArrivalProcess) {
    let flat = Schedule.make(models: 10, ratePerModelPerSecond: 2, arrivals: process, durationSeconds: 50, seed: 7)
    let made = Schedule.make(Self.workload(Self.group(arrivals: process)), durationSeconds: 50, seed: 7)
    #expect(made.requests.map(\.due) == flat.requests.map(\.due))
    #expect(made.requests.map(\.model) == flat.requests.map(\.model))
    #expect(made.models == 10 && made.requests.allSatisfy { $0.size == 16 })
    #expect(flat.requests.allSatisfy { $0.size == 0 })
  }

  @Test(arguments: [ArrivalProcess.poisson, .gamma(cv: 2), .deterministic])
  func modelsAreAskedAtTheirRates(_ process: ArrivalProcess) {
    let group = Self.group(rate: 20, popularity: .zipf(exponent: 1), arrivals: process)
    let schedule = Schedule.make(Self.workload(group), durationSeconds: 500, seed: 3)
    #expect(zip(schedule.requests, schedule.requests.dropFirst()).allSatisfy { $0.due <= $1.due })
    for (model, rate) in group.rates().enumerated() {
      let count = schedule.requests.count { $0.model == model }
      #expect(abs(Double(count) - rate * 500) < 5 * 2 * (rate * 500).squareRoot(), "model \(model)")
    }
  }

  /// What is added to a workload leaves the requests of the groups before it as they are.
  @Test func groupsDrawFromStreamsOfTheirOwn() {
    let one = Self.group("one", popularity: .zipf(exponent: 1.2), sizes: .lognormal(mean: 30, cv: 1, max: 99))
    let two = Self.group("two", models: 3, rate: 5, sizes: .fixed(8), arrivals: .gamma(cv: 3))
    let alone = Schedule.make(Self.workload(one), durationSeconds: 100, seed: 5)
    let both = Schedule.make(Self.workload(one, two), durationSeconds: 100, seed: 5)
    #expect(both.requests.filter { $0.model < 10 } == alone.requests)
    #expect(both.models == 13 && both.requests.contains { $0.model == 12 && $0.size == 8 })
    #expect(zip(both.requests, both.requests.dropFirst()).allSatisfy { $0.due <= $1.due })
    #expect(both == Schedule.make(Self.workload(one, two), durationSeconds: 100, seed: 5))
    #expect(both != Schedule.make(Self.workload(one, two), durationSeconds: 100, seed: 6))
  }

  /// A model that is rarely asked, but in bursts, is not asked more often at the start than later.
  @Test func burstyArrivalsHaveTheirRateFromTheStart() {
    let group = Self.group(models: 4000, rate: 0.1, arrivals: .gamma(cv: 3))
    let schedule = Schedule.make(Self.workload(group), durationSeconds: 10, seed: 2)
    let early = schedule.requests.count { $0.due.seconds < 1 }
    // 400 are expected, with nearly the spread of independent ones in so short a time.
    #expect(abs(Double(early) - 400) < 120)
    #expect(abs(Double(schedule.requests.count) - 4000) < 600)
  }

  @Test func nobodyAsksAModelWithoutAShare() {
    for process in [ArrivalProcess.poisson, .deterministic, .gamma(cv: 0.5)] {
      let group = Self.group(models: 3, rate: 30, popularity: .shares([0.5, 0, 0.5]), arrivals: process)
      let asked = Set(Schedule.make(Self.workload(group), durationSeconds: 20, seed: 1).requests.map(\.model))
      #expect(asked == [0, 2])
    }
  }

  // MARK: Sizes

  @Test func sizesHaveTheirDistribution() {
    func draw(_ sizes: RequestSizes, _ count: Int = 100_000) -> [Int] {
      var random = RandomStream(seed: 1, stream: "sizes")
      let source = RequestSizes.Draw(sizes)
      return (0..<count).map { _ in source.next(from: &random) }
    }
    #expect(Set(draw(.none, 10)) == [0] && Set(draw(.fixed(7), 10)) == [7])
    let free = draw(.lognormal(mean: 40, cv: 0.5, max: 100_000)).map(Double.init)
    let mean = free.reduce(0, +) / 1e5
    let cv = (free.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1e5).squareRoot() / mean
    #expect(abs(mean - 40) < 0.3 && abs(cv - 0.5) < 0.01)
    // What is longer is cut, not drawn again: it gathers at the limit.
    let cut = draw(.lognormal(mean: 40, cv: 0.5, max: 40))
    #expect(cut.max() == 40 && (cut.min() ?? 0) >= 1)
    let over = free.count { $0 >= 40 }
    #expect(cut.count { $0 == 40 } == over)
    let bins = draw(.histogram([SizeWeight(size: 8, weight: 3), SizeWeight(size: 512, weight: 1)]))
    #expect(abs(bins.count { $0 == 8 } - 75_000) < 700 && Set(bins) == [8, 512])
    #expect(RequestSizes.lognormal(mean: 2, cv: 1, max: 9).largest == 9 && RequestSizes.none.largest == nil)
    // Nothing is planned by the mean: who asks for a length alone gets the longest.
    let unasked = [SizeWeight(size: 8, weight: 3), SizeWeight(size: 99, weight: 0)]
    #expect(RequestMix(sizes: .histogram(unasked)).tokens == 8)
  }

  // MARK: Files of plans

  @Test func everyDemandIsReadBackTheSame() throws {
    var full = Self.group(
      "full", models: 2, popularity: .shares([0.75, 0.25]), sizes: .lognormal(mean: 30, cv: 0.8, max: 128),
      arrivals: .gamma(cv: 1.5))
    full.modelNames = ["a", "b"]
    full.leastReplicas = 2
    full.precisions = [.fp32]
    full.requests.input = .tensors
    let all = Self.workload(
      full, Self.group("zipf", popularity: .zipf(exponent: 1.1), sizes: .none, arrivals: .trace([0.5, 1])),
      Self.group("bins", sizes: .histogram([SizeWeight(size: 3, weight: 0.5), SizeWeight(size: 9, weight: 0.5)])),
      Self.group("plain"))
    #expect(try JSONDecoder().decode(Workload.self, from: JSONEncoder().encode(all)) == all)
  }

  /// What a plain workload is written as has not changed with the kinds of demand.
  @Test func aPlainWorkloadHasItsOldKeys() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = String(decoding: try encoder.encode(Workload.guidance), as: UTF8.self)
    let keys = text.matches(of: /"([A-Za-z0-9]+)":/).map { String($0.1) }
    let expected = [
      "arrivals", "family", "input", "models", "name", "ratePerModelPerSecond", "source", "targetP99Seconds", "tokens",
    ]
    #expect(keys == expected)
  }

  @Test func flatIsWhatIsAllAlike() {
    func isFlat(_ change: (inout ModelGroup) -> Void) -> Bool {
      var group = Self.group()
      change(&group)
      return Self.workload(group).isFlat
    }
    #expect(isFlat { _ in })
    #expect(isFlat { $0.arrivals = .deterministic })
    #expect(isFlat { $0.requests = RequestMix(sizes: .none, input: .tensors) })
    #expect(Self.workload(Self.group(models: 1, popularity: .zipf(exponent: 1))).isFlat)
    #expect(!Self.workload(Self.group("a"), Self.group("b")).isFlat)
    let changes: [(inout ModelGroup) -> Void] = [
      { $0.popularity = .zipf(exponent: 1) }, { $0.popularity = .shares(Array(repeating: 0.1, count: 10)) },
      { $0.requests.sizes = .lognormal(mean: 4, cv: 1, max: 9) },
      { $0.requests.sizes = .histogram([SizeWeight(size: 4, weight: 1)]) }, { $0.arrivals = .gamma(cv: 2) },
      { $0.arrivals = .trace([1]) }, { $0.leastReplicas = 3 },
    ]
    for change in changes { #expect(!isFlat(change)) }
  }
}
