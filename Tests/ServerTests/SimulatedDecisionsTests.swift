import Dispatch
import Engine
import PlannerCore
import Serving
import Simulator
import Synchronization
import Testing
import Tokenizer

/// One scenario through the simulator, and through the server's own service, registry and worker pool with a clock that
/// is moved by hand: the same requests are started together, rejected and given up, the same models loaded and evicted,
/// at the same times. That is what makes a simulation speak for the server.
///
/// The way of a request (its model first, then a worker, and its model held until it is done with) is `NodeMachine` in
/// the simulator and `InferenceService.infer` here: the test calls it and repeats none of it.
@Suite struct SimulatedDecisionsTests {
  static func scenario(seed: UInt64) -> Scenario {
    var random = RandomStream(seed: seed, stream: "decisions")
    let models = (0..<5).map { index in
      var time = 0.0
      // Whole microseconds that no two models share.
      let arrivals = (0..<30).map { _ in
        time += 0.004 + 0.05 * random.exponential()
        return ((time * 1e5).rounded() * 10 + Double(index)) * 1e-6
      }
      return ScenarioModel(
        name: "m\(index)", count: 1, arrivals: .trace(arrivals), service: .deterministic(mean: 0.0113),
        priority: index == 0 ? 1 : 0, deadlineSeconds: 0.0470008, memoryBytes: 10, load: .deterministic(mean: 0.0090007)
      )
    }
    return Scenario(
      seed: seed, durationSeconds: 5, warmupSeconds: 0, models: models,
      nodes: [
        ScenarioNode(
          name: "n", count: 1, workers: 1, queueCapacity: 4,
          batch: BatchPolicy(max: 3, wait: Nanoseconds(3_000_300), batchCostFactor: 0.5),
          residency: ResidencyPolicy(budgetBytes: 30, concurrentLoads: 1, maxWaiting: 3), expiry: .atDeadline)
      ])
  }

  @Test(arguments: 0..<3)
  func theServerDecidesAsTheSimulator(_ seed: UInt64) async throws {
    let scenario = Self.scenario(seed: seed)
    let simulated = scenario.decisions()
    let server = try ServerUnderHandClock(scenario)
    let real = try await server.run()
    #expect(Self.lines(real) == Self.lines(simulated))
    // The scenario asks for all of them.
    for kind in ["start", "reject", "load", "evict"] {
      #expect(Self.lines(simulated).contains { $0.contains(kind) }, "\(kind)")
    }
    #expect(simulated.contains { if case .start(let numbers) = $0.what { numbers.count > 1 } else { false } })
  }

  /// Decisions of one instant have no order among them.
  static func lines(_ decisions: [SimulatedDecision]) -> [String] {
    decisions.map { decision in
      var what = decision.what
      if case .start(let numbers) = what { what = .start(numbers.sorted()) }
      return (decision.time, "\(decision.time.rawValue) \(what)")
    }
    .sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.1)
  }
}

/// A server without its listeners, with sessions and loads that end when the clock says so.
private final class ServerUnderHandClock: Sendable {
  private enum Event: Sendable {
    case arrival(model: Int, number: Int)
    case passDone
    case loadDone
    case check
  }

  private struct State {
    var now = Nanoseconds.zero
    var decisions: [SimulatedDecision] = []
    var events: [(time: Nanoseconds, event: Event)] = []
    /// Requests in the session, and whether a load is held.
    var computing = 0
    var loading = 0
    var ended = 0
    var evictions: [Int]
  }

  private let scenario: Scenario
  private let node: ScenarioNode
  private let connections = OneThread()
  private let state: Mutex<State>
  private let passes = DispatchSemaphore(value: 0)
  private let loads = DispatchSemaphore(value: 0)
  private let service = Mutex<InferenceService?>(nil)

