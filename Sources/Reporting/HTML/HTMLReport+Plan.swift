import PlannerCore

extension HTMLReport {
  private static let alternativesShown = 12

  /// A plan that has not been run: what to buy, the guidance's cost table with ours beside it, the other
  /// instance types, and where each figure comes from. The same plan gives the same bytes.
  public static func renderPlan(_ plan: Plan) -> String {
    var sections: Markup = ""
    sections +=
      plan.nodes.isEmpty
      ? Page.section("Why there is none", id: "best", bounds(plan)) : Page.section("Best plan", id: "best", best(plan))
    if plan.isMixed { sections += Page.section("Groups", id: "groups", groups(plan)) }
    sections += Page.section("What this program’s engine can run today", id: "today", executable(plan))
    if !plan.guidance.isEmpty { sections += Page.section("The guidance’s cost table", id: "guidance", guidance(plan)) }
    if !plan.alternatives.isEmpty {
      sections += Page.section("One instance type alone", id: "alternatives", alternatives(plan))
    }
    sections += Page.section("Where the figures come from", id: "sources", planSources(plan))
    let title = planTitle(plan)
    return Page.document(
      title: "\(title) – planner", body: "<main>\n\(planHeader(plan, title: title))\n\(sections)</main>\n\(Page.footer)"
    )
  }

  private static func planTitle(_ plan: Plan) -> String {
    let kind = plan.workload.groups.count == 1 ? "\(plan.workload.architecture) " : ""
    let models = Format.count(plan.models, "\(kind)model", "\(kind)models")
    guard plan.feasible, let cost = plan.costPerHour else { return "No feasible plan for \(models)" }
    return "\(models) for \(Format.money(cost)) an hour"
  }

  private static func planHeader(_ plan: Plan, title: String) -> Markup {
    let lead = plan.feasible ? Phrases.budget(plan) ?? "" : Format.sentence(plan.bindingReason.sentence)
    var header: Markup = """
      <header>
      <p class="eyebrow"><span class="verdict \(plan.feasible ? "good" : "bad")">\
      \(plan.feasible ? "FEASIBLE" : "INFEASIBLE")</span> <span>a plan, not yet run</span></p>
      <h1>\(title)</h1>
      <p class="lead">\(prose: lead)</p>
      <p class="soft">\(prose: Phrases.workloadAndSource(plan.workload))</p>

      """
    let p99 = plan.latencySeconds?.p99
    header += Page.keyFigures([
      ("Cost an hour", plan.costPerHour.map(Format.money) ?? Format.missing, "cluster and nodes"),
      ("Cost a month", plan.costPerMonth.map(Format.money) ?? Format.missing, "of 730 h"),
      (
        "Predicted p99", p99.map { Format.duration($0.estimate) } ?? Format.missing,
        p99.map { "95 % interval \(Format.durationInterval($0))" } ?? "no plan, no figure"
      ),
      (
        "Lower bound", plan.lowerBoundPerHour.map(Format.money) ?? Format.missing,
        plan.gap.map { "the plan is \(Format.percent($0, places: 1)) above it" } ?? "no gap to state"
      ),
    ])
    return header + "</header>"
  }

  private static func best(_ plan: Plan) -> Markup {
    Page.nodes("Nodes of the best plan", plan.nodes)
      + Page.paragraph("What binds: \(Phrases.binding(plan.binding)). \(Format.sentence(plan.bindingReason.sentence))")
      + bounds(plan)
  }

