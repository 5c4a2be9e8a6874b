import Foundation
import LoadTest
import PlannerCore
import ServerContract
import Testing

@Suite struct BinomialTests {
  @Test func agreesWithKnownValues() {
    // Binomial(10, ½): 1/1024 · (1, 10, 45, 120, 210, 252, …).
    let coin = Binomial(trials: 10, probability: 0.5)
    #expect(abs(coin.mass(5) - 252.0 / 1024) < 1e-12)
    #expect(abs(coin.cumulative(2) - 56.0 / 1024) < 1e-12)
    #expect(coin.cumulative(-1) == 0 && coin.cumulative(10) == 1)
    // P(X = 0) of 300 trials at 1 % is 0.99^300.
    #expect(abs(Binomial(trials: 300, probability: 0.01).mass(0) - 0.049041) < 1e-6)
    // The approach to Poisson: mean 50, P(X ≤ 50) of Binomial(5000, 0.01) is 0.5375 (R: pbinom).
    #expect(abs(Binomial(trials: 5000, probability: 0.01).cumulative(50) - 0.5375) < 5e-4)
  }

  @Test(arguments: [(1, 0.3), (50, 0.01), (2000, 0.99), (100_000, 0.01)])
  func massesAddUpToOne(trials: Int, probability: Double) {
    let binomial = Binomial(trials: trials, probability: probability)
    #expect(abs(binomial.cumulative(trials - 1) + binomial.mass(trials) - 1) < 1e-8)
  }

  @Test func ranksOfTheMedianAreTheTabulatedOnes() {
    // Tables of the sign test's confidence interval: n = 10 gives the 2nd and 9th, n = 100 the 40th and 61st.
    #expect(QuantileInterval(samples: 10, quantile: 0.5).lowerRank == 2)
    #expect(QuantileInterval(samples: 10, quantile: 0.5).upperRank == 9)
    #expect(QuantileInterval(samples: 100, quantile: 0.5).lowerRank == 40)
    #expect(QuantileInterval(samples: 100, quantile: 0.5).upperRank == 61)
  }

  @Test func anUpperBoundForP99Takes368Samples() {
    // 0.99^n ≤ 0.025 from n = ln 0.025 / ln 0.99 = 367.04 on.
    #expect(QuantileInterval(samples: 367, quantile: 0.99).upperRank == nil)
    #expect(QuantileInterval(samples: 368, quantile: 0.99).upperRank == 368)
    #expect(QuantileInterval(samples: 0, quantile: 0.99).lowerRank == nil)
  }

  @Test func theIntervalCoversTheTrueQuantile() {
    // Exponential times: p99 is ln 100. 2,000 intervals at 95 %; coverage below 93 % has odds of 1 in 40,000.
    var random = RandomStream(seed: 11, stream: "coverage")
    let truth = log(100.0)
    let ranks = QuantileInterval(samples: 1000, quantile: 0.99)
    var covered = 0
    var below = 0
    for _ in 0..<2000 {
      let sorted = (0..<1000).map { _ in random.exponential() }.sorted()
      let low = ranks.lowerRank.map { sorted[$0 - 1] } ?? 0
      let high = ranks.upperRank.map { sorted[$0 - 1] } ?? .infinity
      if low <= truth && truth <= high { covered += 1 }
      if high < truth { below += 1 }
    }
    #expect(covered >= 1860)
    // Not by being wider than needed, either: each side is wrong with up to 2.5 %.
    #expect(covered < 1990 && below < 90)
  }

  @Test func neighboursThatResembleEachOtherCountLess() {
    var random = RandomStream(seed: 5, stream: "design effect")
    let independent = (0..<12_800).map { _ in random.uniform() < 0.05 }
    #expect(designEffect(independent) < 2)
    // Spells of 40: each spell is one observation.
    let spells = (0..<320).flatMap { _ in [Bool](repeating: random.uniform() < 0.05, count: 40) }
    #expect(designEffect(spells) > 15)
    #expect(designEffect([Bool](repeating: true, count: 1000)) == 1)
    #expect(designEffect([true, false]) == 1)
  }
}

