import Foundation
import Synchronization

/// Counters that many threads add to without getting in each other's way.
///
/// Each thread adds to one of several copies; reading adds the copies up. An addition costs one relaxed atomic
/// operation on a cache line that other threads seldom touch.
package final class ShardedCounters: Sendable {
  package let count: Int
  private let stride: Int
  private let shards: Int
  private nonisolated(unsafe) let storage: UnsafeMutablePointer<Atomic<Int>>

  package init(count: Int, shards: Int = ShardedCounters.usualShards) {
    self.count = count
    self.shards = max(1, shards)
    // Copies begin on cache lines of their own.
    stride = (count + 15) / 16 * 16
    storage = .allocate(capacity: stride * self.shards)
    for index in 0..<stride * self.shards { (storage + index).initialize(to: Atomic(0)) }
  }

  deinit {
    storage.deinitialize(count: stride * shards)
    storage.deallocate()
  }

  /// Copies of each counter: as many as CPUs, at most 16.
  package static let usualShards = min(16, ProcessInfo.processInfo.activeProcessorCount)

  package func add(_ value: Int = 1, to index: Int) {
    precondition(index < count)
    (storage + shard * stride + index).pointee.add(value, ordering: .relaxed)
  }

  package func values() -> [Int] {
    (0..<count).map { index in
      (0..<shards).reduce(0) { $0 &+ (storage + $1 * stride + index).pointee.load(ordering: .relaxed) }
    }
  }

  /// Threads' control blocks lie apart by whole stacks: a multiplicative hash spreads them.
  private var shard: Int {
    if shards == 1 { return 0 }
    let thread = UInt64(UInt(bitPattern: UnsafeRawPointer(bitPattern: UInt(pthread_self()))))
    return Int((thread &* 0x9e37_79b9_7f4a_7c15) >> 40) % shards
  }
}
