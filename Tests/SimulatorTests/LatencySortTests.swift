import PlannerCore
import Simulator
import Testing

/// Sorting as the standard library does, by another way.
@Suite struct LatencySortTests {
  private static func latencies(_ count: Int, seed: UInt64, of draw: (inout RandomStream) -> Double) -> [Double] {
    var random = RandomStream(seed: seed, stream: "latencies")
    return (0..<count).map { _ in draw(&random) }
  }

  @Test(arguments: [0, 1, 2, 256, 257, 1_000, 12_000])
  func latenciesComeInOrder(_ count: Int) {
    let exponential = Self.latencies(count, seed: 1) { 0.003 * $0.exponential() }
    #expect(exponential.sortedAscending() == exponential.sorted())
    // Many that are equal, and whole seconds beside nanoseconds.
    let coarse = Self.latencies(count, seed: 2) { Double($0.integer(below: 7)) }
    #expect(coarse.sortedAscending() == coarse.sorted())
    let wide = Self.latencies(count, seed: 3) { $0.uniform() < 0.5 ? 1e-9 * $0.uniform() : 1e9 * $0.uniform() }
    #expect(wide.sortedAscending() == wide.sorted())
  }

  @Test func signsAndInfinitiesComeInOrder() {
    var numbers = Self.latencies(1_000, seed: 4) { $0.normal() }
    numbers += [.infinity, -.infinity, 0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .greatestFiniteMagnitude]
    #expect(numbers.sortedAscending() == numbers.sorted())
    #expect(Array(numbers.sorted().reversed()).sortedAscending() == numbers.sorted())
  }

  @Test func numbersThatAreAllAlikeStay() {
    let same = Array(repeating: 0.25, count: 500)
    #expect(same.sortedAscending() == same)
  }
}
