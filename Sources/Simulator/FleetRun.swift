import PlannerCore

/// Something that the policies decided in a simulation.
package struct SimulatedDecision: Hashable, Sendable {
  package enum What: Hashable, Sendable {
    /// These requests, in one forward pass.
    case start([Int])
    case reject(Int)
    case expire(Int)
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

/// One run of a fleet: arrivals, nodes that run the shared `Dispatcher`, and what became of each request.
///
/// Models: one queue a node, workers alike, forward passes that are not interrupted, delays of the network that occupy
/// nobody, front ends in which nobody overtakes, and on nodes with a memory budget the shared `Residency`: loads take
/// time and no worker.
/// Ignores: contention between workers and loads beyond what their times carry, failed loads, failures of nodes.
struct FleetRun {
  /// Everything a run needs to know of one model.
  struct Model {
    var arrivals: ArrivalProcess?
    var service: TimeDistribution
    var networkDelay: TimeDistribution?
    var priority = 0
    var deadline: Nanoseconds?
    /// The node that holds the model; nil where every node does.
    var node: Int?
    var memoryBytes: Int64 = 0
    var load: TimeDistribution?
  }

  struct Node {
    var workers: Int
    var queueCapacity: Int?
    var batch: BatchPolicy
    /// What keeps a worker busy after each pass, without being part of the request's latency.
    var dispatchGap = Nanoseconds.zero
    /// What a worker that was idle needs before it starts.
    var wake = Nanoseconds.zero
    /// Replaces the models' service times: measured times, drawn in spells.
    var serviceTrace: ServiceTrace?
    /// The way in to the queue and out again; nil takes no time.
    var frontEnd: FrontEnd?
    /// nil keeps all models in memory.
    var residency: ResidencyPolicy?
    var expiry = ExpiryPolicy.atStart
  }

  /// What a memory budget did, for requests that arrived in the measured window.
  struct ResidencyObservation {
    var hits = 0
    var misses = 0
    var hitLatencySeconds: [Double] = []
    var missLatencySeconds: [Double] = []
    /// In the measured window.
    var loads = 0
    var evictions = 0
    var peakBytes: Int64 = 0
  }

  /// What one run observed of the requests that arrived in the measured window, in order of completion.
  struct Observation {
    var latencySeconds: [Double] = []
    var waitSeconds: [Double] = []
    var counts = RequestCounts()
    /// Worker-nanoseconds of busyness inside the window.
    var busyNanoseconds = 0.0
    var workers = 0
    var windowSeconds = 0.0
    /// nil where no node has a budget.
    var residency: ResidencyObservation?
  }

  struct Request {
    var model: Int
    var node: Int
    var arrival: Nanoseconds
    /// Through the front end, where it may be queued.
    var entry: Nanoseconds
    /// From the end of its pass to the client.
    var wayOutSeconds = 0.0
    var serviceSeconds: Double
    var isCounted: Bool
    /// Had to wait for its model.
    var isMiss = false
    /// Place in the order of arrival.
    var number = 0
  }

  private struct Running {
    var first: Int
    var others: [Int]
  }

  let models: [Model]
  let nodes: [Node]
  let warmup: Nanoseconds
  private let end: Nanoseconds
  private let schedule: Schedule?

  private var dispatchers: [Dispatcher]
  var residencies: [Residency?]
  /// Actions of the residency at work, and models whose users are done.
  var residencyActions: [ResidencyAction] = []
  private var released: [Int] = []
  var residencyWakes: [Nanoseconds]
  private var running: [[Running?]]
  private var traces: [ServiceTrace?]
  private var router: Router
  var events: EventQueue
  var requests: [Request] = []
  var freeSlots: [Int] = []
  private var arrivalRandom: [RandomStream]
  private var serviceRandom: [RandomStream]
  private var delayRandom: [RandomStream]
  private var frontEndRandom: [RandomStream]
  /// When the last request came through each node's front end.
  private var lastEntry: [Nanoseconds]
  var loadRandom: [RandomStream] = []
  private var traceIndex: [Int]
  private var scheduleIndex = 0
  private var actions: [DispatchAction] = []
  var observation = Observation()
  /// Kept only where somebody asks for them.
  var decisions: [SimulatedDecision]?
  private var arrived = 0
  private var busyWorkers = 0
  private var busySince = Nanoseconds.zero

  /// - Parameter schedule: replaces the models' own arrival processes where given.
  init(
    models: [Model], nodes: [Node], routing: RoutingPolicy, warmup: Nanoseconds, end: Nanoseconds,
    schedule: Schedule? = nil, seed: UInt64
  ) {
    self.models = models
    self.nodes = nodes
    self.warmup = warmup
    self.end = end
    self.schedule = schedule
    dispatchers = nodes.map {
      Dispatcher(workers: $0.workers, queueCapacity: $0.queueCapacity, batch: $0.batch, expiry: $0.expiry)
    }
    residencies = nodes.map { node in node.residency.map { Residency(policy: $0) } }
    residencyWakes = Array(repeating: .never, count: nodes.count)
    running = nodes.map { Array(repeating: nil, count: $0.workers) }
    traces = nodes.enumerated().map { index, node in
      guard var trace = node.serviceTrace else { return nil }
      trace.random = RandomStream(seed: seed, stream: "service trace", index: UInt64(index))
      return trace
    }
    router = Router(policy: routing, random: RandomStream(seed: seed, stream: "routing"))
    events = EventQueue(capacity: models.count + nodes.count * 4)
    arrivalRandom = models.indices.map { RandomStream(seed: seed, stream: "arrivals", index: UInt64($0)) }
    serviceRandom = models.indices.map { RandomStream(seed: seed, stream: "service", index: UInt64($0)) }
    delayRandom = models.indices.map { RandomStream(seed: seed, stream: "network delay", index: UInt64($0)) }
    frontEndRandom = nodes.indices.map { RandomStream(seed: seed, stream: "front end", index: UInt64($0)) }
    lastEntry = Array(repeating: .zero, count: nodes.count)
    traceIndex = Array(repeating: 0, count: models.count)
    observation.workers = nodes.reduce(0) { $0 + $1.workers }
    observation.windowSeconds = (end - warmup).seconds
    if nodes.contains(where: { $0.residency != nil }) {
      observation.residency = ResidencyObservation()
      loadRandom = models.indices.map { RandomStream(seed: seed, stream: "load", index: UInt64($0)) }
      for node in nodes.indices where nodes[node].residency != nil { fillMemory(node: node) }
    }
  }

  /// Runs the clock from 0 to the end.
  ///
  /// Complexity: O(requests · log(models + workers)) without batching.
  mutating func run() -> Observation {
    if schedule != nil {
      scheduleNextFromSchedule()
    } else {
      for model in models.indices { scheduleFirstArrival(of: model) }
    }
    while let event = events.popFirst(), event.time < end {
      switch event.kind {
      case .arrival(let model): arrive(model: model, now: event.time)
      case .entry(let request): enter(request, now: event.time)
      case .completion(let node, let worker): complete(node: node, worker: worker, now: event.time)
      case .wake(let node):
        dispatchers[node].woke(now: event.time, actions: &actions)
        perform(node: node, now: event.time)
      case .loaded(let node, let model):
        residencies[node]?.loaded(model, now: event.time, actions: &residencyActions)
        performResidency(node: node, now: event.time)
      case .residencyWake(let node):
        residencyWakes[node] = .never
        residencies[node]?.woke(now: event.time, actions: &residencyActions)
        performResidency(node: node, now: event.time)
      }
    }
    // Nobody is busy any more where the clock ran on until the last answer.
    if busyWorkers > 0 { accountBusyness(until: end) }
    let finished = observation.counts
    observation.counts.inFlight = finished.arrived - finished.completed - finished.rejected - finished.timedOut
    return observation
  }

  // MARK: Arrivals

  private mutating func scheduleFirstArrival(of model: Int) {
    guard case .deterministic(let rate)? = models[model].arrivals else {
      return scheduleNextArrival(of: model, after: .zero)
    }
    // A random phase, so that evenly spaced copies are not in step.
    events.insert(.arrival(model: model), at: Nanoseconds(seconds: arrivalRandom[model].uniform() / rate))
  }

  private mutating func scheduleNextArrival(of model: Int, after now: Nanoseconds) {
    guard let arrivals = models[model].arrivals else { return }
    let gap: Double
    switch arrivals {
    case .poisson(let rate): gap = arrivalRandom[model].exponential() / rate
    case .deterministic(let rate): gap = 1 / rate
    case .gamma(let rate, let cv):
      gap = TimeDistribution.gamma(mean: 1 / rate, cv: cv).sample(from: &arrivalRandom[model])
    case .trace(let times):
      let index = traceIndex[model]
      guard index < times.count else { return }
      traceIndex[model] += 1
      events.insert(.arrival(model: model), at: Nanoseconds(seconds: times[index]))
      return
    }
    events.insert(.arrival(model: model), at: now + Nanoseconds(seconds: gap))
  }

  private mutating func scheduleNextFromSchedule() {
    guard let schedule, scheduleIndex < schedule.requests.count else { return }
    let request = schedule.requests[scheduleIndex]
    scheduleIndex += 1
    events.insert(.arrival(model: request.model), at: request.due)
  }

  private mutating func arrive(model: Int, now: Nanoseconds) {
    if schedule != nil { scheduleNextFromSchedule() } else { scheduleNextArrival(of: model, after: now) }
    let node = models[model].node ?? route()
    let isCounted = now >= warmup
    if isCounted { observation.counts.arrived += 1 }
    // Drawn at arrival from the model's own stream: request i of a model takes the same time under every policy.
    let service = traces[node]?.next() ?? models[model].service.sample(from: &serviceRandom[model])
    var request = Request(
      model: model, node: node, arrival: now, entry: now, serviceSeconds: service, isCounted: isCounted,
      number: arrived)
    arrived += 1
    guard let frontEnd = nodes[node].frontEnd else { return enter(store(request), now: now) }
    let way = frontEnd.draw(from: &frontEndRandom[node])
    request.entry = max(now + Nanoseconds(seconds: way.in), lastEntry[node])
    request.wayOutSeconds = way.out
    lastEntry[node] = request.entry
    events.insert(.entry(request: store(request)), at: request.entry)
  }

  /// The request is the node's now.
  private mutating func enter(_ id: Int, now: Nanoseconds) {
    let (model, node) = (requests[id].model, requests[id].node)
    let deadline = models[model].deadline.map { now + $0 } ?? .never
    let pending = PendingRequest(
      id: id, model: model, priority: models[model].priority, arrival: now, deadline: deadline)
    if residencies[node] != nil { ask(pending, node: node, now: now) } else { queue(pending, node: node, now: now) }
  }

  /// The request has its model and waits for a worker.
  mutating func queue(_ request: PendingRequest, node: Int, now: Nanoseconds) {
    dispatchers[node].arrived(request, now: now, actions: &actions)
    perform(node: node, now: now)
  }

  private mutating func route() -> Int {
    let loads = dispatchers
    return router.choose(nodes: nodes.count) { loads[$0].busyWorkers + loads[$0].waiting }
  }

  private mutating func store(_ request: Request) -> Int {
    if let slot = freeSlots.popLast() {
      requests[slot] = request
      return slot
    }
    requests.append(request)
    return requests.count - 1
  }

  // MARK: Service

  private mutating func perform(node: Int, now: Nanoseconds) {
    for action in actions {
      switch action {
      case .start(let worker, let first, let others): start(node, worker, first, others, now)
      case .reject(let request):
        note(.reject(requests[request.id].number), now)
        if requests[request.id].isCounted { observation.counts.rejected += 1 }
        leave(request.id)
      case .expire(let request):
        note(.expire(requests[request.id].number), now)
        if requests[request.id].isCounted { observation.counts.timedOut += 1 }
        leave(request.id)
      case .wake(let time): events.insert(.wake(node: node), at: time)
      }
    }
    actions.removeAll(keepingCapacity: true)
    releaseModels(node: node, now: now)
  }

  /// The request is done with, in whatever way.
  private mutating func leave(_ id: Int) {
    if residencies[requests[id].node] != nil { released.append(requests[id].model) }
    freeSlots.append(id)
  }

  /// After the dispatcher's own actions, since others may follow from it.
  private mutating func releaseModels(node: Int, now: Nanoseconds) {
    guard residencies[node] != nil else { return }
    while let model = released.popLast() {
      residencies[node]?.released(model, now: now, actions: &residencyActions)
      performResidency(node: node, now: now)
    }
  }

  private mutating func start(
    _ node: Int, _ worker: Int, _ first: PendingRequest, _ others: [PendingRequest], _ now: Nanoseconds
  ) {
    if decisions != nil { note(.start(([first] + others).map { requests[$0.id].number }), now) }
    var seconds = requests[first.id].serviceSeconds
    for other in others { seconds += nodes[node].batch.batchCostFactor * requests[other.id].serviceSeconds }
    accountBusyness(until: now)
    busyWorkers += 1
    noteWait(first.id, now)
    for other in others { noteWait(other.id, now) }
    running[node][worker] = Running(first: first.id, others: others.map(\.id))
    // A request that starts the moment it arrives has found a worker asleep.
    let wake = first.arrival == now ? nodes[node].wake : .zero
    let busyUntil = now + wake + Nanoseconds(seconds: seconds) + nodes[node].dispatchGap
    events.insert(.completion(node: node, worker: worker), at: busyUntil)
  }

  mutating func note(_ what: SimulatedDecision.What, _ now: Nanoseconds) {
    decisions?.append(SimulatedDecision(time: now, what: what))
  }

  private mutating func noteWait(_ id: Int, _ now: Nanoseconds) {
    if requests[id].isCounted { observation.waitSeconds.append((now - requests[id].entry).seconds) }
  }

  private mutating func complete(node: Int, worker: Int, now: Nanoseconds) {
    guard let batch = running[node][worker] else { preconditionFailure("an idle worker cannot complete") }
    running[node][worker] = nil
    accountBusyness(until: now)
    busyWorkers -= 1
    finish(batch.first, now)
    for id in batch.others { finish(id, now) }
    dispatchers[node].finished(worker: worker, now: now, actions: &actions)
    perform(node: node, now: now)
  }

  private mutating func finish(_ id: Int, _ now: Nanoseconds) {
    let request = requests[id]
    if request.isCounted {
      observation.counts.completed += 1
      var latency = (now - nodes[request.node].dispatchGap - request.arrival).seconds + request.wayOutSeconds
      if let delay = models[request.model].networkDelay {
        latency += delay.sample(from: &delayRandom[request.model])
      }
      observation.latencySeconds.append(latency)
      if observation.residency != nil { noteLatency(latency, isMiss: request.isMiss) }
    }
    leave(id)
  }

  private mutating func accountBusyness(until now: Nanoseconds) {
    let from = max(busySince, warmup)
    if now > from { observation.busyNanoseconds += Double((now - from).rawValue) * Double(busyWorkers) }
    busySince = now
  }
}
