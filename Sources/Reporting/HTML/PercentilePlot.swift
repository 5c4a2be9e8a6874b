import PlannerCore
import RealModule

/// Latency against percentile, predicted and measured, as inline SVG.
///
/// The horizontal axis counts nines: the distance to a percentile is the logarithm of the share of requests
/// above it, so that the tail, which is what was promised, gets as much room as the middle. It ends at the
/// last percentile below 100 % that a curve holds, at 99.99 % at most: the largest single latency is no percentile.
struct PercentilePlot {
  private static let firstProbability = 0.5
  /// Above this ratio of largest to smallest a linear axis would press the curves flat.
  private static let logarithmicRatio = 8.0
  private static let guideProbability = 0.99

  private struct Point {
    var probability: Double
    var seconds: Double
  }

  private let record: RunRecord
  private let name: String
  private let width: Double
  private let height: Double
  private let margin: (top: Double, right: Double, bottom: Double, left: Double)
  private let measured: [Point]
  private let predicted: [Point]
  private let low: [Point]
  private let high: [Point]
  private let targetSeconds: Double?
  private let lastProbability: Double
  private let axis: LatencyAxis

  /// - Parameter name: of the drawing on its page, lower-case letters: a class and the start of its ids.
  init(_ record: RunRecord, name: String, width: Double, height: Double) {
    self.record = record
    self.name = name
    self.width = width
    self.height = height
    margin = (top: 30, right: width < 500 ? 80 : 88, bottom: 48, left: width < 500 ? 34 : 52)
    let figures = record.figures
    let all = [figures.measuredCurve, figures.predictedCurve, figures.predictedCurveLow, figures.predictedCurveHigh]
    let curves = all.map(Self.points)
    let tail = (curves[0] + curves[1]).map(\.probability).filter { $0 < 1 }.max() ?? 0.999
    let last = min(max(tail, Self.guideProbability), 0.9999)
    let clipped = curves.map { Self.clipped($0, from: Self.firstProbability, to: last) }
    lastProbability = last
    measured = clipped[0]
    predicted = clipped[1]
    low = clipped[2]
    high = clipped[3]
    let target = record.asked.targetP99Seconds
    targetSeconds = target.isFinite && target > 0 ? target : nil
    axis = LatencyAxis(
      values: clipped.flatMap { $0.map(\.seconds) } + (targetSeconds.map { [$0] } ?? []),
      logarithmicAbove: Self.logarithmicRatio)
  }

  func render() -> Markup {
    """
    <svg class="plot \(name)" viewBox="0 0 \(at: width) \(at: height)" role="img" \
    aria-labelledby="\(name)-title" aria-describedby="\(name)-desc" xmlns="http://www.w3.org/2000/svg">
    <title id="\(name)-title">Latency by percentile, predicted and measured</title>
    <desc id="\(name)-desc">\(description)</desc>
    \(grid)\(band)\(target)\(line(predicted, "predicted"))\(line(measured, "measured"))\
    \(targetLabel)\(guideDots)\(endLabels)</svg>

    """
  }

  private var description: String {
    func listed(_ figures: RunFigures) -> String {
      let values = [
        ("p50", figures.p50Seconds), ("p90", figures.p90Seconds), ("p95", figures.p95Seconds),
        ("p99", figures.p99Seconds),
      ]
      return values.map { "\($0) \(Format.duration($1, isAtLeast: figures.isAtLeast("\($0)Seconds")))" }
        .joined(separator: ", ")
    }
    return "Measured: \(listed(record.figures.measured)). Predicted: \(listed(record.figures.predicted)). "
      + "Target for p99: \(Format.setting(record.asked.targetP99Seconds)). "
      + "The shaded band is the prediction’s 95 % interval."
  }

  // MARK: Curves

  /// The finite points of a curve, by percentile.
  private static func points(_ curve: LatencyCurve) -> [Point] {
    zip(curve.probabilities, curve.seconds)
      .filter { $0.isFinite && $1.isFinite && (0...1).contains($0) && $1 >= 0 }
      .map { Point(probability: $0, seconds: $1) }
      .sorted { ($0.probability, $0.seconds) < ($1.probability, $1.seconds) }
  }

  /// The part of a curve between two percentiles, its ends by linear interpolation.
  private static func clipped(_ curve: [Point], from first: Double, to last: Double) -> [Point] {
    var inside = curve.filter { $0.probability > first && $0.probability < last }
    if let start = value(curve, at: first) { inside.insert(Point(probability: first, seconds: start), at: 0) }
    if let end = value(curve, at: last) { inside.append(Point(probability: last, seconds: end)) }
    return inside
  }

  /// Seconds of a curve at a probability; nil outside of the curve.
  private static func value(_ curve: [Point], at probability: Double) -> Double? {
    guard let above = curve.firstIndex(where: { $0.probability >= probability }) else { return nil }
    if curve[above].probability == probability { return curve[above].seconds }
    guard above > 0 else { return nil }
    let (a, b) = (curve[above - 1], curve[above])
    return a.seconds + (b.seconds - a.seconds) * (probability - a.probability) / (b.probability - a.probability)
  }

  // MARK: Places

  private var right: Double { width - margin.right }
  private var foot: Double { height - margin.bottom }

  private func x(_ probability: Double) -> Double {
    func nines(_ p: Double) -> Double { -Double.log10(1 - min(max(p, Self.firstProbability), lastProbability)) }
    let first = nines(Self.firstProbability)
    let share = (nines(probability) - first) / (nines(lastProbability) - first)
    return margin.left + share * (right - margin.left)
  }

