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
  var isCounted = false
  /// Whether it had to wait for its model.
  var isMiss = false
  /// Place in the order of arrival; −1 while its client has yet to ask again, and once it is gone.
  var number = 0
  /// How often its client has asked before.
  var earlierTries = 0
  /// Whether its client has left although it is still in a front end or computed.
  var isAbandoned = false
}

/// The requests that are under way, in slots that are used again.
struct RequestTable {
  private var slots: [SimulatedRequest] = []
  private var free: [Int] = []

  subscript(id: Int) -> SimulatedRequest {
    _read { yield slots[id] }
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

  mutating func remove(_ id: Int) {
    slots[id].number = -1
    free.append(id)
  }
}
