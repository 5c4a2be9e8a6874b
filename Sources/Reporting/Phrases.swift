import PlannerCore

/// The sentences that the page and the terminal share, so that both say the same.
public enum Phrases {
  /// `3,000 bert-base models, 128 tokens a request, …`
  /// `fp32`, or `bf16, fp32` where a node's groups are planned in several.
  static func precisions(_ node: NodeGroup) -> String {
    Set(node.spec.models.map(\.variant.precision.rawValue)).sorted().joined(separator: ", ")
  }

  private static func sizes(_ requests: RequestMix) -> String {
    switch requests.sizes {
    case .none: "requests of one size"
    case .fixed(let tokens): "\(Format.count(tokens, "token", "tokens")) a request"
    case .lognormal, .histogram: "\(MixText.sizes(requests.sizes)) tokens a request"
    }
  }

  /// What requests through a proxy are predicted with.
  static var proxy: String {
    "Requests come through a proxy, which adds \(Format.duration(ProxyDelay.p50Seconds)) at p50 and "
      + "\(Format.duration(ProxyDelay.p99Seconds)) at p99 (\(ProxyDelay.provenance.kind.rawValue): "
      + "\(ProxyDelay.provenance.source))."
  }

  static func workloadAndSource(_ workload: Workload) -> String {
    "\(self.workload(workload)). " + (workload.isProxied ? proxy + " " : "") + workload.source
  }

  static func workload(_ workload: Workload) -> String {
    if workload.groups.count > 1 {
      let models = workload.groups.reduce(0) { $0 + $1.models }
      let architectures = Set(workload.groups.map(\.architecture)).count
      return "\(Format.count(models, "model", "models")) in \(workload.groups.count) groups of "
        + "\(Format.count(architectures, "architecture", "architectures")), "
        + "\(Format.rate(workload.totalRatePerSecond)) in all"
    }
    let all = workload.ratePerModelPerSecond * Double(workload.models)
    let arrivals =
      switch workload.arrivals {
      case .poisson: "Poisson arrivals"
      case .deterministic: "evenly spaced arrivals"
      case .gamma(let cv): "gamma arrivals of cv \(Format.plain(cv))"
      case .trace: "arrivals as recorded"
      }
    let input =
      switch workload.input {
      case .text: "text in"
      case .tokens: "token ids in"
      case .tensors: "tensors in"
      }
    let vocabulary = workload.vocabulary.map { " (vocabulary \(Format.count($0)))" } ?? ""
    let kind = workload.architecture
    return "\(Format.count(workload.models, "\(kind) model", "\(kind) models"))\(vocabulary), "
      + "\(sizes(workload.groups[0].requests)), \(input), \(arrivals), "
      + "\(MixText.popularity(workload.groups[0].popularity)) popularity, "
      + "\(Format.rate(workload.ratePerModelPerSecond)) per model (\(Format.rate(all)) in all), "
      + "target p99 ≤ \(Format.setting(workload.targetP99Seconds))"
  }

  /// Forward passes at once times threads of each, and before them the queues that share nothing.
  static func workers(_ node: NodeGroup) -> String {
    let each = "\(Format.count(node.workers)) × \(Format.count(node.threadsPerWorker))"
    return node.devices == 1 ? each : "\(Format.count(node.devices)) × \(each)"
  }

  /// Workers of a node in words: `2 workers of 1 thread each`.
  static func workersInWords(_ node: NodeGroup) -> String {
    let each =
      Format.count(node.workers, "worker", "workers") + " of "
      + Format.count(node.threadsPerWorker, "thread", "threads")
      + (node.workers == 1 ? "" : " each")
    return node.devices == 1 ? each : "\(Format.count(node.devices)) queues with \(each)"
  }

  static func binding(_ binding: String) -> String { binding == Binding.noFigure.rawValue ? "no figure" : binding }

  static func binding(_ binding: Binding) -> String { self.binding(binding.rawValue) }

  /// Predicted over measured, less 1; NaN where nothing was measured.
  static func error(_ predicted: Double, _ measured: Double) -> Double {
    measured > 0 ? predicted / measured - 1 : .nan
  }

  static func confidence(_ record: RunRecord) -> String {
    let confidence = record.verdict.confidence
    return confidence.isFinite && confidence > 0 ? " (confidence \(Format.probability(confidence)))" : ""
  }

