import Optimizer
import PlannerCore
import PlannerFiles
import Testing

@Suite struct PublishedLatencyTests {
  private func figure(_ seconds: [String: Double]) -> PublishedBenchmark {
    PublishedBenchmark(
      instanceFamilies: ["inf2"], measuredOn: "inf2.xlarge", architecture: "bert-base", precision: .fp32, tokens: 128,
      batch: 1, seconds: seconds, coresPerAccelerator: 2, source: "test")
  }

  @Test func everyShippedFigureKeepsWhatWasPublished() throws {
    for figure in try FiguresFile.embedded().figures {
      let table = try #require(PublishedLatency.table(figure))
      for (key, probability) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        guard let seconds = figure.seconds[key] else { continue }
        #expect(table.quantile(probability) >= seconds * (1 - 1e-12), "\(figure.measuredOn) \(key)")
        #expect(table.quantile(probability) <= seconds * 1.15, "\(figure.measuredOn) \(key)")
      }
      if let mean = figure.seconds["mean"] {
        #expect(table.mean >= mean * (1 - 1e-12))
        #expect(table.mean <= mean * 1.15, "\(figure.measuredOn) at \(figure.tokens)")
      }
    }
  }

  /// By hand: p50 1 ms, p99 2 ms. Exponential fall-off through (0.5, 1) and (0.01, 2): a factor of e in exceedance is
  /// 1 / ln 50 = 0.25562 ms, so 1 in 1,000 lies at 2 + ln 10 · 0.25562 = 2.58859 ms, 1 in 10,000 at 3.17718 ms.
  @Test func tailByHand() throws {
    let table = try #require(PublishedLatency.table(figure(["p50": 0.001, "p99": 0.002])))
    #expect(abs(table.quantile(0.999) - 0.00258859) < 1e-8)
    #expect(abs(table.quantile(1) - 0.00317718) < 1e-8)
    // Mirrored below p50 it would be 0, but no time is shorter than half of p50.
    #expect(table.quantile(0) == 0.0005)
    #expect(table.sampleCount == 0)
  }

  @Test func aMeanAboveTheTableStretchesIt() throws {
    let table = try #require(PublishedLatency.table(figure(["mean": 0.0015, "p50": 0.001, "p99": 0.0011])))
    #expect(abs(table.mean - 0.0015) < 1e-12)
  }

  @Test(arguments: [[:], ["p95": 0.001], ["p50": 0.002, "p99": 0.001], ["mean": 0], ["p50": .infinity]])
  func whatCannotBeRead(seconds: [String: Double]) { #expect(PublishedLatency.table(figure(seconds)) == nil) }
}
