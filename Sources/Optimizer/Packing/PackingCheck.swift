/// Verifies a solution of a packing problem, knowing nothing of what solved it.
public enum PackingCheck {
  /// - Returns: everything in the instance that cannot be calculated with; the solution is then not looked at. Else
  ///   everything in the solution that does not hold; empty for a sound one.
  public static func violations(of solution: PackingSolution, for instance: PackingInstance) -> [String] {
    let faults = faults(of: instance)
    if !faults.isEmpty { return faults }
    var found: [String] = []
    for bin in solution.bins { found += violations(of: bin, for: instance) }
    for type in instance.types {
      let bought = solution.bins.filter { $0.type == type.name }.reduce(0) { $0 + $1.count }
      if let max = type.max, bought > max { found.append("\(type.name): \(bought) bins, at most \(max) may be bought") }
    }
    for item in instance.items {
      let packed = solution.bins.reduce(0) { sum, bin in
        sum + bin.count * bin.items.filter { $0.name == item.name }.reduce(0) { $0 + $1.count }
      }
      if packed != item.count { found.append("\(item.name): \(packed) are packed, there are \(item.count)") }
    }
    let cost = solution.bins.reduce(0) { sum, bin in
      sum + Double(bin.count) * (instance.types.first { $0.name == bin.type }?.cost ?? 0)
    }
    if abs(cost - solution.cost) > 1e-9 * max(1, cost) {
      found.append("cost is \(solution.cost); the bins cost \(cost)")
    }
    if solution.lowerBound > solution.cost + 1e-9 { found.append("lowerBound is above the cost") }
    if solution.proven != (solution.lowerBound >= solution.cost - 1e-9) {
      found.append("proven is \(solution.proven), with a bound of \(solution.lowerBound) for \(solution.cost)")
    }
    return found
  }

  private static func violations(of bin: PackingSolution.Bin, for instance: PackingInstance) -> [String] {
    guard let type = instance.types.first(where: { $0.name == bin.type }) else { return ["\(bin.type): no such type"] }
    var found: [String] = []
    if !(1...mostItems).contains(bin.count) { found.append("\(bin.type): \(bin.count) bins") }
    // In the order of `resources`, so that what is found is always said in one order.
    var used = instance.resources.map { _ in 0.0 }
    for content in bin.items {
      guard let item = instance.items.first(where: { $0.name == content.name }),
        item.options.indices.contains(content.option), (0...item.count).contains(content.count)
      else {
        found.append("\(bin.type): \(content.count) of '\(content.name)' as option \(content.option)")
        continue
      }
      let option = item.options[content.option]
      if let types = option.types, !types.contains(type.name) {
        found.append("\(bin.type): option \(content.option) of '\(content.name)' may not be packed into it")
      }
      for (index, resource) in instance.resources.enumerated() {
        used[index] += Double(content.count) * (option.demand[resource] ?? 0)
      }
    }
    for (index, resource) in instance.resources.enumerated() {
      let capacity = type.capacity[resource] ?? 0
      if used[index] > capacity * (1 + 1e-12) {
        found.append("\(bin.type): takes \(used[index]) of \(resource), and has \(capacity)")
      }
    }
    return found
  }

  /// Counts beyond this are wrong by themselves, and their products might overflow.
  private static let mostItems = 1_000_000_000

  private static func faults(of instance: PackingInstance) -> [String] {
    var found: [String] = []
    func isGood(_ amount: Double) -> Bool { amount >= 0 && amount.isFinite }
    for type in instance.types {
      let amounts = [type.cost] + type.capacity.values.sorted()
      if !amounts.allSatisfy(isGood) { found.append("type '\(type.name)' has a cost or capacity that is no amount") }
      if !type.capacity.keys.allSatisfy(instance.resources.contains) {
        found.append("type '\(type.name)' has a resource that is not listed")
      }
    }
    for item in instance.items {
      if !(0...mostItems).contains(item.count) { found.append("item '\(item.name)': \(item.count) of them") }
      for option in item.options {
        if !option.demand.values.allSatisfy(isGood) || !option.demand.keys.allSatisfy(instance.resources.contains) {
          found.append("item '\(item.name)' has a demand that is no amount of a listed resource")
        }
      }
    }
    if Set(instance.types.map(\.name)).count < instance.types.count { found.append("two types have one name") }
    if Set(instance.items.map(\.name)).count < instance.items.count { found.append("two items have one name") }
    return found
  }
}
