import CLinux
import Engine
import Foundation
import PlannerCore
import Synchronization

/// Runs one request's forward pass. The engine's models do it; tests put something else in their place.
package protocol InferenceSession: Sendable {
  func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor]
  /// How its requests share passes; nil where each is computed alone.
  var batchLayout: BatchLayout? { get }
}

extension InferenceSession {
  package var batchLayout: BatchLayout? { nil }
}

/// A session whose requests may share passes.
package struct BatchedSession: InferenceSession {
  package let base: any InferenceSession
  package let batchLayout: BatchLayout?

  package init(_ base: any InferenceSession, layout: BatchLayout) {
    self.base = base
    batchLayout = layout
  }

  package func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] { try base.infer(inputs) }
}

extension TorchModel: InferenceSession {
  package func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] { try run(inputs) }
}

/// The workers of a server: dedicated threads that compute what the shared `Dispatcher` tells them to.
///
/// The dispatcher decides under one lock; computing, waking and answering happen outside it. Inference never runs
/// on an event loop or on the cooperative pool.
package final class WorkerPool: Sendable {
  package struct Options: Sendable {
    package var workers: Int
    /// Threads of one forward pass.
    package var threadsPerWorker: Int
    /// How many may wait; nil is unbounded.
    package var queueCapacity: Int?
    /// How many of one model may wait; nil is no limit of its own.
    package var modelCapacity: Int?
    /// Which requests of a model share a pass.
    package var batch: BatchPolicy
    /// CPU of each worker, used in turn; empty leaves them to the system.
    package var pinnedCPUs: [Int]
    /// How long a worker without work polls before it sleeps. Only for workers that have a CPU to themselves.
    package var idlePolling: Nanoseconds

    package init(
      workers: Int, threadsPerWorker: Int, queueCapacity: Int?, modelCapacity: Int? = nil, batch: BatchPolicy = .single,
      pinnedCPUs: [Int] = [], idlePolling: Nanoseconds = .zero
    ) {
      self.workers = workers
      self.threadsPerWorker = threadsPerWorker
      self.queueCapacity = queueCapacity
      self.modelCapacity = modelCapacity
      self.batch = batch
      self.pinnedCPUs = pinnedCPUs
      self.idlePolling = idlePolling
    }
  }

  package typealias Answer = (outputs: [HostTensor], timings: RequestTimings)

  private struct Job {
    var session: any InferenceSession
    var inputs: [HostTensor]
    var deadline: Nanoseconds
    var ahead: Int
    var waiting: PoolTimes.Waiting
    var continuation: CheckedContinuation<Answer, any Error>
  }

  private struct State {
    var dispatcher: Dispatcher
    var jobs: [Int: Job] = [:]
    var nextID = 0
    var isDraining = false
    var isStopped = false
    /// What each worker is to compute, in one pass, when it wakes.
    var assigned: [[Job]]
    var actions: [DispatchAction] = []
    var times = PoolTimes()
  }

  private let state: Mutex<State>
  private let doorbells: [Doorbell]
  private let alarm: Alarm
  private let clock: @Sendable () -> Nanoseconds
  package let options: Options

  /// - Parameter clock: monotonic time; tests hand in one that they move by hand.
  package init(options: Options, clock: @escaping @Sendable () -> Nanoseconds = WorkerPool.monotonicNow) {
    self.options = options
    self.clock = clock
    doorbells = (0..<options.workers).map { _ in Doorbell() }
    alarm = Alarm(clock: clock)
    let dispatcher = Dispatcher(
      workers: options.workers, queueCapacity: options.queueCapacity, modelCapacity: options.modelCapacity,
      batch: options.batch, expiry: .atDeadline)
    state = Mutex(State(dispatcher: dispatcher, assigned: Array(repeating: [], count: options.workers)))
    alarm.start { [weak self] in self?.checkClock() }
  }

  package static let monotonicNow: @Sendable () -> Nanoseconds = {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Nanoseconds(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// Starts the worker threads and returns once each has its library settings.
  ///
  /// - Throws: `EngineError` where a worker could not be set up.
  package func start() throws(EngineError) {
    let failure = Mutex<EngineError?>(nil)
    let ready = DispatchSemaphore(value: 0)
    for index in 0..<options.workers {
      let thread = Thread { [self] in
        do throws(EngineError) {
          try prepareThread(worker: index)
        } catch {
          failure.withLock { $0 = error }
        }
        ready.signal()
        work(as: index)
      }
      thread.name = "worker-\(index)"
      // The interpreter of deep graphs recurses.
      thread.stackSize = 16 << 20
      thread.start()
    }
    for _ in 0..<options.workers { ready.wait() }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private func prepareThread(worker: Int) throws(EngineError) {
    if !options.pinnedCPUs.isEmpty {
      let cpu = Int32(options.pinnedCPUs[worker % options.pinnedCPUs.count])
      let status = withUnsafePointer(to: cpu) { cl_set_thread_affinity($0, 1) }
      guard status == 0 else {
        throw EngineError(
          .unavailable, "CPU \(cpu)", "a worker cannot be bound to it: \(String(cString: strerror(status)))")
      }
    }
    try Engine.setThreads(options.threadsPerWorker)
  }

  // MARK: Requests

  /// Waits for a worker, computes, and returns the answer.
  ///
  /// - Parameters:
  ///   - model: equal for requests that may be computed in one pass.
  ///   - priority: larger is served first.
  ///   - timeoutSeconds: a request that has waited longer is not computed.
  /// - Throws: `SchedulingError`, or the `EngineError` of the forward pass.
  package func infer(
    _ session: any InferenceSession, _ inputs: [HostTensor], model: Int = 0, priority: Int = 0,
    timeoutSeconds: Double? = nil
  ) async throws -> Answer {
    try await withCheckedThrowingContinuation { continuation in
      submit(session, inputs, model: model, priority: priority, timeoutSeconds: timeoutSeconds, continuation)
    }
  }

  private func submit(
    _ session: any InferenceSession, _ inputs: [HostTensor], model: Int, priority: Int, timeoutSeconds: Double?,
    _ continuation: CheckedContinuation<Answer, any Error>
  ) {
    let now = clock()
    let batchKey = session.batchLayout?.key(for: inputs)
    let effects = state.withLock { state -> Effects in
      guard !state.isDraining else { return Effects(failed: [(continuation, .draining)]) }
      let id = state.nextID
      state.nextID += 1
      let ahead = state.dispatcher.waiting + state.dispatcher.busyWorkers
      let deadline = timeoutSeconds.map { now + Nanoseconds(seconds: $0) } ?? .never
      state.jobs[id] = Job(
        session: session, inputs: inputs, deadline: deadline, ahead: ahead,
        waiting: state.times.arrived(now: now), continuation: continuation)
      let request = PendingRequest(
        id: id, model: model, priority: priority, arrival: now, deadline: deadline,
        batchKey: batchKey)
      state.dispatcher.arrived(request, now: now, actions: &state.actions)
      return apply(&state, now)
    }
    perform(effects)
  }

  /// Gives up what is late and starts batches that have waited long enough; the alarm does it in time.
  package func checkClock() {
    let now = clock()
    let effects = state.withLock { state -> Effects in
      state.dispatcher.woke(now: now, actions: &state.actions)
      return apply(&state, now)
    }
    perform(effects)
  }

  /// What is to be done outside the lock.
  private struct Effects {
    var wake: [Int] = []
    var failed: [(CheckedContinuation<Answer, any Error>, SchedulingError)] = []
    var alarm: Nanoseconds?
  }

  private func apply(_ state: inout State, _ now: Nanoseconds) -> Effects {
    var effects = Effects()
    for action in state.actions {
      switch action {
      case .start(let worker, let first, let others):
        for request in [first] + others {
          guard var job = state.jobs.removeValue(forKey: request.id) else { continue }
          state.times.assigned(&job.waiting, now: now)
          state.assigned[worker].append(job)
        }
        effects.wake.append(worker)
      case .reject(let request):
        guard let job = state.jobs.removeValue(forKey: request.id) else { continue }
        let seconds = state.times.drainSeconds(waiting: state.dispatcher.waiting, workers: options.workers)
        effects.failed.append((job.continuation, .queueFull(retryAfterSeconds: seconds)))
      case .expire(let request):
        guard let job = state.jobs.removeValue(forKey: request.id) else { continue }
        effects.failed.append((job.continuation, .deadlinePassed))
      case .wake(let time): effects.alarm = time
      }
    }
    state.actions.removeAll(keepingCapacity: true)
    state.times.note(hasFreeWorker: state.dispatcher.busyWorkers < options.workers, now: now)
    return effects
  }

  private func perform(_ effects: Effects, exceptWorker own: Int? = nil) {
    for worker in effects.wake where worker != own { doorbells[worker].ring() }
    for (continuation, error) in effects.failed { continuation.resume(throwing: error) }
    if let time = effects.alarm { alarm.set(at: time) }
  }

  // MARK: Workers

  private func work(as worker: Int) {
    while true {
      doorbells[worker].wait(polling: options.idlePolling, clock: clock)
      var previous: Nanoseconds?
      while let jobs = takeAssigned(worker) { previous = compute(jobs, worker: worker, previous: previous) }
      if state.withLock({ $0.isStopped }) { return }
    }
  }

  private func takeAssigned(_ worker: Int) -> [Job]? {
    state.withLock { state in
      guard !state.assigned[worker].isEmpty else { return nil }
      defer { state.assigned[worker] = [] }
      return state.assigned[worker]
    }
  }

  /// - Parameter previous: when this worker finished its last pass, where it has not slept since.
  /// - Returns: when it finished this one, if the next was waiting for it by then.
  private func compute(_ jobs: [Job], worker: Int, previous: Nanoseconds?) -> Nanoseconds? {
    let started = clock()
    // The worker took a moment to wake, and deadlines may be as short.
    let due = jobs.filter { $0.deadline > started }
    let results = due.isEmpty ? [] : Self.run(due)
    let finished = clock()
    let effects = state.withLock { state -> Effects in
      if !due.isEmpty { state.times.computed(requests: due.count, in: finished - started) }
      state.dispatcher.finished(worker: worker, now: finished, actions: &state.actions)
      return apply(&state, finished)
    }
    let pass = PoolTimes.Pass(previous: previous, started: started, finished: finished, requests: due.count)
    // The answers first: their requests have waited longest.
    for (index, (job, result)) in zip(due, results).enumerated() {
      switch result {
      case .success(let outputs):
        job.continuation.resume(
          returning: (outputs, pass.timings(of: job.waiting, ahead: job.ahead, isFirstOfBatch: index == 0)))
      case .failure(let error): job.continuation.resume(throwing: error)
      }
    }
    if due.count < jobs.count {
      for job in jobs where job.deadline <= started {
        job.continuation.resume(throwing: SchedulingError.deadlinePassed)
      }
    }
    // This worker's own next job is picked up by its loop, without a ring.
    perform(effects, exceptWorker: worker)
    return effects.wake.contains(worker) ? finished : nil
  }

  /// One pass for all, or where that is impossible one for each: a request that fails does not take others with it.
  private static func run(_ jobs: [Job]) -> [Result<[HostTensor], EngineError>] {
    guard let layout = jobs[0].session.batchLayout, jobs.count > 1,
      jobs.allSatisfy({ $0.session.batchLayout === layout }), let joined = layout.join(jobs.map(\.inputs)),
      let outputs = try? jobs[0].session.infer(joined.inputs), let answers = layout.split(outputs, of: joined)
    else { return jobs.map(runAlone) }
    if joined.lengths.map({ Set($0).count == 1 }) ?? false { layout.learn(joined.inputs, outputs) }
    return answers.map { .success($0) }
  }

  private static func runAlone(_ job: Job) -> Result<[HostTensor], EngineError> {
    do throws(EngineError) {
      let outputs = try job.session.infer(job.inputs)
      job.session.batchLayout?.learn(job.inputs, outputs)
      return .success(outputs)
    } catch {
      return .failure(error)
    }
  }

  // MARK: Load and shutdown

  package struct Load: Hashable, Sendable {
    package var waiting: Int
    package var busyWorkers: Int

    package init(waiting: Int, busyWorkers: Int) {
      self.waiting = waiting
      self.busyWorkers = busyWorkers
    }
  }

  package var load: Load {
    state.withLock { Load(waiting: $0.dispatcher.waiting, busyWorkers: $0.dispatcher.busyWorkers) }
  }

  /// From now on, new requests are turned away; those that were accepted are still answered.
  package func drain() { state.withLock { $0.isDraining = true } }

  /// Ends the worker threads once they have nothing to do. Waiting requests must have been drained.
  package func stop() {
    state.withLock { state in
      state.isDraining = true
      state.isStopped = true
    }
    for doorbell in doorbells { doorbell.ring() }
  }
}