@Suite struct VerdictRuleTests {
  private func result(
    _ latencies: [Double], outcomes: [Int: LoadOutcome] = [:], lagSeconds: Double = 0
  ) -> LoadResult {
    let samples = latencies.enumerated().map { index, latency in
      var sample = LoadSample(dueSeconds: Double(index) * 0.01, model: 0)
      sample.outcome = outcomes[index] ?? .completed
      sample.latencySeconds = latency
      sample.lagSeconds = lagSeconds
      return sample
    }
    return LoadResult(samples: samples, durationSeconds: Double(latencies.count) * 0.01, timeoutSeconds: 10)
  }

  private func exponential(_ count: Int, mean: Double, seed: UInt64 = 3) -> [Double] {
    var random = RandomStream(seed: seed, stream: "verdict")
    return (0..<count).map { _ in random.exponential() * mean }
  }

  /// p99 of exponential times with mean 1 ms is 4.605 ms.
  @Test func passesFailsOrLeavesItOpenAsTheIntervalSays() {
    let run = result(exponential(6000, mean: 0.001))
    let pass = VerdictRule(targetSeconds: 0.006).judge(run)
    #expect(pass.verdict == .pass && pass.confidence > 0.975 && pass.valid)
    let fail = VerdictRule(targetSeconds: 0.0035).judge(run)
    #expect(fail.verdict == .fail && fail.confidence > 0.975)
    let open = VerdictRule(targetSeconds: run.quantileSeconds(0.99)).judge(run)
    #expect(open.verdict == .undecided && open.confidence < 0.975 && open.confidence > 0.3)
    for verdict in [pass, fail, open] {
      #expect(verdict.p99.low < verdict.p99.estimate && verdict.p99.estimate < verdict.p99.high)
      #expect(verdict.p99.low < 0.0047 && verdict.p99.high > 0.0045)
    }
  }

  @Test func tooFewRequestsDecideNothing() {
    let verdict = VerdictRule(targetSeconds: 1).judge(result(exponential(300, mean: 0.001)))
    #expect(verdict.verdict == .undecided && verdict.p99.high == .infinity)
    #expect(verdict.reason.contains("too few") && verdict.reason.contains(" ms and more)"))
    #expect(VerdictRule(targetSeconds: 1).judge(result([])).verdict == .undecided)
  }

  @Test func unansweredRequestsCountAsInfinitelySlow() {
    let latencies = exponential(6000, mean: 0.0001)
    let few = Dictionary(uniqueKeysWithValues: (0..<20).map { ($0 * 300, LoadOutcome.rejected) })
    #expect(VerdictRule(targetSeconds: 0.01).judge(result(latencies, outcomes: few)).verdict == .pass)
    let many = Dictionary(uniqueKeysWithValues: (0..<200).map { ($0 * 30, LoadOutcome.timedOut) })
    let verdict = VerdictRule(targetSeconds: 0.01).judge(result(latencies, outcomes: many))
    #expect(verdict.verdict == .fail && verdict.p99.estimate == .infinity)
    // One word for it in the sentence and in the figures: at least the client's limit.
    #expect(verdict.reason.hasPrefix("measured p99 ≥ 10.0 s (95 % interval ≥ 10.0 s) lies above"))
    let figures = result(latencies, outcomes: many).figures(memoryBytes: 0)
    #expect(figures.p99Seconds == 10 && figures.atLeast == ["p99Seconds"])
    #expect(result(latencies, outcomes: few).figures(memoryBytes: 0).atLeast == nil)
  }

  @Test func oneFailedRequestMakesTheRunInvalid() {
    let verdict = VerdictRule(targetSeconds: 1).judge(
      result(exponential(6000, mean: 0.001), outcomes: [17: .failed]))
    #expect(verdict.verdict == .undecided && !verdict.valid)
    #expect(verdict.invalidReason == "1 of 6000 requests failed")
  }

