import PlannerCore

/// Pages for a browser or for paper: one file each, without script and without anything to fetch.
public enum HTMLReport {
  /// A run: verdict, predicted beside measured, the plan it belongs to, what it cost, and where each figure
  /// comes from. The same record gives the same bytes.
  public static func render(_ record: RunRecord) -> String {
    let verdict = record.verdict.valid ? record.verdict.outcome.rawValue : "not valid"
    let body: Markup = """
      <main>
      \(header(record))
      \(Page.section("Predicted beside measured", id: "figures", figures(record)))
      \(parts(record))\
      \(Page.section("Latency by percentile", id: "curve", curve(record)))
      \(Page.section("How busy the workers were", id: "busy", utilization(record)))
      \(Page.section("What became of the requests", id: "requests", requests(record)))
      \(Page.section("The plan", id: "plan", plan(record)))
      \(Page.section("Where the figures come from", id: "sources", provenance(record)))
      </main>
      \(Page.footer)
      """
    return Page.document(title: "\(record.asked.name): \(verdict) – planner", body: body)
  }

  private static func header(_ record: RunRecord) -> Markup {
    let (label, tone) =
      switch (record.verdict.valid, record.verdict.outcome) {
      case (false, _): ("NOT VALID", "warn")
      case (true, .pass): ("PASS", "good")
      case (true, .fail): ("FAIL", "bad")
      case (true, .undecided): ("UNDECIDED", "warn")
      }
    let scope: Markup = record.ran.scope == .full ? "the whole plan" : "a slice of the plan"
    var header: Markup = """
      <header>
      <p class="eyebrow"><span class="verdict \(tone)">\(label)</span> <span>\(record.asked.name)</span> \
      <time datetime="\(record.ran.startedAt)">\(Format.date(record.ran.startedAt))</time> \
      <span>\(record.ran.runtime) runtime, \(scope)</span></p>
      <h1>\(prose: Phrases.headline(record))</h1>
      <p class="lead">\(prose: Phrases.whatCameOut(record))</p>
      <p>\(prose: Format.sentence(record.verdict.reason) + confidence(record))</p>
      <p class="soft">\(prose: Phrases.whatRan(record))</p>

      """
    if let invalid = Phrases.invalid(record) { header += Page.notice("The run is not valid.", invalid, tone: "warn") }
    if let scope = Phrases.scope(record) { header += Page.notice("Scope.", scope, tone: "plain") }
    let interval = Format.durationInterval(record.comparison.prediction.p99)
    let (requests, prediction) = (record.load.requests, record.comparison.prediction)
    let unanswered = requests.rejected + requests.timedOut + requests.failed
    header += Page.keyFigures([
      (
        "Measured p99", Phrases.measuredP99(record),
        record.parts.groups.count > 1
          ? "over all groups, each of which has a target of its own"
          : "target \(Format.setting(record.asked.targetP99Seconds))"
      ),
      ("Predicted p99", Format.duration(record.figures.predicted.p99Seconds), "95 % interval \(interval)"),
      (
        "Error of the prediction",
        Format.signedPercent(record.figures.measured.isAtLeast("p99Seconds") ? .nan : prediction.errorP99),
        "at p99; \(Format.signedPercent(prediction.errorP50)) at p50"
      ),
      ("Requests answered", Format.count(requests.completed), "\(Format.count(unanswered)) without an answer"),
    ])
    return header + "</header>"
  }

  private static func confidence(_ record: RunRecord) -> String {
    record.verdict.confidence.isFinite && record.verdict.confidence > 0
      ? " Confidence of the verdict: \(Format.probability(record.verdict.confidence))." : ""
  }

  private static func figures(_ record: RunRecord) -> Markup {
    let rows = ComparedFigure.all(record).map { figure -> [Markup] in
      let interval: Markup = figure.interval.isEmpty ? "" : "<span class=\"under\">\(figure.interval)</span>"
      return [
        "\(figure.name)", "\(figure.predicted)\(interval)", "\(figure.measured)",
        "\(Format.signedPercent(figure.error))",
      ]
    }
    let columns: [Page.Column] = [.text("Figure"), .number("Predicted"), .number("Measured"), .number("Error")]
    return "<div class=\"compared\">\n"
      + Page.table("Figures of the run, predicted and measured", columns, rows) + "</div>\n"
      + Page.paragraph(
        "Error is predicted over measured, less 1. Under p50 and p99: the prediction’s 95 % interval. "
          + Phrases.withinInterval(record), style: "soft")
      + (Phrases.calibration(record).map { Page.paragraph($0, style: "soft") } ?? "")
  }

