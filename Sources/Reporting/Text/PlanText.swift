import PlannerCore

/// What `planner optimize` tells a person.
public enum PlanText {
  private static let alternativesShown = 8

  /// Workload, the guidance's table with ours beside it, best plan, best executable plan, the runners-up and
  /// where the figures come from; lines are at most `style.width` cells wide.
  /// - Parameter path: where the plan was written, for the hint at the end.
  public static func render(_ plan: Plan, style: TextStyle = .plain, path: String = "plan.json") -> String {
    var page = TextPage(style)
    workload(plan, &page)
    if !plan.guidance.isEmpty { guidance(plan, &page) }
    best(plan, &page)
    executable(plan, &page)
    alternatives(plan, &page)
    sources(plan, &page)
    if plan.feasible {
      page.heading("Next")
      let option = path == "plan.json" ? "" : " \(path)"
      page.paragraph("planner execute\(option) deploys what fits this machine, loads it, and compares with the plan.")
    }
    return page.text
  }

  private static func workload(_ plan: Plan, _ page: inout TextPage) {
    page.heading("Workload: \(plan.workload.name)")
    page.paragraph(Phrases.workload(plan.workload) + ".")
    if plan.workload.isProxied { page.paragraph(Phrases.proxy) }
    if plan.isMixed { page.table(MixText.groups(plan)) }
    page.paragraph("Source: \(plan.workload.source)", isDim: true)
  }

  private static func guidance(_ plan: Plan, _ page: inout TextPage) {
    page.heading("The guidance’s cost table, and what the planner makes of it")
    page.table(guidanceTable(plan))
    page.paragraph(
      "guidance: as it prints them; planner: with the cluster’s \(Format.money(plan.clusterCostPerHour)) an hour; "
        + "95 %: interval of the p99, which is the worst node’s; figures: where the latency comes from, memory is "
        + "estimated where no profile measured it", isDim: true)
    page.gap()
    page.table(packingTable(plan))
    page.gap()
    for (subjects, reason) in Phrases.reasons(plan.guidance) where !reason.isEmpty {
      page.item("\(subjects): \(reason)")
    }
  }

  private static func guidanceTable(_ plan: Plan) -> TextTable {
    let (theirs, ours) = ("guidance", "planner")
    var table = TextTable(
      columns: [
        .init("type"), .init("nodes", .trailing, group: theirs), .init("$/h", .trailing, group: theirs),
      ] + plannedColumns(group: ours))
    for row in plan.guidance {
      table.append(
        [row.instanceType, Format.count(row.guidanceNodes), Format.money(row.guidanceTotalPerHour)]
          + plannedCells(row.planned))
    }
    return table
  }

  /// The guidance's own packing at today's prices.
  private static func packingTable(_ plan: Plan) -> TextTable {
    let group = "the guidance’s own packing"
    var table = TextTable(columns: [
      .init("type"), .init("nodes", .trailing, group: group), .init("a node", .trailing, group: group),
      .init("$/h today", .trailing, group: group), .init("p99 ms", .trailing, group: group),
      .init("95 %", .trailing, group: group), .init("target kept", group: group),
    ])
    for row in plan.guidance {
      table.append(
        [
          row.instanceType, Format.count(row.guidanceNodes), Format.count(row.guidanceModelsPerNode),
          Format.money(row.packingCostPerHour),
        ] + latencyCells(row.packingP99Seconds) + [yesOrNo(row.packingFeasible)])
    }
    return table
  }

  private static func plannedColumns(group: String = "") -> [TextTable.Column] {
    [
      .init("nodes", .trailing, group: group), .init("a node", .trailing, group: group),
      .init("variant", dispensability: 1, group: group), .init("$/h", .trailing, group: group),
      .init("p99 ms", .trailing, group: group), .init("95 %", .trailing, dispensability: 3, group: group),
      .init("binds", dispensability: 2, group: group), .init("figures", group: group),
    ]
  }

  private static func plannedCells(_ planned: Alternative) -> [String] {
    [
      planned.nodes.map { Format.count($0) } ?? Format.missing,
      planned.modelsPerNode.map { Format.count($0) } ?? Format.missing,
      planned.precision?.rawValue ?? Format.missing,
      planned.costPerHour.map(Format.money) ?? Format.missing,
    ] + latencyCells(planned.p99Seconds) + [
      planned.binding == .noFigure ? Format.missing : planned.binding.rawValue,
      planned.provenance?.kind.rawValue ?? "none",
    ]
  }

