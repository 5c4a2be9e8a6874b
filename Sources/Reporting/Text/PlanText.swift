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
    page.paragraph("Source: \(plan.workload.source)", isDim: true)
  }

  private static func guidance(_ plan: Plan, _ page: inout TextPage) {
    page.heading("The guidance's cost table, and what the planner makes of it")
    let whole = guidanceTable(plan, theirs: true, ours: true)
    if whole.naturalWidth <= page.style.width {
      page.table(whole)
    } else {
      page.table(guidanceTable(plan, theirs: true, ours: false))
      page.gap()
      page.table(guidanceTable(plan, theirs: false, ours: true))
    }
    page.paragraph(
      "$/h with the cluster's \(Format.money(Plan.clusterCostPerHour)); today: the guidance's packing at the "
        + "catalogue's price. p99 with its 95 % interval; worst node.", isDim: true)
    for row in plan.guidance {
      if row.packingFeasible != true, !row.packingReason.isEmpty {
        page.item("\(row.instanceType), the guidance's packing: \(row.packingReason)")
      }
      if row.planned.feasible != true, row.planned.reason != row.packingReason || row.packingFeasible == true {
        page.item("\(row.instanceType), planner: \(row.planned.reason)")
      }
    }
  }

  private static func guidanceTable(_ plan: Plan, theirs: Bool, ours: Bool) -> TextTable {
    typealias Column = TextTable.Column
    var columns = [Column("type")]
    if theirs {
      let group = "the guidance"
      columns += [
        Column("nodes", .trailing, group: group), Column("a node", .trailing, group: group),
        Column("$/h", .trailing, group: group), Column("today", .trailing, group: group),
        Column("p99", .trailing, group: group), Column("kept", group: group),
      ]
    }
    if ours {
      let group = "the planner"
      columns += [
        Column("nodes", .trailing, group: group), Column("a node", .trailing, group: group),
        Column("variant", group: group), Column("$/h", .trailing, group: group),
        Column("p99", .trailing, group: group), Column("binds", group: group), Column("figures", group: group),
      ]
    }
    var table = TextTable(columns: columns)
    for row in plan.guidance {
      var cells = [row.instanceType]
      if theirs {
        cells += [
          Format.count(row.guidanceNodes), Format.count(row.guidanceModelsPerNode),
          Format.money(row.guidanceTotalPerHour), Format.money(row.packingCostPerHour),
          row.packingP99Seconds.map { Format.duration($0.estimate) } ?? Format.missing, yesOrNo(row.packingFeasible),
        ]
      }
      if ours { cells += plannedCells(row.planned) }
      table.append(cells)
    }
    return table
  }

  private static func plannedCells(_ planned: Alternative) -> [String] {
    [
      planned.nodes.map { Format.count($0) } ?? Format.missing,
      planned.modelsPerNode.map { Format.count($0) } ?? Format.missing,
      planned.variant?.rawValue ?? Format.missing,
      planned.costPerHour.map(Format.money) ?? Format.missing,
      planned.p99Seconds.map(Format.duration) ?? Format.missing,
      Phrases.binding(planned.binding),
      planned.provenance?.kind.rawValue ?? Format.missing,
    ]
  }

  static func yesOrNo(_ answer: Bool?) -> String { answer.map { $0 ? "yes" : "no" } ?? "?" }

  private static func best(_ plan: Plan, _ page: inout TextPage) {
    guard plan.feasible, let cost = plan.costPerHour else {
      page.heading("No feasible plan")
      page.paragraph("What binds: \(Phrases.binding(plan.binding)). \(Format.sentence(plan.bindingReason))")
      page.paragraph(Phrases.bound(plan.lowerBoundPerHour, plan.gap))
      return
    }
    page.heading("Best plan: \(Phrases.cost(cost))")
    page.table(nodes(plan.nodes))
    if let budget = Phrases.budget(plan) { page.paragraph(budget) }
    if let p99 = plan.latencySeconds?.p99 {
      page.paragraph("Predicted p99 of the worst node: \(Format.duration(p99)).")
    }
    page.paragraph("What binds: \(Phrases.binding(plan.binding)). \(Format.sentence(plan.bindingReason))")
    page.paragraph(Phrases.bound(plan.lowerBoundPerHour, plan.gap))
  }

  private static func executable(_ plan: Plan, _ page: inout TextPage) {
    guard let executable = plan.bestExecutable else {
      page.heading("No plan that this program's engine can run today")
      page.paragraph(Format.sentence(plan.bestExecutableReason ?? "no reason was recorded"))
      return
    }
    if executable.nodes == plan.nodes {
      page.paragraph("This program's engine can run every node of it today.")
      return
    }
    page.heading("Best plan that this program's engine can run today: \(Phrases.cost(executable.costPerHour))")
    page.table(nodes(executable.nodes))
    page.paragraph("Predicted p99 of the worst node: \(Format.duration(executable.latencySeconds.p99)).")
  }

  static func nodes(_ nodes: [PlanNode]) -> TextTable {
    let hasQueues = nodes.contains { $0.queues != 1 }
    var table = TextTable(columns: [
      .init("type"), .init("nodes", .trailing), .init("a node", .trailing), .init("variant"),
      .init(hasQueues ? "queues × workers × threads" : "workers × threads", .trailing, dispensability: 2),
      .init("$/h each", .trailing), .init("p99", .trailing), .init("busy", .trailing, dispensability: 1),
      .init("figures"),
    ])
    for node in nodes {
      let workers = hasQueues && node.queues == 1 ? "1 × \(Phrases.workers(node))" : Phrases.workers(node)
      table.append([
        node.instanceType, Format.count(node.count), Format.range(node.modelsPerNode), node.variant.rawValue, workers,
        Format.price(node.costPerHour), Format.duration(node.latencySeconds.p99), Format.percent(node.utilization),
        node.provenance.kind.rawValue,
      ])
    }
    return table
  }

  private static func alternatives(_ plan: Plan, _ page: inout TextPage) {
    guard !plan.alternatives.isEmpty else { return }
    page.heading("One instance type alone")
    let feasible = Phrases.ranked(plan.alternatives).filter { $0.feasible == true }
    var table = TextTable(columns: [
      .init("type"), .init("nodes", .trailing), .init("a node", .trailing), .init("variant"),
      .init("$/h", .trailing), .init("p99", .trailing), .init("binds"), .init("figures"),
    ])
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
    for (subject, provenance) in Phrases.sources(of: plan.nodes + (plan.bestExecutable?.nodes ?? [])) {
      page.item("\(subject), \(provenance.kind.rawValue): \(provenance.source)")
    }
  }
}