  private static func curve(_ record: RunRecord) -> Markup {
    """
    <figure>
    \(PercentilePlot(record, name: "wide", width: 860, height: 420).render())\
    \(PercentilePlot(record, name: "narrow", width: 340, height: 330).render())\
    <figcaption>From the intended moment of sending to the complete answer. The shaded band is the prediction’s \
    95&nbsp;% interval. Each step to the right leaves fewer requests above it: one in ten at 90, one in a hundred \
    at 99.</figcaption>
    </figure>
    """
  }

  private static func utilization(_ record: RunRecord) -> Markup {
    Page.bar("predicted", record.figures.predictedUtilization, style: "predicted")
      + Page.bar("measured", record.figures.measuredUtilization, style: "measured")
      + Page.paragraph("Busy workers over workers, \(Phrases.workersInWords(record.ran.node)).", style: "soft")
  }

  private static func requests(_ record: RunRecord) -> Markup {
    let requests = record.load.requests
    func row(_ name: Markup, _ count: Int, _ meaning: Markup) -> [Markup] {
      let share = requests.sent > 0 ? Double(count) / Double(requests.sent) : .nan
      return [name, "\(Format.count(count))", "\(Format.percent(share, places: 2))", meaning]
    }
    let columns: [Page.Column] = [.text("Outcome"), .number("Requests"), .number("Of those sent"), .remark("Meaning")]
    return Page.table(
      "Requests by outcome", columns,
      [
        row("Sent", requests.sent, "on the schedule made before the run"),
        row("Completed", requests.completed, "answered with a result"),
        row("Rejected", requests.rejected, "turned away at a full queue"),
        row("Timed out", requests.timedOut, "not computed, the deadline had passed"),
        row("Failed", requests.failed, "an error, or no answer"),
      ])
  }

  private static func plan(_ record: RunRecord) -> Markup {
    let plan = record.asked.plan
    var content = Page.paragraph("For \(Format.count(plan.models, "model", "models")) in all.")
    content += Page.nodes("Nodes of the plan", plan.nodes)
    content += "<h3>What it costs, and why not less</h3>\n"
    content += costs(plan.costPerHour, plan.costPerMonth, plan.lowerBoundPerHour, plan.gap, plan.binding)
    content += Page.paragraph(Format.sentence(plan.bindingReason))
    return content
  }

  private static func costs(
    _ perHour: Double?, _ perMonth: Double?, _ lowerBound: Double?, _ gap: Double?, _ binding: String
  ) -> Markup {
    Page.facts([
      ("An hour", "\(perHour.map(Format.money) ?? Format.missing)"),
      ("A month of 730 h", "\(perMonth.map(Format.money) ?? Format.missing)"),
      ("No plan below", "\(lowerBound.map { "\(Format.money($0)) an hour" } ?? Format.missing)"),
      ("Above that bound", "\(gap.map { Format.percent($0, places: 1) } ?? Format.missing)"),
      ("What binds", "\(Phrases.binding(binding))"),
    ])
  }

  private static func provenance(_ record: RunRecord) -> Markup {
    let (ran, workload) = (record.ran, record.asked.workload)
    let run: [(name: String, value: Markup)] = [
      ("Started", "\(Format.date(record.ran.startedAt))"),
      ("Runtime", "\(record.ran.runtime)"),
      ("Workload", "\(Phrases.workload(workload)). \(workload.name): \(workload.source)"),
      ("Server", "\(Phrases.workersInWords(record.ran.node)), \(record.ran.node.precision.rawValue)"),
      ("Settings", settings(record.ran.node.environment)),
    ]
    let host = Phrases.host(ran.host).map { fact -> (name: String, value: Markup) in (fact.name, "\(fact.value)") }
    let place = ran.isOfCluster ? "nodes of a cluster, asked from " : ""
    let measured = Provenance(
      .measured, source: "\(place)\(ran.host.cpuModel), \(ran.host.cores) cores, \(Format.date(ran.startedAt))")
    let sources =
      [(subject: "this run", provenance: measured)] + Phrases.sources(of: [ran.node])
      + Phrases.sources(of: record.asked.plan.nodes.filter { $0 != ran.node })
    let machine = ran.isOfCluster ? "Machine that asked" : "Machine"
    return "<h3>Run</h3>\n\(Page.facts(run))<h3>\(machine)</h3>\n\(Page.facts(host))<h3>Sources</h3>\n"
      + Page.sources(sources)
  }

  private static func settings(_ environment: [String: String]) -> Markup {
    guard !environment.isEmpty else { return "no environment variable set" }
    let items = Phrases.environment(environment).map { setting -> Markup in "<li><code>\(setting)</code></li>" }
    return "<ul class=\"settings\">\(items)</ul>"
  }
}
