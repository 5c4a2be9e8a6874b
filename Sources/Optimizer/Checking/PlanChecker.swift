import PlannerCore
import Simulator

/// One thing in a plan that does not hold.
public struct PlanViolation: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// Sums, months, gaps: the plan's own figures do not add up.
    case arithmetic
    /// A price or type that the catalogue does not have.
    case catalog
    /// Not every model has a place, or one has two.
    case coverage
    case memory
    /// A node has no place for the server beside its agents.
    case room
    case latency
    case budget
    case lowerBound
    /// A figure that no profile and no publication bears out.
    case evidence
  }

  public var kind: Kind
  /// Path of the field, such as `nodes[0].costPerHour`.
  public var field: String
  public var message: String

  public init(_ kind: Kind, _ field: String, _ message: String) {
    self.kind = kind
    self.field = field
    self.message = message
  }

  public var description: String { "\(kind.rawValue): \(field): \(message)" }
}

/// What a plan is checked against.
public struct PlanEvidence: Sendable {
  public var catalog: Catalog
  public var figures: [PublishedBenchmark]
  public var architectures: [PublishedArchitecture]
  /// Host memory that models on accelerators keep, by instance family.
  public var hostMemory: [HostMemoryRule]
  public var profiles: [Profile]

  public init(
    catalog: Catalog, figures: [PublishedBenchmark], architectures: [PublishedArchitecture] = [],
    hostMemory: [HostMemoryRule] = [], profiles: [Profile]
  ) {
    self.catalog = catalog
    self.figures = figures
    self.architectures = architectures
    self.hostMemory = hostMemory
    self.profiles = profiles
  }

  /// Bytes of one model's weights: by the preset's shape, the published number of parameters, or a profile.
  func weightBytes(_ workload: Workload, _ precision: Precision) -> Int64? {
    let parameters: Int?
    if var shape = ArchitecturePreset(rawValue: workload.architecture)?.shape {
      shape.vocabulary = workload.vocabulary ?? shape.vocabulary
      parameters = shape.parameterCount
    } else {
      parameters = architectures.first { $0.name == workload.architecture }?.parameters
    }
    if let parameters { return Int64(parameters * precision.bytesPerWeight) }
    for profile in profiles {
      for model in profile.models where workload.isServed(by: model) && model.precision == precision {
        return model.weightBytes
      }
    }
    return nil
  }
}

/// Verifies a plan without trusting what made it: shares no code with the search, derives cost, memory, coverage and
/// lower bound again from the evidence, and simulates p99 again with a seed of its own.
public enum PlanChecker {
  /// - Parameter seed: of the simulations; nil takes one that differs from the plan's.
  /// - Returns: everything that does not hold; empty for a sound plan.
  public static func check(_ plan: Plan, against evidence: PlanEvidence, seed: UInt64? = nil) -> [PlanViolation] {
    var report = CheckReport()
    let fleet = FleetCheck(plan: plan, evidence: evidence, seed: seed ?? plan.seed &+ 0x5EED)
    if plan.isMixed {
      fleet.checkSums(&report)
      MixCheck(plan: plan, evidence: evidence, seed: fleet.seed).check(&report)
      MixBoundCheck(plan: plan, evidence: evidence).check(&report)
      return report.violations
    }
    fleet.checkTotals(&report)
    for (index, node) in plan.nodes.enumerated() { fleet.checkNode(node, at: "nodes[\(index)]", &report) }
    fleet.checkExecutable(&report)
    fleet.checkAlternatives(&report)
    fleet.checkLowHostMemory(&report)
    let bound = BoundCheck(plan: plan, evidence: evidence)
    bound.check(&report)
    bound.checkLowHostMemory(&report)
    return report.violations
  }
}

struct CheckReport {
  var violations: [PlanViolation] = []

  mutating func require(
    _ holds: Bool, _ kind: PlanViolation.Kind, _ field: String, _ message: @autoclosure () -> String
  ) {
    if !holds { violations.append(PlanViolation(kind, field, message())) }
  }
}

/// Equal to within a millionth: dollars and ratios that went through JSON.
func agree(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-6 * max(1, abs(a), abs(b)) }

