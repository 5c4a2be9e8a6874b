/// A point or span on an engine's clock, in whole nanoseconds.
///
/// Simulation and policies count in this type so that two runs order their events alike on every
/// machine; `Double` seconds appear only where figures are read or printed.
/// Range: ± 292 years.
public struct Nanoseconds: Hashable, Comparable, Sendable {
  public var rawValue: Int64

  @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }

  /// The nearest whole nanosecond; infinities and NaN are clamped to the range, NaN to zero.
  @inlinable public init(seconds: Double) {
    let scaled = (seconds * 1e9).rounded()
    if scaled.isNaN {
      rawValue = 0
    } else if scaled >= 9.2e18 {
      rawValue = .max
    } else if scaled <= -9.2e18 {
      rawValue = .min
    } else {
      rawValue = Int64(scaled)
    }
  }

  public init(_ duration: Duration) {
    let parts = duration.components
    rawValue = parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000
  }

  public static let zero = Nanoseconds(0)
  /// Later than every event.
  public static let never = Nanoseconds(.max)

  @inlinable public var seconds: Double { Double(rawValue) * 1e-9 }
  public var duration: Duration { .nanoseconds(rawValue) }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public static func + (a: Self, b: Self) -> Self { Self(a.rawValue &+ b.rawValue) }
  @inlinable public static func - (a: Self, b: Self) -> Self { Self(a.rawValue &- b.rawValue) }
  @inlinable public static func += (a: inout Self, b: Self) { a.rawValue &+= b.rawValue }
}
