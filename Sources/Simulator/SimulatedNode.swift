import PlannerCore

/// A node of a run: the shared `NodeMachine`, and what the simulation puts in place of a machine's threads and clock.
struct SimulatedNode {
  let description: FleetRun.Node
  var machine: NodeMachine
  var frontEnd: FrontEndQueue
  /// The run's traces, each with this node's place in it.
  private var traces: [ServiceTrace]
  /// When the machine is to be told of the time for its loads; the soonest that is in the event queue.
  private var loadsWake = Nanoseconds.never

  /// - Parameters:
  ///   - index: of the node in its run. Trace t of node n draws from the sub-stream "service trace" 2³² · t + n.
  ///   - models: of the whole run.
  init(_ description: FleetRun.Node, index: Int, models: [FleetRun.Model], traces: [ServiceTrace], seed: UInt64) {
    self.description = description
    machine = NodeMachine(
      dispatcher: Dispatcher(
        workers: description.workers, queueCapacity: description.queueCapacity, batch: description.batch,
        expiry: description.expiry),
      residency: description.residency.map { Residency(policy: $0) })
    frontEnd = FrontEndQueue(node: index, seed: seed)
    self.traces = traces.enumerated().map { number, trace in
      var own = trace
      own.random = RandomStream(seed: seed, stream: "service trace", index: UInt64(number) << 32 + UInt64(index))
      return own
    }
    if description.residency != nil {
      machine.start(
        models: models.indices.filter { models[$0].hosts.contains(index) }.map { ($0, models[$0].memoryBytes) })
    }
  }

  /// The next seconds of a trace.
  mutating func next(ofTrace index: Int) -> Double { traces[index].next() }

  /// - Returns: whether the time is to be put into the event queue: no sooner one is in it.
  mutating func noteLoadsWake(at time: Nanoseconds) -> Bool {
    guard time < loadsWake else { return false }
    loadsWake = time
    return true
  }

  /// The time of the soonest wake-up has come.
  mutating func forgetLoadsWake() { loadsWake = .never }
}
