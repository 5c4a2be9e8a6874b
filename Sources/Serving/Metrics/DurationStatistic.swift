import PlannerCore

/// How often something happened, and how long it took together.
package struct DurationStatistic: Hashable, Sendable {
  package private(set) var count = 0
  package private(set) var nanoseconds: Int64 = 0

  package init() {}

  package var seconds: Double { Double(nanoseconds) / 1e9 }

  package mutating func add(_ time: Nanoseconds) {
    count += 1
    nanoseconds += time.rawValue
  }

  package static func + (a: DurationStatistic, b: DurationStatistic) -> DurationStatistic {
    var sum = a
    sum.count += b.count
    sum.nanoseconds += b.nanoseconds
    return sum
  }
}
