import PlannerCore

/// Derives the lower bound of a plan of many kinds again: the prices of resources that the plan states, times what a
/// copy of each model takes of them by any evidence, at the type that is cheapest for it.
struct MixBoundCheck {
  let plan: Plan
  let evidence: PlanEvidence

  /// What a model takes of a node: parts of the devices' and the host's memory, and of the workers' time for each
  /// request a second.
  private struct Part {
    var memory: Double
    var host: Double
    var seconds: Double
  }

  func check(_ report: inout CheckReport) {
    let isLocal = !plan.nodes.isEmpty && plan.nodes.allSatisfy { $0.instanceType == "local" }
    if let claimed = plan.lowerBoundPerHour, let cost = plan.costPerHour {
      report.require(
        claimed <= cost + 1e-9, .lowerBound, "lowerBoundPerHour", "is \(claimed), above the cost of \(cost)")
      let gap = claimed > 0 ? plan.gap.map { agree($0, cost / claimed - 1) } ?? false : plan.gap == nil
      report.require(gap, .arithmetic, "gap", "is not cost over lower bound less 1")
    }
    guard !isLocal else {
      report.require(
        plan.lowerBoundPerHour == 0, .lowerBound, "lowerBoundPerHour", "is not 0 for a machine that costs nothing")
      return
    }
    guard let claimed = plan.lowerBoundPerHour else {
      report.require(!plan.feasible, .lowerBound, "lowerBoundPerHour", "is missing though the plan is feasible")
      return
    }
    guard let prices = plan.certificate?.prices, plan.certificate?.method == .dualPrices else {
      report.require(false, .lowerBound, "certificate", "has no prices")
      return
    }
    let isFair = prices.allSatisfy {
      $0.memory >= 0 && $0.hostMemory >= 0 && $0.compute >= 0
        && $0.memory + $0.hostMemory + $0.compute <= 1 + 1e-9
    }
    report.require(isFair, .lowerBound, "certificate.prices", "share out more than the price of a node")
    let listed = Set(prices.map(\.instanceType))
    report.require(
      plan.alternatives.allSatisfy { $0.instanceType == "local" || listed.contains($0.instanceType) }
        && plan.nodes.allSatisfy { listed.contains($0.instanceType) }, .lowerBound, "certificate.prices",
      "do not name every type")
    let derived = derive(prices) + evidence.catalog.clusterCostPerHour
    report.require(
      isFair && claimed <= derived + 1e-6 * max(1, derived), .lowerBound, "lowerBoundPerHour",
      "is \(claimed); only \(derived) follows from the prices")
  }

  private func derive(_ prices: [ResourcePrices]) -> Double {
    var total = 0.0
    for group in plan.workload.groups {
      var ways: [(price: Double, own: ResourcePrices, part: Part)] = []
      for own in prices {
        guard let type = evidence.catalog[own.instanceType] else { continue }
        let rest = evidence.rest(of: type)
        guard rest.pods >= 1, rest.milliCPU >= 1 else { continue }
        for part in published(group, type) + profiled(group, type) { ways.append((type.costPerHour, own, part)) }
      }
      var known: [Double: Double] = [:]
      for rate in group.rates() {
        let each =
          known[rate]
          ?? ways.lazy.map { way in
            let copies = Double(group.leastReplicas)
            return way.price
              * (copies * (way.own.memory * way.part.memory + way.own.hostMemory * way.part.host)
                + way.own.compute * way.part.seconds * rate)
          }.min() ?? 0
        known[rate] = each
        total += each
      }
    }
    return total
  }