  /// What the verdict means for the reader.
  static func headline(_ record: RunRecord) -> String {
    guard record.verdict.valid else { return "The run does not count" }
    // A slice speaks for this machine and for no other.
    let place = record.ran.scope == .full ? "" : record.ran.isOfCluster ? " by these nodes" : " on this machine"
    if record.parts.groups.count > 1 { return headline(record, place) }
    let target = Format.setting(record.asked.targetP99Seconds)
    switch record.verdict.outcome {
    case .pass: return "The target of \(target) was kept\(place)"
    case .fail: return "The target of \(target) was missed\(place)"
    case .undecided: return "Undecided: too close to the target of \(target)"
    }
  }

  /// What the verdict means where each group has a target of its own.
  private static func headline(_ record: RunRecord, _ place: String) -> String {
    let groups = record.parts.groups.filter { $0.sent > 0 }
    func count(_ verdict: Verdict) -> String { Format.count(groups.count { $0.verdict == verdict }) }
    switch record.verdict.outcome {
    case .pass: return "All \(Format.count(groups.count)) groups kept their targets\(place)"
    case .fail: return "\(count(.fail)) of \(Format.count(groups.count)) groups missed their targets\(place)"
    case .undecided:
      return "Undecided: \(count(.undecided)) of \(Format.count(groups.count)) groups are too close to their targets"
    }
  }

  /// What was run, where, and how hard it was driven.
  static func whatRan(_ record: RunRecord) -> String {
    if record.parts.groups.count > 1 || record.parts.nodes.count > 1 { return whatRanTogether(record) }
    let (node, host, architecture) = (record.ran.node, record.ran.host, record.asked.workload.architecture)
    let models = Format.count(record.ran.models, "\(architecture) model", "\(architecture) models")
    let isHere = node.instanceType == "local" || record.ran.scope != .full
    let machine = "\(host.cpuModel), \(Format.count(host.cores, "core", "cores"))"
    let place =
      record.ran.isOfCluster
      ? "\(node.instanceType == "local" ? "a machine" : "a \(node.instanceType)") of a cluster "
        + "(\(workersInWords(node))), asked from this machine (\(machine))"
      : "\(isHere ? "this machine" : "a \(node.instanceType)") (\(machine); \(workersInWords(node)))"
    return "\(models) in \(node.precision.rawValue) ran on \(place). "
      + "In \(Format.setting(record.load.durationSeconds)) it was sent \(requests(record.load.requests.sent)) of "
      + "\(Format.count(record.asked.workload.tokens, "token", "tokens")) and answered "
      + "\(Format.count(record.load.requests.completed)), \(Format.rate(record.figures.measured.throughputPerSecond))."
  }

  /// What several nodes or groups ran, where, and how hard they were driven.
  private static func whatRanTogether(_ record: RunRecord) -> String {
    let (host, parts) = (record.ran.host, record.parts)
    let models = parts.groups.reduce(0) { $0 + $1.models }
    let copies = record.ran.models == models ? "" : " in \(Format.count(record.ran.models)) copies"
    let groups = parts.groups.count > 1 ? " of \(Format.count(parts.groups.count)) groups" : ""
    return "\(Format.count(models, "model", "models"))\(groups)\(copies) ran on "
      + "\(Format.count(parts.nodes.count, "node", "nodes")) of "
      + "\(record.ran.isOfCluster ? "a cluster, asked from this machine" : "this machine") "
      + "(\(host.cpuModel), \(Format.count(host.cores, "core", "cores"))). "
      + "In \(Format.setting(record.load.durationSeconds)) they were sent \(requests(record.load.requests.sent)) and "
      + "answered \(Format.count(record.load.requests.completed)), "
      + "\(Format.rate(record.figures.measured.throughputPerSecond))."
  }

  static func requests(_ count: Int) -> String { Format.count(count, "request", "requests") }

  /// `2.34 ms`, or `≥ 10.0 s` where it lies among requests that were not answered.
  static func measuredP99(_ record: RunRecord) -> String {
    let measured = record.figures.measured
    return Format.duration(measured.p99Seconds, isAtLeast: measured.isAtLeast("p99Seconds"))
  }

