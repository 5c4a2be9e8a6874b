import Executor
import Testing

/// Who gets which CPU of a machine.
@Suite struct CPUSplitTests {
  private static func split(_ allowed: [Int], quota: Double? = nil, serving: Int) -> [[Int]] {
    let split = CPUSplit(allowed: allowed, quota: quota, servingCores: serving)
    return [split.workers, split.others]
  }

  @Test func oneCPUIsLeftForEverythingElse() {
    #expect(Self.split([0, 1, 2, 3], serving: 2) == [[0, 1], [2, 3]])
    #expect(Self.split([0, 1, 2, 3], serving: 4) == [[0, 1, 2], [3]])
    #expect(Self.split([0, 1, 2, 3], serving: 100) == [[0, 1, 2], [3]])
  }

  /// Some CPU computes on a machine of one, and where the CPUs are not the first of theirs.
  @Test func someCPUComputesAlways() {
    #expect(Self.split([5, 9], serving: 0) == [[5], [9]])
    #expect(Self.split([5, 9], serving: 2) == [[5], [9]])
    #expect(Self.split([7], serving: 1) == [[7], []])
  }

  @Test func noMoreComputeThanTheQuotaPaysFor() {
    #expect(Self.split([0, 1, 2, 3], quota: 2.9, serving: 3) == [[0, 1], [2, 3]])
    #expect(Self.split([0, 1, 2, 3], quota: 0.5, serving: 3) == [[0], [1, 2, 3]])
    #expect(Self.split([0, 1, 2, 3], quota: 16, serving: 3) == [[0, 1, 2], [3]])
  }

  /// A wider worker's threads inherit its CPU; and without a second CPU nothing is bound.
  @Test func onlyWorkersOfOneThreadAreBound() {
    let split = CPUSplit(allowed: [0, 1, 2], quota: nil, servingCores: 2)
    #expect(split.pinned(threadsPerWorker: 1) == [0, 1] && split.pinned(threadsPerWorker: 2) == nil)
    #expect(split.io == [2])
    let single = CPUSplit(allowed: [0], quota: nil, servingCores: 1)
    #expect(single.pinned(threadsPerWorker: 1) == nil && single.io == nil)
  }

  private static func sideBySide(
    _ allowed: [Int], quota: Double? = nil, cores: [Int], reserved: Int = 1
  ) throws -> [[[Int]]] {
    try CPUSplit.sideBySide(allowed: allowed, quota: quota, cores: cores, reserved: reserved).map {
      [$0.workers, $0.others]
    }
  }

  @Test func nodesSideBySideComputeOnCPUsOfTheirOwnAndShareTheRest() throws {
    #expect(try Self.sideBySide([0, 1, 2, 3], cores: [1, 2]) == [[[0], [3]], [[1, 2], [3]]])
    #expect(try Self.sideBySide([4, 5, 6, 9], cores: [1, 1]) == [[[4], [6, 9]], [[5], [6, 9]]])
    // A node computes on one CPU at least.
    #expect(try Self.sideBySide([0, 1, 2], cores: [0, 1]) == [[[0], [2]], [[1], [2]]])
    let splits = try CPUSplit.sideBySide(allowed: [0, 1, 2, 3], quota: nil, cores: [1, 2], reserved: 1)
    let joined = CPUSplit.joined(splits)
    #expect(joined.workers == [0, 1, 2] && joined.others == [3])
  }

  /// Where nothing is to be left, nodes and the load generator share all CPUs, and nobody is bound.
  @Test func withoutAReserveNobodyIsBound() throws {
    #expect(try Self.sideBySide([0, 1], cores: [1, 1], reserved: 0) == [[[0], []], [[1], []]])
    let splits = try CPUSplit.sideBySide(allowed: [0, 1], quota: nil, cores: [1, 1], reserved: 0)
    #expect(splits.allSatisfy { $0.pinned(threadsPerWorker: 1) == nil && $0.io == nil })
    #expect(try Self.sideBySide([7], cores: [1]) == [[[7], []]])
  }

  @Test func nodesThatDoNotFitAreRefusedWithNumbers() {
    func refusal(_ allowed: [Int], quota: Double? = nil, _ cores: [Int], reserved: Int = 1) -> String? {
      do {
        _ = try Self.sideBySide(allowed, quota: quota, cores: cores, reserved: reserved)
        return nil
      } catch { return "\(error)" }
    }
    #expect(
      refusal([0, 1], [1, 1])?.contains(
        "2 nodes compute on 2 CPUs, and 1 of the 2 that this process may use are free for them") == true)
    #expect(refusal([0, 1, 2, 3], [2, 2])?.contains("compute on 4 CPUs, and 3 of the 4") == true)
    #expect(refusal([0, 1, 2, 3], [2, 2], reserved: 0) == nil)
    // A quota pays for less than there is.
    #expect(refusal([0, 1, 2, 3], quota: 2.5, [1, 2])?.contains("and 2 of the 2") == true)
    #expect(refusal([0, 1, 2, 3], quota: 2.5, [1, 1]) == nil)
  }

  @Test func theSplitOfThisMachineIsMadeOfItsOwnCPUs() throws {
    let split = try CPUSplit.current(servingCores: 1)
    #expect(try split.workers + split.others == HostInfo.allowedCPUs() && split.workers.count == 1)
  }
}
