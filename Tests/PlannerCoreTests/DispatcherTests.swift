import PlannerCore
import Testing

@Suite struct DispatcherTests {
  static func request(_ id: Int, model: Int = 0, priority: Int = 0, at: Int64 = 0, deadline: Int64 = .max)
    -> PendingRequest
  {
    PendingRequest(
      id: id, model: model, priority: priority, arrival: Nanoseconds(at), deadline: Nanoseconds(deadline))
  }

  /// Ids in the order in which they were started, rejected and expired.
  static func outcome(_ actions: [DispatchAction]) -> [String] {
    actions.map { action in
      switch action {
      case .start(let worker, let first, let others): "start \(([first] + others).map(\.id)) on \(worker)"
      case .reject(let request): "reject \(request.id)"
      case .expire(let request): "expire \(request.id)"
      case .wake(let time): "wake \(time.rawValue)"
      }
    }
  }

  @Test func firstComeFirstServed() {
    var dispatcher = Dispatcher(workers: 2)
    var actions: [DispatchAction] = []
    for id in 0..<4 { dispatcher.arrived(Self.request(id), now: .zero, actions: &actions) }
    #expect(dispatcher.waiting == 2 && dispatcher.busyWorkers == 2)
    dispatcher.finished(worker: 1, now: Nanoseconds(1), actions: &actions)
    dispatcher.finished(worker: 0, now: Nanoseconds(2), actions: &actions)
    #expect(Self.outcome(actions) == ["start [0] on 0", "start [1] on 1", "start [2] on 1", "start [3] on 0"])
  }

  @Test func aFullQueueRejects() {
    var dispatcher = Dispatcher(workers: 1, queueCapacity: 1)
    var actions: [DispatchAction] = []
    for id in 0..<3 { dispatcher.arrived(Self.request(id), now: .zero, actions: &actions) }
    #expect(Self.outcome(actions) == ["start [0] on 0", "reject 2"])
    var none = Dispatcher(workers: 1, queueCapacity: 0)
    actions = []
    for id in 0..<2 { none.arrived(Self.request(id), now: .zero, actions: &actions) }
    #expect(Self.outcome(actions) == ["start [0] on 0", "reject 1"])
  }

  @Test func higherPriorityFirstAndFairWithin() {
    var dispatcher = Dispatcher(workers: 1)
    var actions: [DispatchAction] = []
    for (id, priority) in [(0, 0), (1, 0), (2, 5), (3, 5), (4, -1)] {
      dispatcher.arrived(Self.request(id, priority: priority), now: .zero, actions: &actions)
    }
    for _ in 0..<4 { dispatcher.finished(worker: 0, now: Nanoseconds(1), actions: &actions) }
    #expect(Self.outcome(actions) == [0, 2, 3, 1, 4].map { "start [\($0)] on 0" })
  }

  @Test func aLateRequestIsNotComputed() {
    var dispatcher = Dispatcher(workers: 1)
    var actions: [DispatchAction] = []
    dispatcher.arrived(Self.request(0), now: .zero, actions: &actions)
    dispatcher.arrived(Self.request(1, deadline: 5), now: .zero, actions: &actions)
    dispatcher.arrived(Self.request(2, deadline: 50), now: .zero, actions: &actions)
    dispatcher.finished(worker: 0, now: Nanoseconds(10), actions: &actions)
    #expect(Self.outcome(actions) == ["start [0] on 0", "expire 1", "start [2] on 0"])
  }

  @Test func batchesFillOrWait() {
    var dispatcher = Dispatcher(workers: 1, batch: BatchPolicy(max: 2, wait: Nanoseconds(100)))
    var actions: [DispatchAction] = []
    dispatcher.arrived(Self.request(0, model: 7, at: 0), now: .zero, actions: &actions)
    dispatcher.arrived(Self.request(1, model: 8, at: 10), now: Nanoseconds(10), actions: &actions)
    dispatcher.arrived(Self.request(2, model: 7, at: 20), now: Nanoseconds(20), actions: &actions)
    #expect(Self.outcome(actions) == ["wake 100", "wake 100", "start [0, 2] on 0"])
    actions = []
    dispatcher.finished(worker: 0, now: Nanoseconds(50), actions: &actions)
    dispatcher.woke(now: Nanoseconds(110), actions: &actions)
    #expect(Self.outcome(actions) == ["wake 110", "start [1] on 0"])
    #expect(dispatcher.waiting == 0)
  }