/// Cost, coverage, memory and latency of the nodes.
struct FleetCheck {
  let plan: Plan
  let evidence: PlanEvidence
  let seed: UInt64
  /// Counts of nodes, models and queues beyond this are wrong by themselves, and their products might overflow.
  private static let plausible = 1...10_000_000

  /// What a plan of many kinds says of its cost and its nodes, whatever lives on them.
  func checkSums(_ report: inout CheckReport) {
    checkAsked(&report)
    guard let latency = checkCost(&report) else { return }
    let worst = plan.nodes.map(\.latencySeconds.p99.estimate).max() ?? 0
    report.require(
      agree(latency.estimate, worst), .latency, "latencySeconds.p99",
      "is \(latency.estimate); the worst node's is \(worst)")
    for (index, node) in plan.nodes.enumerated() { checkPrice(node, at: "nodes[\(index)]", &report) }
  }

  func checkTotals(_ report: inout CheckReport) {
    report.require(plan.models >= 1, .coverage, "models", "is \(plan.models)")
    report.require(
      plan.workload.models == plan.models, .coverage, "workload.models",
      "is \(plan.workload.models), the plan's models are \(plan.models)")
    let latency = checkCost(&report)
    if !plan.feasible {
      checkAsked(&report)
      checkBudgetBinds(&report)
    }
    guard let latency else { return }
    checkWorst(latency, of: plan.nodes, "latencySeconds.p99", &report)
    checkCoverage(plan.nodes, "nodes", &report)
    checkGroups(latency, &report)
  }

  /// Cost, month and budget of a feasible plan, and that another one has none.
  ///
  /// - Returns: the plan's p99; nil where there is nothing more to look at.
  private func checkCost(_ report: inout CheckReport) -> Estimate? {
    guard plan.feasible else {
      report.require(plan.costPerHour == nil, .arithmetic, "costPerHour", "is given though the plan is not feasible")
      report.require(plan.nodes.isEmpty, .arithmetic, "nodes", "are given though the plan is not feasible")
      return nil
    }
    guard let cost = plan.costPerHour, let latency = plan.latencySeconds?.p99, !plan.nodes.isEmpty else {
      report.require(
        false, .arithmetic, "costPerHour", "cost, latency or nodes are missing though the plan is feasible")
      return nil
    }
    let total = sum(of: plan.nodes)
    report.require(agree(cost, total), .arithmetic, "costPerHour", "is \(cost); its nodes and cluster cost \(total)")
    if let budget = plan.budgetPerHour {
      report.require(cost <= budget + 1e-9, .budget, "costPerHour", "is \(cost), above the budget of \(budget)")
    }
    report.require(
      plan.costPerMonth.map { agree($0, cost * 730) } ?? false, .arithmetic, "costPerMonth",
      "is not 730 hours of \(cost)")
    return latency
  }

  /// What a plan that is not feasible says of its budget: a type that is only too dear is above it, and is then what
  /// binds.
  private func checkBudgetBinds(_ report: inout CheckReport) {
    let tooDear = plan.alternatives.filter { $0.binding == .budget && $0.feasible == false }
    guard let budget = plan.budgetPerHour else {
      let isBound = plan.binding == .budget || !tooDear.isEmpty
      report.require(!isBound, .budget, "budgetPerHour", "is missing, and binds")
      return
    }
    report.require(budget > 0, .budget, "budgetPerHour", "is \(budget)")
    for row in tooDear {
      report.require(
        row.costPerHour.map { $0 > budget } ?? false, .budget, "alternatives: \(row.instanceType)",
        "is called too dear at \(row.costPerHour ?? 0), with a budget of \(budget)")
    }
    report.require(
      tooDear.isEmpty || plan.binding == .budget, .budget, "binding",
      "is \(plan.binding.rawValue), though types keep the target and are only above the budget")
  }