  /// Each group of the workload beside its target.
  private static func groups(_ plan: Plan) -> Markup {
    let columns: [Page.Column] = [
      .text("Group"), .text("Architecture"), .number("Models"), .number("Size"), .number("Requests a&nbsp;second"),
      .text("Popularity"), .number("Copies"), .number("Target p99"), .number("Predicted p99"),
    ]
    let rows = zip(plan.workload.groups, plan.groups).map { group, planned -> [Markup] in
      [
        "\(group.name)", "\(group.architecture)", "\(Format.count(group.models))",
        "\(MixText.sizes(group.requests.sizes))", "\(Format.plain(group.totalRatePerSecond))",
        "\(MixText.popularity(group.popularity))", "\(Format.range(planned.replicas))",
        "\(Format.setting(group.targetP99Seconds))", Page.estimate(planned.p99Seconds),
      ]
    }
    return Page.table("Groups of the workload", columns, rows)
  }

  /// How cheap a plan could be, proven, and on what that rests.
  private static func bounds(_ plan: Plan) -> Markup {
    Page.paragraph(Phrases.bound(plan)) + (Phrases.lowHostMemory(plan).map { Page.paragraph($0) } ?? "")
  }

  private static func executable(_ plan: Plan) -> Markup {
    guard let executable = plan.bestExecutable else {
      return Page.paragraph("None. " + Format.sentence(plan.bestExecutableReason?.sentence ?? "no reason was recorded"))
    }
    if executable.nodes == plan.nodes { return Page.paragraph("Every node of the best plan.") }
    return Page.paragraph("The cheapest plan whose every node it can run: \(Phrases.cost(executable.costPerHour)).")
      + Page.nodes("Nodes of the best executable plan", executable.nodes)
  }

  private static func guidance(_ plan: Plan) -> Markup {
    let reasons = Phrases.reasons(plan.guidance).map { item -> Markup in
      "<li><strong>\(item.subjects):</strong> \(prose: item.reason)</li>\n"
    }
    return costBars(plan) + "<h3>Its table, with the planner’s beside it</h3>\n" + guidanceTable(plan)
      + "<h3>The guidance’s own packing, checked</h3>\n" + packingTable(plan)
      + "<h3>Why</h3>\n<ul class=\"sources\">\n\(reasons)</ul>\n"
  }

  private static func guidanceTable(_ plan: Plan) -> Markup {
    let columns: [Page.Column] =
      [.text("Instance type"), .number("Nodes"), .number("$/h as printed")] + plannedColumns
    let rows = plan.guidance.map { row -> [Markup] in
      ["\(row.instanceType)", "\(Format.count(row.guidanceNodes))", "\(Format.money(row.guidanceTotalPerHour))"]
        + plannedCells(row.planned)
    }
    return Page.table(
      "The guidance’s cost table with the planner’s beside it", columns,
      groups: [("", 1), ("Guidance", 2), ("Planner", plannedColumns.count)], rows)
  }

  private static func packingTable(_ plan: Plan) -> Markup {
    let columns: [Page.Column] = [
      .text("Instance type"), .number("Nodes"), .number("Models a&nbsp;node"), .number("$/h today"),
      .number("Predicted p99"), .text("Target kept"),
    ]
    let rows = plan.guidance.map { row -> [Markup] in
      [
        "\(row.instanceType)", "\(Format.count(row.guidanceNodes))", "\(Format.count(row.guidanceModelsPerNode))",
        "\(Format.money(row.packingCostPerHour))", Page.estimate(row.packingP99Seconds),
        "\(PlanText.yesOrNo(row.packingFeasible))",
      ]
    }
    return Page.table("The guidance’s own packing at today’s prices", columns, rows)
  }

