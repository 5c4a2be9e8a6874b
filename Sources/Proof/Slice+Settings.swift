import Executor
import Optimizer
import PlannerCore

extension Slice {
  /// Whether the plan's own node runs, or a part of it with this machine's figures.
  public var scope: RunScope { reason == nil ? .full : .slice }

  /// The node as a runtime is asked for it: the only place where a planned node becomes settings of a server.
  ///
  /// - Parameters:
  ///   - repository: where the models are.
  ///   - models: their names, the first ones of the repository.
  ///   - tokens: length at which they are warmed.
  public func settings(repository: String, models: [String], tokens: Int) -> NodeSettings {
    NodeSettings(
      repository: repository, models: models, workers: node.workers, threadsPerWorker: node.threadsPerWorker,
      warmTokens: [tokens], environment: node.environment,
      memoryBytes: Int64(models.count) * node.memoryPerModelBytes,
      instanceType: node.spec.machine.isLocal ? nil : node.instanceType)
  }
}