  /// The two figures the whole program is about.
  static func whatCameOut(_ record: RunRecord) -> String {
    let interval = Format.durationInterval(record.comparison.prediction.p99)
    let error = record.comparison.prediction.errorP99
    let isAtLeast = record.figures.measured.isAtLeast("p99Seconds")
    let miss: String
    if isAtLeast || !error.isFinite {
      miss = "no error can be stated"
    } else if Format.signedPercent(error) == "0.0 %" {
      miss = "the same"
    } else {
      let size = Format.percent(error.magnitude, places: 1)
      miss = "\(size) too \(error > 0 ? "high" : "low")"
    }
    let bounds = interval == Format.missing ? "" : " (95 % interval \(interval))"
    let target =
      record.parts.groups.count > 1
      ? " over all groups" : " against a target of \(Format.setting(record.asked.targetP99Seconds))"
    return "Measured p99 is \(measuredP99(record))\(target). The prediction was "
      + "\(Format.duration(record.figures.predicted.p99Seconds))\(bounds): \(miss)."
  }

  static func withinInterval(_ record: RunRecord) -> String {
    record.comparison.prediction.withinInterval
      ? "Measured p50 and p99 both lie in the prediction’s 95 % intervals."
      : "Measured p50 or p99 lies outside the prediction’s 95 % interval."
  }

  /// `forward passes take 1.08 × the profile's time, HTTP and tokenizer 0.97 ×`
  public static func speed(_ speed: MachineSpeed) -> String {
    "forward passes take \(Format.factor(speed.computeFactor)) the profile’s time, HTTP and tokenizer "
      + Format.factor(speed.overheadFactor)
  }

  /// What the machine's speed just before the run did to the prediction; nil where that was not measured.
  static func calibration(_ record: RunRecord) -> String? {
    guard let calibration = record.comparison.calibration else { return nil }
    let profile = calibration.profileOnly
    let basis =
      calibration.requests >= MeasuredTimes.leastRequests
      ? "simulated with the times of these requests beside the profile’s" : "the profile’s at that speed"
    return "Just before the run, in \(requests(calibration.requests)), \(speed(calibration.speed)); the prediction is "
      + "\(basis). Without that look: p50 \(Format.duration(profile.p50Seconds)) "
      + "(\(Format.signedPercent(profile.errorP50))), p99 \(Format.duration(profile.p99Seconds)) "
      + "(\(Format.signedPercent(profile.errorP99)))."
  }

  /// How a slice of a plan differs from the plan, in sentences; nil for a full run.
  static func scope(_ record: RunRecord) -> String? {
    guard record.ran.scope != .full else { return nil }
    let reason = record.ran.scopeReason.map { " " + Format.sentence($0) } ?? ""
    if record.ran.isOfCluster {
      return "This is a slice of the plan: one node of each kind, asked as in the whole.\(reason)"
    }
    return "This is a slice of the plan: one node’s models, as many as fit, on this machine, with the prediction made "
      + "for this machine.\(reason) A slice never confirms a cloud latency."
  }

  static func invalid(_ record: RunRecord) -> String? {
    guard !record.verdict.valid else { return nil }
    return Format.sentence(record.verdict.invalidReason ?? "no reason was recorded")
      + " Its figures are shown, but they prove nothing."
  }

  /// `$24.36 an hour, $17,782.80 a month`
  static func cost(_ perHour: Double) -> String {
    "\(Format.money(perHour)) an hour, \(Format.money(perHour * Plan.hoursPerMonth)) a month of 730 h"
  }

  /// How the plan stands to the budget; nil without one.
  static func budget(_ plan: Plan) -> String? {
    guard let budget = plan.budgetPerHour, budget.isFinite, budget > 0 else { return nil }
    guard let cost = plan.costPerHour, cost.isFinite else { return "Budget \(Format.money(budget)) an hour." }
    let share = Format.percent((cost / budget - 1).magnitude)
    return cost <= budget
      ? "That is \(share) under the budget of \(Format.money(budget)) an hour."
      : "That is \(share) over the budget of \(Format.money(budget)) an hour."
  }

  /// What the lower bound says, of a plan and of there being none.
  static func bound(_ plan: Plan) -> String {
    guard let lowerBound = plan.lowerBoundPerHour, lowerBound.isFinite else {
      return plan.feasible
        ? "There is no lower bound to state."
        : "Of the types considered, none takes a single model by memory, processor and bare latency alone."
    }
    let least = Format.money(lowerBound)
    if plan.feasible {
      let distance = plan.gap.map { ", the plan is \(Format.percent($0, places: 1)) above it" } ?? ""
      return "No plan over the types considered costs less than \(least) an hour\(distance)."
    }
    if plan.binding == .budget, let budget = plan.budgetPerHour, lowerBound > budget {
      return "That there is no cheaper one is proven: over the types considered, \(least) an hour is the least that "
        + "memory and processors alone cost."
    }
    return "By memory and processors alone it would cost at least \(least) an hour over the types considered, if it "
      + "could be had at all."
  }