  /// The guidance's packing at today's prices over the planner's cost, one pair for each type. The tables
  /// below say the same in figures, so that readers of the page by voice lose nothing.
  private static func costBars(_ plan: Plan) -> Markup {
    let costs = plan.guidance.flatMap { [$0.packingCostPerHour, $0.planned.costPerHour ?? 0] }.filter(\.isFinite)
    guard let largest = costs.max(), largest > 0 else { return "" }
    func bar(_ name: String, _ cost: Double?, _ style: String, _ note: String) -> Markup {
      let cost = cost ?? .nan
      let filled = cost.isFinite ? min(max(cost / largest, 0), 1) * 100 : 0
      return """
        <div class="bar"><span class="name">\(name)</span>\
        <svg viewBox="0 0 100 10" preserveAspectRatio="none">\
        <rect class="\(style)" width="\(at: filled)" height="10"/></svg>\
        <span class="number">\(Format.money(cost))</span><span class="note">\(note)</span></div>

        """
    }
    let pairs = plan.guidance.map { row -> Markup in
      let kept = row.packingFeasible.map { $0 ? "keeps the target" : "misses the target" } ?? "no figure to say"
      let ours =
        row.planned.feasible.map { feasible in
          // A price stands beside it where the target can be kept.
          feasible
            ? "keeps the target" : row.planned.binding == .budget ? "keeps the target, above the budget" : "no plan can"
        } ?? "no figure to say"
      return """
        <div class="pair"><span class="type">\(row.instanceType)</span>
        \(bar("guidance", row.packingCostPerHour, "theirs", kept))\
        \(bar("planner", row.planned.costPerHour, "measured", ours))\
        </div>

        """
    }
    return Page.paragraph("Dollars an hour, the guidance’s packing at today’s prices.", style: "soft")
      + "<div class=\"pairs\" aria-hidden=\"true\">\n\(pairs)</div>\n"
  }

  private static let plannedColumns: [Page.Column] = [
    .number("Nodes"), .number("Models a&nbsp;node"), .text("Variant"), .number("$/h"), .number("Predicted p99"),
    .text("Binds"), .text("Figures"),
  ]

  private static func plannedCells(_ planned: Alternative) -> [Markup] {
    [
      "\(planned.nodes.map { Format.count($0) } ?? Format.missing)",
      "\(planned.modelsPerNode.map { Format.count($0) } ?? Format.missing)",
      "\(planned.precision?.rawValue ?? Format.missing)",
      "\(planned.costPerHour.map(Format.money) ?? Format.missing)",
      Page.estimate(planned.p99Seconds),
      "<span class=\"whole\">\(Phrases.binding(planned.binding))</span>",
      planned.provenance.map(Page.badge) ?? "\(Format.missing)",
    ]
  }

  private static func alternatives(_ plan: Plan) -> Markup {
    let ranked = Phrases.ranked(plan.alternatives)
    let shown = Array(ranked.filter { $0.feasible == true }.prefix(alternativesShown))
    var content = Page.paragraph(Phrases.census(plan))
    if !shown.isEmpty { content += alternativesTable("The cheapest types alone", shown, withReasons: false) }
    return content + """
      <details><summary>All \(Format.count(plan.alternatives.count)) types, with reasons</summary>
      \(alternativesTable("All instance types considered", ranked, withReasons: true))</details>

      """
  }

  private static func alternativesTable(_ label: String, _ alternatives: [Alternative], withReasons: Bool) -> Markup {
    var columns: [Page.Column] = [.text("Instance type")] + plannedColumns
    if withReasons { columns.append(.text("Why")) }
    let rows = alternatives.map { alternative -> (cells: [Markup], style: String) in
      var cells: [Markup] = ["\(alternative.instanceType)"] + plannedCells(alternative)
      if withReasons { cells.append("<span class=\"reason\">\(alternative.reason.sentence)</span>") }
      return (cells, alternative.feasible == true ? "" : "dim")
    }
    return Page.table(label, columns, rows)
  }

  private static func planSources(_ plan: Plan) -> Markup {
    Page.sources(
      [(subject: "prices and instance types", provenance: plan.catalog)]
        + (plan.nodes.isEmpty ? plan.atLowHostMemory.map { [("host memory per model", $0.provenance)] } ?? [] : [])
        + Phrases.sources(of: plan.nodes + (plan.bestExecutable?.nodes ?? [])))
      + (Phrases.agreement(plan).map { Page.paragraph($0, style: "soft") } ?? "")
  }
}