  private func y(_ seconds: Double) -> Double { foot - axis.position(seconds) * (foot - margin.top) }

  private func places(_ curve: [Point]) -> [(x: Double, y: Double)] {
    curve.map { (x($0.probability), y($0.seconds)) }
  }

  // MARK: Layers, back to front

  private var grid: Markup {
    let levels = axis.tickSeconds.map { tick -> Markup in
      """
      <line class="\(tick == axis.tickSeconds.first ? "axis" : "grid")" x1="\(at: margin.left)" y1="\(at: y(tick))" \
      x2="\(at: right)" y2="\(at: y(tick))"/>\
      <text x="\(at: margin.left - 8)" y="\(at: y(tick) + 4.5)" text-anchor="end">\(axis.label(tick))</text>

      """
    }
    let wanted = width < 500 ? [0.5, 0.9, 0.99, 0.999, 0.9999] : [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999]
    let percentiles = wanted.filter { $0 <= lastProbability }.map { p -> Markup in
      let label = "\(Format.plain(p * 100))\(p == Self.firstProbability ? " %" : "")"
      return """
        <line class="\(p == Self.guideProbability ? "guide" : "grid")" x1="\(at: x(p))" y1="\(at: margin.top)" \
        x2="\(at: x(p))" y2="\(at: foot)"/>\
        <text x="\(at: x(p))" y="\(at: foot + 18)" text-anchor="middle">\(label)</text>

        """
    }
    return """
      \(levels)\(percentiles)<text x="\(at: margin.left - 8)" y="\(at: margin.top - 14)" text-anchor="end">\
      \(axis.unit.name)</text>
      <text x="\(at: (margin.left + right) / 2)" y="\(at: height - 8)" text-anchor="middle">\
      percentile of requests\(axis.isLogarithmic ? "; both axes logarithmic" : "")</text>

      """
  }

  private var band: Markup {
    guard low.count >= 2, high.count >= 2 else { return "" }
    let outline = places(high) + places(low).reversed()
    return "<path class=\"band\" d=\"\(Markup.path(outline, closed: true))\"/>\n"
  }

  private func line(_ curve: [Point], _ style: String) -> Markup {
    curve.count < 2 ? "" : "<path class=\"line \(style)\" d=\"\(Markup.path(places(curve)))\"/>\n"
  }

  private var target: Markup {
    guard let targetSeconds else { return "" }
    let level = y(targetSeconds)
    return """
      <line class="line target" x1="\(at: margin.left)" y1="\(at: level)" x2="\(at: right)" y2="\(at: level)"/>

      """
  }

  /// Over the curves, so that one that crosses the target does not strike it out.
  private var targetLabel: Markup {
    guard let targetSeconds else { return "" }
    return """
      <text class="label target" x="\(at: margin.left + 6)" y="\(at: y(targetSeconds) - 7)">\
      p99 target \(Format.setting(targetSeconds))</text>

      """
  }

  /// p99 of both curves, the upper one's figure above it and the lower one's below it, where no curve runs.
  private var guideDots: Markup {
    let figures = [
      (record.figures.predicted.p99Seconds, "predicted"), (record.figures.measured.p99Seconds, "measured"),
    ]
    let shown = figures.filter { $0.0.isFinite && $0.0 >= 0 && hasCurve($0.1) }
    let place = x(Self.guideProbability)
    return shown.enumerated().reduce("") { drawing, item -> Markup in
      let (seconds, style) = item.element
      let other = shown.count == 2 ? shown[1 - item.offset].0 : 0
      let isAtLeast = style == "measured" && record.figures.measured.isAtLeast("p99Seconds")
      let text = Format.duration(seconds, isAtLeast: isAtLeast)
      let isUpper = seconds > other || (seconds == other && item.offset == 0)
      return drawing + """
        <circle class="dot \(style)" cx="\(at: place)" cy="\(at: y(seconds))" r="5"/>
        <text class="label \(style)" x="\(at: place + (isUpper ? -9 : 9))" y="\(at: y(seconds) + (isUpper ? -9 : 19))" \
        text-anchor="\(isUpper ? "end" : "start")">\(text)</text>

        """
    }
  }

  private func hasCurve(_ style: String) -> Bool { (style == "measured" ? measured : predicted).count >= 2 }

  /// Names at the curves' right ends, moved apart where the curves meet.
  private var endLabels: Markup {
    var labels: [(text: String, y: Double)] = []
    if let last = predicted.last, hasCurve("predicted") { labels.append(("predicted", y(last.seconds))) }
    if let last = measured.last, hasCurve("measured") { labels.append(("measured", y(last.seconds))) }
    guard !labels.isEmpty else {
      return """
        <text x="\(at: (margin.left + right) / 2)" y="\(at: (margin.top + foot) / 2)" text-anchor="middle">\
        no latency to show</text>

        """
    }
    labels.sort { $0.y < $1.y }
    let distance = 17.0
    if labels.count == 2, labels[1].y - labels[0].y < distance {
      let middle = (labels[0].y + labels[1].y) / 2
      labels[0].y = middle - distance / 2
      labels[1].y = middle + distance / 2
    }
    return labels.reduce("") { drawing, label -> Markup in
      drawing + """
        <text class="label \(label.text)" x="\(at: right + 8)" y="\(at: label.y + 4.5)">\(label.text)</text>

        """
    }
  }
}
