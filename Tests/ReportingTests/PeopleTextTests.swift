import PlannerCore
import Reporting
import Testing

@Suite struct PeopleTextTests {
  private static func all(_ style: TextStyle) -> [String] {
    [
      PlanText.render(Samples.plan(), style: style), PlanText.render(Samples.infeasible(), style: style),
      RunText.render(Samples.run(), style: style, reportPath: "reports/2026-08-03-bert-tiny-1000/index.html"),
      RunText.render(Samples.slice(), style: style), RunText.render(Samples.mix(), style: style),
      SimulationText.render(Samples.summary(), style: style),
      ProfileText.render(Samples.profile(), style: style),
      ProfileDiffText.render(Samples.profile(), Samples.profile(faster: 1.3), style: style),
      CatalogText.render(Samples.catalog(), Samples.figures(), style: style),
    ]
  }

  @Test(arguments: [20, 33, 40, 57, 72, 80, 99, 100, 120, 200])
  func linesKeepTheWidth(_ width: Int) {
    for text in Self.all(TextStyle(width: width, isStyled: false)) {
      #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"))
      for line in text.split(separator: "\n") {
        #expect(TextWidth.of(line) <= width, "\(line)")
        #expect(line.last != " ")
      }
    }
  }

  @Test func theSameValuesGiveTheSameBytes() {
    #expect(Self.all(.plain) == Self.all(.plain))
    #expect(Self.all(.plain).allSatisfy { !$0.contains("\u{1B}") })
    for (plain, ansi) in zip(Self.all(.plain), Self.all(TextStyle(width: 100, isStyled: true))) {
      #expect(["\u{1B}[1m", "\u{1B}[2m", "\u{1B}[0m"].reduce(ansi) { $0.replacing($1, with: "") } == plain)
    }
  }

  /// At the width of a usual terminal no figure of the answer is cut.
  @Test func nothingIsCutAtEightyCells() {
    for text in Self.all(TextStyle(width: 80, isStyled: false)) {
      #expect(!text.replacing("… and", with: "").contains("…"))
    }
  }

