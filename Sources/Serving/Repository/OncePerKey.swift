import Foundation

/// Work that is done once for each key, by whoever asks for it first; who asks meanwhile waits for its outcome.
final class OncePerKey<Key: Hashable & Sendable, Value: Sendable>: @unchecked Sendable {
  // Both under the condition's lock alone.
  private var known: [Key: Value] = [:]
  private var underWay: Set<Key> = []
  private let changed = NSCondition()

  /// What is known of the key, or what `make` makes of it; a failure is not kept. Blocks: for loader threads.
  ///
  /// - Parameter isStale: whether what is known is made once more. What others made while this call waited never is.
  func value<Failure: Error>(
    _ key: Key, isStale: (Value) -> Bool = { _ in false }, make: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    if let known = claim(key, isStale) { return known }
    var made: Value?
    defer { settle(key, made) }
    let value = try make()
    made = value
    return value
  }

  /// - Returns: nil where the caller is to make it.
  private func claim(_ key: Key, _ isStale: (Value) -> Bool) -> Value? {
    changed.lock()
    defer { changed.unlock() }
    var hasWaited = false
    while underWay.contains(key) {
      hasWaited = true
      changed.wait()
    }
    if let value = known[key], hasWaited || !isStale(value) { return value }
    underWay.insert(key)
    return nil
  }

  private func settle(_ key: Key, _ made: Value?) {
    changed.lock()
    underWay.remove(key)
    known[key] = made
    changed.broadcast()
    changed.unlock()
  }
}