  @Test func theGeneratorsLagIsJudgedAgainstTheLatency() {
    #expect(result(exponential(1000, mean: 0.001), lagSeconds: 0.0009).valid)
    #expect(!result(exponential(1000, mean: 0.001), lagSeconds: 0.0011).valid)
    // A tenth of a median of 69 ms.
    #expect(result(exponential(1000, mean: 0.1), lagSeconds: 0.006).valid)
    #expect(!result(exponential(1000, mean: 0.1), lagSeconds: 0.009).valid)
  }

  @Test func aBusyGeneratorIsNotBelieved() {
    let samples = result(exponential(1000, mean: 0.001)).samples
    func valid(_ share: Double) -> Bool {
      LoadResult(samples: samples, durationSeconds: 10, timeoutSeconds: 10, generatorBusyShare: share).valid
    }
    #expect(valid(0.79) && !valid(0.81))
  }

  @Test func spellsWidenTheInterval() {
    var random = RandomStream(seed: 9, stream: "spells")
    let spells = (0..<150).flatMap { _ in [Double](repeating: random.exponential() * 0.001, count: 40) }
    let clustered = VerdictRule(targetSeconds: 1).judge(result(spells))
    let independent = VerdictRule(targetSeconds: 1).judge(result(exponential(6000, mean: 0.001)))
    #expect(clustered.designEffect > 4)
    #expect(independent.designEffect < 2)
    #expect(clustered.p99.high - clustered.p99.low > independent.p99.high - independent.p99.low)
  }

  @Test func histogramsOfSeveralRunsAdd() {
    let one = result(exponential(4000, mean: 0.001, seed: 1))
    let two = result(exponential(4000, mean: 0.010, seed: 2))
    var merged = one.histogram
    merged.add(two.histogram)
    let all = (one.latenciesSeconds + two.latenciesSeconds).sorted()
    #expect(merged.totalCount == 8000)
    let exact = all.quantile(0.99)
    #expect(abs(Double(merged.valueAtPercentile(99)) * 1e-9 - exact) < 0.01 * exact)
  }

  @Test func leavesOutTheBeginning() {
    let run = result(exponential(1000, mean: 0.001)).excludingFirst(seconds: 4)
    #expect(run.counts.sent == 600 && run.samples.first?.dueSeconds == 4)
    #expect(abs(run.elapsedSeconds - 6) < 0.1)
  }
}

@Suite struct RequestTemplateTests {
  private let template = RequestTemplate(host: "127.0.0.1", port: 8080)

  @Test(arguments: [5, 16, 32, 128])
  func aTextHasExactlyTheTokensAsked(tokens: Int) throws {
    let request = String(decoding: try template.text(model: "model3", tokens: tokens, index: 3).bytes, as: UTF8.self)
    let line = try #require(request.split(separator: "\r\n").first)
    let target = try #require(URLComponents(string: String(line.split(separator: " ")[1])))
    #expect(target.path == "/predictions/model3")
    let values = (target.queryItems ?? []).map { $0.value ?? "" }
    #expect(target.queryItems?.map(\.name) == ["seq_0", "seq_1"])
    let words = values.map { $0.split(separator: " ") }
    #expect(words.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.count == 1 } })
    #expect(words.reduce(3) { $0 + $1.count } == tokens)
    #expect(request.hasSuffix("\r\n\r\n") && request.contains("\r\nHost: 127.0.0.1:8080\r\n"))
  }

