extension Reason: CustomStringConvertible {
  public var description: String { sentence }

  /// The reason in words, without a full stop. Terminal, page and plan file print the same one.
  public var sentence: String {
    switch self {
    case .memory, .hostMemory, .noRoom, .compute, .latency, .passAboveTarget, .oneModelAboveTarget: nodeSentence
    case .oneNodeTakesAll(let models): "one node takes all \(NumberText.models(models))"
    case .oneTypeTakesAll(let type, let models):
      "count: one \(type) takes all \(NumberText.models(models)), and no cheaper type does"
    case .machineAtHandTakesAll(let models): "count: the machine at hand takes all \(NumberText.models(models))"
    case .allThatWereAskedFor(let models): "count: all \(NumberText.models(models)) that were asked for"
    case .machineAtHandTakes(let models, let all, let reason):
      "the machine at hand takes \(models) of \(NumberText.models(all)); \(reason.sentence)"
    case .fitted(let models, let all, let reason): "\(models) of \(NumberText.models(all)); \(reason.sentence)"
    case .nodesAboveBudget, .fleetAboveBudget, .executableFleetAboveBudget: budgetSentence
    case .nearest(let type, let target, let reason, let silent):
      "no type considered keeps p99 within \(NumberText.target(target)); nearest is \(type): \(reason.sentence)"
        + (silent == 0
          ? "" : "; \(NumberText.count(silent, "further type")) without a figure could not be considered")
    case .noFigure(let missing): missing.description
    case .noTypeHasFigure(let types, let architecture, let size):
      "none of the \(types) types considered has a latency of \(architecture) at \(size) tokens; profile one of them"
    case .noProfiledTypeKeepsTarget(let type, let reason):
      "no profiled type keeps the target; \(type): \(reason.sentence)"
    case .noProfile(let architecture, let size):
      "this program's engine runs on CPUs that it has profiled, and no profile of \(architecture) at "
        + "\(size) tokens comes from a type considered; run `planner profile` on one"
    case .notInCatalogue, .packingOfAnotherType, .packingMemory, .packingHostMemory, .packing: packingSentence
    case .ofGroup, .mixTooSlow, .mixMemory, .mixFills, .mixReplicas, .mixDoesNotFit, .noProfiledTypeKeepsTargets,
      .notTriedAlone:
      mixSentence
    case .stated(let sentence): sentence
    }
  }

  private var mixSentence: String {
    switch self {
    case .ofGroup(let group, let reason): return "group '\(group)': \(reason.sentence)"
    case .mixTooSlow(let nodes, let type):
      return "latency: on \(nodes) × \(type) some group would break its target"
    case .mixMemory(let nodes, let type, let needed, let isHosts):
      return "memory: the models take \(NumberText.mebibytes(needed)) of the \(isHosts ? "hosts'" : "nodes'") memory, "
        + "more than \(nodes) × \(type) have"
    case .mixFills(let binding, let share, let nodes, let type):
      return "\(binding.rawValue): \(nodes) × \(type) \(nodes == 1 ? "is" : "are") full to "
        + "\(Int((share * 100).rounded())) %, and no cheaper nodes were found"
    case .mixReplicas(let copies, let devices):
      return "compute: a model needs \(copies) copies, each on a device of its own, and \(devices) would be left"
    case .mixDoesNotFit(let groups, let models):
      return
        "the machine at hand does not take the \(NumberText.models(models)) of \(groups) groups within their targets"
    case .noProfiledTypeKeepsTargets:
      return "no profiled type keeps the targets of all groups"
    case .notTriedAlone:
      return "no fleet of this type alone was looked for: others are cheaper by the memory and time that a model takes"
    default: return ""
    }
  }

