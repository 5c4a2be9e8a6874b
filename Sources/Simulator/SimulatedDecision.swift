import PlannerCore

/// Something that the policies decided in a simulation.
package struct SimulatedDecision: Hashable, Sendable {
  package enum What: Hashable, Sendable {
    /// These requests start together, in one forward pass.
    case start([Int])
    case reject(Int)
    case expire(Int)
    /// The request's client has left.
    case cancel(Int)
    case load(model: Int)
    case evict(model: Int)
  }

  package var time: Nanoseconds
  package var what: What

  package init(time: Nanoseconds, what: What) {
    self.time = time
    self.what = what
  }
}
