import Foundation
import PlannerCore
import Reporting
import Testing

@Suite struct HTMLReportTests {
  static let pages: [(name: String, text: String)] = [
    ("run", HTMLReport.render(Samples.run())), ("slice", HTMLReport.render(Samples.slice())),
    ("plan", HTMLReport.renderPlan(Samples.plan())), ("infeasible", HTMLReport.renderPlan(Samples.infeasible())),
    ("mix", HTMLReport.render(Samples.mix())),
  ]

  @Test(arguments: pages.indices)
  func needsNothingButItself(_ index: Int) {
    let page = Self.pages[index].text
    #expect(page.hasPrefix("<!doctype html>"))
    for forbidden in ["<script", "javascript:", " src=", " href=", "@import", "url(", "<link", "<iframe", " onclick"] {
      #expect(!page.lowercased().contains(forbidden), "\(forbidden)")
    }
    // The namespace of SVG is a name, not an address to fetch.
    let addresses = page.replacing("http://www.w3.org/2000/svg", with: "")
    #expect(!addresses.contains("http://") && !addresses.contains("https://"))
    #expect(!page.contains("nan") && !page.contains("inf\"") && !page.contains("Optional("))
  }

  @Test(arguments: pages.indices)
  func tagsAreBalancedAndTablesRectangular(_ index: Int) throws {
    let page = Self.pages[index].text
    try Self.checkBalance(page)
    for table in page.components(separatedBy: "<table>").dropFirst() {
      let body = try #require(table.components(separatedBy: "</table>").first)
      let heads = body.components(separatedBy: "<th scope=\"col\"").count - 1
      let rows = try #require(body.components(separatedBy: "<tbody>").last).components(separatedBy: "<tr").dropFirst()
      #expect(heads > 0)
      for row in rows {
        #expect(row.components(separatedBy: "<td").count - 1 + row.components(separatedBy: "<th").count - 1 == heads)
        #expect(row.contains("<th scope=\"row\">"))
      }
    }
  }

  @Test(arguments: pages.indices)
  func idsAreUniqueAndReferencesResolve(_ index: Int) {
    let page = Self.pages[index].text
    let ids = Self.attributes("id", in: page)
    #expect(Set(ids).count == ids.count)
    for reference in Self.attributes("aria-labelledby", in: page) + Self.attributes("aria-describedby", in: page) {
      #expect(ids.contains(reference))
    }
    #expect(page.contains("prefers-color-scheme: dark") && page.contains("<html lang=\"en\">"))
  }

  @Test func theSameRecordGivesTheSameBytes() {
    for _ in 0..<5 {
      #expect(HTMLReport.render(Samples.run()) == Self.pages[0].text)
      #expect(HTMLReport.renderPlan(Samples.plan()) == Self.pages[2].text)
    }
  }

  @Test func theVerdictIsSaidInWords() {
    let pass = Self.pages[0].text
    #expect(pass.contains(">PASS<") && pass.contains("The target of 10\u{A0}ms was kept"))
    #expect(pass.contains("52 would still pass") && !pass.contains("never confirms"))
    let slice = Self.pages[1].text
    #expect(slice.contains("was missed on this machine"))
    #expect(slice.contains(">FAIL<") && slice.contains("A slice never confirms a cloud latency."))
    #expect(slice.contains("No inf2.xlarge is at hand."))
    var invalid = Samples.run()
    invalid.verdict.valid = false
    invalid.verdict.invalidReason = "the load generator fell 40 ms behind"
    let page = HTMLReport.render(invalid)
    #expect(page.contains("The load generator fell 40\u{A0}ms behind.") && page.contains(">NOT VALID<"))
    #expect(!page.contains(">PASS<"))
  }

  /// This machine is only who asked, where the nodes are those of a cluster.
  @Test func aClusterIsNotThisMachine() {
    for sample in [Samples.run(), Samples.mix()] {
      var record = sample
      record.ran.runtime = "kubernetes"
      let page = HTMLReport.render(record)
      #expect(page.contains("of a cluster") && page.contains("asked from this machine"))
      #expect(page.contains("<h3>Machine that asked</h3>") && page.contains("nodes of a cluster, asked from "))
      #expect(!page.contains("ran on this machine") && !page.contains("nodes of this machine"))
      record.ran.scope = .slice
      #expect(HTMLReport.render(record).contains("one node of each kind, asked as in the whole"))
    }
  }