  init(_ scenario: Scenario) throws {
    self.scenario = scenario
    node = scenario.nodes[0]
    state = Mutex(State(evictions: Array(repeating: 0, count: scenario.models.count)))
    let clock: @Sendable () -> Nanoseconds = { [state = Unowned(self)] in state.value.now }
    let pool = WorkerPool(
      options: .init(workers: 1, threadsPerWorker: 1, queueCapacity: node.queueCapacity, batch: node.batch),
      clock: clock)
    try pool.start()
    let registry = ModelRegistry(
      source: HeldSource(server: Unowned(self)),
      options: .init(residency: node.residency ?? ResidencyPolicy(), loadThreads: 1), clock: clock)
    let served = InferenceService(
      state: ServerState(pools: [pool], registry: registry), options: ServerOptions(repository: "held"))
    service.withLock { $0 = served }
  }

  var now: Nanoseconds { state.withLock { $0.now } }
  private var pool: WorkerPool { service.withLock { $0!.state.pools[0] } }
  private var registry: ModelRegistry { service.withLock { $0!.state.registry } }

  func run() async throws -> [SimulatedDecision] {
    // The first loads are the start-up's: they end at once and are no decisions.
    for _ in scenario.models { loads.signal() }
    try await registry.open(isTolerant: false)
    while loads.wait(timeout: .now()) == .success {}
    // The start-up's own requests end in any order; the simulator's models were last used in theirs.
    for model in 0..<registry.totals.residentModels { try await registry.acquire("m\(model)").release() }
    var arrivals: [(Nanoseconds, Int)] = []
    for (model, description) in scenario.models.enumerated() {
      guard case .trace(let times) = description.arrivals.process else { continue }
      arrivals += times.map { (Nanoseconds(seconds: $0), model) }
    }
    state.withLock { state in
      state.decisions = []
      for (number, arrival) in arrivals.sorted(by: { $0.0 < $1.0 }).enumerated() {
        state.events.append((arrival.0, .arrival(model: arrival.1, number: number)))
      }
    }
    let end = Nanoseconds(seconds: scenario.durationSeconds)
    var open = 0
    while let (time, event) = nextEvent(), time < end {
      switch event {
      case .arrival(let model, let number):
        open += 1
        Task(executorPreference: connections) { await self.handle(model: model, number: number) }
      case .passDone: passes.signal()
      case .loadDone: loads.signal()
      case .check:
        registry.checkClock()
        pool.checkClock()
      }
      try await settle(arrived: open)
      // Requests come to the queue while the clock stands: these have waited for company long enough then.
      if case .check = event { continue }
      if pool.load.waiting > 0 { plan(.check, at: time + node.batch.wait) }
    }
    pool.stop()
    registry.stop()
    return state.withLock { $0.decisions }
  }

  /// Moves the clock to the next event.
  private func nextEvent() -> (Nanoseconds, Event)? {
    state.withLock { state in
      guard let index = state.events.indices.min(by: { state.events[$0].time < state.events[$1].time }) else {
        return nil
      }
      let next = state.events.remove(at: index)
      state.now = next.time
      switch next.event {
      case .passDone: state.computing = 0
      case .loadDone: state.loading -= 1
      default: break
      }
      return next
    }
  }

  /// A request with its number as the only element of its tensor.
  private func handle(model: Int, number: Int) async {
    let limit = scenario.models[model].deadlineSeconds ?? 1
    plan(.check, at: now + Nanoseconds(seconds: limit))
    let tensor = NamedTensor(name: "x", datatype: .int64, shape: [1], elements: .int64([Int64(number)]))
    var request = InferenceRequest(inputs: [tensor], arrival: now)
    request.priority = scenario.models[model].priority
    request.timeoutSeconds = limit
    do throws(InferenceError) {
      let service = service.withLock { $0! }
      service.finish(try await service.infer(request, of: service.entry("m\(model)")))
    } catch {
      note(error.kind == .deadlineExceeded ? .expire(number) : .reject(number))
    }
    state.withLock { $0.ended += 1 }
  }

  /// How requests of each model share passes, whichever load of the model they compute with.
  private static let layouts = (0..<5).map { _ in BatchLayout(inputs: ["x"]) }

