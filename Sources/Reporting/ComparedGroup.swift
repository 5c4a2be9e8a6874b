import PlannerCore

/// One group of a run's models: its target beside what was predicted and measured.
struct ComparedGroup {
  var name: String
  var models: String
  var requests: String
  var target: String
  var predicted: String
  /// Interval of the prediction; empty where there is no prediction.
  var interval: String
  var measured: String
  /// Predicted over measured, less 1; NaN where it means nothing.
  var error: Double
  /// `pass`, `fail`, `undecided`, or `not valid`.
  var verdict: String

  /// Groups of a run that has several; of a run of one group, the run's own figures say everything.
  static func all(_ record: RunRecord) -> [ComparedGroup] {
    guard record.parts.groups.count > 1 else { return [] }
    return record.parts.groups.map(ComparedGroup.init)
  }

  private init(_ group: RunRecord.Group) {
    name = group.name
    models = Format.count(group.models)
    let unanswered = group.sent - group.completed
    requests = Format.count(group.sent) + (unanswered > 0 ? ", \(Format.count(unanswered)) not answered" : "")
    target = Format.setting(group.targetP99Seconds)
    predicted = group.predictedP99Seconds.map(Format.duration) ?? Format.missing
    interval = group.predictedP99.map(Format.durationInterval) ?? ""
    measured =
      group.measuredP99Seconds.map { Format.duration($0, isAtLeast: group.isP99AtLeast) } ?? Format.missing
    error = group.errorP99 ?? .nan
    verdict = group.valid ? group.verdict.rawValue : "not valid"
  }
}

/// One node of a run of several.
struct ReportedNode {
  var name: String
  /// `2 × 1`: forward passes at once times threads of each.
  var workers: String
  var models: String
  var requests: String
  var utilization: String
  var memory: String

  static func all(_ record: RunRecord) -> [ReportedNode] {
    guard record.parts.nodes.count > 1 else { return [] }
    return record.parts.nodes.map { node in
      ReportedNode(
        name: "\(node.name) (\(node.instanceType))",
        workers: "\(Format.count(node.workers)) × \(Format.count(node.threadsPerWorker))",
        models: Format.count(node.models), requests: Format.count(node.sent),
        utilization: Format.percent(node.measuredUtilization, places: 1), memory: Format.bytes(node.memoryBytes))
    }
  }
}
