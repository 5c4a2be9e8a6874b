import PlannerCore

/// The sample cost table of the AWS guidance, as it prints it: 3,000 bert-base models, us-east-1.
enum GuidanceTable {
  struct Row {
    var instanceType: String
    var pricePerHour: Double
    var nodes: Int
    /// The g5.4xlarge row leaves out the cluster's price; so does this one.
    var totalPerHour: Double

    /// How many models a node holds at that number of nodes.
    var modelsPerNode: Int { (GuidanceTable.models + nodes - 1) / nodes }
  }

  static let models = 3000
  static let architecture = ArchitecturePreset.bertBase.rawValue

  static let rows = [
    Row(instanceType: "c7g.4xlarge", pricePerHour: 0.58, nodes: 100, totalPerHour: 58.10),
    Row(instanceType: "c5.4xlarge", pricePerHour: 0.68, nodes: 100, totalPerHour: 68.10),
    Row(instanceType: "c6i.4xlarge", pricePerHour: 0.68, nodes: 100, totalPerHour: 68.10),
    Row(instanceType: "inf2.8xlarge", pricePerHour: 1.97, nodes: 72, totalPerHour: 141.94),
    Row(instanceType: "g5.4xlarge", pricePerHour: 1.62, nodes: 70, totalPerHour: 113.40),
  ]

  /// The row whose packing of a chip is tried on the cheapest type with the same chip, too.
  static let chipRow = rows[3]
}

extension Search {
  /// The guidance's table with the planner's columns; empty for models that it says nothing about.
  mutating func guidanceRows(_ results: [TypeResult]) -> [GuidanceRow] {
    guard workload.architecture == GuidanceTable.architecture else { return [] }
    var rows: [GuidanceRow] = []
    for row in GuidanceTable.rows { rows.append(guidanceRow(row, on: row.instanceType, results)) }
    if let cheapest = cheapestTypeWithChip(of: GuidanceTable.chipRow.instanceType) {
      var row = guidanceRow(GuidanceTable.chipRow, on: cheapest.name, results)
      row.packingReason =
        "not a row of the guidance: its \(GuidanceTable.chipRow.instanceType) packing of "
        + "\(row.guidanceModelsPerNode) models a chip, on the cheapest type with that chip; " + row.packingReason
      rows.append(row)
    }
    return rows
  }

  private func cheapestTypeWithChip(of name: String) -> InstanceType? {
    guard let chip = problem.catalog[name]?.accelerator else { return nil }
    return problem.catalog.types.filter { $0.accelerator?.name == chip.name && $0.accelerator?.count == chip.count }
      .min { ($0.costPerHour, $0.name) < ($1.costPerHour, $1.name) }
      .flatMap { $0.name == name ? nil : $0 }
  }

  private mutating func guidanceRow(
    _ row: GuidanceTable.Row, on name: String, _ results: [TypeResult]
  ) -> GuidanceRow {
    let perNode = min(row.modelsPerNode, workload.models)
    let nodes = (workload.models + row.modelsPerNode - 1) / row.modelsPerNode
    guard let type = problem.catalog[name] else {
      let reason = "not in this catalogue; at the guidance's price"
      return GuidanceRow(
        instanceType: name, guidancePricePerHour: row.pricePerHour, guidanceNodes: row.nodes,
        guidanceTotalPerHour: row.totalPerHour, guidanceModelsPerNode: row.modelsPerNode,
        packingCostPerHour: Self.cost(of: nodes, at: row.pricePerHour), packingFeasible: nil, packingP99Seconds: nil,
        packingReason: reason,
        planned: Alternative(instanceType: name, feasible: nil, binding: "noFigure", reason: reason))
    }
    let result = results.first { $0.type.name == name } ?? evaluate(type)
    let packing = judge(perNode, result)
    return GuidanceRow(
      instanceType: name, guidancePricePerHour: row.pricePerHour, guidanceNodes: row.nodes,
      guidanceTotalPerHour: row.totalPerHour, guidanceModelsPerNode: row.modelsPerNode,
      packingCostPerHour: Self.cost(of: nodes, at: type.costPerHour), packingFeasible: packing.feasible,
      packingP99Seconds: packing.p99, packingReason: packing.reason, planned: alternative(result))
  }

  /// Whether a node keeps the target with that many models: the variant that does, else the one planned with.
  private mutating func judge(
    _ models: Int, _ result: TypeResult
  ) -> (feasible: Bool?, p99: Estimate?, reason: String) {
    guard let first = result.options.first else { return (nil, nil, result.missing) }
    let option = result.options.first { $0.models >= models } ?? first
    let candidate = option.candidate
    let perQueue = (models + candidate.devices - 1) / candidate.devices
    let p99 = sizing.oracle.predict(candidate, modelsPerQueue: perQueue)?.latencySeconds.p99
    let packed = "\(models) models a node"
    if perQueue > candidate.modelsPerQueueByMemory {
      let needed = candidate.memoryPerModelBytes * Int64(models)
      return (
        false, p99,
        candidate.hostMemoryShortage
          ?? "\(packed) of \(Text.mebibytes(candidate.memoryPerModelBytes)) "
          + "(\(candidate.memoryProvenance.kind.rawValue)) take \(Text.mebibytes(needed)) of "
          + "\(Text.mebibytes(candidate.memoryCapacityBytes))"
      )
    }
    if candidate.p99FloorSeconds > workload.targetP99Seconds { return (false, p99, option.reason) }
    guard let p99 else { return (false, nil, "\(packed) give its workers more than they can keep up with") }
    let holds = p99.high <= workload.targetP99Seconds
    let target = Text.target(workload.targetP99Seconds)
    return (holds, p99, "\(packed): p99 \(Text.interval(p99)), \(holds ? "within" : "beyond") \(target)")
  }
}
