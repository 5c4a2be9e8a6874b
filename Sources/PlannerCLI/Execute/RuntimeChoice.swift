import Executor
import Foundation

/// The runtime that `--runtime` names, opened once it is clear what runs on it.
struct RuntimeChoice {
  private let name: RuntimeName

  /// - Throws: `Failure` where it is not built into this version.
  init(_ text: String) throws {
    guard let name = RuntimeName(rawValue: text), name == .local else {
      throw Failure(.unavailable, "runtime '\(text)' is not built into this version; use --runtime local")
    }
    self.name = name
  }

  /// - Parameters:
  ///   - cpus: CPUs of this machine for each node's workers and for the rest, in the order of the nodes.
  ///   - keep: nodes stay when the planner ends.
  /// - Throws: `ExecutorError` where no `model-server` is found.
  func open(cpus: [CPUSplit], keep: Bool) throws -> any Runtime {
    switch name {
    case .local:
      LocalRuntime(
        binary: try ServerBinary.locate(), stateFolder: LocalFolder.path + "/deployments",
        logFolder: LocalFolder.path, lifetime: keep ? .independent : .planner,
        cpus: Dictionary(uniqueKeysWithValues: cpus.enumerated().map { (NodeID(index: $0), $1) }))
    case .docker, .kubernetes:
      preconditionFailure("refused by init")
    }
  }
}