  /// What nobody has measured and the plan's price depends on; nil where there is no such thing.
  static func lowHostMemory(_ plan: Plan) -> String? {
    guard let low = plan.atLowHostMemory else { return nil }
    let range = low.perModelBytes
    let fleet = low.nodes.map { "\(Format.count($0.count)) × \($0.instanceType)" }.joined(separator: " + ")
    let family = low.nodes.first.map { String($0.instanceType.prefix { $0 != "." }) } ?? ""
    let figure =
      "This rests on a figure that nobody has published: how much of its host’s memory a model on \(family) "
      + "keeps. It is \(Format.bytes(range.low)) to \(Format.bytes(range.high)) (\(low.provenance.kind.rawValue)), "
      + "and plans are sized on the upper end. Were it the lower one, \(fleet) would "
    let price = "\(Format.money(low.costPerHour)) an hour"
    if let budget = plan.budgetPerHour, low.costPerHour > budget {
      return figure + "cost \(price), above the budget as well."
    }
    return figure + "do at \(price): load two models on one such node and look, before buying."
  }

  /// `12 of 240 instance types reach the target, 31 do not, 197 have no figure to say.`
  static func census(_ plan: Plan) -> String {
    let feasible = plan.alternatives.count { $0.feasible == true }
    let infeasible = plan.alternatives.count { $0.feasible == false }
    let unknown = plan.alternatives.count { $0.feasible == nil }
    return "Of \(Format.count(plan.alternatives.count, "instance type", "instance types")) considered, "
      + "\(Format.count(feasible)) can carry the workload, \(Format.count(infeasible)) cannot, and for "
      + "\(Format.count(unknown)) there is no figure to say."
  }

  /// Cheapest feasible first, then the infeasible, then those without a figure; equals by name.
  static func ranked(_ alternatives: [Alternative]) -> [Alternative] {
    func rank(_ alternative: Alternative) -> (Int, Double) {
      let cost = alternative.costPerHour.flatMap { $0.isNaN ? nil : $0 } ?? .infinity
      return (alternative.feasible == true ? 0 : alternative.feasible == false ? 1 : 2, cost)
    }
    return alternatives.sorted { a, b in
      let (left, right) = (rank(a), rank(b))
      return left == right ? a.instanceType < b.instanceType : left < right
    }
  }

  /// A utilization in whole percent; one that is above 0 is never shown as 0.
  private static func busy(_ utilization: Double) -> String {
    utilization > 0 && utilization < 0.005 ? "less than 1 %" : Format.percent(utilization)
  }

  /// `2 queues with 1 worker of 1 thread each, 41 % busy; 94 models take 9.2 of 16.0 GiB (estimated)`
  static func nodeDetails(_ node: NodeGroup) -> String {
    let models = node.modelsPerNode.max() ?? 0
    let taken = Format.bytes(node.memoryPerModelBytes.multipliedReportingOverflow(by: Int64(models)).partialValue)
    let place = node.hostMemory == nil ? "" : " of the devices’ memory"
    let host = node.hostMemory.map { host in
      let kept = Format.bytes(host.perModelBytes.high.multipliedReportingOverflow(by: Int64(models)).partialValue)
      return ", and up to \(kept) of \(Format.bytes(host.capacityBytes)) of the host’s "
        + "(\(host.provenance.kind.rawValue))"
    }
    return "\(workersInWords(node)), \(busy(node.utilization)) busy; "
      + "\(Format.count(models, "model takes", "models take")) \(taken) of \(Format.bytes(node.memoryCapacityBytes))"
      + "\(place) (\(node.memoryProvenance.kind.rawValue))\(host ?? "")"
  }

