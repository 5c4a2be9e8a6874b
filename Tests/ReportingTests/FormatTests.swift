import PlannerCore
import Reporting
import Testing

@Suite struct FormatTests {
  @Test(arguments: [
    (0, "0.00 ms"), (0.0000042, "4.2 µs"), (0.000038, "38 µs"), (0.00038, "0.38 ms"), (0.0124, "12.4 ms"),
    (0.118, "118 ms"), (1.2, "1.2 s"), (42.04, "42.0 s"), (125, "2 min 5 s"), (3900, "1 h 5 min"), (7200, "2 h"),
    (-0.0124, "−12.4 ms"), (90_000_000, "25,000 h"),
  ])
  func durations(_ seconds: Double, _ text: String) { #expect(Format.duration(seconds) == text) }

  /// Just below a limit a figure rounds into the coarser form, never to `1000 ms` or `60.0 s`.
  @Test(arguments: [
    (0.0000996, "0.10 ms"), (0.009996, "10.0 ms"), (0.09996, "100 ms"), (0.99951, "1.0 s"), (59.96, "1 min"),
    (3599.6, "1 h"), (0.9994, "999 ms"), (59.94, "59.9 s"),
  ])
  func durationsAtTheLimits(_ seconds: Double, _ text: String) { #expect(Format.duration(seconds) == text) }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func whatIsNoNumberIsADash(_ value: Double) {
    let texts = [
      Format.duration(value), Format.milliseconds(value), Format.money(value), Format.price(value),
      Format.percent(value), Format.signedPercent(value), Format.probability(value), Format.rate(value),
      Format.ratio(value), Format.decimal(value, places: 2), Format.setting(value),
      Format.duration(Estimate(estimate: value, low: 1, high: 2)),
      Format.durationInterval(Estimate(estimate: 1, low: value, high: 2)),
    ]
    #expect(texts.allSatisfy { $0 == Format.missing })
  }

  @Test func intervalsShareTheEstimatesUnit() {
    let figure = Estimate(estimate: 0.00912, low: 0.00871, high: 0.0113)
    #expect(Format.duration(figure) == "9.12 ms [8.71–11.3]")
    #expect(Format.durationInterval(figure) == "8.71–11.3 ms")
    #expect(Format.duration(Estimate(estimate: 0.009, low: 0.008, high: .infinity)) == "9.00 ms")
    #expect(Format.durationInterval(Estimate(estimate: 125, low: 60, high: 190)) == "1 min – 3 min 10 s")
  }

  @Test func settingsLoseOnlyZeros() {
    #expect(Format.setting(0.010) == "10 ms")
    #expect(Format.setting(0.0125) == "12.5 ms")
    #expect(Format.setting(0.1) == "100 ms")
    #expect(Format.setting(1.5) == "1.5 s")
    #expect(Format.setting(60) == "1 min")
  }

  @Test func countsAndRanges() {
    #expect(Format.count(0) == "0" && Format.count(999) == "999" && Format.count(3000) == "3,000")
    #expect(Format.count(-1_234_567) == "−1,234,567")
    #expect(Format.count(Int.min) == "−9,223,372,036,854,775,808")
    #expect(Format.count(1, "node", "nodes") == "1 node" && Format.count(0, "node", "nodes") == "0 nodes")
    #expect(Format.range([42, 43]) == "42–43" && Format.range([7, 7]) == "7" && Format.range([]) == Format.missing)
  }

  @Test func sizes() {
    #expect(Format.bytes(0) == "0 B" && Format.bytes(512) == "512 B" && Format.bytes(2048) == "2.0 KiB")
    #expect(Format.bytes(473_956_352) == "452 MiB" && Format.bytes(22_334_669) == "21.3 MiB")
    #expect(Format.bytes(3_570_301_952) == "3.3 GiB" && Format.bytes(-2048) == "−2.0 KiB")
    #expect(Format.bytes(.min).hasSuffix("GiB"))
  }

  @Test func money() {
    #expect(Format.money(24.3624) == "$24.36" && Format.money(21273.36) == "$21,273.36")
    #expect(Format.money(-0.001) == "$0.00" && Format.money(-3) == "−$3.00")
    #expect(Format.price(0.58) == "$0.58" && Format.price(0.7582) == "$0.7582" && Format.price(1.6420) == "$1.642")
  }

  @Test func sharesAndDifferences() {
    #expect(Format.percent(0.42) == "42 %" && Format.percent(0.4167, places: 1) == "41.7 %")
    #expect(Format.signedPercent(0.042) == "+4.2 %" && Format.signedPercent(-0.031) == "−3.1 %")
    #expect(Format.signedPercent(0.0004) == "0.0 %" && Format.signedPercent(-0.0004) == "0.0 %")
    #expect(Format.probability(0.95) == "95 %" && Format.probability(0.999) == "99.9 %")
    #expect(Format.probability(0.974453) == "97 %" && Format.probability(0.99999) == "above 99.9 %")
    #expect(Format.probability(1) == "100 %" && Format.probability(0) == "0 %")
    #expect(Format.rate(0.49) == "0.49/s" && Format.rate(29.4) == "29.4/s" && Format.rate(1470) == "1,470/s")
    #expect(Format.rate(0.001) == "0.001/s" && Format.rate(0.0123) == "0.012/s" && Format.rate(0) == "0/s")
    #expect(Format.rate(0.0995) == "0.1/s" && Format.rate(2e-6) == "0.000002/s")
    #expect(Format.ratio(2.1) == "2.10 ×")
  }

  @Test func decimalsRoundAndGroup() {
    #expect(Format.decimal(1234.5678, places: 2) == "1,234.57")
    #expect(Format.decimal(0.05, places: 1) == "0.1")
    #expect(Format.decimal(-0.04, places: 1) == "0.0")
    #expect(Format.decimal(999.96, places: 1) == "1,000.0")
    #expect(Format.decimal(1e300, places: 3) == "1e+300")
  }

  @Test func dates() {
    #expect(Format.date("2026-08-03T14:02:11Z") == "3 August 2026, 14:02 UTC")
    for text in ["", "yesterday", "2026-13-03T14:02:11Z", "2026-08-03T14:02:11+02:00", "T:Z", "2026-08T1Z"] {
      #expect(Format.date(text) == text)
    }
  }
}
