import PlannerCore

/// Reads plan files and checks what the type system cannot.
public enum PlanFile {
  /// Reads plans of this version and of version 1, whose nodes leave to the workload what their models are.
  ///
  /// - Throws: `FileError` that names file and key.
  public static func read(_ path: String) throws(FileError) -> Plan {
    let plan = try JSONFile.read(Plan.self, from: path, kind: "plan", schemaVersion: Plan.schemaVersion, oldest: 1)
    var problems: [FileProblem] = []
    func require(_ holds: Bool, _ key: String, _ message: String) {
      if !holds {
        problems.append(
          FileProblem(file: path, key: key, message: message, remedy: "write it again with planner optimize"))
      }
    }
    require((1...1_000_000).contains(plan.models), "models", "is not from 1 to 1000000")
    for group in plan.workload.groups { check(group, require) }
    for (index, node) in plan.nodes.enumerated() {
      check(node, "nodes[\(index)]", require)
      check(node.spec, of: plan.workload, "nodes[\(index)].placed", require)
    }
    for (index, node) in (plan.bestExecutable?.nodes ?? []).enumerated() {
      check(node, "bestExecutable.nodes[\(index)]", require)
    }
    if !problems.isEmpty { throw FileError(.badData, problems) }
    return plan
  }

  private static func check(_ group: ModelGroup, _ require: (Bool, String, String) -> Void) {
    let rate = group.ratePerModelPerSecond
    require(rate > 0 && rate.isFinite, "workload.ratePerModelPerSecond", "is not a number above 0")
    require((1...100_000).contains(group.requests.tokens), "workload.tokens", "is not from 1 to 100000")
    let target = group.targetP99Seconds
    require(target > 0 && target.isFinite, "workload.targetP99Seconds", "is not a time above 0")
    require((1...1_000_000).contains(group.models), "workload.models", "is not from 1 to 1000000")
    require((1...1000).contains(group.leastReplicas), "workload.leastReplicas", "is not from 1 to 1000")
  }

  private static func check(
    _ spec: NodeSpec, of workload: Workload, _ key: String, _ require: (Bool, String, String) -> Void
  ) {
    for share in spec.models {
      require(workload[group: share.group] != nil, key, "names '\(share.group)', which is no group of the workload")
    }
  }

  private static func check(_ node: NodeGroup, _ key: String, _ require: (Bool, String, String) -> Void) {
    let range = node.modelsPerNode
    require(
      range[0] >= 1 && range[0] <= range[1] && range[1] <= 1_000_000, "\(key).modelsPerNode",
      "is not [fewest, most]")
    require((1...1_000_000).contains(node.count), "\(key).count", "is not from 1 to 1000000")
    require((1...4096).contains(node.devices), "\(key).queues", "is not from 1 to 4096")
    require((1...4096).contains(node.workers), "\(key).workers", "is not from 1 to 4096")
    require((1...4096).contains(node.threadsPerWorker), "\(key).threadsPerWorker", "is not from 1 to 4096")
    require(node.costPerHour >= 0 && node.costPerHour.isFinite, "\(key).costPerHour", "is not a price")
    require(node.service.computeSeconds.mean > 0, "\(key).service.computeSeconds", "is 0 throughout")
    let drift = node.service.betweenRunCV
    require(drift >= 0 && drift < 1, "\(key).service.driftCV", "is not in 0 ..< 1")
  }
}
