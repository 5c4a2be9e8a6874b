import LoadTest
import PlannerCore

/// What a run says of each group of models against its own target, and of all of them together.
struct JudgedGroups {
  struct Group {
    var group: ModelGroup
    /// Models of the group that ran.
    var models: Int
    /// The group's requests.
    var result: LoadResult
    var verdict: LoadVerdict
  }

  /// Groups that ran, in the order of the workload.
  let groups: [Group]
  private let result: LoadResult

  init(_ excerpt: Excerpt, _ result: LoadResult) {
    self.result = result
    let (layout, demand) = (excerpt.layout, excerpt.demand)
    let places = layout.groups
    groups = places.map { place in
      let part = places.count == 1 ? result : result.part { layout.copies[$0.model].group == place }
      let group = demand.groups[place]
      return Group(
        group: group, models: layout.models(ofGroup: place), result: part,
        verdict: VerdictRule(targetSeconds: group.targetP99Seconds).judge(part))
    }
  }

  /// The lowest of the groups' targets.
  var strictestTargetSeconds: Double { groups.reduce(.infinity) { min($0, $1.group.targetP99Seconds) } }

  /// The verdict on the whole run: that of the only group, or of several `fail` where one fails, `pass` where all pass,
  /// and else `undecided`. A run with failed requests does not count, whatever group they were sent to.
  var judgement: RunRecord.Judgement {
    if groups.count == 1 {
      let verdict = groups[0].verdict
      return RunRecord.Judgement(
        outcome: verdict.verdict, reason: verdict.reason, confidence: verdict.confidence, valid: verdict.valid,
        invalidReason: verdict.invalidReason)
    }
    if let invalid = invalidReason {
      return RunRecord.Judgement(
        outcome: .undecided, reason: "invalid run: \(invalid)", confidence: 0, valid: false, invalidReason: invalid)
    }
    let asked = groups.filter { $0.result.counts.sent > 0 }
    let failing = asked.filter { $0.verdict.verdict == .fail }
    let open = asked.filter { $0.verdict.verdict == .undecided }
    let (outcome, deciding): (Verdict, [Group]) =
      !failing.isEmpty ? (.fail, failing) : !open.isEmpty ? (.undecided, open) : (.pass, asked)
    // As sure as the surest failure, or as the least sure of those that all have to hold.
    let sure = deciding.map(\.verdict.confidence)
    return RunRecord.Judgement(
      outcome: outcome, reason: reason(outcome, deciding, of: asked.count),
      confidence: (outcome == .fail ? sure.max() : sure.min()) ?? 0, valid: true, invalidReason: nil)
  }

  private func reason(_ outcome: Verdict, _ deciding: [Group], of count: Int) -> String {
    let names = deciding.map(\.group.name).joined(separator: ", ")
    switch outcome {
    case .pass: return "all \(count) groups kept their targets"
    case .fail: return "\(deciding.count) of \(count) groups missed their targets: \(names)"
    case .undecided:
      let first = deciding.first.map { "; \($0.group.name): \($0.verdict.reason)" } ?? ""
      return "no group missed its target, and of \(deciding.count) of \(count) it is not decided: \(names)\(first)"
    }
  }

  /// What stands against the whole run; a group that nothing was sent to is none of it.
  private var invalidReason: String? {
    if let reason = result.invalidReason { return reason }
    return groups.first { $0.result.counts.sent > 0 && !$0.verdict.valid }.map {
      "\($0.group.name): \($0.verdict.invalidReason ?? "no reason was kept")"
    }
  }
}
