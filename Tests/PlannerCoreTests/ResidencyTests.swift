import PlannerCore
import Testing

@Suite struct ResidencyTests {
  static func request(_ id: Int, _ model: Int, priority: Int = 0, at: Int64 = 0, deadline: Int64 = .max)
    -> PendingRequest
  {
    PendingRequest(
      id: id, model: model, priority: priority, arrival: Nanoseconds(at), deadline: Nanoseconds(deadline))
  }

  static func outcome(_ actions: [ResidencyAction]) -> [String] {
    actions.map { action in
      switch action {
      case .use(let request): "use \(request.id)"
      case .evict(let model): "evict \(model)"
      case .load(let model): "load \(model)"
      case .refuse(let request, let refusal): "refuse \(request.id) \(refusal)"
      case .expire(let request): "expire \(request.id)"
      case .wake(let time): "wake \(time.rawValue)"
      }
    }
  }

  /// Runs events and returns what they led to.
  static func script(
    _ residency: inout Residency, now: Int64 = 0,
    _ events: (inout Residency, Nanoseconds, inout [ResidencyAction]) -> Void
  ) -> [String] {
    var actions: [ResidencyAction] = []
    events(&residency, Nanoseconds(now), &actions)
    return outcome(actions)
  }

  static func residency(models: Int, bytes: Int64 = 10, _ policy: ResidencyPolicy) -> Residency {
    var residency = Residency(policy: policy)
    for model in 0..<models { residency.offer(model, bytes: bytes) }
    return residency
  }

  @Test func oneLoadServesAllWhoWait() {
    var residency = Self.residency(models: 2, ResidencyPolicy())
    let begun = Self.script(&residency) { residency, now, actions in
      residency.requested(Self.request(0, 1), now: now, actions: &actions)
      residency.requested(Self.request(1, 1), now: now, actions: &actions)
    }
    #expect(begun == ["load 1"])
    let done = Self.script(&residency) { residency, now, actions in
      residency.loaded(1, now: now, actions: &actions)
      residency.requested(Self.request(2, 1), now: now, actions: &actions)
    }
    #expect(done == ["use 0", "use 1", "use 2"])
  }

  @Test func theLongestUnusedGoesAndTheUsedStays() {
    var residency = Self.residency(models: 4, ResidencyPolicy(budgetBytes: 30))
    let begun = Self.script(&residency) { residency, now, actions in
      for model in 0..<3 {
        residency.requested(Self.request(model, model), now: now, actions: &actions)
        residency.loaded(model, now: now, actions: &actions)
      }
      // 1 was used before 0; 2 is still in use.
      residency.released(1, now: now, actions: &actions)
      residency.released(0, now: now, actions: &actions)
      residency.requested(Self.request(3, 3), now: now, actions: &actions)
    }
    #expect(begun.suffix(2) == ["evict 1", "load 3"])
    #expect(residency.usedBytes == 30)
    // A use makes it the latest.
    let next = Self.script(&residency) { residency, now, actions in
      residency.loaded(3, now: now, actions: &actions)
      residency.released(3, now: now, actions: &actions)
      residency.requested(Self.request(4, 0), now: now, actions: &actions)
      residency.released(0, now: now, actions: &actions)
      residency.requested(Self.request(5, 1), now: now, actions: &actions)
    }
    #expect(next == ["use 3", "use 4", "evict 3", "load 1"])
  }

  @Test func aLoadWithoutRoomWaitsForItAndLetsNonePass() {
    var residency = Residency(policy: ResidencyPolicy(budgetBytes: 30, concurrentLoads: 2))
    for (model, bytes) in [(0, 20), (1, 30), (2, 10)] { residency.offer(model, bytes: Int64(bytes)) }
    let begun = Self.script(&residency) { residency, now, actions in
      residency.requested(Self.request(0, 0), now: now, actions: &actions)
      residency.loaded(0, now: now, actions: &actions)
      residency.requested(Self.request(1, 1), now: now, actions: &actions)
      residency.requested(Self.request(2, 2), now: now, actions: &actions)
    }
    #expect(begun == ["load 0", "use 0"])
    let released = Self.script(&residency) { $0.released(0, now: $1, actions: &$2) }
    #expect(released == ["evict 0", "load 1"])
    let loaded = Self.script(&residency) { residency, now, actions in
      residency.loaded(1, now: now, actions: &actions)
      residency.released(1, now: now, actions: &actions)
    }
    #expect(loaded == ["use 1", "evict 1", "load 2"])
  }