  /// The plan's groups are the workload's.
  private func checkAsked(_ report: inout CheckReport) {
    let asked = plan.workload.groups
    let areTheSame =
      plan.groups.map(\.name) == asked.map(\.name) && plan.groups.map(\.models) == asked.map(\.models)
      && plan.groups.map(\.targetP99Seconds) == asked.map(\.targetP99Seconds)
    report.require(areTheSame, .coverage, "groups", "are not the workload's")
  }

  /// Each group has the latency of the worst node that holds it.
  private func checkGroups(_ latency: Estimate, _ report: inout CheckReport) {
    checkAsked(&report)
    for group in plan.groups {
      report.require(
        group.p99Seconds.map { agree($0.estimate, latency.estimate) } ?? false, .latency, "groups: \(group.name)",
        "p99Seconds is not the worst node's, \(latency.estimate)")
      report.require(group.replicas == [1, 1], .coverage, "groups: \(group.name)", "replicas are not 1")
    }
  }

  /// Nodes at the catalogue's prices; a fleet that is bought runs on a cluster, which costs something, too.
  private func sum(of nodes: [NodeGroup]) -> Double {
    var total = 0.0
    for node in nodes { total += Double(node.count) * (evidence.catalog[node.instanceType]?.costPerHour ?? 0) }
    return nodes.allSatisfy { $0.instanceType == "local" } ? total : total + evidence.catalog.clusterCostPerHour
  }

  private func checkWorst(_ claimed: Estimate, of nodes: [NodeGroup], _ field: String, _ report: inout CheckReport) {
    let worst = nodes.map(\.latencySeconds.p99.estimate).max() ?? 0
    report.require(
      agree(claimed.estimate, worst), .latency, field, "is \(claimed.estimate); the worst node's is \(worst)")
    report.require(
      claimed.high <= plan.workload.targetP99Seconds, .latency, field,
      "reaches up to \(claimed.high), beyond the target of \(plan.workload.targetP99Seconds)")
    report.require(
      claimed.low <= claimed.estimate && claimed.estimate <= claimed.high, .latency, field,
      "lies outside its own interval")
  }

  /// Every model has exactly one place: nodes of a kind differ by one model at most, and the total is met.
  private func checkCoverage(_ nodes: [NodeGroup], _ field: String, _ report: inout CheckReport) {
    var fewest = 0
    var most = 0
    for (index, node) in nodes.enumerated() {
      guard node.modelsPerNode.count == 2, node.modelsPerNode.allSatisfy(Self.plausible.contains),
        (0...1).contains(node.modelsPerNode[1] - node.modelsPerNode[0]), Self.plausible.contains(node.count)
      else {
        report.require(
          false, .coverage, "\(field)[\(index)].modelsPerNode",
          "is \(node.modelsPerNode) on \(node.count) nodes, not an even spread")
        return
      }
      // With both numbers given, at least one node has the larger one and one the smaller.
      let isMixed = node.modelsPerNode[0] < node.modelsPerNode[1] ? 1 : 0
      fewest += node.count * node.modelsPerNode[0] + isMixed
      most += node.count * node.modelsPerNode[1] - isMixed
    }
    report.require(
      (fewest...max(fewest, most)).contains(plan.models), .coverage, field,
      "hold \(fewest)\(most > fewest ? " to \(most)" : "") models, \(plan.models) are planned for")
  }

  private func checkPrice(_ node: NodeGroup, at field: String, _ report: inout CheckReport) {
    let isLocal = node.instanceType == "local"
    if let type = evidence.catalog[node.instanceType] {
      report.require(
        agree(node.costPerHour, type.costPerHour), .catalog, "\(field).costPerHour",
        "is \(node.costPerHour), the catalogue says \(type.costPerHour)")
      RoomCheck(evidence: evidence).check(type, at: field, &report)
    } else {
      report.require(isLocal, .catalog, "\(field).instanceType", "'\(node.instanceType)' is not in the catalogue")
      report.require(node.costPerHour == 0, .catalog, "\(field).costPerHour", "is not 0")
    }
  }