  @Test func theSameModelGetsTheSameRequestAndOthersDifferentOnes() throws {
    let first = try template.text(model: "m", tokens: 32, index: 0)
    #expect(try template.text(model: "m", tokens: 32, index: 0) == first)
    #expect(try template.text(model: "m", tokens: 32, index: 1) != first)
    #expect(try template.text(model: "m", tokens: 32, seed: 2, index: 0) != first)
    #expect(throws: LoadTestError.tooFewTokens(tokens: 4, minimum: 5)) {
      try template.text(model: "m", tokens: 4, index: 0)
    }
  }

  @Test func tokenIDsLieInTheVocabularyAndTheLengthIsTheBodys() throws {
    let request = template.tokens(model: "m/../x", tokens: 64, vocabulary: 50, index: 7)
    let text = String(decoding: request.bytes, as: UTF8.self)
    let parts = text.components(separatedBy: "\r\n\r\n")
    #expect(parts.count == 2 && parts[0].hasPrefix("POST /v2/models/m%2F..%2Fx/infer HTTP/1.1\r\n"))
    #expect(parts[0].contains("Content-Length: \(parts[1].utf8.count)"))
    let data = try #require(parts[1].components(separatedBy: #""data":["#).last?.split(separator: "]").first)
    let ids = data.split(separator: ",").compactMap { Int($0) }
    #expect(ids.count == 64 && ids.allSatisfy { (0..<50).contains($0) } && Set(ids).count > 10)
  }

  @Test func rendersOneRequestForEachModel() throws {
    let models = ["model0", "model1"]
    let texts = try template.requests(models: models, input: .text, tokens: 16, vocabulary: 2000)
    let tokens = try template.requests(models: models, input: .tokens, tokens: 16, vocabulary: 2000)
    #expect(try texts == (0...1).map { try template.text(model: models[$0], tokens: 16, index: $0) })
    #expect(tokens[0] == template.tokens(model: "model0", tokens: 16, vocabulary: 2000, index: 0))
  }

  // MARK: Tensors

  private static let tensors = [
    TensorDeclaration(name: "dense \"x\"", datatype: "FP32", shape: [1, 3]),
    TensorDeclaration(name: "items", datatype: "INT64", shape: [1, -1], below: 50),
    TensorDeclaration(name: "items_mask", datatype: "BOOL", shape: [1, -1]),
    TensorDeclaration(name: "pixels", datatype: "UINT8", shape: [1, 2, 2]),
  ]

  /// Head, JSON and what follows it.
  private static func parts(_ request: RequestBytes) throws -> (head: String, body: [UInt8]) {
    let end = Array("\r\n\r\n".utf8)
    let place = try #require(request.bytes.indices.first { request.bytes[$0...].starts(with: end) })
    return (String(decoding: request.bytes[..<place], as: UTF8.self), Array(request.bytes[(place + 4)...]))
  }

  private static func inputs(_ json: [UInt8]) throws -> [[String: Any]] {
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
    return try #require(object["inputs"] as? [[String: Any]])
  }

  @Test func tensorsInJSONAreOfTheirShapesAndBelowTheirBounds() throws {
    let request = template.tensors(model: "a b", tensors: Self.tensors, size: 40, encoding: .json, index: 3)
    let (head, body) = try Self.parts(request)
    #expect(
      head.hasPrefix("POST /v2/models/a%20b/infer HTTP/1.1\r\n") && head.contains("Content-Length: \(body.count)"))
    let inputs = try Self.inputs(body)
    #expect(inputs.map { $0["name"] as? String } == Self.tensors.map(\.name))
    #expect(inputs.map { $0["shape"] as? [Int] } == [[1, 3], [1, 40], [1, 40], [1, 2, 2]])
    let items = try #require(inputs[1]["data"] as? [Int])
    #expect(items.count == 40 && items.allSatisfy { (0..<50).contains($0) } && Set(items).count > 10)
    #expect(try #require(inputs[0]["data"] as? [Double]).allSatisfy { (0..<1).contains($0) })
    #expect(inputs[2]["data"] as? [Bool] == Array(repeating: true, count: 40))
  }

  @Test func binaryTensorsLieBehindTheirHeaderAndAreTheSameNumbers() throws {
    let request = template.tensors(model: "m", tensors: Self.tensors, size: 5, index: 3)
    let (head, body) = try Self.parts(request)
    let line = try #require(head.components(separatedBy: "Inference-Header-Content-Length: ").last)
    let length = try #require(Int(line.prefix { $0.isNumber }))
    let inputs = try Self.inputs(Array(body[..<length]))
    let sizes = inputs.compactMap { ($0["parameters"] as? [String: Any])?["binary_data_size"] as? Int }
    #expect(sizes == [12, 40, 5, 4] && body.count == length + 61)
    let ids = (0..<5).map { index in
      (0..<8).reduce(0) { $0 | Int(body[length + 12 + 8 * index + $1]) << (8 * $1) }
    }
    let json = try Self.parts(template.tensors(model: "m", tensors: Self.tensors, size: 5, encoding: .json, index: 3))
    #expect(try ids == Self.inputs(json.body)[1]["data"] as? [Int])
    // Sixteen-bit floats have no numbers in JSON that all servers read.
    let half = [TensorDeclaration(name: "x", datatype: "FP16", shape: [1, 2])]
    let binary = try Self.parts(template.tensors(model: "m", tensors: half, size: 1, encoding: .json, index: 0))
    #expect(binary.head.contains("Inference-Header-Content-Length"))
  }

  @Test func equalSeedsGiveEqualTensorsAndOthersDifferentOnes() {
    func bytes(seed: UInt64 = 1, index: Int = 0) -> RequestBytes {
      template.tensors(model: "m", tensors: Self.tensors, size: 9, seed: seed, index: index)
    }
    #expect(bytes() == bytes())
    #expect(bytes() != bytes(seed: 2) && bytes() != bytes(index: 1))
  }

  @Test func tensorsThatNobodyKnowsAreNoRequest() throws {
    let known = try template.requests(models: ["m"], input: .tensors, tokens: 4, vocabulary: 0, tensors: Self.tensors)
    #expect(known == [template.tensors(model: "m", tensors: Self.tensors, size: 4, index: 0)])
    #expect {
      try template.requests(models: ["m"], input: .tensors, tokens: 4, vocabulary: 0)
    } throws: { "\($0)".contains("planner model index") }
  }
}