  /// A load that is too large for the room there is keeps those behind it waiting, until nobody waits for it any more:
  /// the next begins at that moment, not with some later event.
  @Test(arguments: ["woke", "requested", "refused"])
  func theNextLoadBeginsWhenTheFirstInLineIsGivenUp(_ event: String) {
    var residency = Residency(policy: ResidencyPolicy(budgetBytes: 30, concurrentLoads: 2))
    for (model, bytes) in [(0, 20), (1, 30), (2, 10), (3, 31)] { residency.offer(model, bytes: Int64(bytes)) }
    _ = Self.script(&residency) { residency, now, actions in
      residency.requested(Self.request(0, 0), now: now, actions: &actions)
      residency.loaded(0, now: now, actions: &actions)
      residency.requested(Self.request(1, 1, deadline: 5), now: now, actions: &actions)
      residency.requested(Self.request(2, 2), now: now, actions: &actions)
    }
    let outcome = Self.script(&residency, now: 5) { residency, now, actions in
      switch event {
      case "woke": residency.woke(now: now, actions: &actions)
      case "requested": residency.requested(Self.request(3, 0), now: now, actions: &actions)
      default: residency.requested(Self.request(3, 3), now: now, actions: &actions)
      }
    }
    let more = ["woke": [], "requested": ["use 3"], "refused": ["refuse 3 exceedsBudget"]]
    #expect(outcome.filter { !$0.hasPrefix("wake") } == ["expire 1", "load 2"] + (more[event] ?? []))
  }

