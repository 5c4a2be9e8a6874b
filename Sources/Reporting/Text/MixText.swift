import PlannerCore

/// Workloads and plans of several groups, as terminal and page show them.
enum MixText {
  /// One line for each group: what it is asked, and where planned, what it gets.
  static func groups(_ plan: Plan) -> TextTable {
    var table = TextTable(columns: [
      .init("group"), .init("models", .trailing), .init("architecture", dispensability: 1), .init("size", .trailing),
      .init("req/s", .trailing), .init("popularity", dispensability: 3), .init("copies", .trailing),
      .init("target ms", .trailing), .init("p99 ms", .trailing), .init("95 %", .trailing, dispensability: 2),
    ])
    for (index, group) in plan.workload.groups.enumerated() {
      let planned = plan.groups.indices.contains(index) ? plan.groups[index] : nil
      table.append(
        [
          group.name, Format.count(group.models), group.architecture, sizes(group.requests.sizes),
          Format.plain(group.totalRatePerSecond), popularity(group.popularity),
          planned.map { Format.range($0.replicas) } ?? Format.missing,
          Format.milliseconds(group.targetP99Seconds),
        ] + PlanText.latencyCells(planned?.p99Seconds))
    }
    return table
  }

  static func sizes(_ sizes: RequestSizes) -> String {
    switch sizes {
    case .none: Format.missing
    case .fixed(let size): Format.count(size)
    case .lognormal(let mean, let cv, let most): "~\(Format.plain(mean)) (cv \(Format.plain(cv)), ≤ \(most))"
    case .histogram(let bins): "\(bins.first?.size ?? 0)–\(bins.last?.size ?? 0)"
    }
  }

  static func popularity(_ popularity: Popularity) -> String {
    switch popularity {
    case .uniform: "uniform"
    case .zipf(let exponent): "Zipf \(Format.plain(exponent))"
    case .shares: "listed"
    }
  }

  /// `300 bert-base of a, 200 distilbert of b`, where the counts are those of the fullest node.
  static func contents(_ node: NodeGroup) -> String {
    node.spec.models.enumerated().map { index, share in
      "\(Format.count(share.count)) of \(share.group) (\(share.variant.architecture) "
        + "\(share.variant.precision.rawValue), \(Format.count(node.totals[index])) in all)"
    }.joined(separator: ", ")
  }
}
