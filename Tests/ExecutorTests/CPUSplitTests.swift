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

  @Test func theSplitOfThisMachineIsMadeOfItsOwnCPUs() throws {
    let split = try CPUSplit.current(servingCores: 1)
    #expect(try split.workers + split.others == HostInfo.allowedCPUs() && split.workers.count == 1)
  }
}
