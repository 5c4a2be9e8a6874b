import PlannerCore
import Testing

/// The composition of residency and dispatcher.
@Suite struct NodeMachineTests {
  static func request(_ id: Int, _ model: Int, at: Int64 = 0, deadline: Int64 = .max) -> PendingRequest {
    PendingRequest(id: id, model: model, arrival: Nanoseconds(at), deadline: Nanoseconds(deadline))
  }

  static func machine(
    budget: Int64? = 20, models: Int = 3, queue: Int? = nil, batch: BatchPolicy = .single, loads: Int = 1
  ) -> NodeMachine {
    var machine = NodeMachine(
      dispatcher: Dispatcher(workers: 1, queueCapacity: queue, batch: batch, expiry: .atDeadline),
      residency: Residency(policy: ResidencyPolicy(budgetBytes: budget, concurrentLoads: loads)))
    machine.start(models: (0..<models).map { ($0, 10) })
    return machine
  }

  /// What an event leads to, in order.
  static func script(
    _ machine: inout NodeMachine, now: Int64,
    _ event: (inout NodeMachine, Nanoseconds, inout [NodeAction]) -> Void
  ) -> [String] {
    var actions: [NodeAction] = []
    event(&machine, Nanoseconds(now), &actions)
    return actions.map { action in
      switch action {
      case .start(let worker):
        "start \(([machine.pass(of: worker).first] + machine.pass(of: worker).others).map(\.id))"
      case .reject(let request): "reject \(request.id)"
      case .refuse(let request, let refusal): "refuse \(request.id) \(refusal)"
      case .expire(let request): "expire \(request.id)"
      case .evict(let model): "evict \(model)"
      case .load(let model): "load \(model)"
      case .wakeQueue(let time): "wake queue \(time.rawValue)"
      case .wakeLoads(let time): "wake loads \(time.rawValue)"
      }
    }
  }

