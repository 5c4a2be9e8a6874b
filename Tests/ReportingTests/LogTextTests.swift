import PlannerCore
import Reporting
import Testing

@Suite struct LogTextTests {
  static func findings(_ change: (inout LogFindings) -> Void = { _ in }) -> LogFindings {
    func rate(_ value: Double) -> Estimate { Estimate(estimate: value, low: value * 0.9, high: value * 1.1) }
    let zipf = LogFindings.Group(
      name: "bert-base", models: 1200, modelsNeverAsked: 3, modelsSeldomAsked: 40, requests: 500_000,
      ratePerSecond: rate(60), busiestRatePerSecond: 130, hottest: [.init(name: "a-model", ratePerSecond: rate(7))],
      popularity: .init(
        law: "zipf", chiSquare: 9000, criticalChiSquare: 1300, zipfExponent: rate(1.1), misplacedShare: 0.031,
        allowedShare: 0.08),
      arrivals: .init(process: "gamma", cv: rate(2), pairs: 900),
      sizes: .init(requests: 400_000, mean: 40.2, p50: 32, p99: 128, largest: 512))
    let plain = LogFindings.Group(
      name: "dlrm", models: 1, modelsNeverAsked: 0, modelsSeldomAsked: 0, requests: 7, ratePerSecond: rate(0.001),
      busiestRatePerSecond: nil, hottest: [.init(name: "one", ratePerSecond: rate(0.001))],
      popularity: .init(
        law: "uniform", chiSquare: 0, criticalChiSquare: 0, zipfExponent: nil, misplacedShare: nil, allowedShare: nil),
      arrivals: .init(process: "poisson", cv: nil, pairs: 0), sizes: nil)
    var findings = LogFindings(
      log: "access.log", format: "common", lines: 600_000, requests: 500_007, durationSeconds: 86_399,
      ratePerSecond: rate(60), busiest: .init(startSeconds: 43_200, lengthSeconds: 3600, ratePerSecond: 130),
      window: "mean",
      leftOut: [.init(reason: "status", sentence: "requests refused as wrong", lines: 99_993, firstLine: 1234)],
      groups: [zipf, plain], groupsNeverAsked: ["lstm"])
    findings.files = ["shop.1.models.csv", "shop.yaml"]
    change(&findings)
    return findings
  }

  @Test func everyFigureIsThere() {
    let text = LogText.render(Self.findings())
    let words = text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    for part in [
      "500,007 of 600,000 lines", "130/s", "the mean rate", "1,200", "zipf 1.10", "gamma, cv 2.00", "a-model",
      "3 models were",
      "40 models were", "3.1 %", "900 pairs", "128", "known of 400,000", "Poisson's is assumed", "the log has none",
      "lstm",
      "99,993 requests refused as wrong", "line 1,234", "shop.1.models.csv", "equal shares cannot be ruled out",
    ] {
      #expect(words.contains(part), "\(part) is not in\n\(text)")
    }
    #expect(LogText.render(Self.findings { $0.window = "busiest" }).contains("Planned for"))
    #expect(!LogText.render(Self.findings { $0.leftOut = [] }).contains("Left out"))
  }

  @Test(arguments: [40, 60, 100, 200])
  func linesKeepTheWidth(_ width: Int) {
    let text = LogText.render(Self.findings(), style: TextStyle(width: width, isStyled: false))
    for line in text.split(separator: "\n") { #expect(line.count <= width, "\(line)") }
  }
}
