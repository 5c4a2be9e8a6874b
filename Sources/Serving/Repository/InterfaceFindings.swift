import Engine
import Foundation
import PlannerCore
import Synchronization

/// What models were found to take and answer, by their code: thousands of one architecture are tried once.
package final class InterfaceFindings: Sendable {
  /// What two models share that take and answer the same: their code, the sizes of their weights as far as they show,
  /// and what is said of them.
  struct Key: Hashable {
    var code: String
    var inputs: [ModelInput]
    var outputs: [TensorDeclaration]?
    var tensors: [TensorDeclaration]?
    var weightBytes: Int64
    var vocabulary: Int
    var maxTokens: Int
    var precision: Precision
  }

  private struct State {
    var found: [Key: ModelInterface] = [:]
    var underWay: Set<Key> = []
  }

  private let state = Mutex(State())
  private let changed = NSCondition()

  package init() {}

  /// What is known of the key, or what `find` finds; who asks meanwhile waits. Blocks: for loader threads.
  func interface(
    _ key: Key, find: () throws(EngineError) -> ModelInterface
  ) throws(EngineError) -> ModelInterface {
    if let known = claim(key) { return known }
    var found: ModelInterface?
    defer { settle(key, found) }
    let interface = try find()
    found = interface
    return interface
  }

  /// - Returns: nil where the caller is to find it.
  private func claim(_ key: Key) -> ModelInterface? {
    changed.lock()
    defer { changed.unlock() }
    while true {
      let (known, isMine) = state.withLock { state -> (ModelInterface?, Bool) in
        if let known = state.found[key] { return (known, false) }
        return (nil, state.underWay.insert(key).inserted)
      }
      if let known { return known }
      if isMine { return nil }
      changed.wait()
    }
  }

  private func settle(_ key: Key, _ found: ModelInterface?) {
    changed.lock()
    state.withLock { state in
      state.underWay.remove(key)
      if let found { state.found[key] = found }
    }
    changed.broadcast()
    changed.unlock()
  }
}