  @Test func aMissIsLoadedQueuedAndStarted() {
    var machine = Self.machine()
    #expect(machine.isResident(0) && machine.isResident(1) && !machine.isResident(2) && machine.peakBytes == 20)
    #expect(
      Self.script(&machine, now: 1) { $0.arrived(Self.request(0, 2, at: 1), now: $1, actions: &$2) }
        == ["evict 0", "load 2"])
    #expect(machine.load == 0 && machine.requestsInside.map(\.id) == [0])
    #expect(Self.script(&machine, now: 5) { $0.loaded(2, now: $1, actions: &$2) } == ["start [0]"])
    #expect(machine.load == 1 && machine.requestsInside.map(\.id) == [0])
    let last = Self.script(&machine, now: 9) { machine, now, actions in
      #expect(machine.finished(worker: 0, now: now, actions: &actions).first.id == 0)
    }
    #expect(last == [])
    #expect(machine.load == 0 && machine.requestsInside.isEmpty && machine.peakBytes == 20)
  }

  /// The dispatcher's decisions come first, then the load that waited for the released model's room.
  @Test func aReleaseFollowsWhatTheWorkerDoesNext() {
    var machine = Self.machine(budget: 10, models: 2)
    #expect(Self.script(&machine, now: 0) { $0.arrived(Self.request(0, 0), now: $1, actions: &$2) } == ["start [0]"])
    #expect(Self.script(&machine, now: 1) { $0.arrived(Self.request(1, 0), now: $1, actions: &$2) } == [])
    #expect(Self.script(&machine, now: 2) { $0.arrived(Self.request(2, 1), now: $1, actions: &$2) } == [])
    // The model is still used by request 1.
    #expect(Self.script(&machine, now: 3) { _ = $0.finished(worker: 0, now: $1, actions: &$2) } == ["start [1]"])
    #expect(
      Self.script(&machine, now: 4) { _ = $0.finished(worker: 0, now: $1, actions: &$2) } == ["evict 0", "load 1"])
  }

  /// What is turned away at the queue lets go of its model: the next load finds room.
  @Test func aRejectedRequestReleasesItsModel() {
    var machine = Self.machine(budget: 20, models: 3, queue: 0)
    #expect(Self.script(&machine, now: 0) { $0.arrived(Self.request(0, 0), now: $1, actions: &$2) } == ["start [0]"])
    #expect(Self.script(&machine, now: 1) { $0.arrived(Self.request(1, 1), now: $1, actions: &$2) } == ["reject 1"])
    #expect(
      Self.script(&machine, now: 2) { $0.arrived(Self.request(2, 2), now: $1, actions: &$2) } == ["evict 1", "load 2"])
  }

  /// The wait for the model is no wait for company, and does not extend the deadline.
  @Test func atTheQueueAMissIsNewAndItsDeadlineIsOld() {
    var machine = Self.machine(models: 3, batch: BatchPolicy(max: 4, wait: Nanoseconds(100)))
    _ = Self.script(&machine, now: 0) { $0.arrived(Self.request(0, 2, deadline: 130), now: $1, actions: &$2) }
    #expect(Self.script(&machine, now: 50) { $0.loaded(2, now: $1, actions: &$2) } == ["wake queue 130"])
    #expect(Self.script(&machine, now: 130) { $0.queueWoke(now: $1, actions: &$2) } == ["expire 0"])
    #expect(machine.requestsInside.isEmpty)
  }

  @Test func aFailedLoadRefusesItsRequests() {
    var machine = Self.machine(models: 3)
    _ = Self.script(&machine, now: 0) { $0.arrived(Self.request(0, 2), now: $1, actions: &$2) }
    #expect(
      Self.script(&machine, now: 1) { $0.loadFailed(2, now: $1, actions: &$2) }.first?.hasPrefix("refuse 0") == true)
    #expect(machine.requestsInside.isEmpty)
  }

  /// A client that has gone leaves the queue or the wait for its model, and lets go of what it held; what is computed
  /// goes on.
  @Test(arguments: [BatchPolicy.single, BatchPolicy(max: 2, wait: .zero)])
  func aCancelledRequestLeavesItsPlace(_ batch: BatchPolicy) {
    var machine = Self.machine(budget: 20, models: 3, batch: batch)
    _ = Self.script(&machine, now: 0) {
      $0.arrived(Self.request(0, 0), now: $1, actions: &$2)
      $0.arrived(Self.request(1, 1), now: $1, actions: &$2)
      $0.arrived(Self.request(2, 2), now: $1, actions: &$2)
    }
    // Model 2 waits for room, which request 1 holds in the queue.
    #expect(machine.requestsInside.map(\.id) == [0, 1, 2])
    var waited: [Bool] = []
    func cancel(_ id: Int, _ model: Int) -> [String] {
      Self.script(&machine, now: 1) { machine, now, actions in
        waited.append(machine.cancelled(Self.request(id, model), now: now, actions: &actions))
      }
    }
    #expect(cancel(1, 1) == ["evict 1", "load 2"])
    #expect(cancel(0, 0) == [])
    #expect(cancel(2, 2) == [])
    #expect(waited == [true, false, true])
    #expect(machine.requestsInside.map(\.id) == [0])
    #expect(Self.script(&machine, now: 3) { $0.loaded(2, now: $1, actions: &$2) } == [])
  }

  /// Random events: every request is in the node until it is answered exactly once, and is computed with its model in
  /// memory.
  @Test(arguments: 0..<40)
  func nothingIsLostUnderRandomEvents(_ seed: UInt64) {
    var random = RandomStream(seed: seed, stream: "node")
    let hasBudget = random.integer(below: 4) > 0
    let workers = 1 + random.integer(below: 3)
    var machine = NodeMachine(
      dispatcher: Dispatcher(
        workers: workers, queueCapacity: random.integer(below: 2) == 0 ? nil : 3,
        batch: random.integer(below: 2) == 0 ? .single : BatchPolicy(max: 3, wait: Nanoseconds(40)),
        expiry: .atDeadline),
      residency: hasBudget
        ? Residency(
          policy: ResidencyPolicy(
            budgetBytes: 30, concurrentLoads: 2, maxWaiting: random.integer(below: 2) == 0 ? nil : 4,
            firstRetry: Nanoseconds(50))) : nil)
    machine.start(models: (0..<6).map { ($0, 10) })
    var open = Set<Int>()
    var busy = Set<Int>()
    var loading = Set<Int>()
    for step in 0..<2_000 {
      let now = Nanoseconds(Int64(step * 10))
      var actions: [NodeAction] = []
      switch random.integer(below: 7) {
      case 6:
        let id = open.count > 0 ? machine.requestsInside[random.integer(below: open.count)].id : -1
        guard let request = machine.requestsInside.first(where: { $0.id == id }) else { continue }
        let isComputed = busy.contains { worker in
          ([machine.pass(of: worker).first] + machine.pass(of: worker).others).contains { $0.id == id }
        }
        #expect(machine.cancelled(request, now: now, actions: &actions) != isComputed)
        if !isComputed { open.remove(id) }
      case 0...2:
        open.insert(step)
        let deadline = now.rawValue + 1 + Int64(random.integer(below: 1_500))
        machine.arrived(
          Self.request(step, random.integer(below: 6), at: now.rawValue, deadline: deadline), now: now,
          actions: &actions)
      case 3:
        guard let worker = busy.min() else { continue }
        busy.remove(worker)
        let pass = machine.finished(worker: worker, now: now, actions: &actions)
        for request in [pass.first] + pass.others { #expect(open.remove(request.id) != nil) }
      case 4:
        guard let model = loading.min() else { continue }
        loading.remove(model)
        if random.integer(below: 5) == 0 {
          machine.loadFailed(model, now: now, actions: &actions)
        } else {
          machine.loaded(model, now: now, actions: &actions)
        }
      default:
        machine.queueWoke(now: now, actions: &actions)
        machine.loadsWoke(now: now, actions: &actions)
      }
      for action in actions {
        switch action {
        case .start(let worker):
          #expect(busy.insert(worker).inserted && machine.isResident(machine.pass(of: worker).first.model))
        case .reject(let request), .refuse(let request, _): #expect(open.remove(request.id) != nil)
        case .expire(let request): #expect(open.remove(request.id) != nil && request.deadline <= now)
        case .load(let model): #expect(loading.insert(model).inserted)
        case .evict(let model): #expect(!machine.isResident(model))
        case .wakeQueue, .wakeLoads: break
        }
      }
      #expect(machine.requestsInside.map(\.id).sorted() == open.sorted())
      #expect(machine.peakBytes <= 30)
    }
  }
}