@Suite struct ServerTimingsTests {
  /// What the server writes, a client reads, to the nanosecond.
  @Test func whatIsWrittenIsRead() throws {
    var written = AnswerTimings(
      parse: Nanoseconds(1), load: nil, queue: Nanoseconds(20_000_003), batchWait: Nanoseconds(400),
      compute: Nanoseconds(5_000_000_006), resume: .zero, render: Nanoseconds(70), total: Nanoseconds(5_020_000_480),
      ahead: 8, batchSize: 9, variant: .int8, handover: nil)
    #expect(
      written.headerValue
        == "parse=0.000000001;queue=0.020000003;batch_wait=0.000000400;compute=5.000000006;resume=0.000000000;"
        + "render=0.000000070;total=5.020000480;ahead=8;batch_size=9;variant=int8")
    #expect(
      ServerTimings(header: written.headerValue)
        == ServerTimings(
          queueSeconds: 0.020_000_003, batchWaitSeconds: 4e-7, computeSeconds: 5.000_000_006,
          totalSeconds: 5.020_000_48, ahead: 8))
    written.load = Nanoseconds(1_500_000_000)
    written.handover = Nanoseconds(11)
    let read = try #require(ServerTimings(header: written.headerValue))
    #expect(read.loadSeconds == 1.5 && read.dispatchGapSeconds == 11e-9)
    #expect(written.parts.map(\.name).prefix(3) == ["parse", "load", "queue"])
  }

  @Test func readsTheFieldsInAnyOrderAndSkipsUnknownOnes() {
    let expected = ServerTimings(queueSeconds: 0.001, computeSeconds: 2e-3, totalSeconds: 0.0035, ahead: 2)
    #expect(ServerTimings(header: "queue=0.001;compute=2e-3;total=0.0035;ahead=2") == expected)
    #expect(ServerTimings(header: "ahead=2; total=0.0035; batch=1; compute=0.002; queue=0.001") == expected)
  }

  @Test(arguments: [
    "", "queue=1", "queue=x;compute=1;total=1;ahead=0", "queue=-1;compute=1;total=1;ahead=0",
    "queue=nan;compute=1;total=1;ahead=0", "queue=1;compute=1;total=1;ahead=-1", "queue;compute=1;total=1;ahead=1",
  ])
  func refusesWhatIsNotThere(header: String) {
    #expect(ServerTimings(header: header) == nil)
  }
}
