import PlannerCore

/// One run of a fleet: arrivals, routing, nodes that run the shared `NodeMachine`, and what became of each request.
///
/// Models: one queue a node, workers alike, forward passes that are not interrupted, delays of the network that occupy
/// no worker, front ends in which no request overtakes another, and on nodes with a memory budget the shared
/// `Residency`: loads take time and no worker.
/// Ignores: contention between workers and loads beyond what their times carry, failed loads, failures of nodes.
///
/// Each part draws from sub-streams of its own, so that a change of one does not shift the numbers of another. This type
/// moves requests from part to part; what a part decides is in its own file.
struct FleetRun {
  let models: [Model]
  private let end: Nanoseconds

  private var arrivals: ArrivalFeed
  private var router: Router
  private var nodes: [SimulatedNode]
  private(set) var recorder: Recorder
  private var requests = RequestTable()
  private var events: EventQueue
  /// Of the node at hand.
  private var actions: [NodeAction] = []
  private var serviceRandom: [RandomStream]
  private var delayRandom: [RandomStream]
  /// Empty where no node has a budget.
  private var loadRandom: [RandomStream] = []

  /// - Parameters:
  ///   - traces: measured service times, which models name by their index.
  ///   - warmup: requests that arrive before it are simulated and not counted.
  ///   - end: when the clock stops; at `never` it runs until the last request has left.
  ///   - schedule: replaces the models' own arrivals where given.
  init(
    models: [Model], nodes: [Node], traces: [ServiceTrace] = [], routing: RoutingPolicy, warmup: Nanoseconds,
    end: Nanoseconds, schedule: Schedule? = nil, seed: UInt64
  ) {
    self.models = models
    self.end = end
    arrivals = ArrivalFeed(models: models, schedule: schedule, seed: seed)
    router = Router(policy: routing, random: RandomStream(seed: seed, stream: "routing"))
    self.nodes = nodes.enumerated().map {
      SimulatedNode($1, index: $0, models: models, traces: traces, seed: seed)
    }
    recorder = Recorder(nodes: nodes, warmup: warmup, end: end)
    events = EventQueue(capacity: models.count + nodes.count * 4)
    func streams(_ name: StaticString) -> [RandomStream] {
      models.indices.map { RandomStream(seed: seed, stream: name, index: UInt64($0)) }
    }
    serviceRandom = streams("service")
    delayRandom = streams("network delay")
    if nodes.contains(where: { $0.residency != nil }) { loadRandom = streams("load") }
  }

  /// Runs the clock from 0 to the end.
  ///
  /// Complexity: O(requests · log(models + workers)) without batching.
  mutating func run() -> Observation {
    arrivals.start(&events)
    while let event = events.popFirst(before: end) {
      let now = event.time
      switch event.kind {
      case .arrival(let model): arrive(model: model, now: now)
      case .entry(let request): enter(request, now: now)
      case .completion(let node, let worker): complete(node: node, worker: worker, now: now)
      case .queueWake(let node):
        nodes[node].machine.queueWoke(now: now, actions: &actions)
        perform(node: node, now: now)
      case .loaded(let node, let model):
        nodes[node].machine.loaded(model, now: now, actions: &actions)
        perform(node: node, now: now)
      case .loadsWake(let node):
        nodes[node].forgetLoadsWake()
        nodes[node].machine.loadsWoke(now: now, actions: &actions)
        perform(node: node, now: now)
      }
    }
    let peak = nodes.reduce(0) { max($0, $1.machine.peakBytes) }
    recorder.end(at: end, inFlight: countInFlight(), peakBytes: peak)
    return recorder.observation
  }

  /// As `run`, and says what was decided, in order.
  mutating func decide() -> [SimulatedDecision] {
    recorder.decisions = []
    _ = run()
    return recorder.decisions ?? []
  }

  // MARK: Requests come

  private mutating func arrive(model: Int, now: Nanoseconds) {
    arrivals.advance(model: model, now: now, &events)
    let node = route(model)
    let (number, isCounted) = recorder.arrival(now: now)
    // Drawn at arrival from the model's own stream: request i of a model takes the same time under every policy.
    let service: Double =
      switch models[model].service {
      case .drawn(let distribution): distribution.sample(from: &serviceRandom[model])
      case .replayed(let trace): nodes[node].next(ofTrace: trace)
      }
    var request = SimulatedRequest(
      model: model, node: node, arrival: now, entry: now, serviceSeconds: service, isCounted: isCounted,
      number: number)
    guard let way = nodes[node].frontEnd?.pass(now: now) else { return enter(requests.insert(request), now: now) }
    request.entry = way.entry
    request.wayOutSeconds = way.wayOutSeconds
    events.insert(.entry(request: requests.insert(request)), at: way.entry)
  }

