import PlannerCore
import Testing

/// Laws of where copies live, on nodes and workloads that are not alike.
@Suite struct PlacementTests {
  static func constant(_ seconds: Double) -> QuantileTable {
    QuantileTable(probabilities: [0, 1], seconds: [seconds, seconds], sampleCount: 1)!
  }

  static func node(_ shares: [(group: String, total: Int, seconds: Double)], count: Int, devices: Int = 1) -> NodeGroup
  {
    let source = Provenance(.estimated, source: "test")
    let none = Estimate(estimate: 0.001, low: 0.001, high: 0.001)
    let total = shares.reduce(0) { $0 + $1.total }
    return NodeGroup(
      spec: NodeSpec(
        machine: MachineRef("x"), server: ServerSettings(devices: devices, workers: 1, threadsPerWorker: 1),
        models: shares.map {
          ModelShare(
            group: $0.group, variant: Variant(architecture: $0.group, precision: .fp32),
            count: ($0.total - 1) / count + 1)
        }),
      count: count, fewestModels: total / count, totals: shares.map(\.total),
      figures: NodeFigures(
        entries: shares.map {
          .init(
            variant: Variant(architecture: $0.group, precision: .fp32),
            service: ServiceModel(
              computeSeconds: constant($0.seconds), overheadSeconds: constant(0.0001), betweenRunCV: 0,
              computeProvenance: source, overheadProvenance: source),
            memoryPerModelBytes: 1, memoryProvenance: source)
        }, memoryCapacityBytes: 1 << 30),
      costPerHour: 1, provenance: source, executable: true, latencySeconds: PlannedLatency(p99: none), utilization: 0)
  }

  static func group(
    _ name: String, models: Int, rate: Double, popularity: Popularity = .uniform, replicas: Int = 1
  ) -> ModelGroup {
    ModelGroup(
      name: name, architecture: name, models: models, requests: RequestMix(tokens: 8), ratePerModelPerSecond: rate,
      popularity: popularity, targetP99Seconds: 0.1, leastReplicas: replicas)
  }

  static func planned(_ group: ModelGroup, most: Double? = nil) -> PlannedGroup {
    PlannedGroup(
      name: group.name, models: group.models, replicas: [1, 1], targetP99Seconds: 0.1, p99Seconds: nil,
      mostRatePerReplica: most)
  }

  static func workload(_ groups: [ModelGroup]) -> Workload { Workload(name: "w", groups: groups, source: "test") }

  /// Every model has its copies once each, on devices of their own, and each device no more than its part.
  @Test(arguments: [(1, 1), (2, 3), (7, 2), (5, 12)])
  func everyCopyHasOnePlace(_ nodes: Int, _ devices: Int) throws {
    let a = Self.group("a", models: 101, rate: 2, popularity: .zipf(exponent: 1.1))
    let b = Self.group("b", models: 17, rate: 1)
    let workload = Self.workload([a, b])
    let most = a.rates()[0] / Double(min(4, nodes * devices))
    let plans = [Self.planned(a, most: most * 1.0001), Self.planned(b)]
    let copies = a.rates().reduce(0) { $0 + plans[0].copies(atRate: $1, least: 1) }
    let kind = Self.node([("a", copies, 0.001), ("b", 17, 0.004)], count: nodes, devices: devices)
    let placement = try #require(Placement(nodes: [kind], workload: workload, groups: plans))
    let hosts = placement.hosts(ofGroup: 0, models: 101)
    for (model, own) in hosts.enumerated() {
      #expect(own.count == plans[0].copies(atRate: a.rates()[model], least: 1))
      #expect(Set(own).count == own.count)
    }
    #expect(placement.hosts(ofGroup: 1, models: 17).allSatisfy { $0.count == 1 })
    // Evenly filled: nodes differ by one copy, devices of a share by one.
    let perNode = (0..<nodes).map { node in
      placement.devices.filter { $0.node == node }.reduce(0) { $0 + $1.copyCount }
    }
    #expect(perNode.max()! - perNode.min()! <= 1)
    for share in 0..<2 {
      let counts = placement.devices.map { $0.contents.first { $0.share == share }?.copies.count ?? 0 }
      #expect(counts.max()! - counts.min()! <= 1)
    }
  }

