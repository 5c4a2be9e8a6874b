import PlannerCore

/// Which copies of which models run, and on which node of the run.
///
/// A model's copies are asked in turn: its request number j goes to copy j modulo their number. Copies that do not run
/// here have their turns all the same, so that a part of a plan is asked as that part would be in the whole.
public struct RunLayout: Hashable, Sendable {
  /// One copy of a model.
  public struct Copy: Hashable, Sendable {
    /// Place of the group in the workload.
    public var group: Int
    /// Place of the model in its group.
    public var model: Int
    /// Which of the model's copies it is, from 0.
    public var replica: Int
    /// Copies of the model, wherever they are.
    public var replicas: Int
    /// Place of its node among those that run.
    public var node: Int
    /// Place, in its node's specification, of the share that it is of.
    public var share: Int

    public init(group: Int, model: Int, replica: Int = 0, replicas: Int = 1, node: Int, share: Int = 0) {
      self.group = group
      self.model = model
      self.replica = replica
      self.replicas = replicas
      self.node = node
      self.share = share
    }
  }

  /// In the order in which a run's requests count them.
  public let copies: [Copy]

  public init(_ copies: [Copy]) { self.copies = copies }

  /// The copies that devices hold, in their order, which is that of the simulation. The kind of a device is the place
  /// of its node.
  public init(_ devices: [Placement.Device]) {
    self.init(
      devices.flatMap { device in
        device.contents.flatMap { content in
          content.copies.map {
            Copy(
              group: $0.group, model: $0.model, replica: $0.replica, replicas: $0.replicas, node: device.kind,
              share: content.share)
          }
        }
      })
  }

  /// Places, in the workload, of the groups that run, ascending.
  public var groups: [Int] { Set(copies.map(\.group)).sorted() }

  /// Different models of a group that run.
  public func models(ofGroup group: Int) -> Int {
    Set(copies.lazy.filter { $0.group == group }.map(\.model)).count
  }

  /// Sends each request of a demand to the copy whose turn it is. Requests to models and copies that do not run here
  /// are left out.
  ///
  /// - Parameter schedule: requests to all models of the demand, counted through its groups.
  /// Complexity: O(requests + models).
  public func route(_ schedule: Schedule, of demand: Workload) -> RoutedSchedule {
    var firsts: [Int] = []
    var total = 0
    for group in demand.groups {
      firsts.append(total)
      total += group.models
    }
    // Of each model the copy at each turn; nil for one that does not run here.
    var turns = [[Int?]](repeating: [], count: total)
    for (index, copy) in copies.enumerated() {
      let model = firsts[copy.group] + copy.model
      if turns[model].isEmpty { turns[model] = Array(repeating: nil, count: copy.replicas) }
      turns[model][copy.replica] = index
    }
    var asked = [Int](repeating: 0, count: total)
    var requests: [ScheduledRequest] = []
    for request in schedule.requests where !turns[request.model].isEmpty {
      let turn = asked[request.model] % turns[request.model].count
      asked[request.model] += 1
      guard let copy = turns[request.model][turn] else { continue }
      requests.append(ScheduledRequest(due: request.due, model: copy, size: request.size))
    }
    return RoutedSchedule(
      schedule: Schedule(requests: requests, durationSeconds: schedule.durationSeconds, models: copies.count),
      nodes: requests.map { copies[$0.model].node })
  }
}

/// Requests to the copies of a run, and the node of each.
public struct RoutedSchedule: Hashable, Sendable {
  /// The requests; each names a copy by its place in the layout.
  public let schedule: Schedule
  /// Place of each request's node among those that run, in the order of the schedule.
  public let nodes: [Int]

  public init(schedule: Schedule, nodes: [Int]) {
    precondition(nodes.count == schedule.requests.count, "each request has one node")
    self.schedule = schedule
    self.nodes = nodes
  }
}
