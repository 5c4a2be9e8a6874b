/// Where each copy of each model of a plan lives.
///
/// A pure function of the plan, so that whoever deploys it, loads it or routes requests comes to the same places by
/// itself. Each kind of node says how many copies of each group it holds; its devices share these as evenly as they go.
/// Copies are dealt out group by group, the most asked models first, each to the device with the least work that still
/// has a place: a model's copies go to different devices, and to different nodes where there are enough.
public struct Placement: Hashable, Sendable {
  /// One copy of a model.
  public struct Copy: Hashable, Sendable {
    /// Place of the group in the workload.
    public var group: Int
    /// Place of the model in its group.
    public var model: Int
    /// Which of the model's copies it is, from 0.
    public var replica: Int
    /// Copies of the model.
    public var replicas: Int
    /// Requests a second to the model, over all its copies.
    public var modelRatePerSecond: Double

    public init(group: Int, model: Int, replica: Int = 0, replicas: Int = 1, modelRatePerSecond: Double) {
      self.group = group
      self.model = model
      self.replica = replica
      self.replicas = replicas
      self.modelRatePerSecond = modelRatePerSecond
    }

    /// Requests a second to this copy: the copies of a model are asked in turn.
    public var ratePerSecond: Double { modelRatePerSecond / Double(replicas) }
  }

  /// Copies of one share of a node that live on one device.
  public struct Content: Hashable, Sendable {
    /// Place of the share in the node's specification.
    public var share: Int
    /// Ascending in the order in which they were dealt: the most asked first.
    public var copies: [Copy]

    public init(share: Int, copies: [Copy]) {
      self.share = share
      self.copies = copies
    }
  }

  /// A queue with its workers: an accelerator's core, or a whole node without accelerators.
  public struct Device: Hashable, Sendable {
    /// Place of the node's kind in the plan.
    public var kind: Int
    /// Which of the nodes of that kind it is, from 0.
    public var node: Int
    /// Which of the node's devices it is, from 0.
    public var device: Int
    /// In the order of the node's shares; shares without a copy here are left out.
    public var contents: [Content]

    public var copyCount: Int { contents.reduce(0) { $0 + $1.copies.count } }

    /// Workers of such a node's device that its requests keep busy, in the mean.
    public func busyWorkers(of node: NodeGroup) -> Double {
      contents.reduce(0) { sum, content in
        sum + content.copies.reduce(0) { $0 + $1.ratePerSecond } * node.figures.entries[content.share].meanBusySeconds
      }
    }
  }

  /// All devices: kind by kind, in each node by node, in each device by device.
  public var devices: [Device]

  /// Where a copy lives.
  public struct Host: Hashable, Sendable {
    public var kind: Int
    public var node: Int
    public var device: Int

    public init(kind: Int, node: Int, device: Int) {
      self.kind = kind
      self.node = node
      self.device = device
    }

    func isOnNode(of other: Host) -> Bool { kind == other.kind && node == other.node }
  }

  /// Deals the copies of a workload's models to kinds of nodes.
  ///
  /// - Parameter groups: what the plan says of each group, in the workload's order.
  /// - Returns: nil where the kinds do not hold exactly the copies that there are, or a model has more copies than
  ///   devices could hold.
  /// Complexity: O(c log d) for c copies and d devices, where no model has many.
  public init?(nodes: [NodeGroup], workload: Workload, groups: [PlannedGroup]) {
    guard groups.count == workload.groups.count,
      let deal = Deal(nodes: nodes, workload: workload, groups: groups)
    else { return nil }
    devices = deal.devices
  }

  /// Hosts of each model of a group, in the order of its replicas.
  public func hosts(ofGroup group: Int, models: Int) -> [[Host]] {
    var hosts = [[(replica: Int, host: Host)]](repeating: [], count: models)
    for device in devices {
      let host = Host(kind: device.kind, node: device.node, device: device.device)
      for content in device.contents {
        for copy in content.copies where copy.group == group { hosts[copy.model].append((copy.replica, host)) }
      }
    }
    return hosts.map { $0.sorted { $0.replica < $1.replica }.map(\.host) }
  }
}

extension PlannedGroup {
  /// Copies of a model that is asked so often: as many as keep each below the most that one may be asked, and at least
  /// those that the workload wants.
  public func copies(atRate rate: Double, least: Int) -> Int {
    guard let most = mostRatePerReplica, most > 0 else { return least }
    let needed = (rate / most).rounded(.up)
    return max(least, needed < 1e6 ? Int(needed) : 1_000_000)
  }
}

/// The dealing itself.
private struct Deal {
  /// A device with the places that it has for the group at hand.
  private struct Bin {
    var host: Placement.Host
    /// Places for copies of each share of its kind.
    var places: [Int]
    var load = 0.0
    var contents: [Placement.Content] = []
  }

  /// A bin that may take the next copy: the one with the least load is first, then the one that comes first.
  private struct Offer: Comparable {
    var load: Double
    var bin: Int
    var share: Int

    static func < (a: Offer, b: Offer) -> Bool { (a.load, a.bin) < (b.load, b.bin) }
  }

  private var bins: [Bin] = []
  private let nodes: [NodeGroup]

  var devices: [Placement.Device] {
    bins.map {
      Placement.Device(
        kind: $0.host.kind, node: $0.host.node, device: $0.host.device,
        contents: $0.contents.filter { !$0.copies.isEmpty })
    }
  }

