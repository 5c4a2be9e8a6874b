import PlannerCore

/// What of a node with many kinds of models a machine runs for which it was not planned: of each group as large a part
/// as the machine holds and keeps up with, some of the often asked models and some of the others.
public struct MixSlice: Sendable {
  /// The node as it runs here, with this machine's own figures.
  public var node: NodeGroup
  /// The copies that run, in the order of the node's shares.
  public var copies: [Placement.Copy]
  public var reason: SliceReason

  /// - Parameters:
  ///   - copies: those of the planned node.
  ///   - planned: that node; nil where the plan is not feasible, and the copies are the workload's.
  ///   - machine: what this slice may take of the machine at hand.
  public static func choose(
    from copies: [Placement.Copy], of workload: Workload, planned: NodeGroup?, on machine: MachineAtHand,
    figures: Figures, because cause: SliceReason.Cause
  ) throws(SliceError) -> MixSlice {
    let groups = Set(copies.map(\.group)).sorted()
    let parts = groups.map { group in
      Part(
        index: group, group: workload.groups[group],
        // In the order of their rates, so that every n-th of them are models of every rank.
        copies: copies.filter { $0.group == group }.sorted {
          (-$0.modelRatePerSecond, $0.model, $0.replica) < (-$1.modelRatePerSecond, $1.model, $1.replica)
        },
        precision: planned?.spec.models.first { $0.group == workload.groups[group].name }?.variant.precision)
    }
    let found = try self.figures(for: parts, on: machine, figures, because: cause)
    let room = Room(machine: machine, figures: found, parts: parts)
    var (low, high) = (0, copies.count + 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if middle <= copies.count, room.limit(ofTaking: middle) == nil { low = middle } else { high = middle }
    }
    guard low > 0 else { throw .notEvenOne(cause, architecture: parts[0].group.architecture) }
    let chosen = room.taking(low)
    let reason = SliceReason(
      cause: cause, models: chosen.reduce(0) { $0 + $1.count }, of: copies.count,
      limit: low < copies.count ? room.limit(ofTaking: low + 1) ?? .nodesModels : .nodesModels)
    let spec = NodeSpec(
      machine: .local, server: found[0].server,
      models: zip(parts, zip(found, chosen)).map {
        ModelShare(group: $0.group.name, variant: $1.0.variant, count: $1.1.count)
      })
    let nothing = Estimate(estimate: 0, low: 0, high: 0)
    let node = NodeGroup(
      spec: spec, count: 1, fewestModels: spec.modelCount, totals: spec.models.map(\.count),
      figures: NodeFigures(
        entries: found.map(\.nodeEntry), memoryCapacityBytes: found.map(\.memoryCapacityBytes).min() ?? 0,
        host: found[0].host, serverMemoryBytes: found[0].serverMemoryBytes),
      costPerHour: 0, provenance: found[0].provenance, executable: true,
      latencySeconds: planned?.latencySeconds ?? PlannedLatency(p99: nothing),
      shareP99Seconds: parts.count > 1 ? parts.map { _ in nothing } : [], utilization: room.utilization(of: chosen))
    return MixSlice(node: node, copies: chosen.flatMap { $0 }, reason: reason)
  }

  /// One group's copies on the node.
  private struct Part {
    var index: Int
    var group: ModelGroup
    /// The most asked first.
    var copies: [Placement.Copy]
    var precision: Precision?
  }

  /// Figures of all groups for one split of the machine, by one profile: the split on which the models take the least
  /// of the workers' time.
  private static func figures(
    for parts: [Part], on machine: MachineAtHand, _ figures: Figures, because cause: SliceReason.Cause
  ) throws(SliceError) -> [ServingFigures] {
    var missing = parts[0].group.query
    for profile in figures.profiles where profile.speaksFor(machine.host.machine) {
      let known = parts.map { part in
        figures.serving(
          part.group.query, by: profile, for: LocalMachine.name, cores: machine.servingCores,
          memoryBytes: machine.availableMemoryBytes, isSuperseded: false)
      }
      if let nothing = zip(parts, known).first(where: { $0.1.isEmpty }) {
        missing = nothing.0.group.query
        continue
      }
      var best: (found: [ServingFigures], busy: Double)?
      for server in known[0].map(\.server) {
        let found = zip(parts, known).compactMap { part, all in
          let own = all.filter { $0.server == server }
          let preferred = own.filter { $0.variant.precision == part.precision }
          return (preferred.isEmpty ? own : preferred).min { $0.service.meanBusySeconds < $1.service.meanBusySeconds }
        }
        guard found.count == parts.count else { continue }
        let busy = zip(parts, found).reduce(0.0) { sum, entry in
          sum + entry.0.copies.reduce(0) { $0 + $1.ratePerSecond } * entry.1.service.meanBusySeconds
        }
        if busy / Double(server.workers) < best?.busy ?? .infinity { best = (found, busy / Double(server.workers)) }
      }
      if let best { return best.found }
    }
    throw .noFigure(cause, missing)
  }

  /// What the machine has, and what a part of the copies takes of it.
  private struct Room {
    let machine: MachineAtHand
    let figures: [ServingFigures]
    let parts: [Part]

    /// So many copies in all, of each group about the same part and at least one.
    func taking(_ count: Int) -> [[Placement.Copy]] {
      let all = parts.reduce(0) { $0 + $1.copies.count }
      return parts.map { part in
        let own = max(1, part.copies.count * count / all)
        return (0..<own).map { part.copies[$0 * part.copies.count / own] }
      }
    }

    func utilization(of chosen: [[Placement.Copy]]) -> Double {
      zip(chosen, figures).reduce(0.0) { sum, entry in
        sum + entry.0.reduce(0) { $0 + $1.ratePerSecond } * entry.1.service.meanBusySeconds
      } / Double(figures[0].server.workers)
    }

    /// What stops so many copies from running here; nil where nothing does.
    func limit(ofTaking count: Int) -> SliceReason.Limit? {
      let chosen = taking(count)
      let memory = zip(chosen, figures).reduce(0.0) { $0 + Double($1.0.count) * Double($1.1.memoryPerModelBytes) }
      let disk = zip(chosen, figures).reduce(0.0) { $0 + Double($1.0.count) * Double($1.1.fileBytes ?? 0) }
      if memory > Double(figures.map(\.memoryCapacityBytes).min() ?? 0) { return .memory }
      if disk > Slice.fullestDisk * Double(machine.freeDiskBytes) { return .disk }
      return utilization(of: chosen) > Slice.fullestUtilization ? .processor : nil
    }
  }
}
