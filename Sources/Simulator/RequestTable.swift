import PlannerCore

/// A request of a simulation, from its arrival until it leaves.
struct SimulatedRequest {
  var model: Int
  var node: Int
  var arrival: Nanoseconds
  /// When it came through the node's front end, behind which it may be queued.
  var entry: Nanoseconds
  /// Seconds from the end of its pass to the client.
  var wayOutSeconds = 0.0
  /// Seconds of a forward pass that computes it alone.
  var serviceSeconds: Double
  /// Whether it arrived in the measured window.
  var isCounted: Bool
  /// Whether it had to wait for its model.
  var isMiss = false
  /// Place in the order of arrival.
  var number = 0
}

/// The requests that are under way, in slots that are used again.
struct RequestTable {
  private var slots: [SimulatedRequest] = []
  private var free: [Int] = []

  subscript(id: Int) -> SimulatedRequest {
    get { slots[id] }
    _modify { yield &slots[id] }
  }

  /// - Returns: the slot, which is the request's id until it is removed.
  mutating func insert(_ request: SimulatedRequest) -> Int {
    if let slot = free.popLast() {
      slots[slot] = request
      return slot
    }
    slots.append(request)
    return slots.count - 1
  }

  mutating func remove(_ id: Int) { free.append(id) }
}
