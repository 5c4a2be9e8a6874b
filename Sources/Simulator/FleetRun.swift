import PlannerCore

/// One run of a fleet: arrivals, routing, nodes that run the shared `NodeMachine`, and what became of each request.
///
/// Models: one queue a node, workers alike, forward passes that are not interrupted, delays of the network that occupy
/// no worker, front ends in which no request overtakes another, and on nodes with a memory budget the shared
/// `Residency`: loads take time and no worker.
/// Clients leave when their patience ends, and ask again: a request that waits leaves its place, one that is computed
/// keeps its worker busy for no one.
/// Ignores: contention between workers and loads beyond what their times carry, failed loads, failures of nodes.
///
/// Each part draws from sub-streams of its own, so that a change of one does not shift the numbers of another. This
/// type moves requests from part to part; what a part decides is in its own file.
struct FleetRun {
  let models: [Model]
  private let end: Nanoseconds

  private var arrivals: ArrivalFeed
  private var router: Router
  private var nodes: [SimulatedNode]
  private(set) var recorder: Recorder
  private var requests = RequestTable()
  private var events: EventQueue
  /// Actions of the node at hand.
  private var actions: [NodeAction] = []
  private var serviceRandom: [RandomStream]
  private var delayRandom: [RandomStream]
  /// Random streams of load times; empty where no node has a budget.
  private var loadRandom: [RandomStream] = []
  /// Random streams of clients' patience; empty where no client leaves.
  private var patienceRandom: [RandomStream] = []

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
    let hasPatience = models.contains { $0.patience != nil }
    recorder = Recorder(nodes: nodes, hasPatience: hasPatience, warmup: warmup, end: end)
    events = EventQueue(capacity: models.count + nodes.count * 4)
    func streams(_ name: StaticString) -> [RandomStream] {
      models.indices.map { RandomStream(seed: seed, stream: name, index: UInt64($0)) }
    }
    serviceRandom = streams("service")
    delayRandom = streams("network delay")
    if nodes.contains(where: { $0.residency != nil }) { loadRandom = streams("load") }
    if hasPatience { patienceRandom = streams("patience") }
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
      case .retry(let request): tryAgain(request, now: now)
      case .impatience(let request, let number): abandon(request, number: number, now: now)
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

  /// Runs the fleet as `run` does, and writes down the model of each latency.
  mutating func runByModel() -> Observation {
    recorder.recordsModels = true
    return run()
  }

  /// Runs the fleet as `run` does, and says what was decided, in order.
  mutating func decide() -> [SimulatedDecision] {
    recorder.decisions = []
    _ = run()
    return recorder.decisions ?? []
  }

  // MARK: Requests come

  private mutating func arrive(model: Int, now: Nanoseconds) {
    arrivals.advance(model: model, now: now, &events)
    let node = route(model)
    // Drawn at arrival from the model's own stream: request i of a model takes the same time under every policy.
    let service: Double =
      switch models[model].service {
      case .drawn(let distribution): distribution.sample(from: &serviceRandom[model])
      case .replayed(let trace): nodes[node].next(ofTrace: trace)
      }
    come(SimulatedRequest(model: model, node: node, arrival: now, entry: now, serviceSeconds: service), now: now)
  }

  /// A request comes to its node's front end.
  private mutating func come(_ request: SimulatedRequest, now: Nanoseconds) {
    var request = request
    (request.number, request.isCounted) = recorder.arrival(now: now)
    let way = models[request.model].frontEnd.map { nodes[request.node].frontEnd.pass($0, now: now) }
    if let way {
      request.entry = way.entry
      request.wayOutSeconds = way.wayOutSeconds
    }
    let id = requests.insert(request)
    if let patience = models[request.model].patience {
      let seconds = patience.sample(from: &patienceRandom[request.model])
      events.insert(.impatience(request: id, number: request.number), at: now + Nanoseconds(seconds: seconds))
    }
    if way == nil { enter(id, now: now) } else { events.insert(.entry(request: id), at: request.entry) }
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
    guard !requests[id].isAbandoned else { return requests.remove(id) }
    let (model, node) = (requests[id].model, requests[id].node)
    if nodes[node].machine.hasBudget {
      requests[id].isMiss = !nodes[node].machine.isResident(model)
      recorder.lookUp(requests[id])
    }
    let deadline = models[model].deadline.map { now + $0 } ?? .never
    nodes[node].machine.arrived(pending(id, at: now, deadline: deadline), now: now, actions: &actions)
    perform(node: node, now: now)
  }