  /// Each figure of the record is on the page: change it and the page changes.
  @Test func everyFigureComesFromTheRecord() {
    let changes: [(String, (inout RunRecord) -> Void)] = [
      ("name", { $0.asked.name = "other" }), ("startedAt", { $0.ran.startedAt = "2026-08-04T14:02:11Z" }),
      ("runtime", { $0.ran.runtime = "docker" }), ("models", { $0.ran.models = 999 }),
      ("durationSeconds", { $0.load.durationSeconds = 61 }),
      ("predicted p50", { $0.figures.predicted.p50Seconds *= 2 }),
      ("predicted p90", { $0.figures.predicted.p90Seconds *= 2 }),
      ("predicted p95", { $0.figures.predicted.p95Seconds *= 2 }),
      ("predicted p99", { $0.figures.predicted.p99Seconds *= 2 }),
      ("predicted throughput", { $0.figures.predicted.throughputPerSecond *= 2 }),
      ("predicted memory", { $0.figures.predicted.memoryBytes *= 2 }),
      ("measured p50", { $0.figures.measured.p50Seconds *= 2 }),
      ("measured p90", { $0.figures.measured.p90Seconds *= 2 }),
      ("measured p95", { $0.figures.measured.p95Seconds *= 2 }),
      ("measured p99", { $0.figures.measured.p99Seconds *= 2 }),
      ("measured throughput", { $0.figures.measured.throughputPerSecond *= 2 }),
      ("measured memory", { $0.figures.measured.memoryBytes *= 2 }),
      ("errorP50", { $0.comparison.prediction.errorP50 += 0.1 }),
      ("errorP99", { $0.comparison.prediction.errorP99 += 0.1 }),
      ("withinInterval", { $0.comparison.prediction.withinInterval.toggle() }),
      ("p50 interval", { $0.comparison.prediction.p50.low *= 0.5 }),
      ("p99 interval", { $0.comparison.prediction.p99.high *= 2 }),
      ("predicted curve", { $0.figures.predictedCurve.seconds[80] *= 1.2 }),
      ("low curve", { $0.figures.predictedCurveLow.seconds[80] *= 0.8 }),
      ("high curve", { $0.figures.predictedCurveHigh.seconds[80] *= 1.2 }),
      ("measured curve", { $0.figures.measuredCurve.seconds[80] *= 1.2 }),
      ("predicted utilization", { $0.figures.predictedUtilization += 0.1 }),
      ("measured utilization", { $0.figures.measuredUtilization += 0.1 }),
      ("sent", { $0.load.requests.sent += 1 }), ("completed", { $0.load.requests.completed -= 1 }),
      ("rejected", { $0.load.requests.rejected += 1 }), ("timedOut", { $0.load.requests.timedOut += 1 }),
      ("failed", { $0.load.requests.failed += 1 }), ("target", { $0.asked.targetP99Seconds = 0.012 }),
      ("verdict", { $0.verdict.outcome = .undecided }), ("verdictReason", { $0.verdict.reason = "because" }),
      ("confidence", { $0.verdict.confidence = 0.9 }), ("valid", { $0.verdict.valid = false }),
      ("scope", { $0.ran.scope = .slice }), ("cost", { $0.asked.plan.costPerHour = 7 }),
      ("month", { $0.asked.plan.costPerMonth = 7 }), ("bound", { $0.asked.plan.lowerBoundPerHour = 7 }),
      ("gap", { $0.asked.plan.gap = 0.07 }), ("binding", { $0.asked.plan.binding = "compute" }),
      ("bindingReason", { $0.asked.plan.bindingReason = "other" }), ("plan models", { $0.asked.plan.models = 7 }),
      ("node count", { $0.asked.plan.nodes[0].count = 7 }),
      ("models per node", { $0.asked.plan.nodes[0].modelsPerNode = [6, 7] }),
      ("variant", { $0.asked.plan.nodes[0].precision = .int8 }), ("workers", { $0.asked.plan.nodes[0].workers = 7 }),
      ("threads", { $0.asked.plan.nodes[0].threadsPerWorker = 7 }),
      ("price", { $0.asked.plan.nodes[0].costPerHour = 7 }),
      ("node p99", { $0.asked.plan.nodes[0].latencySeconds.p99.estimate = 7 }),
      ("node utilization", { $0.asked.plan.nodes[0].utilization = 0.07 }),
      ("model memory", { $0.asked.plan.nodes[0].memoryPerModelBytes *= 2 }),
      ("node memory", { $0.asked.plan.nodes[0].memoryCapacityBytes *= 2 }),
      ("node provenance", { $0.asked.plan.nodes[0].provenance = Samples.estimated }),
      ("setting", { $0.ran.node.environment["OMP_NUM_THREADS"] = "7" }),
      ("processor", { $0.ran.host.cpuModel = "other" }), ("kernel", { $0.ran.host.kernel = "other" }),
      ("host memory", { $0.ran.host.memoryBytes *= 2 }), ("cores", { $0.ran.host.cores = 7 }),
      ("workload", { $0.asked.workload.ratePerModelPerSecond = 0.7 }), ("tokens", { $0.asked.workload.tokens = 7 }),
    ]
    for (what, change) in changes {
      var record = Samples.run()
      change(&record)
      #expect(HTMLReport.render(record) != Self.pages[0].text, "\(what) is not on the page")
    }
  }