  /// The model's session, which ends its passes when the clock says so.
  func session(of name: String) -> any InferenceSession {
    let model = scenario.models.firstIndex { $0.name == name } ?? 0
    return BatchedSession(HeldPass(server: Unowned(self)), layout: Self.layouts[model])
  }

  private func note(_ what: SimulatedDecision.What) {
    state.withLock { $0.decisions.append(SimulatedDecision(time: $0.now, what: what)) }
  }

  private func plan(_ event: Event, at time: Nanoseconds) { state.withLock { $0.events.append((time, event)) } }

  /// Waits until every request that has come is where it can only be moved by the clock.
  private func settle(arrived: Int) async throws {
    for _ in 0..<20_000 {
      let totals = registry.totals
      let load = pool.load
      let isSettled = state.withLock { state in
        state.ended + totals.waitingRequests + load.waiting + state.computing == arrived
          && (load.busyWorkers == 1) == (state.computing > 0) && totals.loadsUnderWay == state.loading
      }
      if isSettled {
        for (index, entry) in registry.entries.enumerated() {
          let count = entry.record.evictions
          let isNew = state.withLock { state in
            defer { state.evictions[index] = count }
            return count > state.evictions[index]
          }
          if isNew { note(.evict(model: index)) }
        }
        return
      }
      try await Task.sleep(for: .microseconds(50))
    }
    Issue.record("the server does not come to rest")
  }

  // MARK: Called by the server

  func pass(_ numbers: [Int64]) {
    let model = scenario.models[0]
    guard case .deterministic(let mean) = model.service else { return }
    let seconds = node.batch.passSeconds(first: mean, others: repeatElement(mean, count: numbers.count - 1))
    state.withLock { state in
      state.decisions.append(SimulatedDecision(time: state.now, what: .start(numbers.map { Int($0) })))
      state.events.append((state.now + Nanoseconds(seconds: seconds), .passDone))
      state.computing = numbers.count
    }
    passes.wait()
  }

  func load(_ name: String) {
    guard let model = scenario.models.firstIndex(where: { $0.name == name }),
      case .deterministic(let mean)? = scenario.models[model].load
    else { return }
    state.withLock { state in
      guard state.now > .zero else { return }
      state.decisions.append(SimulatedDecision(time: state.now, what: .load(model: model)))
      state.events.append((state.now + Nanoseconds(seconds: mean), .loadDone))
      state.loading += 1
    }
    loads.wait()
  }

  var models: [ScenarioModel] { scenario.models }
}

/// Where requests are handled, as on a server's event loop: those that wait for one model go on in their order.
private final class OneThread: TaskExecutor {
  private let queue = DispatchQueue(label: "connections")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}

/// The server's parts are stopped before the test ends, and with them all holders of this.
private struct Unowned: Sendable {
  unowned let value: ServerUnderHandClock
  init(_ value: ServerUnderHandClock) { self.value = value }
}

private struct HeldPass: InferenceSession {
  let server: Unowned

  func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] {
    guard case .int64(let numbers)? = inputs.first?.elements else { return inputs }
    server.value.pass(numbers)
    return inputs
  }
}

private struct HeldSource: ModelSource {
  let server: Unowned

  func manifest() throws -> RepositoryManifest {
    RepositoryManifest(
      seed: nil, vocabularyFile: nil, lowercases: true,
      models: server.value.models.map { model in
        RepositoryManifest.Model(
          name: model.name, file: model.name, architecture: "test", precision: .fp32, vocabulary: 1, maxTokens: 1,
          inputs: ["x"], fileBytes: 10)
      })
  }

  func tokenizer(of manifest: RepositoryManifest) throws -> WordPieceTokenizer? { nil }

  func load(_ description: RepositoryManifest.Model, isAsked: Bool) throws -> ServedModel {
    server.value.load(description.name)
    return ServedModel(
      name: description.name, session: server.value.session(of: description.name), precision: .fp32, vocabulary: 1,
      maxTokens: 1,
      inputs: ["x"], weightBytes: 10)
  }

  func memoryBytes(of description: RepositoryManifest.Model) -> Int64 { 10 }
  func version(of description: RepositoryManifest.Model) -> String { "1" }
}
