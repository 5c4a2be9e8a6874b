import PlannerCore

/// What `planner simulate` tells a person.
public enum SimulationText {
  /// Latencies with their 95 % intervals, outcomes and utilization; lines are at most `style.width` cells wide.
  public static func render(_ summary: SimulationSummary, style: TextStyle = .plain) -> String {
    var page = TextPage(style)
    page.heading("Simulated \(Format.duration(summary.simulatedSeconds))")
    if let latency = summary.latencySeconds {
      var table = TextTable(columns: [
        .init("latency"), .init("estimate", .trailing), .init("95 % interval", .trailing),
        .init("half width", .trailing, dispensability: 1),
      ])
      var rows = [
        ("mean", latency.mean), ("p50", latency.p50), ("p90", latency.p90), ("p95", latency.p95), ("p99", latency.p99),
      ]
      if let wait = summary.waitSeconds { rows.append(("mean wait", wait.mean)) }
      for (name, figure) in rows {
        let halfWidth = figure.estimate > 0 ? (figure.high - figure.low) / 2 / figure.estimate : .nan
        let spread = Format.percent(halfWidth, places: 1)
        table.append([
          name, Format.duration(figure.estimate), Format.durationInterval(figure),
          spread == Format.missing ? spread : "± \(spread)",
        ])
      }
      page.table(table)
    } else {
      page.paragraph("No request was completed, so there is no latency to state.")
    }
    page.gap()
    let requests = summary.requests
    var facts = [
      ("Requests arrived", Format.count(requests.arrived)),
      ("completed", Format.count(requests.completed)),
      ("rejected", Format.count(requests.rejected)),
      ("timed out", Format.count(requests.timedOut)),
    ]
    if let cancelled = requests.cancelled { facts.append(("left by their clients", Format.count(cancelled))) }
    facts.append(("in flight at the end", Format.count(requests.inFlight)))
    facts.append(("Workers busy", Format.percent(summary.utilization, places: 1)))
    page.facts(facts)
    if let residency = summary.residency { describe(residency, on: &page) }
    return page.text
  }

  private static func describe(_ residency: SimulationSummary.Residency, on page: inout TextPage) {
    page.heading("Models under the memory budget")
    page.facts([
      ("Requests that found theirs", Format.count(residency.hits)),
      ("that had to wait for it", Format.count(residency.misses)),
      ("p99 of those that found it", residency.hitLatencySeconds.map { Format.duration($0.p99) } ?? Format.missing),
      ("of those that waited", residency.missLatencySeconds.map { Format.duration($0.p99) } ?? Format.missing),
      ("Loads", Format.count(residency.loads)),
      ("Evictions", Format.count(residency.evictions)),
      ("Most memory of a node", Format.bytes(residency.peakMemoryBytes)),
    ])
  }
}