  @Test func whatCannotBeIsRefused() {
    var residency = Residency(policy: ResidencyPolicy(budgetBytes: 30, maxWaiting: 1))
    for (model, bytes) in [(0, 10), (1, 31), (2, 10)] { residency.offer(model, bytes: Int64(bytes)) }
    let outcome = Self.script(&residency) { residency, now, actions in
      residency.requested(Self.request(0, 1), now: now, actions: &actions)
      residency.requested(Self.request(1, 0), now: now, actions: &actions)
      residency.requested(Self.request(2, 2), now: now, actions: &actions)
      residency.requested(Self.request(3, 9), now: now, actions: &actions)
      residency.withdraw(0, now: now, actions: &actions)
      residency.requested(Self.request(4, 0), now: now, actions: &actions)
    }
    #expect(
      outcome == [
        "refuse 0 exceedsBudget", "load 0", "refuse 2 tooManyWaiting", "refuse 3 withdrawn", "refuse 1 withdrawn",
        "refuse 4 withdrawn",
      ])
    // It was under way; no request may have it.
    #expect(Self.script(&residency) { $0.loaded(0, now: $1, actions: &$2) } == ["evict 0"])
    #expect(residency.usedBytes == 0 && residency.residentModels == 0)
  }

  @Test func aFailedLoadIsTriedAgainLaterAndLater() {
    let policy = ResidencyPolicy(firstRetry: Nanoseconds(100), longestRetry: Nanoseconds(350))
    var residency = Self.residency(models: 1, policy)
    var now: Int64 = 0
    for pause in [100, 200, 350, 350] {
      let failed = Self.script(&residency, now: now) { residency, now, actions in
        residency.requested(Self.request(0, 0), now: now, actions: &actions)
        residency.loadFailed(0, now: now, actions: &actions)
        residency.requested(Self.request(1, 0), now: now, actions: &actions)
      }
      let until = "failing(until: \(Nanoseconds(now + Int64(pause))))"
      let readable = failed.map { $0.replacing("PlannerCore.", with: "") }
      #expect(
        readable == ["load 0", "refuse 0 \(until)", "refuse 1 \(until)"].map { $0.replacing("PlannerCore.", with: "") })
      now += Int64(pause)
    }
    // Asked for by name, it is tried at once.
    residency.offer(0, bytes: 10)
    #expect(
      Self.script(&residency, now: now - 1) { $0.requested(Self.request(2, 0), now: $1, actions: &$2) } == ["load 0"])
  }

  /// The table in the comment of `retryPause`.
  @Test(arguments: zip([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 50], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]))
  func pausesDoubleUpToTheLongest(_ failures: Int, _ seconds: Double) {
    #expect(ResidencyPolicy().retryPause(afterFailures: failures) == Nanoseconds(seconds: seconds))
  }

  @Test func noPauseIsNoneHoweverOften() {
    let policy = ResidencyPolicy(firstRetry: .zero)
    #expect(policy.retryPause(afterFailures: 1) == .zero && policy.retryPause(afterFailures: 90) == .zero)
  }

  @Test func theFirstModelsThatFitAreLoadedAtStart() {
    #expect(ResidencyPolicy(budgetBytes: 30).modelsLoadedAtStart([10, 20, 1, 1]) == 2)
    #expect(ResidencyPolicy(budgetBytes: 5).modelsLoadedAtStart([10, 1]) == 0)
    #expect(ResidencyPolicy().modelsLoadedAtStart([10, 20]) == 2)
  }

  @Test func lateRequestsAreGivenUpAndTheirLoadIsNotStarted() {
    var residency = Self.residency(models: 2, ResidencyPolicy())
    let begun = Self.script(&residency) { residency, now, actions in
      residency.requested(Self.request(0, 0), now: now, actions: &actions)
      residency.requested(Self.request(1, 1, deadline: 50), now: now, actions: &actions)
    }
    #expect(begun == ["load 0", "wake 50"])
    #expect(Self.script(&residency, now: 50) { $0.woke(now: $1, actions: &$2) } == ["expire 1"])
    #expect(Self.script(&residency, now: 60) { $0.loaded(0, now: $1, actions: &$2) } == ["use 0"])
  }

  @Test func higherPriorityLoadsFirst() {
    var residency = Self.residency(models: 4, ResidencyPolicy())
    _ = Self.script(&residency) { residency, now, actions in
      for (model, priority) in [(0, 0), (1, 0), (2, 5)] {
        residency.requested(Self.request(model, model, priority: priority), now: now, actions: &actions)
      }
      residency.requested(Self.request(3, 1, priority: 9), now: now, actions: &actions)
    }
    var order: [String] = []
    for model in [0, 1, 2] { order += Self.script(&residency) { $0.loaded(model, now: $1, actions: &$2) } }
    #expect(order == ["use 0", "load 1", "use 1", "use 3", "load 2", "use 2"])
  }

  /// Random events: the budget is kept, nothing in use is evicted, every request is answered exactly once.
  @Test(arguments: 0..<60)
  func lawsHoldUnderRandomEvents(_ seed: UInt64) {
    var random = RandomStream(seed: seed, stream: "residency")
    let models = 2 + random.integer(below: 12)
    let sizes = (0..<models).map { _ in Int64(1 + random.integer(below: 20)) }
    let budget: Int64? = random.integer(below: 4) == 0 ? nil : Int64(20 + random.integer(below: 60))
    let policy = ResidencyPolicy(
      budgetBytes: budget, concurrentLoads: 1 + random.integer(below: 3),
      maxWaiting: random.integer(below: 2) == 0 ? nil : 4, firstRetry: Nanoseconds(30))
    var residency = Residency(policy: policy)
    for model in 0..<models { residency.offer(model, bytes: sizes[model]) }
    var open = Set<Int>()
    var using: [Int] = []
    var loading = Set<Int>()
    var resident = Set<Int>()
    for step in 0..<3_000 {
      let now = Nanoseconds(Int64(step * 10))
      var actions: [ResidencyAction] = []
      switch random.integer(below: 8) {
      case 0...3:
        open.insert(step)
        let deadline = now.rawValue + 1 + Int64(random.integer(below: 1_000))
        residency.requested(
          Self.request(step, random.integer(below: models), priority: random.integer(below: 3), deadline: deadline),
          now: now, actions: &actions)
      case 4, 5:
        guard !using.isEmpty else { continue }
        residency.released(using.remove(at: random.integer(below: using.count)), now: now, actions: &actions)
      case 6:
        guard let model = loading.min() else { continue }
        loading.remove(model)
        if random.integer(below: 5) == 0 {
          residency.loadFailed(model, now: now, actions: &actions)
        } else {
          resident.insert(model)
          residency.loaded(model, now: now, actions: &actions)
        }
      default:
        let model = random.integer(below: models)
        switch random.integer(below: 6) {
        case 0: residency.withdraw(model, now: now, actions: &actions)
        case 1: residency.offer(model, bytes: sizes[model])
        case 2: residency.prefetch(model, now: now, actions: &actions)
        default: residency.woke(now: now, actions: &actions)
        }
      }
      for action in actions {
        switch action {
        case .use(let request):
          #expect(open.remove(request.id) != nil && resident.contains(request.model) && request.deadline > now)
          using.append(request.model)
        case .evict(let model): #expect(resident.remove(model) != nil && !using.contains(model))
        case .load(let model): #expect(!resident.contains(model) && loading.insert(model).inserted)
        case .refuse(let request, _): #expect(open.remove(request.id) != nil)
        case .expire(let request): #expect(open.remove(request.id) != nil && request.deadline <= now)
        case .wake(let time): #expect(time > now)
        }
      }
      #expect(residency.waitingRequests.map(\.id).sorted() == open.sorted())
      #expect(residency.waiting == open.count && residency.residentModels == resident.count)
      #expect(loading.count <= policy.concurrentLoads)
      #expect(residency.usedBytes == (resident.union(loading)).reduce(0) { $0 + sizes[$1] })
      if let budget { #expect(residency.usedBytes <= budget) }
      if let most = policy.maxWaiting { #expect(residency.waiting <= most) }
    }
  }
}
