import Executor
import PlannerCore
import Proof

/// A plan's nodes as a runtime is asked for them, where the models are the user's own and lie where nodes find them.
enum PlanDeployment {
  /// All nodes of a plan, in its order, under the id that `planner deploy run` gives them.
  ///
  /// - Parameters:
  ///   - repository: where nodes find the models.
  ///   - name: of the deployment; the workload's where it is nil.
  ///   - image: what nodes are started from.
  /// - Throws: `Failure` where the plan has no nodes; `ProofError`.
  static func desired(_ plan: Plan, repository: String, name: String?, image: String) throws -> DesiredDeployment {
    let count = plan.nodes.reduce(0) { $0 + $1.count }
    guard count > 0 else {
      throw Failure(.noFeasiblePlan, "the plan is not feasible (\(plan.bindingReason.sentence)): it has no nodes")
    }
    let excerpt = try Excerpt(of: plan, firstNodes: count)
    return DesiredDeployment(
      DeploymentID(ofPlan: name ?? plan.workload.name),
      settings: settings(of: excerpt, repository: repository, image: image))
  }

  /// The nodes of an excerpt, in its order.
  static func settings(of excerpt: Excerpt, repository: String, image: String?) -> [NodeSettings] {
    let names = names(of: excerpt.demand)
    return excerpt.nodes.enumerated().map { index, node in
      node.settings(
        repository: repository, models: excerpt.copies(onNode: index).map { names[$0.group][$0.model] },
        warmTokens: excerpt.warmTokens(onNode: index), image: image)
    }
  }

  /// Names of each group's models: the group's own, or `model0`, `model1`, … counted through the workload.
  static func names(of workload: Workload) -> [[String]] {
    var first = 0
    return workload.groups.map { group in
      defer { first += group.models }
      return (0..<group.models).map { index in
        if let own = group.modelNames, index < own.count { return own[index] }
        return "model\(first + index)"
      }
    }
  }
}
