import Optimizer
import PlannerCore
import Testing

/// One door decides which measurement speaks: `docs/figures.md` states the rules that are tested here.
@Suite struct FiguresTests {
  private func query(
    _ architecture: String = "bert-tiny", vocabulary: Int? = nil, size: Int = 32, input: RequestInput = .text
  ) -> FigureQuery {
    FigureQuery(architecture: architecture, vocabulary: vocabulary, size: size, input: input)
  }

  private func figures(_ profiles: [Profile]) throws -> Figures {
    try Fixture.figures(profiles, try Fixture.mission().catalog)
  }

  // MARK: Which models are meant

  /// Without a vocabulary a preset's own is meant: the profile that is chosen is one that can be planned with.
  @Test func aProfileIsChosenByTheRuleThatPlansWithIt() throws {
    let others = try Fixture.profile(
      [.init(vocabulary: 2000, cells: [.init(computeSeconds: 0.001)])], measuredAt: "2026-11-02T00:00:00Z")
    let own = try Fixture.profile([.init(cells: [.init(computeSeconds: 0.002)])])
    let figures = try figures([others, own])
    let chosen = try #require(figures.profile(of: own.host, for: query(), cores: 1))
    #expect(chosen.measuredAt == own.measuredAt)
    let serving = try figures.serving(query(), on: LocalMachine(profile: chosen, cores: 1, memoryBytes: 1 << 30))
    #expect(serving.map(\.service.computeSeconds) == [try Fixture.table(mean: 0.002)])
    #expect(
      try #require(figures.profile(of: own.host, for: query(vocabulary: 2000), cores: 1)).measuredAt
        == others.measuredAt)
    #expect(throws: NoFigure.notInProfileAtHand(.init(architecture: "bert-tiny", vocabulary: nil), size: 32, cores: 1))
    {
      try figures.serving(query(), on: LocalMachine(profile: others, cores: 1, memoryBytes: 1 << 30))
    }
  }

  @Test func anArchitectureOfYourOwnIsPlannedOnceProfiled() throws {
    let profile = try Fixture.profile([
      .init(architecture: "reviews", vocabulary: 777, cells: [.init(computeSeconds: 0.001)])
    ])
    var problem = try Fixture.local(models: 20, profile: profile, cores: 1, memoryBytes: 1000 << 20)
    problem.workload.architecture = "reviews"
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible && plan.models == 20, "\(plan.bindingReason)")
    #expect(plan.nodes.first?.spec.models.first?.variant.architecture == "reviews")
    let violations = PlanChecker.check(plan, against: Fixture.evidence(problem))
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test func publishedFiguresOfOtherArchitecturesArePlannedWith() throws {
    var problem = try Fixture.mission(budget: nil)
    problem.workload.architecture = "distilbert"
    let plan = try Optimizer.optimize(problem)
    #expect(plan.feasible)
    let families = Set(plan.alternatives.filter { $0.feasible == true }.map { String($0.instanceType.prefix(4)) })
    #expect(families.isSuperset(of: ["inf1", "inf2"]))
    // 66,362,880 weights of 4 bytes × 1.15 + 40 MiB, and a quarter more.
    #expect(plan.nodes.first?.memoryPerModelBytes == 434_015_360)
    let violations = PlanChecker.check(plan, against: Fixture.evidence(problem))
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test func anUnknownArchitectureIsToldWhichThereAre() throws {
    let error = OptimizerError.unknownArchitecture("gpt-9", known: ["bert-tiny", "distilbert"])
    #expect(error.description.contains("bert-tiny, distilbert"))
    #expect(error.description.contains("planner profile --models DIR"))
  }

  @Test func onlyPrecisionsThatAreAllowed() throws {
    let profile = try Fixture.profile([
      .init(precision: .int8, cells: [.init(computeSeconds: 0.0005)]), .init(cells: [.init(computeSeconds: 0.001)]),
    ])
    var problem = try Fixture.local(models: 5, profile: profile, cores: 1, memoryBytes: 1 << 30)
    problem.workload.groups[0].precisions = [.int8]
    let plan = try Optimizer.optimize(problem)
    #expect(plan.nodes.first?.precision == .int8)
    #expect(PlanChecker.check(plan, against: Fixture.evidence(problem)).isEmpty)
    // The checker knows what is allowed, too.
    problem.workload.groups[0].precisions = nil
    var other = try Optimizer.optimize(problem)
    #expect(other.nodes.first?.precision == .fp32)
    other.workload.groups[0].precisions = [.int8]
    #expect(PlanChecker.check(other, against: Fixture.evidence(problem)).contains { $0.kind == .evidence })
  }

  // MARK: Under which conditions

  @Test func anExactQuestionAcceptsNothingElse() throws {
    let profile = try Fixture.profile([.init(cells: [.init(tokens: 64, computeSeconds: 0.002)])])
    let figures = try figures([profile])
    func found(_ query: FigureQuery) -> ServingFigures? {
      figures.fastest(query, preferring: .fp32, on: profile.host, cores: 1, memoryBytes: 1 << 30)
    }
    #expect(found(query())?.provenance.kind == .estimated)
    #expect(found(query().exactly) == nil)
    #expect(found(query(size: 64).exactly)?.provenance.kind == .measured)
    #expect(found(query(size: 64, input: .tokens).exactly) == nil)
    #expect(found(query(size: 64, input: .tokens)) != nil)
  }

  /// Slowness among workers is the ratio of two times of one length.
  @Test func contentionComparesTheSameLength() throws {
    let cells = [Fixture.Cell(workers: 2, computeSeconds: 0.004)]
    let profile = try Fixture.profile([
      .init(
        cells: cells, forward: [.init(1, 0.004), .init(1, 0.008, tokens: 64), .init(2, 0.012, tokens: 64)])
    ])
    let figures = try figures([profile])
    let serving = try #require(
      figures.fastest(query(), preferring: .fp32, on: profile.host, cores: 2, memoryBytes: 1 << 30))
    #expect(abs(serving.service.computeSeconds.mean - 1.5 * (try Fixture.table(mean: 0.004)).mean) < 1e-9)
  }

  // MARK: On which machine

  @Test func aFullProfileSpeaksBeforeAQuickOne() throws {
    let quick = try Fixture.profile(
      [.init(cells: [.init(computeSeconds: 0.001)])], instanceType: "c7g.large", cores: 2,
      measuredAt: "2026-11-05T00:00:00Z", quick: true)
    let full = try Fixture.profile(
      [.init(cells: [.init(computeSeconds: 0.002)])], instanceType: "c7g.large", cores: 2)
    let type = try #require(try Fixture.mission().catalog["c7g.large"])
    let serving = try figures([quick, full]).serving(query(), on: type)
    #expect(serving.map(\.isSuperseded) == [false, true])
    #expect(serving.first?.service.computeSeconds == (try Fixture.table(mean: 0.002)))
  }

  @Test func whatIsMissingIsSaid() throws {
    let profile = try Fixture.profile(
      [.init(cells: [.init(computeSeconds: 0.001)])], instanceType: "r7g.large", cores: 2)
    let figures = try figures([profile])
    let catalog = figures.catalog
    func missing(_ query: FigureQuery, _ name: String) throws -> NoFigure? {
      let type = try #require(catalog[name])
      do throws(NoFigure) {
        _ = try figures.serving(query, on: type)
        return nil
      } catch {
        return error
      }
    }
    #expect(try missing(query("bert-base", size: 128), "inf2.xlarge") == nil)
    #expect(
      try missing(query("bert-base", size: 600), "inf2.xlarge")
        == .onlyShorter(architecture: "bert-base", instanceFamily: "inf2", longest: 512, size: 600))
    #expect(
      try missing(query("bert-base", size: 128), "c7g.large")
        == .nothingKnown(architecture: "bert-base", instanceFamily: "c7g"))
    #expect(
      try missing(query("minilm"), "r7g.large")
        == .notInProfile(instanceType: "r7g.large", .init(architecture: "minilm", vocabulary: nil), size: 32))
  }
}
