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

  struct Point {
    var probability: Double
    var seconds: Double
  }

  let width: Double
  let height: Double
  private let measured: [Point]
  private let predicted: [Point]
  private let low: [Point]
  private let high: [Point]
  private let targetSeconds: Double?
  private let lastProbability: Double
  private let axis: LatencyAxis
  private let margin: (top: Double, right: Double, bottom: Double, left: Double)

  init(_ record: RunRecord, width: Double, height: Double) {
    self.width = width
    self.height = height
    margin = (top: 28, right: width < 500 ? 78 : 92, bottom: 46, left: width < 500 ? 40 : 52)
    let curves = [record.measuredCurve, record.predictedCurve, record.predictedCurveLow, record.predictedCurveHigh]
    let points = curves.map(Self.points)
    let tails = (points[0] + points[1]).map(\.probability).filter { $0 < 1 }
    lastProbability = min(max(tails.max() ?? 0.999, 0.99), 0.9999)
    let clipped = points.map { [lastProbability] in Self.clipped($0, from: Self.firstProbability, to: $0isLast($0: lastProbability)) }
    measured = clipped[0]
    predicted = clipped[1]
    low = clipped[2]
    high = clipped[3]
    let target = record.targetP99Seconds
    targetSeconds = target.isFinite && target > 0 ? target : nil
    axis = LatencyAxis(
      values: clipped.flatMap { $0.map(\.seconds) } + (targetSeconds.map { [$0] } ?? []),
      logarithmicAbove: Self.logarithmicRatio)
  }
}
