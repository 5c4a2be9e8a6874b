import PlannerCore

/// The parts that pages are made of: frame, sections, tables, badges.
enum Page {
  /// A whole document that needs nothing but itself.
  static func document(title: String, body: Markup) -> String {
    let page: Markup = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta name="generator" content="planner">
      <title>\(title)</title>
      <style>
      \(PageStyle.css)
      </style>
      </head>
      <body>
      \(body)
      </body>
      </html>

      """
    return page.text
  }

  static func section(_ title: String, id: String, _ content: Markup) -> Markup {
    """
    <section aria-labelledby="\(id)">
    <h2 id="\(id)">\(title)</h2>
    \(content)
    </section>

    """
  }

  static func paragraph(_ text: String, style: String = "") -> Markup {
    style.isEmpty ? "<p>\(prose: text)</p>\n" : "<p class=\"\(style)\">\(prose: text)</p>\n"
  }

  /// Set apart because the reader must not miss it. `tone`: `bad`, `warn` or `plain`.
  static func notice(_ title: String, _ text: String, tone: String) -> Markup {
    "<div class=\"notice \(tone)\" role=\"note\"><strong>\(title)</strong> \(prose: text)</div>\n"
  }

  static func badge(_ provenance: Provenance) -> Markup { badge(provenance.kind) }

  static func badge(_ kind: Provenance.Kind) -> Markup {
    "<span class=\"badge \(kind.rawValue)\">\(kind.rawValue)</span>"
  }

  struct Column {
    var title: Markup
    var isNumber = false
    /// Explains the others; left out on a phone.
    var isRemark = false

    static func text(_ title: Markup) -> Column { Column(title: title) }
    static func number(_ title: Markup) -> Column { Column(title: title, isNumber: true) }
    static func remark(_ title: Markup) -> Column { Column(title: title, isRemark: true) }

    fileprivate var style: Markup { isNumber ? " class=\"number\"" : isRemark ? " class=\"remark\"" : "" }
  }

  /// A table whose rows are headed by their first cell. It scrolls by itself where the screen is narrower.
  /// - Parameters:
  ///   - groups: heads over neighbouring columns and how many each spans; together they span all of them.
  ///   - rows: cells in the columns' order, and the class of the row.
  static func table(
    _ label: String, _ columns: [Column], groups: [(title: String, span: Int)] = [],
    _ rows: [(cells: [Markup], style: String)]
  ) -> Markup {
    let spans = groups.map { group -> Markup in
      group.title.isEmpty
        ? "<td colspan=\"\(group.span)\"></td>"
        : "<th scope=\"colgroup\" colspan=\"\(group.span)\">\(group.title)</th>"
    }
    let groupRow: Markup = spans.isEmpty ? "" : "<tr class=\"groups\">\(spans)</tr>\n"
    let heads = columns.map { column -> Markup in "<th scope=\"col\"\(column.style)>\(column.title)</th>" }
    let lines = rows.map { row -> Markup in
      let cells = zip(columns, row.cells).enumerated().map { index, pair -> Markup in
        if index == 0 { return "<th scope=\"row\">\(pair.1)</th>" }
        return "<td\(pair.0.style)>\(pair.1)</td>"
      }
      return row.style.isEmpty ? "<tr>\(cells)</tr>\n" : "<tr class=\"\(row.style)\">\(cells)</tr>\n"
    }
    return """
      <div class="scroll" role="region" aria-label="\(label)" tabindex="0"><table>
      <caption class="hidden">\(label)</caption>
      <thead>
      \(groupRow)<tr>\(heads)</tr>
      </thead>
      <tbody>
      \(lines)</tbody>
      </table></div>

      """
  }

  static func table(
    _ label: String, _ columns: [Column], groups: [(title: String, span: Int)] = [], _ rows: [[Markup]]
  ) -> Markup {
    table(label, columns, groups: groups, rows.map { ($0, "") })
  }

  /// Names with their values.
  static func facts(_ facts: [(name: String, value: Markup)]) -> Markup {
    let rows = facts.map { fact -> Markup in "<div><dt>\(fact.name)</dt><dd>\(fact.value)</dd></div>\n" }
    return "<dl class=\"facts\">\n\(rows)</dl>\n"
  }

  /// Large figures, each with a name above and a remark below.
  static func keyFigures(_ figures: [(name: String, value: String, remark: String)]) -> Markup {
    let items = figures.map { figure -> Markup in
      """
      <div><dt>\(figure.name)</dt><dd><span class="large">\(figure.value)</span>\
      <span class="remark">\(prose: figure.remark)</span></dd></div>

      """
    }
    return "<dl class=\"key\">\n\(items)</dl>\n"
  }

  /// A share in [0, 1] as a bar beside its name and number.
  static func bar(_ name: String, _ share: Double, style: String) -> Markup {
    let filled = share.isFinite ? min(max(share, 0), 1) * 100 : 0
    return """
      <div class="bar"><span class="name">\(name)</span>\
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">\
      <rect class="track" width="100" height="10"/><rect class="\(style)" width="\(at: filled)" height="10"/></svg>\
      <span class="number">\(Format.percent(share, places: 1))</span></div>

      """
  }

  /// Nodes of a plan, with where their latency comes from.
  static func nodes(_ label: String, _ nodes: [NodeGroup]) -> Markup {
    let hasQueues = nodes.contains { $0.devices != 1 }
    let columns: [Column] = [
      .text("Instance type"), .number("Nodes"), .number("Models a&nbsp;node"), .text("Variant"),
      .number(hasQueues ? "Queues × workers × threads" : "Workers × threads"), .number("$/h each"),
      .number("Predicted p99"), .text("Latency"), .text("Memory"), .text("Engine runs&nbsp;it"),
    ]
    let rows = nodes.map { node -> [Markup] in
      let workers = hasQueues && node.devices == 1 ? "1 × \(Phrases.workers(node))" : Phrases.workers(node)
      return [
        "\(node.instanceType)", "\(Format.count(node.count))", "\(Format.range(node.modelsPerNode))",
        "\(Phrases.precisions(node))", "\(workers)", "\(Format.price(node.costPerHour))",
        estimate(node.latencySeconds.p99), badge(node.provenance),
        badge(node.memoryProvenance), "\(node.executable ? "yes" : "not yet")",
      ]
    }
    let details = nodes.map { node -> Markup in
      let held = node.spec.models.count > 1 ? "holds at the most \(MixText.contents(node)); " : ""
      return "<li><strong>\(node.instanceType)</strong> \(prose: held + Phrases.nodeDetails(node)).</li>\n"
    }
    return table(label, columns, rows) + "<ul class=\"sources soft\">\n\(details)</ul>\n"
  }

  /// A latency over its interval.
  static func estimate(_ estimate: Estimate?) -> Markup {
    guard let estimate, estimate.estimate.isFinite else { return "\(Format.missing)" }
    let interval = Format.durationInterval(estimate)
    guard interval != Format.missing else { return "\(Format.duration(estimate.estimate))" }
    return "\(Format.duration(estimate.estimate))<span class=\"under\">\(interval)</span>"
  }

  /// Where the nodes' figures come from.
  static func sources(_ sources: [(subject: String, provenance: Provenance)]) -> Markup {
    let items = sources.map { source -> Markup in
      "<li>\(badge(source.provenance)) <strong>\(source.subject)</strong> \(source.provenance.source)</li>\n"
    }
    return "<ul class=\"sources\">\n\(items)</ul>\n"
  }

  static let footer: Markup = """
    <footer><p><strong>measured</strong>: by this program, on the machine named. \
    <strong>published</strong>: printed by others, source named. \
    <strong>estimated</strong>: computed by the method named. \
    Intervals are at 95&nbsp;% confidence; p99 is the worst node’s, never pooled over a fleet.</p></footer>

    """
}