  /// Reasons, each once, with what they hold for.
  static func reasons(_ guidance: [GuidanceRow]) -> [(subjects: String, reason: String)] {
    var found: [(subjects: [String], reason: String)] = []
    func note(_ subject: String, _ reason: String) {
      if let index = found.firstIndex(where: { $0.reason == reason }) {
        found[index].subjects.append(subject)
      } else {
        found.append(([subject], reason))
      }
    }
    for row in guidance {
      let (packing, planned) = (row.packingReason.sentence, row.planned.reason.sentence)
      if packing == planned {
        note(row.instanceType, packing)
      } else {
        note("\(row.instanceType) packed as in the guidance", packing)
        note("\(row.instanceType) as planned", planned)
      }
    }
    return found.map { ($0.subjects.joined(separator: ", "), $0.reason) }
  }

  /// What narrower weights leave open; nil where all are float32.
  static func agreement(_ plan: Plan) -> String? {
    let nodes = plan.nodes + (plan.bestExecutable?.nodes ?? [])
    let narrow = Precision.allCases.filter { precision in
      precision != .fp32 && nodes.contains { $0.precision == precision }
    }
    guard !narrow.isEmpty else { return nil }
    return "How far answers in \(narrow.map(\.rawValue).joined(separator: " and ")) agree with fp32’s depends on the "
      + "trained weights, and no plan knows it: planner model variants DIR measures it on your own models."
  }

  /// Each source once, in the order given, with what rests on it.
  static func sources(of nodes: [NodeGroup]) -> [(subject: String, provenance: Provenance)] {
    var found: [(provenance: Provenance, types: [(name: String, figures: [String])])] = []
    for node in nodes {
      let figures =
        [
          ("latency", node.provenance), ("compute time", node.service.computeProvenance),
          ("HTTP and tokenizer time", node.service.overheadProvenance), ("memory per model", node.memoryProvenance),
        ] + (node.hostMemory.map { [("host memory per model", $0.provenance)] } ?? [])
      for (figure, provenance) in figures {
        guard let source = found.firstIndex(where: { $0.provenance == provenance }) else {
          found.append((provenance, [(node.instanceType, [figure])]))
          continue
        }
        guard let type = found[source].types.firstIndex(where: { $0.name == node.instanceType }) else {
          found[source].types.append((node.instanceType, [figure]))
          continue
        }
        if !found[source].types[type].figures.contains(figure) { found[source].types[type].figures.append(figure) }
      }
    }
    return found.map { source in
      let types = source.types.map { "\($0.name): \($0.figures.joined(separator: ", "))" }
      return (types.joined(separator: "; "), source.provenance)
    }
  }

  /// That a process has less than its CPUs, for a command that measures or plans with them.
  public static func throttled(_ host: HostFingerprint) -> String {
    "the control group limits this process to \(host.cpuLimit) of \(Format.count(host.cores, "CPU", "CPUs")): "
      + "what is measured here is the throttled machine"
  }

  /// The machine of a profile, seen from the machine at hand, as the end of a sentence that begins with "it is".
  public static func whose(_ profile: Profile, here: HostFingerprint) -> String {
    let host = profile.host
    if !host.isThrottled, profile.speaksFor(here.machine) { return "of this machine" }
    guard profile.speaksFor(here.machine) || host.machine.differsInLimitAlone(from: here.machine) else {
      return "of another machine (\(host.cpuModel))"
    }
    guard host.isThrottled else {
      return "of this machine without a limit, which is not what runs here: the control group grants "
        + "\(here.cpuLimit) of \(Format.count(here.cores, "CPU", "CPUs"))"
    }
    return "not of this machine but of what a control group left of it: it was throttled to \(host.cpuLimit) of "
      + Format.count(host.cores, "CPU", "CPUs")
  }

  static func host(_ host: HostFingerprint) -> [(name: String, value: String)] {
    let limit =
      host.isThrottled
      ? [("CPU limit", "throttled: the control group granted \(host.cpuLimit) of \(Format.count(host.cores)) CPUs")]
      : []
    return [
      ("Processor", host.cpuModel),
      ("Identity", "\(host.vendor), family \(host.cpuFamily), model \(host.cpuModelNumber), \(host.architecture)"),
      ("Cores", Format.count(host.cores)),
    ] + limit + [
      ("Memory", Format.bytes(host.memoryBytes)),
      ("Vector units", host.instructionSets.isEmpty ? "none noted" : host.instructionSets.joined(separator: ", ")),
      ("Hypervisor", host.hypervisor ?? "none seen"),
      ("Kernel", host.kernel),
      ("Instance type", host.instanceType ?? "not a known cloud machine"),
    ]
  }

  /// `NAME=value`, sorted by name.
  static func environment(_ environment: [String: String]) -> [String] {
    environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }
}