  private mutating func route(_ model: Int) -> Int {
    switch models[model].hosts {
    case .node(let only): return only
    case .all: return router.choose(nodes: nodes.count) { [nodes] in nodes[$0].machine.load }
    case .nodes(let replicas):
      return replicas[router.choose(nodes: replicas.count) { [nodes] in nodes[replicas[$0]].machine.load }]
    }
  }

  /// The request is the node's now.
  private mutating func enter(_ id: Int, now: Nanoseconds) {
    let (model, node) = (requests[id].model, requests[id].node)
    if nodes[node].machine.residency != nil {
      requests[id].isMiss = !nodes[node].machine.isResident(model)
      recorder.lookUp(requests[id])
    }
    let deadline = models[model].deadline.map { now + $0 } ?? .never
    let pending = PendingRequest(
      id: id, model: model, priority: models[model].priority, arrival: now, deadline: deadline)
    nodes[node].machine.arrived(pending, now: now, actions: &actions)
    perform(node: node, now: now)
  }

  // MARK: Nodes act

  private mutating func perform(node: Int, now: Nanoseconds) {
    // Taken out one by one from the end, which copies none of them.
    actions.reverse()
    while let action = actions.popLast() {
      switch action {
      case .start(let worker): start(nodes[node].machine.pass(of: worker), node: node, worker: worker, now: now)
      case .reject(let request), .refuse(let request, _):
        recorder.rejection(requests[request.id], now: now)
        requests.remove(request.id)
      case .expire(let request):
        recorder.expiry(requests[request.id], now: now)
        requests.remove(request.id)
      case .evict(let model): recorder.eviction(model: model, now: now)
      case .load(let model):
        recorder.load(model: model, now: now)
        let seconds = models[model].load?.sample(from: &loadRandom[model]) ?? 0
        events.insert(.loaded(node: node, model: model), at: now + Nanoseconds(seconds: seconds))
      case .wakeQueue(let time): events.insert(.queueWake(node: node), at: time)
      case .wakeLoads(let time):
        if nodes[node].noteLoadsWake(at: time) { events.insert(.loadsWake(node: node), at: time) }
      }
    }
  }

  private mutating func start(_ pass: NodePass, node: Int, worker: Int, now: Nanoseconds) {
    let first = pass.first
    recorder.note(.start(([first] + pass.others).map { requests[$0.id].number }), now)
    recorder.passStart(now: now)
    recorder.waitEnd(requests[first.id], now: now)
    var seconds = requests[first.id].serviceSeconds
    if !pass.others.isEmpty {
      seconds = nodes[node].description.batch.passSeconds(
        first: seconds, others: pass.others.lazy.map { [requests] in requests[$0.id].serviceSeconds })
      for other in pass.others { recorder.waitEnd(requests[other.id], now: now) }
    }
    // A request that starts the moment it arrives has found a worker asleep.
    let wake = first.arrival == now ? nodes[node].description.wake : .zero
    let busyUntil = now + wake + Nanoseconds(seconds: seconds) + nodes[node].description.dispatchGap
    events.insert(.completion(node: node, worker: worker), at: busyUntil)
  }

  private mutating func complete(node: Int, worker: Int, now: Nanoseconds) {
    let pass = nodes[node].machine.finished(worker: worker, now: now, actions: &actions)
    recorder.passEnd(now: now)
    let answered = now - nodes[node].description.dispatchGap
    finish(pass.first.id, answered: answered)
    for request in pass.others { finish(request.id, answered: answered) }
    perform(node: node, now: now)
  }

  private mutating func finish(_ id: Int, answered: Nanoseconds) {
    let request = requests[id]
    requests.remove(id)
    guard request.isCounted else { return }
    var latency = (answered - request.arrival).seconds + request.wayOutSeconds
    if let delay = models[request.model].networkDelay { latency += delay.sample(from: &delayRandom[request.model]) }
    recorder.completion(request, latencySeconds: latency)
  }

  // MARK: The end

  /// Counted requests that lie in front ends, in queues, with models that are being loaded, and in workers.
  private func countInFlight() -> Int {
    let inside = nodes.reduce(0) { sum, node in
      sum + node.machine.requestsInside.count { requests[$0.id].isCounted }
    }
    return inside + events.requestsOnTheWay.count { requests[$0].isCounted }
  }
}