  func checkNode(_ node: NodeGroup, at field: String, _ report: inout CheckReport) {
    report.require(node.count >= 1, .coverage, "\(field).count", "is \(node.count)")
    report.require(
      node.instanceType != "local" || node.count == 1, .coverage, "\(field).count",
      "is \(node.count); there is one such machine")
    checkPrice(node, at: field, &report)
    let models = node.modelsPerNode.max() ?? 0
    let counts = [node.count, node.devices, node.workers, node.threadsPerWorker, models]
    guard counts.allSatisfy(Self.plausible.contains), node.service.computeSeconds.mean > 0 else {
      report.require(false, .arithmetic, field, "queues, workers, threads, models or service time are not plausible")
      return
    }
    guard checkPlaced(node, at: field, &report) else { return }
    EvidenceCheck(workload: plan.workload, evidence: evidence).check(node, at: field, &report)
    checkMemory(node, models: models, at: field, &report)
    checkLatency(node, models: models, at: field, &report)
  }

  /// What is placed on a node is what the workload asks for, and the node has figures for it.
  ///
  /// - Returns: false where the rest of the node cannot be looked at.
  private func checkPlaced(_ node: NodeGroup, at field: String, _ report: inout CheckReport) -> Bool {
    let isOne = plan.workload.groups.count == 1 && node.spec.models.count == 1 && node.figures.entries.count == 1
    report.require(isOne, .coverage, "\(field).placed", "holds several groups, which cannot be checked yet")
    guard isOne else { return false }
    let (share, group) = (node.spec.models[0], plan.workload.groups[0])
    report.require(
      share.group == group.name, .coverage, "\(field).placed", "'\(share.group)' is no group of the workload")
    let isAsked =
      share.variant.architecture == group.architecture && share.variant.vocabulary == group.vocabulary
      && group.precisions.map { $0.contains(share.variant.precision) } ?? true
    report.require(isAsked, .evidence, "\(field).placed", "is another variant than the workload asks for")
    let hasFigures = node.figures.entries[0].variant == share.variant
    report.require(hasFigures, .evidence, "\(field).placed", "has no figures")
    return share.group == group.name && hasFigures
  }

  /// A model lives on one device, so each queue's share has to hold the models of the fullest one.
  private func checkMemory(_ node: NodeGroup, models: Int, at field: String, _ report: inout CheckReport) {
    let fullest = Int64((models + node.devices - 1) / node.devices)
    let share = node.memoryCapacityBytes / Int64(node.devices)
    let (needed, overflow) = fullest.multipliedReportingOverflow(by: node.memoryPerModelBytes)
    report.require(
      !overflow && node.memoryPerModelBytes > 0 && needed <= share, .memory, field,
      "\(fullest) models of \(node.memoryPerModelBytes) bytes in a queue that has \(share)")
  }

  /// Simulates the node again. The figure of the plan has to lie in the new interval, widened by 2 % for the error of
  /// the interval itself, and the new estimate has to keep the target as closely.
  private func checkLatency(_ node: NodeGroup, models: Int, at field: String, _ report: inout CheckReport) {
    let again = NodeSimulation.predict(node.spec, plan.workload, node.figures, seed: seed, effort: .final)
    guard let again else {
      report.require(false, .latency, field, "the offered load reaches the capacity")
      return
    }
    let p99 = again.latencySeconds.p99
    let claimed = node.latencySeconds.p99
    report.require(
      claimed.estimate >= p99.low * 0.98 && claimed.estimate <= p99.high * 1.02, .latency,
      "\(field).latencySeconds.p99", "is \(claimed.estimate); simulated again it is \(p99.low) to \(p99.high)")
    report.require(
      p99.estimate <= plan.workload.targetP99Seconds * 1.02, .latency, "\(field).latencySeconds.p99",
      "is \(p99.estimate) when simulated again, beyond the target of \(plan.workload.targetP99Seconds)")
    // Devices share nothing, so the load is the fullest one's.
    let onFullest = Double((models + node.devices - 1) / node.devices)
    let busySeconds = node.service.computeSeconds.mean + (node.service.dispatchGapSeconds ?? 0)
    let offered = onFullest * plan.workload.ratePerModelPerSecond * busySeconds / Double(node.workers)
    // A worker that has to be woken is busy for so much longer, at the most with every request.
    let waking =
      onFullest * plan.workload.ratePerModelPerSecond * (node.service.wakeUpSeconds ?? 0) / Double(node.workers)
    let slack = 0.02 + 0.05 * offered
    report.require(
      node.utilization >= offered - slack && node.utilization <= offered + waking + slack, .latency,
      "\(field).utilization",
      "is \(node.utilization); rate × service time gives \(offered)")
  }