  private func pending(_ id: Int, at now: Nanoseconds, deadline: Nanoseconds = .never) -> PendingRequest {
    let model = requests[id].model
    return PendingRequest(id: id, model: model, priority: models[model].priority, arrival: now, deadline: deadline)
  }

  // MARK: Clients leave and come again

  /// The client leaves, unless it has its answer. Its request leaves the node, or is computed for no one.
  private mutating func abandon(_ id: Int, number: Int, now: Nanoseconds) {
    guard requests[id].number == number else { return }
    let request = requests[id]
    recorder.cancellation(request, now: now)
    if request.entry <= now, nodes[request.node].machine.cancelled(pending(id, at: now), now: now, actions: &actions) {
      requests.remove(id)
    } else {
      requests[id].isAbandoned = true
    }
    perform(node: request.node, now: now)
    planRetry(of: request, now: now)
  }

  /// The request had no answer: its client may ask again.
  private mutating func planRetry(of request: SimulatedRequest, now: Nanoseconds) {
    let tries = request.earlierTries + 1
    guard let pause = models[request.model].retries?.pauseSeconds(beforeTry: tries) else { return }
    var again = request
    again.earlierTries = tries
    again.number = -1
    events.insert(.retry(request: requests.insert(again)), at: now + Nanoseconds(seconds: pause))
  }

  private mutating func tryAgain(_ id: Int, now: Nanoseconds) {
    let before = requests[id]
    requests.remove(id)
    var request = SimulatedRequest(
      model: before.model, node: route(before.model), arrival: now, entry: now, serviceSeconds: before.serviceSeconds)
    request.earlierTries = before.earlierTries
    come(request, now: now)
  }

  // MARK: Nodes act

  private mutating func perform(node: Int, now: Nanoseconds) {
    // Taken out one by one from the end, which copies none of them.
    if actions.count > 1 { actions.reverse() }
    while let action = actions.popLast() {
      switch action {
      case .start(let worker): start(nodes[node].machine.pass(of: worker), node: node, worker: worker, now: now)
      case .reject(let request), .refuse(let request, _):
        recorder.rejection(requests[request.id], now: now)
        fail(request.id, now: now)
      case .expire(let request):
        recorder.expiry(requests[request.id], now: now)
        fail(request.id, now: now)
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

  /// The request has been answered without a result.
  private mutating func fail(_ id: Int, now: Nanoseconds) {
    let request = requests[id]
    requests.remove(id)
    planRetry(of: request, now: now)
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
    guard request.isCounted, !request.isAbandoned else { return }
    var latency = (answered - request.arrival).seconds + request.wayOutSeconds
    if let delay = models[request.model].networkDelay { latency += delay.sample(from: &delayRandom[request.model]) }
    recorder.completion(request, latencySeconds: latency)
  }

  // MARK: The end

  /// Counted requests that lie in front ends, in queues, with models that are being loaded, and in workers.
  private func countInFlight() -> Int {
    func isInFlight(_ id: Int) -> Bool { requests[id].isCounted && !requests[id].isAbandoned }
    return nodes.reduce(events.requestsOnTheWay.count(where: isInFlight)) { sum, node in
      sum + node.machine.requestsInside.count { isInFlight($0.id) }
    }
  }
}