  /// Milliseconds, and their interval.
  static func latencyCells(_ latency: Estimate?) -> [String] {
    guard let latency else { return [Format.missing, ""] }
    let isBounded = latency.low.isFinite && latency.high.isFinite
    return [
      Format.milliseconds(latency.estimate),
      isBounded ? "\(Format.milliseconds(latency.low))–\(Format.milliseconds(latency.high))" : "",
    ]
  }

  static func yesOrNo(_ answer: Bool?) -> String { answer.map { $0 ? "yes" : "no" } ?? "unknown" }

  private static func best(_ plan: Plan, _ page: inout TextPage) {
    guard plan.feasible, let cost = plan.costPerHour else {
      page.heading("No feasible plan")
      page.paragraph("What binds: \(Phrases.binding(plan.binding)). \(Format.sentence(plan.bindingReason.sentence))")
      page.paragraph(Phrases.bound(plan))
      if let low = Phrases.lowHostMemory(plan) { page.paragraph(low) }
      return
    }
    page.heading("Best plan: \(Phrases.cost(cost))")
    nodes(plan.nodes, &page)
    if let budget = Phrases.budget(plan) { page.paragraph(budget) }
    if let p99 = plan.latencySeconds?.p99 {
      page.paragraph("Predicted p99 of the worst node: \(Format.duration(p99)).")
    }
    page.paragraph("What binds: \(Phrases.binding(plan.binding)). \(Format.sentence(plan.bindingReason.sentence))")
    page.paragraph(Phrases.bound(plan))
    if let low = Phrases.lowHostMemory(plan) { page.paragraph(low) }
  }

  private static func executable(_ plan: Plan, _ page: inout TextPage) {
    guard let executable = plan.bestExecutable else {
      page.heading("No plan that this program’s engine can run today")
      page.paragraph(Format.sentence(plan.bestExecutableReason?.sentence ?? "no reason was recorded"))
      return
    }
    if executable.nodes == plan.nodes {
      page.paragraph("This program’s engine can run every node of it today.")
      return
    }
    page.heading("Best plan that this program’s engine can run today: \(Phrases.cost(executable.costPerHour))")
    nodes(executable.nodes, &page)
    page.paragraph("Predicted p99 of the worst node: \(Format.duration(executable.latencySeconds.p99)).")
  }

  /// A table of nodes, and under it what has no room in a line.
  private static func nodes(_ nodes: [NodeGroup], _ page: inout TextPage) {
    var table = TextTable(columns: [
      .init("type"), .init("nodes", .trailing), .init("a node", .trailing), .init("variant"),
      .init("$/h each", .trailing), .init("p99 ms", .trailing), .init("95 %", .trailing, dispensability: 1),
      .init("figures"), .init("engine", dispensability: 2),
    ])
    for node in nodes {
      let cells = [
        node.instanceType, Format.count(node.count), Format.range(node.modelsPerNode),
        Phrases.precisions(node),
        Format.price(node.costPerHour),
      ]
      table.append(
        cells + latencyCells(node.latencySeconds.p99) + [
          node.provenance.kind.rawValue, node.executable ? "runs it" : "not yet",
        ])
    }
    page.table(table)
    for node in nodes {
      if node.spec.models.count > 1 { page.item("\(node.instanceType) holds at the most \(MixText.contents(node))") }
      page.item("\(node.instanceType): \(Phrases.nodeDetails(node))")
    }
  }

  private static func alternatives(_ plan: Plan, _ page: inout TextPage) {
    guard !plan.alternatives.isEmpty else { return }
    page.heading("One instance type alone")
    let feasible = Phrases.ranked(plan.alternatives).filter { $0.feasible == true }
    var table = TextTable(columns: [.init("type")] + plannedColumns())
    for alternative in feasible.prefix(alternativesShown) {
      table.append([alternative.instanceType] + plannedCells(alternative))
    }
    if !table.isEmpty { page.table(table) }
    if feasible.count > alternativesShown {
      page.paragraph("… and \(Format.count(feasible.count - alternativesShown)) dearer ones.", isDim: true)
    }
    page.paragraph(Phrases.census(plan))
  }

  private static func sources(_ plan: Plan, _ page: inout TextPage) {
    page.heading("Where the figures come from")
    page.item("prices, \(plan.catalog.kind.rawValue): \(plan.catalog.source)")
    if plan.nodes.isEmpty, let low = plan.atLowHostMemory {
      page.item("host memory per model, \(low.provenance.kind.rawValue): \(low.provenance.source)")
    }
    for (subject, provenance) in Phrases.sources(of: plan.nodes + (plan.bestExecutable?.nodes ?? [])) {
      page.item("\(subject), \(provenance.kind.rawValue): \(provenance.source)")
    }
    if let agreement = Phrases.agreement(plan) { page.item(agreement) }
  }
}
