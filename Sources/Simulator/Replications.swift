import Dispatch
import Synchronization

/// Runs that have nothing to do with one another, on all processors at once.
enum Replications {
  /// Results in the order of the replications, whichever ended first, so that what is made of them is the same on every
  /// machine.
  ///
  /// - Parameter run: is called once for each replication, on several threads.
  static func map<Result: Sendable>(_ count: Int, _ run: @Sendable (_ replication: Int) -> Result) -> [Result] {
    guard count > 1 else { return (0..<count).map(run) }
    let results = Mutex([Result?](repeating: nil, count: count))
    DispatchQueue.concurrentPerform(iterations: count) { replication in
      let result = run(replication)
      results.withLock { $0[replication] = result }
    }
    return results.withLock { $0.compactMap(\.self) }
  }
}