  init?(nodes: [NodeGroup], workload: Workload, groups: [PlannedGroup]) {
    self.nodes = nodes
    for (kind, node) in nodes.enumerated() {
      guard node.count > 0, node.devices > 0, node.totals.count == node.spec.models.count else { return nil }
      bins += Self.bins(kind, node)
    }
    for (index, group) in workload.groups.enumerated() {
      guard deal(index, group, groups[index]) else { return nil }
    }
  }

  /// The devices of one kind of node with their places.
  ///
  /// What does not divide evenly goes round over the nodes first and then over their devices, and each share goes on
  /// where the one before it ended: nodes differ by one copy at most, and so do devices of the same share.
  private static func bins(_ kind: Int, _ node: NodeGroup) -> [Bin] {
    let count = node.count * node.devices
    var places = [[Int]](repeating: [], count: count)
    var next = 0
    for total in node.totals {
      let (each, more) = total.quotientAndRemainder(dividingBy: count)
      for index in places.indices { places[index].append(each) }
      for step in 0..<more { places[(next + step) % count][places[0].count - 1] += 1 }
      next = (next + more) % count
    }
    var bins: [Bin] = []
    bins.reserveCapacity(count)
    for number in 0..<node.count {
      for device in 0..<node.devices {
        bins.append(
          Bin(
            host: .init(kind: kind, node: number, device: device), places: places[device * node.count + number],
            contents: node.spec.models.indices.map { .init(share: $0, copies: []) }))
      }
    }
    return bins
  }

  private mutating func deal(_ index: Int, _ group: ModelGroup, _ planned: PlannedGroup) -> Bool {
    var offers: [Offer] = []
    for bin in bins.indices {
      let node = nodes[bins[bin].host.kind]
      for (share, held) in node.spec.models.enumerated() where held.group == group.name && bins[bin].places[share] > 0 {
        offers.append(Offer(load: bins[bin].load, bin: bin, share: share))
      }
    }
    let places = offers.reduce(0) { $0 + bins[$1.bin].places[$1.share] }
    if group.popularity == .uniform {
      let copies = planned.copies(atRate: group.ratePerModelPerSecond, least: group.leastReplicas)
      guard places == copies * group.models else { return false }
      if copies == 1 {
        dealAlike(index, group, offers)
        return true
      }
    }
    let rates = group.rates()
    let order = rates.indices.sorted { (-rates[$0], $0) < (-rates[$1], $1) }
    let copies = order.map { planned.copies(atRate: rates[$0], least: group.leastReplicas) }
    guard places == copies.reduce(0, +) else { return false }
    return dealUnlike(index, order.map { rates[$0] }, order, copies, offers)
  }

  /// Models that are all asked alike, one copy of each: every place is taken, it is all the same by which.
  private mutating func dealAlike(_ index: Int, _ group: ModelGroup, _ offers: [Offer]) {
    var model = 0
    for offer in offers {
      let count = bins[offer.bin].places[offer.share]
      let copies = (model..<(model + count)).map {
        Placement.Copy(group: index, model: $0, modelRatePerSecond: group.ratePerModelPerSecond)
      }
      model += count
      bins[offer.bin].contents[offer.share].copies += copies
      bins[offer.bin].places[offer.share] = 0
      bins[offer.bin].load += Double(count) * group.ratePerModelPerSecond * busySeconds(offer)
    }
  }

  /// Models in the order of their rates, each with its copies.
  private mutating func dealUnlike(
    _ index: Int, _ rates: [Double], _ models: [Int], _ copies: [Int], _ offers: [Offer]
  ) -> Bool {
    var heap = BinaryHeap<Offer>()
    for offer in offers { heap.insert(offer) }
    for (step, model) in models.enumerated() {
      guard let chosen = choose(copies[step], modelsLeft: models.count - step, from: &heap) else { return false }
      for (replica, offer) in chosen.enumerated() {
        let copy = Placement.Copy(
          group: index, model: model, replica: replica, replicas: copies[step], modelRatePerSecond: rates[step])
        bins[offer.bin].contents[offer.share].copies.append(copy)
        bins[offer.bin].places[offer.share] -= 1
        bins[offer.bin].load += copy.ratePerSecond * busySeconds(offer)
        if bins[offer.bin].places[offer.share] > 0 {
          heap.insert(Offer(load: bins[offer.bin].load, bin: offer.bin, share: offer.share))
        }
      }
    }
    return true
  }

  /// Takes so many offers of different devices: the least loaded ones, and of different nodes where there are enough.
  ///
  /// A device with as many places as there are models left has to take one of each, or places would be left over.
  private func choose(_ count: Int, modelsLeft: Int, from heap: inout BinaryHeap<Offer>) -> [Offer]? {
    if count == 1, let first = heap.first {
      // With one copy a model, every order of taking fills all places in the end.
      heap.removeFirst()
      return [first]
    }
    let offers = heap.unordered.sorted()
    var chosen = offers.filter { bins[$0.bin].places[$0.share] >= modelsLeft }
    for ofNewNodes in [true, false] {
      for offer in offers where chosen.count < count && !chosen.contains(offer) {
        let sharesNode = chosen.contains { bins[$0.bin].host.isOnNode(of: bins[offer.bin].host) }
        if !(ofNewNodes && sharesNode) { chosen.append(offer) }
      }
    }
    guard chosen.count == count else { return nil }
    heap.keepDistinct { [chosen] in !chosen.contains($0) }
    return chosen.sorted()
  }

  private func busySeconds(_ offer: Offer) -> Double {
    let node = nodes[bins[offer.bin].host.kind]
    return node.figures.entries[offer.share].meanBusySeconds / Double(node.workers)
  }
}
