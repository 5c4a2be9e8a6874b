import PlannerCore

extension Search {
  /// The guidance's table with the planner's columns; empty for models that it says nothing about.
  mutating func guidanceRows(_ results: [TypeResult]) -> [GuidanceRow] {
    guard let table = problem.guidance, workload.architecture == table.architecture else { return [] }
    var rows: [GuidanceRow] = []
    for row in table.rows { rows.append(guidanceRow(row, of: table, on: row.instanceType, results)) }
    guard let chip = table.rows.first(where: { $0.instanceType == table.chipRow }),
      let cheapest = cheapestTypeWithChip(of: chip.instanceType)
    else { return rows }
    var row = guidanceRow(chip, of: table, on: cheapest.name, results)
    row.packingReason = .packingOfAnotherType(
      instanceType: chip.instanceType, models: row.guidanceModelsPerNode, row.packingReason)
    return rows + [row]
  }

  private func cheapestTypeWithChip(of name: String) -> InstanceType? {
    guard let chip = problem.catalog[name]?.accelerator else { return nil }
    return problem.catalog.types.filter { $0.accelerator?.name == chip.name && $0.accelerator?.count == chip.count }
      .min { ($0.costPerHour, $0.name) < ($1.costPerHour, $1.name) }
      .flatMap { $0.name == name ? nil : $0 }
  }

  private mutating func guidanceRow(
    _ row: GuidanceTable.Row, of table: GuidanceTable, on name: String, _ results: [TypeResult]
  ) -> GuidanceRow {
    let theirs = table.modelsPerNode(row)
    let nodes = (workload.models + theirs - 1) / theirs
    guard let type = problem.catalog[name] else {
      return GuidanceRow(
        instanceType: name, guidancePricePerHour: row.pricePerHour, guidanceNodes: row.nodes,
        guidanceTotalPerHour: row.totalPerHour, guidanceModelsPerNode: theirs,
        packingCostPerHour: cost(of: nodes, at: row.pricePerHour), packingFeasible: nil, packingP99Seconds: nil,
        packingReason: .notInCatalogue,
        planned: Alternative(instanceType: name, feasible: nil, binding: .noFigure, reason: .notInCatalogue))
    }
    let result = results.first { $0.type.name == name } ?? evaluate(type)
    let packing = packing(min(theirs, workload.models), result)
    return GuidanceRow(
      instanceType: name, guidancePricePerHour: row.pricePerHour, guidanceNodes: row.nodes,
      guidanceTotalPerHour: row.totalPerHour, guidanceModelsPerNode: theirs,
      packingCostPerHour: cost(of: nodes, at: type.costPerHour), packingFeasible: packing.feasible,
      packingP99Seconds: packing.p99, packingReason: packing.reason, planned: alternative(result))
  }

  /// Whether a node keeps the target with that many models: the variant that does, else the one planned with.
  private mutating func packing(
    _ models: Int, _ result: TypeResult
  ) -> (feasible: Bool?, p99: Estimate?, reason: Reason) {
    guard let first = result.options.first else { return (nil, nil, result.missingReason) }
    let option = result.options.first { $0.models >= models } ?? first
    let candidate = option.candidate
    let perDevice = candidate.perDevice(models)
    let p99 = sizing.oracle.predict(candidate, modelsPerDevice: perDevice)?.latencySeconds.p99
    if let shortage = candidate.shortage { return (false, p99, .noRoom(shortage)) }
    if perDevice > candidate.modelsPerDeviceByMemory {
      return (
        false, p99,
        .packingMemory(models: models, candidate.modelMemory, capacityBytes: candidate.memoryCapacityBytes)
      )
    }
    if let host = candidate.hostMemory, host.mostModels < models {
      return (
        false, p99,
        .packingHostMemory(models: models, candidate.keptMemory(host), capacityBytes: host.capacityBytes)
      )
    }
    if candidate.p99FloorSeconds > workload.targetP99Seconds { return (false, p99, option.reason) }
    let holds = p99.map { $0.high <= workload.targetP99Seconds } ?? false
    return (holds, p99, .packing(models: models, p99Seconds: p99, targetSeconds: workload.targetP99Seconds))
  }
}