  func checkExecutable(_ report: inout CheckReport) {
    guard let executable = plan.bestExecutable else {
      report.require(
        plan.bestExecutableReason != nil, .arithmetic, "bestExecutableReason", "is missing, and so is the plan")
      return
    }
    let total = sum(of: executable.nodes)
    report.require(
      agree(executable.costPerHour, total), .arithmetic, "bestExecutable.costPerHour",
      "is \(executable.costPerHour); its nodes and cluster cost \(total)")
    report.require(
      agree(executable.costPerMonth, executable.costPerHour * 730), .arithmetic, "bestExecutable.costPerMonth",
      "is not 730 hours")
    checkWorst(executable.latencySeconds.p99, of: executable.nodes, "bestExecutable.latencySeconds.p99", &report)
    checkCoverage(executable.nodes, "bestExecutable.nodes", &report)
    if plan.feasible, let cost = plan.costPerHour {
      report.require(
        executable.costPerHour >= cost - 1e-6, .arithmetic, "bestExecutable.costPerHour",
        "is below the best plan's, which is then not the best")
    }
    for (index, node) in executable.nodes.enumerated() {
      let field = "bestExecutable.nodes[\(index)]"
      report.require(node.executable, .evidence, "\(field).executable", "is false")
      // The same nodes as the best plan's were checked there.
      if !plan.nodes.contains(node) { checkNode(node, at: field, &report) }
    }
  }

  /// Fleets of one type: their sums, and that none of those called feasible is cheaper than the plan.
  func checkAlternatives(_ report: inout CheckReport) {
    for row in plan.alternatives where row.instanceType != "local" {
      let field = "alternatives: \(row.instanceType)"
      guard let nodes = row.nodes, let cost = row.costPerHour, let type = evidence.catalog[row.instanceType] else {
        report.require(row.feasible != true, .arithmetic, field, "is feasible without nodes, cost or price")
        continue
      }
      let total = Double(nodes) * type.costPerHour + evidence.catalog.clusterCostPerHour
      report.require(
        agree(cost, total), .arithmetic, field, "costs \(cost); \(nodes) nodes and the cluster cost \(total)")
      report.require(
        Double(row.modelsPerNode ?? 0) * Double(nodes) >= Double(plan.models), .coverage, field,
        "\(nodes) nodes do not hold \(plan.models) models")
      if row.feasible == true {
        report.require(
          plan.costPerHour.map { $0 <= cost + 1e-6 } ?? false, .arithmetic, field,
          "costs \(cost), which the plan should not exceed")
      }
    }
  }

  /// The fleet of the low end of host memory: its sum, and that it would be cheaper than what is planned.
  func checkLowHostMemory(_ report: inout CheckReport) {
    guard let low = plan.atLowHostMemory else { return }
    var total = evidence.catalog.clusterCostPerHour
    for part in low.nodes {
      guard let type = evidence.catalog[part.instanceType], Self.plausible.contains(part.count) else {
        report.require(
          false, .catalog, "atLowHostMemory.nodes",
          "'\(part.instanceType)' is not in the catalogue, or its count is wrong")
        return
      }
      total += Double(part.count) * type.costPerHour
    }
    report.require(
      agree(low.costPerHour, total), .arithmetic, "atLowHostMemory.costPerHour",
      "is \(low.costPerHour); its nodes and the cluster cost \(total)")
    report.require(
      low.perModelBytes.low <= low.perModelBytes.high, .arithmetic, "atLowHostMemory.perModelBytes",
      "has a low end above the high one")
    report.require(
      plan.costPerHour.map { low.costPerHour < $0 } ?? true, .arithmetic, "atLowHostMemory.costPerHour",
      "is not below the plan's own cost")
  }
}