  @Test func aPlanInFull() {
    let text = PlanText.render(Samples.plan())
    for part in [
      "3,000 bert-base models, 128 tokens a request, text in, Poisson arrivals, uniform popularity, 0.49/s",
      "inf2.8xlarge     72  $141.94     16     188  bf16      $44.06    2.42  2.31–2.58  memory   estimated",
      "c6i.4xlarge     100      30     $68.10    78.7  74.1–83.6  no",
      "- c5.4xlarge, c6i.4xlarge: one forward pass of 128 tokens takes 54.1 ms, the target is 10 ms",
      "Best plan: $24.36 an hour, $17,784.55 a month of 730 h",
      "inf2.xlarge     32   93–94  bf16      $0.7582    2.42  2.31–2.58  published  not yet",
      "That is 59 % under the budget of $60.00 an hour.",
      "No plan over the types considered costs less than $23.10 an hour, the plan is 5.4 % above it.",
      "Best plan that this program’s engine can run today: $116.70 an hour",
      "Of 46 instance types considered, 10 can carry the workload, 6 cannot, and for 30 there is no figure",
      "How far answers in bf16 and int8 agree with fp32’s depends on the trained weights",
      "planner execute deploys",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(PlanText.render(Samples.plan(), path: "other.json").contains("planner execute other.json"))
  }

  @Test func aPlanThatDoesNotExist() {
    let text = PlanText.render(Samples.infeasible())
    #expect(text.contains("No feasible plan") && text.contains("What binds: budget."))
    #expect(text.contains("the budget is $10.00") && !text.contains("planner execute"))
    #expect(text.contains("No plan that this program’s engine can run today\nNo plan is feasible."))
  }

  /// Where there is no plan, no sentence speaks of one that costs something.
  @Test func aBoundWithoutAPlan() {
    var plan = Samples.infeasible()
    #expect(PlanText.render(plan).contains("Of the types considered, none takes a single model"))
    plan.lowerBoundPerHour = 24.36
    let budget = PlanText.render(plan)
    #expect(budget.contains("That there is no cheaper one is proven: over the types considered, $24.36 an hour is"))
    plan.binding = .latency
    let latency = PlanText.render(plan, style: TextStyle(width: 2000, isStyled: false))
    #expect(latency.contains("it would cost at least $24.36 an hour over the types considered, if it could be had"))
    for text in [budget, latency] { #expect(!text.contains("No plan over the types considered costs less")) }
  }

  /// What the price rests on is said with the price, and with there being none.
  @Test func hostMemoryThatNobodyMeasured() {
    let low = LowHostMemory(
      perModelBytes: .init(low: 20480, high: 600 << 20), costPerHour: 20.1,
      nodes: [.init(instanceType: "inf2.xlarge", count: 26)],
      provenance: Provenance(.estimated, source: "as published for inf1"))
    var plan = Samples.plan()
    plan.nodes[0].hostMemory = HostMemory(
      perModelBytes: low.perModelBytes, capacityBytes: 60 << 30, provenance: low.provenance)
    plan.atLowHostMemory = low
    var none = Samples.infeasible()
    none.atLowHostMemory = low
    none.budgetPerHour = 20
    let poor = PlanText.render(none, style: TextStyle(width: 2000, isStyled: false))
    #expect(poor.contains("26 × inf2.xlarge would cost $20.10 an hour, above the budget as well."))
    none.budgetPerHour = 21
    for text in [plan, none].map({ PlanText.render($0, style: TextStyle(width: 2000, isStyled: false)) }) {
      #expect(text.contains("memory a model on inf2 keeps. It is 20.0 KiB to 600 MiB (estimated)"))
      #expect(text.contains("26 × inf2.xlarge would do at $20.10 an hour"))
      #expect(text.contains("host memory per model, estimated: as published for inf1"))
    }
    let wide = PlanText.render(plan, style: TextStyle(width: 2000, isStyled: false))
    #expect(wide.contains("up to 55.1 GiB of 60.0 GiB of the host’s (estimated)"))
    for page in [plan, none].map(HTMLReport.renderPlan) {
      #expect(page.contains("26\u{A0}× inf2.xlarge") && page.contains("as published for inf1"))
    }
  }

  /// A percentile among requests that were not answered is one thing in one word: at least the client's limit.
  @Test func aPercentileThatIsOnlyALowerBound() {
    var run = Samples.slice()
    run.figures.measured.p99Seconds = 10
    run.figures.measured.atLeast = ["p99Seconds"]
    let text = RunText.render(run)
    #expect(text.contains("Measured p99 is ≥ 10.0 s against a target of 10 ms"))
    #expect(text.contains("no error can be stated"))
    let row = text.split(separator: "\n").first { $0.hasPrefix("p99") } ?? ""
    #expect(row.contains("≥ 10.0 s") && row.hasSuffix("—"))
    let page = HTMLReport.render(run)
    #expect(page.contains("≥ 10.0\u{A0}s") || page.contains("≥\u{A0}10.0\u{A0}s"))
    #expect(!page.contains("∞") && !text.contains("∞"))
  }

  @Test func aRun() {
    let text = RunText.render(Samples.run(), reportPath: "reports/x/index.html")
    for part in [
      "p99             3.65 ms   3.32–4.01 ms   3.85 ms  −5.3 %", "Verdict: pass (confidence 95 %)",
      "7,214 sent, 7,214 completed, 0 rejected, 0 timed out, 0 failed.", "Report: reports/x/index.html",
      "Measured p99 is 3.85 ms against a target of 10 ms.",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(RunText.render(Samples.slice()).contains("A slice never confirms a cloud latency."))
    var invalid = Samples.run()
    invalid.verdict.valid = false
    let refused = RunText.render(invalid)
    #expect(refused.contains("Verdict: none, the run is not valid") && !refused.contains("Verdict: pass"))
  }

  @Test func groupsStandBesideTheirOwnTargets() {
    let text = RunText.render(Samples.mix())
    func line(_ start: String) -> [Substring] {
      text.split(separator: "\n").first { $0.hasPrefix(start) }.map { $0.split(separator: " ") } ?? []
    }
    let texts = line("texts").joined(separator: " ")
    #expect(texts.contains("6,000") && texts.contains("20 ms") && texts.contains("3.62 ms") && texts.hasSuffix("pass"))
    let images = line("images").joined(separator: " ")
    #expect(images.contains("5 ms") && images.contains("≥ 10.0 s") && images.hasSuffix("fail"))
    #expect(line("node-1 (local)").joined(separator: " ").contains("3,214 22.0 %"))
    #expect(text.contains("4 models of 2 groups in 5 copies ran on 2 nodes of this machine"))
    #expect(text.contains("over all groups. The prediction was"))
    // A run of one group and node needs neither table.
    var single = Samples.mix()
    single.parts.groups.removeLast()
    single.parts.nodes.removeLast()
    var plain = single
    plain.parts = Samples.run().parts
    #expect(RunText.render(single) == RunText.render(plain))
  }

  @Test func aSimulation() {
    let text = SimulationText.render(Samples.summary())
    #expect(text.contains("p99          230 ms     223–237 ms     ± 3.0 %") && text.contains("152,114"))
    var none = Samples.summary()
    none.latencySeconds = nil
    #expect(SimulationText.render(none).contains("No request was completed"))
  }

  @Test func aProfileSaysWhatItsSettingsAreWorth() {
    let text = ProfileText.render(Samples.profile())
    #expect(text.contains("openblas-openmp for SkylakeX") && text.contains("OPENBLAS_CORETYPE=SkylakeX"))
    #expect(text.contains("198 ms   118 ms     1.68 ×") && text.contains("404 ms  72.0 ms     5.61 ×"))
    var plain = Samples.profile()
    plain.settings = LibrarySettings(blas: "default", coreType: nil, environment: [:])
    #expect(ProfileText.render(plain).contains("Library settings: the defaults"))
    var empty = Samples.profile()
    empty.models = []
    empty.trials = []
    #expect(ProfileText.render(empty).contains("not compared"))
  }

  @Test func aCatalogue() {
    let text = CatalogText.render(Samples.catalog(), Samples.figures())
    #expect(text.contains("2 instance types") && text.contains("1 published latency"))
    #expect(text.contains("c7g.4xlarge  $0.5800     16  32.0 GiB  26.7 GiB"))
    #expect(text.contains("1 × inferentia2 of 32.0 GiB"))
    #expect(
      text.contains("bert-base  bf16          128      1  inf2.xlarge  inf2         —  1.00 ms    —  1.04 ms"))
    #expect(text.contains("- aws-neuron/aws-neuron-sdk"))
  }

  @Test func profilesCompared() {
    let same = ProfileDiffText.render(Samples.profile(), Samples.profile())
    #expect(same.contains("the same processor") && same.contains("1.00 ×") && !same.contains("only in"))
    let faster = ProfileDiffText.render(Samples.profile(), Samples.profile(faster: 1.3))
    #expect(faster.contains("0.77 ×"))
    var fewer = Samples.profile()
    fewer.models.removeLast()
    fewer.host.cores = 4
    let text = ProfileDiffText.render(Samples.profile(), fewer)
    #expect(text.contains("8 times are only in the old one, 0 only in the new one."))
    #expect(text.contains("different processors"))
  }
}
