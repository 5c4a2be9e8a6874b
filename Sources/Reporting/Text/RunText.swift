import PlannerCore

/// What `planner execute` tells a person.
public enum RunText {
  /// Predicted beside measured, the requests' outcomes and the verdict; lines are at most `style.width` cells wide.
  /// - Parameter reportPath: of the HTML page, named at the end where there is one.
  public static func render(_ record: RunRecord, style: TextStyle = .plain, reportPath: String? = nil) -> String {
    var page = TextPage(style)
    page.heading("\(record.asked.name): predicted beside measured")
    page.paragraph(Phrases.whatRan(record))
    page.gap()
    page.table(figures(record))
    page.gap()
    page.paragraph(Phrases.whatCameOut(record))
    page.paragraph(Phrases.withinInterval(record))
    if let calibration = Phrases.calibration(record) { page.paragraph(calibration) }
    let groups = ComparedGroup.all(record)
    if !groups.isEmpty {
      page.heading("Each group beside its own target")
      page.table(table(groups))
    }
    let nodes = ReportedNode.all(record)
    if !nodes.isEmpty {
      page.heading("Each node")
      page.table(table(nodes))
    }
    if !groups.isEmpty || !nodes.isEmpty { page.gap() }
    let requests = record.load.requests
    page.paragraph(
      "Requests: \(Format.count(requests.sent)) sent, \(Format.count(requests.completed)) completed, "
        + "\(Format.count(requests.rejected)) rejected, \(Format.count(requests.timedOut)) timed out, "
        + "\(Format.count(requests.failed)) failed.")
    if let scope = Phrases.scope(record) { page.paragraph(scope) }
    if let invalid = Phrases.invalid(record) { page.paragraph("Not valid: \(invalid)") }
    page.heading(
      record.verdict.valid
        ? "Verdict: \(record.verdict.outcome.rawValue)\(Phrases.confidence(record))"
        : "Verdict: none, the run is not valid")
    page.paragraph(Format.sentence(record.verdict.reason))
    if let reportPath { page.paragraph("Report: \(reportPath)") }
    return page.text
  }

  private static func table(_ groups: [ComparedGroup]) -> TextTable {
    var table = TextTable(columns: [
      .init("group", isFlexible: true), .init("models", .trailing, dispensability: 3),
      .init("requests", .trailing, dispensability: 2), .init("target", .trailing), .init("predicted p99", .trailing),
      .init("95 % interval", .trailing, dispensability: 4), .init("measured p99", .trailing),
      .init("error", .trailing, dispensability: 1), .init("verdict"),
    ])
    for group in groups {
      table.append([
        group.name, group.models, group.requests, group.target, group.predicted, group.interval, group.measured,
        Format.signedPercent(group.error), group.verdict,
      ])
    }
    return table
  }

  private static func table(_ nodes: [ReportedNode]) -> TextTable {
    var table = TextTable(columns: [
      .init("node"), .init("workers × threads", .trailing, dispensability: 2), .init("models", .trailing),
      .init("requests", .trailing), .init("workers busy", .trailing), .init("memory", .trailing, dispensability: 1),
    ])
    for node in nodes {
      table.append([node.name, node.workers, node.models, node.requests, node.utilization, node.memory])
    }
    return table
  }

  private static func figures(_ record: RunRecord) -> TextTable {
    var table = TextTable(columns: [
      .init(""), .init("predicted", .trailing), .init("95 % interval", .trailing, dispensability: 1),
      .init("measured", .trailing), .init("error", .trailing),
    ])
    for row in ComparedFigure.all(record) {
      table.append([row.name, row.predicted, row.interval, row.measured, Format.signedPercent(row.error)])
    }
    return table
  }
}

/// One figure of a run as it was predicted and as it was measured.
struct ComparedFigure {
  var name: String
  var predicted: String
  /// Interval of the prediction; empty where the record has none.
  var interval = ""
  var measured: String
  /// Predicted over measured, less 1; NaN where it means nothing.
  var error: Double

  static func all(_ record: RunRecord) -> [ComparedFigure] {
    let (figures, prediction) = (record.figures, record.comparison.prediction)
    let (predicted, measured) = (figures.predicted, figures.measured)
    func latency(_ name: String, _ a: Double, _ b: Double, _ error: Double, _ bounds: Estimate?) -> ComparedFigure {
      // How far a prediction is from what is only known to be larger cannot be said.
      let isAtLeast = measured.isAtLeast("\(name)Seconds")
      return ComparedFigure(
        name: name, predicted: Format.duration(a), interval: bounds.map(Format.durationInterval) ?? "",
        measured: Format.duration(b, isAtLeast: isAtLeast), error: isAtLeast ? .nan : error)
    }
    return [
      latency("p50", predicted.p50Seconds, measured.p50Seconds, prediction.errorP50, prediction.p50),
      latency(
        "p90", predicted.p90Seconds, measured.p90Seconds,
        Phrases.error(predicted.p90Seconds, measured.p90Seconds), nil),
      latency(
        "p95", predicted.p95Seconds, measured.p95Seconds,
        Phrases.error(predicted.p95Seconds, measured.p95Seconds), nil),
      latency("p99", predicted.p99Seconds, measured.p99Seconds, prediction.errorP99, prediction.p99),
      ComparedFigure(
        name: "Throughput", predicted: Format.rate(predicted.throughputPerSecond),
        measured: Format.rate(measured.throughputPerSecond),
        error: Phrases.error(predicted.throughputPerSecond, measured.throughputPerSecond)),
      ComparedFigure(
        name: "Memory", predicted: Format.bytes(predicted.memoryBytes), measured: Format.bytes(measured.memoryBytes),
        error: Phrases.error(Double(predicted.memoryBytes), Double(measured.memoryBytes))),
      ComparedFigure(
        name: "Workers busy", predicted: Format.percent(figures.predictedUtilization, places: 1),
        measured: Format.percent(figures.measuredUtilization, places: 1),
        error: Phrases.error(figures.predictedUtilization, figures.measuredUtilization)),
    ]
  }
}
