import PlannerCore

/// A run's groups of models and its nodes, each by itself.
extension HTMLReport {
  /// Nothing where the run has one group and one node, of which its own figures say everything.
  static func parts(_ record: RunRecord) -> Markup {
    var sections: Markup = ""
    let groups = ComparedGroup.all(record)
    if !groups.isEmpty {
      sections += Page.section("Each group beside its own target", id: "groups", table(groups)) + "\n"
    }
    let nodes = ReportedNode.all(record)
    if !nodes.isEmpty { sections += Page.section("Each node", id: "nodes", table(nodes)) + "\n" }
    return sections
  }

  private static func table(_ groups: [ComparedGroup]) -> Markup {
    let columns: [Page.Column] = [
      .text("Group"), .number("Models"), .number("Requests"), .number("Target"), .number("Predicted p99"),
      .number("Measured p99"), .number("Error"), .text("Verdict"),
    ]
    let rows = groups.map { group -> [Markup] in
      let interval: Markup = group.interval.isEmpty ? "" : "<span class=\"under\">\(group.interval)</span>"
      return [
        "\(group.name)", "\(group.models)", "\(group.requests)", "\(group.target)", "\(group.predicted)\(interval)",
        "\(group.measured)", "\(Format.signedPercent(group.error))", "\(group.verdict)",
      ]
    }
    return Page.table("Groups of models, predicted and measured beside their targets", columns, rows)
      + Page.paragraph(
        "Error is predicted over measured, less 1. Under the predicted p99: its 95 % interval.", style: "soft")
  }

  private static func table(_ nodes: [ReportedNode]) -> Markup {
    let columns: [Page.Column] = [
      .text("Node"), .number("Workers × threads"), .number("Models"), .number("Requests"), .number("Workers busy"),
      .number("Memory"),
    ]
    let rows = nodes.map { node -> [Markup] in
      [
        "\(node.name)", "\(node.workers)", "\(node.models)", "\(node.requests)", "\(node.utilization)",
        "\(node.memory)",
      ]
    }
    return Page.table("Nodes of the run", columns, rows)
  }
}