  private func published(_ group: ModelGroup, _ type: InstanceType) -> [Part] {
    let alone = plan.workload.only(group)
    return evidence.figures.compactMap { figure in
      guard figure.architecture == group.architecture, figure.batch == 1, figure.tokens >= group.requests.tokens,
        group.precisions.map({ $0.contains(figure.precision) }) ?? true,
        figure.instanceFamilies.contains(type.familyName),
        let split = PublishedSplit(figure, on: type, evidence.catalog),
        let weights = evidence.weightBytes(alone, figure.precision),
        let mean = figure.seconds["mean"] ?? figure.seconds["p50"]
      else { return nil }
      for key in ["p50", "p90", "p95", "p99"] {
        if let seconds = figure.seconds[key], seconds > group.targetP99Seconds { return nil }
      }
      let perModel = ((1.15 * Double(weights) + 41_943_040) * 1.25).rounded(.up)
      let host = evidence.rest(of: type).memoryBytes
      let memory = type.accelerator.map { Int64($0.count) * $0.memoryBytes } ?? host - (2 << 30)
      guard memory / Int64(split.devices) >= Int64(perModel) else { return nil }
      var part = Part(
        memory: perModel / Double(memory), host: 0,
        seconds: mean * split.factor / Double(split.devices * split.workers))
      if type.accelerator != nil {
        let demand = evidence.hostDemand(of: type, weightBytes: weights)
        let left = host - demand.process - Int64(perModel)
        guard left >= demand.perModel, left > 0 else { return nil }
        part.host = Double(demand.perModel) / Double(left)
      }
      return part
    }
  }

  private func profiled(_ group: ModelGroup, _ type: InstanceType) -> [Part] {
    guard type.accelerator == nil else { return [] }
    let alone = plan.workload.only(group)
    var parts: [Part] = []
    for profile in evidence.profiles where profile.host.instanceType == type.name && !profile.host.isThrottled {
      let memory = evidence.rest(of: type).memoryBytes - profile.serverMemoryBytes
      for model in profile.models
      where alone.isServed(by: model) && group.precisions.map({ $0.contains(model.precision) }) ?? true {
        guard memory >= model.memoryPerModelBytes, model.memoryPerModelBytes > 0 else { continue }
        for cell in model.served where cell.tokens >= group.requests.tokens {
          guard cell.workers >= 1, cell.workers * cell.threads <= type.vcpus,
            isCertainlyInTime(cell, group)
          else { continue }
          parts.append(
            Part(
              memory: Double(model.memoryPerModelBytes) / Double(memory), host: 0,
              seconds: cell.computeSeconds.mean * meanFactor(group, model, cell) / Double(cell.workers)))
        }
      }
    }
    return parts
  }

  /// A cell whose own p99 is above the target bears nothing out, unless the longest requests are rarer than that.
  private func isCertainlyInTime(_ cell: ServedCell, _ group: ModelGroup) -> Bool {
    if let rarest = group.requests.sizes.classes.last, rarest.share <= 0.01 { return true }
    return cell.computeSeconds.quantile(0.99) <= group.targetP99Seconds
  }

  /// Mean time over the sizes of a group's requests, over that of a cell: on a line between the sizes that were served.
  private func meanFactor(_ group: ModelGroup, _ model: ModelProfile, _ cell: ServedCell) -> Double {
    let classes = group.requests.sizes.classes
    guard classes.count > 1 else { return 1 }
    var points: [(Int, Double)] = []
    for other in model.served
    where other.workers == cell.workers && other.threads == cell.threads && other.input == cell.input
      && other.computeSeconds.mean > 0
    {
      points.append((other.tokens, other.computeSeconds.mean))
    }
    if Set(points.map(\.0)).count < 2 {
      points = []
      for pass in model.forward where pass.threads == cell.threads && pass.batch == 1 && pass.concurrency == 1 {
        points.append((pass.tokens, pass.serviceSeconds.mean))
      }
    }
    points.sort { $0 < $1 }
    func seconds(_ size: Int) -> Double? {
      guard let above = points.first(where: { $0.0 >= size }) else { return points.last?.1 }
      guard let below = points.last(where: { $0.0 < size }), above.0 > size else { return above.1 }
      return below.1 + (above.1 - below.1) * Double(size - below.0) / Double(above.0 - below.0)
    }
    guard let whole = seconds(cell.tokens), whole > 0 else { return 1 }
    return classes.reduce(0) { $0 + $1.share * min(1, (seconds($1.upTo) ?? whole) / whole) }
  }
}
