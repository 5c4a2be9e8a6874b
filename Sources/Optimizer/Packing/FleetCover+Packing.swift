/// The exact cover as a solver of packing problems: those with one kind of item, one resource, and any number of bins.
package struct CoverSolver: PackingSolver {
  package init() {}

  package func solve(_ instance: PackingInstance) -> PackingSolution? {
    guard instance.resources.count == 1, instance.items.count == 1, instance.types.allSatisfy({ $0.max == nil }),
      let item = instance.items.first, item.count > 0, item.options.count == 1,
      let demand = item.options[0].demand[instance.resources[0]], demand > 0
    else { return nil }
    let resource = instance.resources[0]
    let patterns = instance.types.map { type in
      let isAllowed = item.options[0].types?.contains(type.name) ?? true
      let room = isAllowed ? min((type.capacity[resource] ?? 0) / demand, 1e9) : 0
      return NodePattern(cost: NodePattern.nanodollars(type.cost), models: Int(room))
    }
    guard let cover = FleetCover.cheapest(models: item.count, patterns: patterns) else { return nil }
    let shares = FleetCover.shares(models: item.count, patterns: patterns, counts: cover.counts)
    var bins: [PackingSolution.Bin] = []
    for (index, count) in cover.counts.enumerated() where count > 0 {
      // Spread evenly: so many bins with one more, the others with as many as go into each.
      let (each, more) = shares[index].quotientAndRemainder(dividingBy: count)
      for (bin, items) in [(more, each + 1), (count - more, each)] where bin > 0 {
        bins.append(
          .init(
            type: instance.types[index].name, count: bin,
            items: [.init(name: item.name, option: 0, count: items)]))
      }
    }
    let cost = NodePattern.dollars(cover.cost)
    return PackingSolution(cost: cost, lowerBound: cost, proven: true, bins: bins)
  }
}
