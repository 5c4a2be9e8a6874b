import Foundation

/// Breaks where the input holds `BUG`, in the way that its kind names.
struct PlantedTarget: FuzzTarget {
  let kind: TargetKind
  private var hoard: [[UInt8]] = []

  init(kind: TargetKind) { self.kind = kind }

  mutating func run(_ input: [UInt8]) async throws -> String {
    guard input.count > 2, (0..<input.count - 2).contains(where: { input[$0..<$0 + 3].elementsEqual("BUG".utf8) })
    else {
      return input.isEmpty ? "empty" : "well"
    }
    switch kind {
    case .plantedCrash: fatalError("planted")
    case .plantedHang: while true { usleep(1000) }
    case .plantedGrowth: while true { hoard.append(Array(repeating: 1, count: 16 << 20)) }
    default: throw BrokenLaw("planted")
    }
  }
}