  /// The most asked models are dealt first, each to the device with the least work: no device has much more than its
  /// part where no single model has.
  @Test func workIsSpread() throws {
    let group = Self.group("a", models: 200, rate: 1, popularity: .zipf(exponent: 0.8))
    let kind = Self.node([("a", 200, 0.001)], count: 4)
    let placement = try #require(
      Placement(nodes: [kind], workload: Self.workload([group]), groups: [Self.planned(group)]))
    let work = placement.devices.map { $0.contents[0].copies.reduce(0) { $0 + $1.ratePerSecond } }
    #expect(abs(work.reduce(0, +) - 200) < 1e-9)
    #expect(work.max()! < 1.1 * 50)
  }

  @Test func copiesOfAModelAreOnDifferentNodesWhereThereAreEnough() throws {
    let group = Self.group("a", models: 40, rate: 1, replicas: 3)
    let kind = Self.node([("a", 120, 0.001)], count: 4, devices: 2)
    let placement = try #require(
      Placement(nodes: [kind], workload: Self.workload([group]), groups: [Self.planned(group)]))
    for hosts in placement.hosts(ofGroup: 0, models: 40) { #expect(Set(hosts.map(\.node)).count == 3) }
    // Two devices of one node do where there is no second node.
    let single = Self.group("a", models: 1, rate: 1, replicas: 2)
    let pair = Self.node([("a", 2, 0.001)], count: 1, devices: 2)
    let both = try #require(
      Placement(nodes: [pair], workload: Self.workload([single]), groups: [Self.planned(single)]))
    #expect(Set(both.hosts(ofGroup: 0, models: 1)[0].map(\.device)) == [0, 1])
  }

  @Test func whatDoesNotAddUpHasNoPlace() {
    let group = Self.group("a", models: 10, rate: 1)
    for total in [9, 11] {
      let kind = Self.node([("a", total, 0.001)], count: 2)
      #expect(Placement(nodes: [kind], workload: Self.workload([group]), groups: [Self.planned(group)]) == nil)
    }
    // Three copies of a model on two devices.
    let often = Self.group("a", models: 1, rate: 1, replicas: 3)
    let kind = Self.node([("a", 3, 0.001)], count: 2)
    #expect(Placement(nodes: [kind], workload: Self.workload([often]), groups: [Self.planned(often)]) == nil)
  }

  @Test func requestsOfCopiesAreAskedInTurn() {
    let stream = { (replica: Int) in
      RequestStream(
        models: 1, ratePerModelPerSecond: 100, process: .poisson, turns: [Turns(replica: replica, replicas: 3)])
    }
    let parts = (0..<3).map { Schedule.make([stream($0)], durationSeconds: 60, seed: 4).requests.map(\.due) }
    let whole = Schedule.make(
      [RequestStream(models: 1, ratePerModelPerSecond: 100, process: .poisson)], durationSeconds: 60, seed: 4)
    #expect(parts.flatMap { $0 }.sorted() == whole.requests.map(\.due))
    #expect(parts.allSatisfy { abs($0.count - whole.requests.count / 3) <= 1 })
  }

  @Test(arguments: [
    RequestSizes.lognormal(mean: 40, cv: 0.8, max: 128), .lognormal(mean: 3, cv: 0.2, max: 9), .fixed(7), .none,
    .histogram([SizeWeight(size: 8, weight: 3), SizeWeight(size: 64, weight: 1)]),
  ])
  func classesOfSizeAreThoseThatAreDrawn(_ sizes: RequestSizes) throws {
    let classes = sizes.classes
    #expect(abs(classes.reduce(0) { $0 + $1.share } - 1) < 1e-9)
    #expect(zip(classes, classes.dropFirst()).allSatisfy { $0.upTo < $1.upTo })
    #expect(classes.last?.upTo == sizes.largest ?? 1)
    guard sizes.largest != nil else { return }
    var random = RandomStream(seed: 1, stream: "test")
    let draw = RequestSizes.Draw(sizes)
    let drawn = (0..<20_000).map { _ in draw.next(from: &random) }
    var below = 0.0
    for one in classes {
      below += one.share
      let share = Double(drawn.count { $0 <= one.upTo }) / 20_000
      #expect(abs(share - below) < 0.015, "\(one)")
    }
  }
}