  @Test func preferredSizesStartAtOnce() {
    var dispatcher = Dispatcher(workers: 1, batch: BatchPolicy(max: 8, wait: Nanoseconds(100), preferred: [2, 4]))
    var actions: [DispatchAction] = []
    dispatcher.arrived(Self.request(0), now: .zero, actions: &actions)
    dispatcher.arrived(Self.request(1), now: .zero, actions: &actions)
    for id in 2..<9 { dispatcher.arrived(Self.request(id), now: .zero, actions: &actions) }
    #expect(Self.outcome(actions) == ["wake 100", "start [0, 1] on 0"])
    actions = []
    // Seven wait: four, two, and one that waits for company.
    for _ in 0..<3 { dispatcher.finished(worker: 0, now: Nanoseconds(10), actions: &actions) }
    #expect(Self.outcome(actions) == ["start [2, 3, 4, 5] on 0", "start [6, 7] on 0", "wake 100"])
    dispatcher.woke(now: Nanoseconds(100), actions: &actions)
    #expect(Self.outcome(actions).last == "start [8] on 0")
  }

  @Test func onlyEqualKeysShareAPassAndSomeShareNone() {
    var dispatcher = Dispatcher(workers: 1, batch: BatchPolicy(max: 4, wait: Nanoseconds(100)))
    var actions: [DispatchAction] = []
    for (id, key) in [nil, 1, 2, nil, 1, 2, nil].enumerated() {
      var request = Self.request(id)
      request.batchKey = key
      dispatcher.arrived(request, now: .zero, actions: &actions)
    }
    for _ in 0..<4 { dispatcher.finished(worker: 0, now: Nanoseconds(100), actions: &actions) }
    #expect(
      Self.outcome(actions) == [
        "start [0] on 0", "start [1, 4] on 0", "start [2, 5] on 0", "start [3] on 0", "start [6] on 0",
      ])
  }

  @Test func oneModelCannotFillTheQueue() {
    var dispatcher = Dispatcher(workers: 1, queueCapacity: 4, modelCapacity: 2)
    var actions: [DispatchAction] = []
    for (id, model) in [0, 0, 0, 0, 1, 2, 3].enumerated() {
      dispatcher.arrived(Self.request(id, model: model), now: .zero, actions: &actions)
    }
    #expect(Self.outcome(actions) == ["start [0] on 0", "reject 3", "reject 6"])
  }

  @Test func atItsDeadlineARequestLeavesTheQueue() {
    var dispatcher = Dispatcher(workers: 1, queueCapacity: 1, expiry: .atDeadline)
    var actions: [DispatchAction] = []
    dispatcher.arrived(Self.request(0), now: .zero, actions: &actions)
    dispatcher.arrived(Self.request(1, deadline: 50), now: .zero, actions: &actions)
    dispatcher.arrived(Self.request(2, deadline: 90), now: Nanoseconds(40), actions: &actions)
    dispatcher.woke(now: Nanoseconds(50), actions: &actions)
    dispatcher.arrived(Self.request(3), now: Nanoseconds(60), actions: &actions)
    dispatcher.arrived(Self.request(4, deadline: 60), now: Nanoseconds(60), actions: &actions)
    #expect(Self.outcome(actions) == ["start [0] on 0", "wake 50", "reject 2", "expire 1", "reject 4"])
  }

  /// Without deadlines, the queue that can do more decides as the simple one does.
  @Test(arguments: 0..<20)
  func bothQueuesDecideAlike(_ seed: UInt64) {
    var random = RandomStream(seed: seed, stream: "queues")
    let capacity = random.integer(below: 2) == 0 ? nil : random.integer(below: 6)
    var simple = Dispatcher(workers: 2, queueCapacity: capacity)
    var general = Dispatcher(workers: 2, queueCapacity: capacity, expiry: .atDeadline)
    var busy: [Int] = []
    for step in 0..<2_000 {
      let now = Nanoseconds(Int64(step))
      var (one, other): ([DispatchAction], [DispatchAction]) = ([], [])
      if random.integer(below: 2) == 0 {
        let request = Self.request(step, model: random.integer(below: 3), priority: random.integer(below: 3))
        simple.arrived(request, now: now, actions: &one)
        general.arrived(request, now: now, actions: &other)
      } else if !busy.isEmpty {
        let worker = busy.remove(at: random.integer(below: busy.count))
        simple.finished(worker: worker, now: now, actions: &one)
        general.finished(worker: worker, now: now, actions: &other)
      }
      #expect(one == other)
      for case .start(let worker, _, _) in one { busy.append(worker) }
    }
  }

  /// A queue that was never empty for 20,000 requests holds no more than for those that wait.
  @Test(arguments: [
    BatchPolicy.single, BatchPolicy(max: 4, wait: .zero), BatchPolicy(max: 4, wait: Nanoseconds(3), preferred: [2]),
  ])
  func nothingIsKeptOfRequestsThatAreGone(_ batch: BatchPolicy) {
    var dispatcher = Dispatcher(workers: 1, batch: batch, expiry: .atDeadline)
    var actions: [DispatchAction] = []
    var largest = 0
    for id in 0..<20_000 {
      let now = Nanoseconds(Int64(id))
      dispatcher.arrived(Self.request(id, model: id % 7, at: Int64(id)), now: now, actions: &actions)
      if dispatcher.waiting > 50, dispatcher.busyWorkers == 1 {
        dispatcher.finished(worker: 0, now: now, actions: &actions)
      }
      largest = max(largest, dispatcher.waiting)
      actions.removeAll()
    }
    #expect(largest >= 50)
    #expect(dispatcher.entryCount < 5 * largest + 100, "\(dispatcher.entryCount) for \(dispatcher.waiting)")
  }

  /// Random events: nothing is lost, nothing starts twice, no worker idles while a request waits.
  @Test(arguments: 0..<50)
  func lawsHoldUnderRandomEvents(_ seed: UInt64) {
    var random = RandomStream(seed: seed, stream: "events")
    let workers = 1 + random.integer(below: 4)
    let batch = random.integer(below: 2) == 0 ? BatchPolicy.single : BatchPolicy(max: 3, wait: Nanoseconds(40))
    let capacity = random.integer(below: 2) == 0 ? nil : random.integer(below: 6)
    let expiry = random.integer(below: 2) == 0 ? ExpiryPolicy.atStart : .atDeadline
    var dispatcher = Dispatcher(workers: workers, queueCapacity: capacity, batch: batch, expiry: expiry)
    var open = Set<Int>()
    var running: [Int: [Int]] = [:]
    for step in 0..<2_000 {
      let now = Nanoseconds(Int64(step * 10))
      var actions: [DispatchAction] = []
      switch random.integer(below: 3) {
      case 0:
        open.insert(step)
        let request = Self.request(
          step, model: random.integer(below: 3), priority: random.integer(below: 3), at: now.rawValue,
          deadline: now.rawValue + 1 + Int64(random.integer(below: 2_000)))
        dispatcher.arrived(request, now: now, actions: &actions)
      case 1:
        if let worker = running.keys.min() {
          running[worker] = nil
          dispatcher.finished(worker: worker, now: now, actions: &actions)
        }
      default: dispatcher.woke(now: now, actions: &actions)
      }
      for action in actions {
        switch action {
        case .start(let worker, let first, let others):
          #expect(running[worker] == nil)
          #expect(others.count < batch.max && others.allSatisfy { $0.model == first.model })
          running[worker] = ([first] + others).map(\.id)
          for request in [first] + others {
            #expect(open.remove(request.id) != nil)
            #expect(request.deadline > now)
          }
        case .reject(let request), .expire(let request): #expect(open.remove(request.id) != nil)
        case .wake(let time): #expect(time >= now)
        }
      }
      #expect(dispatcher.waiting == open.count)
      #expect(dispatcher.waitingRequests.map(\.id).sorted() == open.sorted())
      #expect(dispatcher.busyWorkers == running.count)
      if let capacity { #expect(dispatcher.waiting <= capacity + (batch.max > 1 ? 1 : 0)) }
      if batch.max == 1 { #expect(dispatcher.waiting == 0 || dispatcher.busyWorkers == workers) }
    }
  }
}
