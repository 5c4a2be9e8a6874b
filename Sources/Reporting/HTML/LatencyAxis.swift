import RealModule

/// A vertical axis for times: from zero where the values are of one size, in 1-2-5 steps of a logarithm else.
struct LatencyAxis {
  let isLogarithmic: Bool
  let lowSeconds: Double
  let highSeconds: Double
  let tickSeconds: [Double]
  /// Name and seconds of the unit of the labels.
  let unit: (name: String, seconds: Double)

  /// - Parameters:
  ///   - values: seconds; those that are not finite or negative are passed over.
  ///   - logarithmicAbove: ratio of largest to smallest positive value from which on the axis is logarithmic.
  init(values: [Double], logarithmicAbove ratio: Double) {
    let usable = values.filter { $0.isFinite && $0 > 0 }
    // Beyond these a time is no latency, and the arithmetic below would lose its footing.
    let smallest = min(max(usable.min() ?? 0.001, 1e-9), 1e9)
    let largest = min(max(usable.max() ?? 0.001, smallest), 1e9)
    isLogarithmic = largest / smallest > ratio
    if isLogarithmic {
      lowSeconds = Self.roundDown(smallest)
      highSeconds = Self.roundUp(largest * 1.02)
      let all = Self.logarithmicTicks(from: lowSeconds, to: highSeconds)
      tickSeconds = all.count <= 9 ? all : all.filter { Self.mantissa($0) < 1.5 }
    } else {
      let step = Self.roundUp(largest * 1.04 / 5)
      let steps = max(1, (largest * 1.04 / step).rounded(.up))
      lowSeconds = 0
      highSeconds = steps * step
      tickSeconds = (0...Int(steps)).map { Double($0) * step }
    }
    unit = highSeconds >= 2 ? ("s", 1) : highSeconds >= 0.0002 ? ("ms", 1e-3) : ("µs", 1e-6)
  }

  /// 0 at the foot, 1 at the top; what lies beyond is held at the edge.
  func position(_ seconds: Double) -> Double {
    guard !seconds.isNaN else { return 0 }
    let value = min(max(seconds, lowSeconds), highSeconds)
    if isLogarithmic {
      return Double.log(value / lowSeconds) / Double.log(highSeconds / lowSeconds)
    }
    return value / highSeconds
  }

  func label(_ seconds: Double) -> String { Format.plain(seconds / unit.seconds) }

  private static func power(_ value: Double) -> Double { Double.exp10(Double.log10(value).rounded(.down)) }

  /// In [1, 10); a hair above counts as the number itself, since powers of ten are not exact below 1.
  private static func mantissa(_ value: Double) -> Double { value / power(value * 1.000_001) }

  /// The 1, 2 or 5 times a power of ten at or above `value`.
  private static func roundUp(_ value: Double) -> Double {
    let base = power(value)
    let steps = [1, 2, 5, 10].map { Double($0) * base }
    return steps.first { $0 >= value * 0.999_999 } ?? 10 * base
  }

  private static func roundDown(_ value: Double) -> Double {
    let base = power(value)
    let steps = [5, 2, 1].map { Double($0) * base }
    return steps.first { $0 <= value * 1.000_001 } ?? base
  }

  private static func logarithmicTicks(from low: Double, to high: Double) -> [Double] {
    var ticks = [low]
    while let last = ticks.last, last < high * 0.999_999, ticks.count < 60 { ticks.append(roundUp(last * 1.5)) }
    return ticks
  }
}
