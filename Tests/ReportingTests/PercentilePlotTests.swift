import Foundation
import PlannerCore
import Reporting
import Testing

/// Records that no sane run writes must still give a drawing that a browser accepts.
@Suite struct PercentilePlotTests {
  typealias Curve = LatencyCurve

  private static func record(measured: Curve, predicted: Curve, target: Double = 0.01) -> RunRecord {
    var record = Samples.run()
    record.figures.measuredCurve = measured
    record.figures.predictedCurve = predicted
    record.figures.predictedCurveLow = predicted
    record.figures.predictedCurveHigh = predicted
    record.asked.targetP99Seconds = target
    return record
  }

  private static func flat(_ seconds: Double) -> Curve {
    let probabilities = QuantileTable.standardProbabilities
    return Curve(probabilities: probabilities, seconds: probabilities.map { _ in seconds })
  }

  private static let degenerate: [(String, RunRecord)] = [
    ("all equal", record(measured: flat(0.005), predicted: flat(0.005))),
    ("all zero", record(measured: flat(0), predicted: flat(0), target: 0)),
    ("zero and target", record(measured: flat(0), predicted: flat(0.004))),
    ("infinite", record(measured: flat(.infinity), predicted: flat(.nan), target: .infinity)),
    ("negative", record(measured: flat(-1), predicted: flat(0.002), target: -1)),
    (
      "empty", record(measured: Curve(probabilities: [], seconds: []), predicted: Curve(probabilities: [], seconds: []))
    ),
    ("one point", record(measured: Curve(probabilities: [0.99], seconds: [0.004]), predicted: flat(0.004))),
    ("unequal arrays", record(measured: Curve(probabilities: [0, 0.5, 1], seconds: [0.001]), predicted: flat(0.001))),
    (
      "descending",
      record(measured: Curve(probabilities: [1, 0.9, 0.5, 0], seconds: [4, 3, 2, 1]), predicted: flat(1))
    ),
    ("huge", record(measured: flat(1e300), predicted: flat(1e-300))),
    ("largest only", record(measured: Curve(probabilities: [0, 1], seconds: [0.001, 0.1]), predicted: flat(0.001))),
    (
      "doubled points",
      record(measured: Curve(probabilities: [0, 0.9, 0.9, 0.99], seconds: [0, 1, 2, 3]), predicted: flat(1))
    ),
    ("out of range", record(measured: Curve(probabilities: [-1, 0.6, 2], seconds: [1, 1, 1]), predicted: flat(1))),
  ]

  @Test(arguments: degenerate.indices)
  func drawsWithFiniteNumbers(_ index: Int) throws {
    let (name, record) = Self.degenerate[index]
    let page = HTMLReport.render(record)
    try HTMLReportTests.checkBalance(page)
    let drawing = page.components(separatedBy: "<svg").dropFirst().compactMap {
      $0.components(separatedBy: "</svg>").first
    }
    #expect(drawing.count == 4)
    for svg in drawing {
      for attribute in ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"] {
        for value in HTMLReportTests.attributes(attribute, in: svg) {
          let number = try #require(Double(value), "\(name): \(attribute)=\(value)")
          #expect(number.isFinite && number.magnitude <= 1000)
        }
      }
      for path in HTMLReportTests.attributes("d", in: svg) {
        for word in path.split(whereSeparator: { " MLZ".contains($0) }) {
          #expect(Double(word).map { $0.isFinite && (0...900).contains($0) } == true, "\(name): \(word)")
        }
      }
    }
  }

  @Test func aRunWithoutAnswersShowsDashes() throws {
    var record = Self.record(
      measured: Curve(probabilities: [], seconds: []), predicted: Curve(probabilities: [], seconds: []))
    record.load.requests = RequestOutcomes()
    record.figures.measured = RunFigures(
      p50Seconds: .nan, p90Seconds: .nan, p95Seconds: .infinity, p99Seconds: .nan, throughputPerSecond: 0,
      memoryBytes: 0)
    record.comparison.prediction.errorP50 = .nan
    record.comparison.prediction.errorP99 = .infinity
    record.comparison.prediction.p99 = Estimate(estimate: .nan, low: .nan, high: .infinity)
    record.figures.measuredUtilization = .nan
    record.verdict.confidence = .nan
    record.verdict.valid = false
    for text in [HTMLReport.render(record), RunText.render(record)] {
      #expect(text.contains(Format.missing) && !text.contains("nan") && !text.contains("inf "))
    }
    #expect(HTMLReport.render(record).contains("no latency to show"))
  }

  /// The drawing's heights are the record's figures on its axis: read back from the dot at p99.
  @Test func theDotsLieWhereTheAxisSays() throws {
    var record = Samples.run()
    record.asked.targetP99Seconds = 0.006
    record.figures.predicted.p99Seconds = 0.002
    record.figures.measured.p99Seconds = 0.004
    record.figures.measuredCurve = Self.flat(0.004)
    for curve in [\RunRecord.Figures.predictedCurve, \.predictedCurveLow, \.predictedCurveHigh] {
      record.figures[keyPath: curve] = Self.flat(0.002)
    }
    let page = HTMLReport.render(record)
    let svg = try #require(page.components(separatedBy: "<svg class=\"plot wide\"").last)
    func height(after mark: String, attribute: String) throws -> Double {
      let rest = try #require(svg.components(separatedBy: mark).dropFirst().first)
      return try #require(HTMLReportTests.attributes(attribute, in: rest).first.flatMap(Double.init))
    }
    let foot = try height(after: "<line class=\"axis\"", attribute: "y1")
    let predicted = foot - (try height(after: "dot predicted\"", attribute: "cy"))
    let measured = foot - (try height(after: "dot measured\"", attribute: "cy"))
    let target = foot - (try height(after: "line target\"", attribute: "y1"))
    #expect(abs(measured / predicted - 2) < 0.01, "linear from zero where all is of one size")
    #expect(abs(target / predicted - 3) < 0.01)
  }

  /// Each nine takes the same distance: 90, 99 and 99.9 % are evenly spaced.
  @Test func percentilesAreSpacedByNines() throws {
    let page = HTMLReport.render(Samples.run())
    let svg = try #require(page.components(separatedBy: "<svg class=\"plot wide\"").last)
    let places = ["90", "99", "99.9"].compactMap { label -> Double? in
      let tag = svg.components(separatedBy: ">\(label)</text>").first?.components(separatedBy: "<text").last
      return tag.flatMap { HTMLReportTests.attributes("x", in: $0).first }.flatMap(Double.init)
    }
    try #require(places.count == 3)
    #expect(abs((places[2] - places[1]) - (places[1] - places[0])) < 0.25)
  }
}