  @Test func groupsAndNodesHaveRowsOfTheirOwn() throws {
    let page = Self.pages[4].text
    func row(_ name: String) throws -> String {
      let rows = page.components(separatedBy: "<tr").filter { $0.contains(name) && $0.contains("<td") }
      return try #require(rows.first)
    }
    let texts = try row("texts")
    for part in ["6,000", "20 ms", "3.62 ms", "3.40–3.90 ms", "pass"] { #expect(texts.contains(part), "\(part)") }
    let images = try row("images &lt;b&gt;")
    for part in ["1,214, 24 not answered", "5 ms", "≥ 10.0 s", "fail"] { #expect(images.contains(part), "\(part)") }
    #expect(try row("node-1 (local)").contains("3,214"))
    #expect(page.contains("1 of 2 groups missed their targets"))
    // A run of one group on one node has neither section.
    #expect(!Self.pages[0].text.contains("Each group beside its own target"))
    #expect(!Self.pages[0].text.contains("Each node"))
  }

  @Test func barsAreAsLongAsTheyAreBusy() throws {
    var record = Samples.run()
    record.figures.predictedUtilization = 0.25
    record.figures.measuredUtilization = 0.5
    let page = HTMLReport.render(record)
    #expect(page.contains("<rect class=\"predicted\" width=\"25\"") && page.contains(">25.0 %</span>"))
    #expect(page.contains("<rect class=\"measured\" width=\"50\"") && page.contains(">50.0 %</span>"))
    record.figures.measuredUtilization = 1.7
    #expect(HTMLReport.render(record).contains("<rect class=\"measured\" width=\"100\""))
  }

  @Test func everyFigureOfAPlanIsOnItsPage() throws {
    let plan = Samples.plan()
    let page = Self.pages[2].text
    for text in [
      "$24.36", "$17,784.55", "$23.10", "5.4 %", "2.42 ms", "2.31–2.58 ms", "93–94", "$0.7582", "$116.70", "$58.10",
      "$141.94", "$141.80", "$113.40", "74.1–83.6 ms", "published", "estimated", "measured",
    ] {
      #expect(page.contains(text) || page.contains(text.replacing(" ", with: "\u{A0}")), "\(text)")
    }
    for row in plan.guidance { #expect(page.contains(row.instanceType)) }
    for alternative in plan.alternatives {
      #expect(page.contains(">\(alternative.instanceType)<"))
      #expect(page.contains(alternative.reason.sentence))
    }
    // A price that is only above the budget is not called impossible.
    var dear = plan
    dear.guidance[0].planned.feasible = false
    dear.guidance[0].planned.binding = .budget
    #expect(HTMLReport.renderPlan(dear).contains("keeps the target, above the budget"))
    dear.guidance[0].planned.binding = .latency
    #expect(!HTMLReport.renderPlan(dear).contains("keeps the target, above the budget"))
    let infeasible = Self.pages[3].text
    #expect(infeasible.contains("No feasible plan for 3,000 bert-base models") && infeasible.contains(">INFEASIBLE<"))
    #expect(infeasible.contains("No plan is feasible."))
  }

  @Test func hostileNamesStayText() throws {
    let evil = "</title><script>alert(1)</script>\"'><img src=x onerror=y>&amp;\u{0}\u{202E}"
    var record = Samples.slice()
    record.asked.name = evil
    record.ran.startedAt = evil
    record.ran.runtime = evil
    record.verdict.reason = evil
    record.ran.scopeReason = evil
    record.ran.host.cpuModel = evil
    record.ran.host.instructionSets = [evil]
    record.ran.host.hypervisor = evil
    record.asked.workload.name = evil
    record.asked.workload.architecture = evil
    record.asked.workload.source = evil
    record.ran.node.environment = [evil: evil]
    record.asked.plan.binding = evil
    record.asked.plan.bindingReason = evil
    record.asked.plan.nodes[0].instanceType = evil
    record.asked.plan.nodes[0].provenance = Provenance(.published, source: evil)
    var plan = Samples.plan()
    plan.workload.source = evil
    plan.bindingReason = .stated(evil)
    plan.alternatives[0].instanceType = evil
    plan.alternatives[0].reason = .stated(evil)
    plan.guidance[0].instanceType = evil
    plan.guidance[0].packingReason = .stated(evil)
    plan.catalog = Provenance(.published, source: evil)
    for page in [HTMLReport.render(record), HTMLReport.renderPlan(plan)] {
      #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img"))
      #expect(page.contains("&amp;amp;"))
      #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("\u{0}"))
      #expect(!page.contains("\u{202E}"))
      try Self.checkBalance(page)
    }
  }

  static func attributes(_ name: String, in page: String) -> [String] {
    page.components(separatedBy: " \(name)=\"").dropFirst().compactMap { $0.components(separatedBy: "\"").first }
  }

  /// Every element that is opened is closed, in order.
  static func checkBalance(_ page: String) throws {
    let void: Set<String> = ["meta", "br"]
    var open: [String] = []
    for piece in page.components(separatedBy: "<").dropFirst() where !piece.hasPrefix("!") {
      let tag = try #require(piece.components(separatedBy: ">").first)
      let name = String(tag.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber })
      #expect(!name.isEmpty)
      if tag.hasPrefix("/") {
        try #require(open.popLast() == name, "</\(name)> closes nothing")
      } else if !void.contains(name), !tag.hasSuffix("/") {
        open.append(name)
      }
    }
    #expect(open.isEmpty, "never closed: \(open)")
  }
}