  private var nodeSentence: String {
    switch self {
    case .memory(let models, let each, let room, let place):
      let size = "\(NumberText.mebibytes(each.bytes)) (\(each.kind.rawValue))"
      let room = "the \(NumberText.mebibytes(room)) of each \(place.name)"
      return models == 0
        ? "memory: a model of \(size) does not fit \(room)"
        : "memory: \(NumberText.models(models)) of \(size) \(models == 1 ? "fills" : "fill") \(room)"
    case .hostMemory(let models, let each, let room):
      return "host memory: \(NumberText.models(models)), which keep up to \(NumberText.mebibytes(each.bytes)) "
        + "(\(each.kind.rawValue)) each, \(models == 1 ? "fills" : "fill") the \(NumberText.mebibytes(room)) that the "
        + "host has for them"
    case .noRoom(let shortage): return shortage.sentence
    case .compute(let models, let rate, let workers, let place, let mean):
      return "compute: \(NumberText.models(models)) with \(NumberText.rate(rate)) requests a second each "
        + "keep \(NumberText.count(workers, "worker")) of each \(place.name) busy all the time, at "
        + "\(NumberText.milliseconds(mean)) a request"
    case .latency(let models, let place, let p99, let target):
      let shown = p99.map { "p99 \(NumberText.interval($0))" } ?? "no steady state"
      return "latency: with \(NumberText.models(models)) on each \(place.name) the simulated node shows \(shown), "
        + "beyond the target of \(NumberText.target(target))"
    case .passAboveTarget(let figure, let target):
      return "\(figure), is above the target of \(NumberText.target(target)) before any queueing"
    case .oneModelAboveTarget(let figure, let p99, let place, let target):
      guard let p99 else { return "\(figure): a single model has no steady state" }
      return "\(figure), with HTTP, tokenizer and queueing: p99 \(NumberText.interval(p99)) "
        + "with a single model on each \(place.name), beyond the target of \(NumberText.target(target))"
    default: return ""
    }
  }

  private var budgetSentence: String {
    func above(_ cost: Double, _ budget: Double) -> String {
      "\(NumberText.dollars(cost)) an hour, above the budget of \(NumberText.dollars(budget))"
    }
    switch self {
    case .nodesAboveBudget(let nodes, let cost, let budget, let reason):
      return "\(NumberText.nodes(nodes)) cost \(above(cost, budget)); \(reason.sentence)"
    case .fleetAboveBudget(let fleet, let cost, let budget, let reason):
      return "the cheapest fleet that keeps the target, \(FleetPart.list(fleet)), costs \(above(cost, budget)); "
        + reason.sentence
    case .executableFleetAboveBudget(let fleet, let cost, let budget):
      return "the cheapest, \(FleetPart.list(fleet)), costs \(above(cost, budget))"
    default: return ""
    }
  }

  private var packingSentence: String {
    switch self {
    case .notInCatalogue: return "not in this catalogue; at the guidance's price"
    case .packingOfAnotherType(let type, let models, let reason):
      return "not a row of the guidance: its \(type) packing of \(models) models a chip, on the cheapest type with "
        + "that chip; \(reason.sentence)"
    case .packingMemory(let models, let each, let capacity):
      return "\(models) models a node of \(NumberText.mebibytes(each.bytes)) (\(each.kind.rawValue)) take "
        + "\(NumberText.mebibytes(each.bytes * Int64(models))) of \(NumberText.mebibytes(capacity))"
    case .packingHostMemory(let models, let each, let capacity):
      return "\(models) models a node keep up to \(NumberText.mebibytes(each.bytes * Int64(models))) "
        + "(\(each.kind.rawValue)) of the host's memory, which has \(NumberText.mebibytes(capacity)) for them"
    case .packing(let models, let p99, let target):
      let packed = "\(models) models a node"
      guard let p99 else { return "\(packed) give its workers more than they can keep up with" }
      return "\(packed): p99 \(NumberText.interval(p99)), \(p99.high <= target ? "within" : "beyond") "
        + NumberText.target(target)
    default: return ""
    }
  }
}

extension RoomShortage {
  var sentence: String {
    switch self {
    case .pods(let agents, let most):
      "pods: the node's agents take \(agents) and the server one, of \(most)"
    case .cpu(let agents, let available):
      "CPU: the node's agents ask for \(agents)m of \(available)m"
    case .hostMemory(let needed, let available):
      "host memory: the device runtime, one model and its copy while it loads take \(NumberText.mebibytes(needed)) "
        + "(estimated) of the \(NumberText.mebibytes(available)) that the node's agents leave"
    }
  }
}

extension Reason.Place {
  /// `node`, `A10G`, `Inferentia2 core`.
  var name: String {
    switch self {
    case .node: "node"
    case .accelerator(let name): Self.proper(name)
    case .core(let name): Self.proper(name) + " core"
    }
  }

  private static func proper(_ name: String) -> String {
    name.hasPrefix("inferentia") ? name.prefix(1).uppercased() + name.dropFirst() : name.uppercased()
  }
}

extension Reason.FleetPart {
  /// `2 × inf2.xlarge + 1 × inf1.xlarge`
  static func list(_ parts: [Self]) -> String {
    parts.map { "\($0.count) × \($0.instanceType)" }.joined(separator: " + ")
  }
}
