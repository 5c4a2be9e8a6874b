import PlannerCore
import Proof
import Testing

/// Which copy of a model a request goes to.
@Suite struct RunLayoutTests {
  /// Three models asked evenly, of which the first is hot, and a group of two that are asked seldom.
  private static let demand = Workload(
    name: "mix",
    groups: [
      ModelGroup(
        name: "texts", architecture: "bert-tiny", models: 3, requests: RequestMix(tokens: 16),
        ratePerModelPerSecond: 20, popularity: .shares([10, 1, 1]), targetP99Seconds: 0.01),
      ModelGroup(
        name: "rare", architecture: "bert-mini", models: 2,
        requests: RequestMix(sizes: .histogram([.init(size: 8, weight: 1), .init(size: 32, weight: 1)])),
        ratePerModelPerSecond: 2, targetP99Seconds: 0.1),
    ], source: "a test")

  /// The hot model on both nodes, the others on one each.
  private static let copies: [RunLayout.Copy] = [
    .init(group: 0, model: 0, replica: 0, replicas: 2, node: 0), .init(group: 0, model: 1, node: 0),
    .init(group: 0, model: 0, replica: 1, replicas: 2, node: 1), .init(group: 0, model: 2, node: 1),
    .init(group: 1, model: 0, node: 1, share: 1), .init(group: 1, model: 1, node: 1, share: 1),
  ]

  private static let schedule = Schedule.make(demand, durationSeconds: 20, seed: 7)

  @Test func requestsGoToTheCopiesInTurn() {
    let routed = RunLayout(Self.copies).route(Self.schedule, of: Self.demand)
    #expect(routed.schedule.requests.map(\.due) == Self.schedule.requests.map(\.due))
    #expect(routed.schedule.requests.map(\.size) == Self.schedule.requests.map(\.size))
    #expect(routed.schedule.models == 6 && routed.schedule.durationSeconds == 20)
    var hot = 0
    for (asked, (request, node)) in zip(Self.schedule.requests, zip(routed.schedule.requests, routed.nodes)) {
      let copy = Self.copies[request.model]
      #expect(copy.node == node)
      #expect(copy.group == (asked.model < 3 ? 0 : 1))
      #expect(copy.model == (asked.model < 3 ? asked.model : asked.model - 3))
      guard asked.model == 0 else { continue }
      #expect(copy.replica == hot % 2)
      hot += 1
    }
    // Enough of them that a turn that is not counted shows.
    #expect(hot > 800)
  }

  /// What a node is asked does not depend on whether the other one runs.
  @Test func aPartIsAskedAsInTheWhole() {
    let whole = RunLayout(Self.copies).route(Self.schedule, of: Self.demand)
    let part = RunLayout(
      Array(Self.copies.dropFirst(2)).map { copy in
        var copy = copy
        copy.node = 0
        return copy
      })
    let alone = part.route(Self.schedule, of: Self.demand)
    let second = zip(whole.schedule.requests, whole.nodes).filter { $1 == 1 }.map(\.0)
    #expect(alone.schedule.requests.map(\.due) == second.map(\.due))
    #expect(alone.schedule.requests.map { $0.model + 2 } == second.map(\.model))
    #expect(alone.nodes.allSatisfy { $0 == 0 })
    #expect(part.groups == [0, 1] && part.models(ofGroup: 0) == 2 && part.models(ofGroup: 1) == 2)
  }

  /// One node of one group is asked as ever: the models are the schedule's own.
  @Test func oneNodeOfOneGroupIsAskedBySchedule() {
    var demand = Self.demand
    demand.groups = [demand.groups[0]]
    demand.groups[0].popularity = .uniform
    let schedule = Schedule.make(demand, durationSeconds: 20, seed: 7)
    func layout(_ nodes: [Int]) -> RunLayout {
      RunLayout(nodes.enumerated().map { .init(group: 0, model: $0, node: $1) })
    }
    #expect(layout([0, 0, 0]).route(schedule, of: demand).schedule == schedule)
    let two = layout([0, 0, 1]).route(schedule, of: demand)
    #expect(two.schedule == schedule && zip(schedule.requests, two.nodes).allSatisfy { $1 == ($0.model < 2 ? 0 : 1) })
  }
}
