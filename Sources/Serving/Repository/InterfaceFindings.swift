import Engine
import PlannerCore

/// What models were found to take and answer, by their code: thousands of one architecture are tried once.
package final class InterfaceFindings: Sendable {
  /// What two models share that take and answer the same: their code, the sizes of their weights as far as they show,
  /// and what is said of them.
  struct Key: Hashable, Sendable {
    var code: String
    var inputs: [ModelInput]
    var outputs: [TensorDeclaration]?
    var tensors: [TensorDeclaration]?
    var weightBytes: Int64
    var vocabulary: Int
    var maxTokens: Int
    var precision: Precision
  }

  private let found = OncePerKey<Key, ModelInterface>()

  package init() {}

  /// What is known of the key, or what `find` finds; who asks meanwhile waits. Blocks: for loader threads.
  func interface(
    _ key: Key, find: () throws(EngineError) -> ModelInterface
  ) throws(EngineError) -> ModelInterface {
    try found.value(key, make: find)
  }
}
