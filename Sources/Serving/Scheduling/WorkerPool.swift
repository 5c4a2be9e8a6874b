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
    var request: PendingRequest
    var session: any InferenceSession
    var inputs: [HostTensor]
    /// What the request uses, held until it has left the queue or its pass has ended.
    var resource: (any AnyObject & Sendable)?
    var ahead: Int
    var waiting: PoolTimes.Waiting
    var continuation: CheckedContinuation<Answer, any Error>
  }

  private struct State {
    var dispatcher: Dispatcher
    /// Requests that wait, by number.
    var jobs: [Int: Job] = [:]
    var isDraining = false
    var isStopped = false
    /// What each worker is to compute, in one pass, when it wakes; nil for one that has nothing to do or computes
    /// already, and without jobs where all of them were given up meanwhile.
    var assigned: [[Job]?]
    /// What each worker computes.
    var computing: [[Job]]
    /// Numbers of requests that are being computed although nobody waits for their answers any more.
    var abandoned: Set<Int> = []
    var actions: [DispatchAction] = []
    var times = PoolTimes()
  }

  private let state: Mutex<State>
  private let nextID = Atomic<Int>(0)
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
    state = Mutex(
      State(
        dispatcher: dispatcher, assigned: Array(repeating: nil, count: options.workers),
        computing: Array(repeating: [], count: options.workers)))
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
  ///   - resource: what the session needs to stay; held until the request has left the queue or its pass has ended,
  ///     also where this function returns before.
  /// - Throws: `SchedulingError`, the `EngineError` of the forward pass, or `CancellationError` as soon as the task is
  ///   cancelled: a request that waits leaves the queue then, one that is being computed is no longer waited for.
  package func infer(
    _ session: any InferenceSession, _ inputs: [HostTensor], model: Int = 0, priority: Int = 0,
    timeoutSeconds: Double? = nil, holding resource: (any AnyObject & Sendable)? = nil
  ) async throws -> Answer {
    let now = clock()
    let request = PendingRequest(
      id: nextID.wrappingAdd(1, ordering: .relaxed).oldValue, model: model, priority: priority, arrival: now,
      deadline: timeoutSeconds.map { now + Nanoseconds(seconds: $0) } ?? .never,
      batchKey: session.batchLayout?.key(for: inputs))
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { submit(request, session, inputs, resource, $0) }
    } onCancel: {
      giveUp(request)
    }
  }

  private func submit(
    _ request: PendingRequest, _ session: any InferenceSession, _ inputs: [HostTensor],
    _ resource: (any AnyObject & Sendable)?, _ continuation: CheckedContinuation<Answer, any Error>
  ) {
    let effects = state.withLock { state -> Effects in
      // Under the lock, so that a cancellation that is not seen here finds the request in the queue.
      guard !Task.isCancelled else { return Effects(failed: [(continuation, CancellationError())]) }
      guard !state.isDraining else { return Effects(failed: [(continuation, SchedulingError.draining)]) }
      state.jobs[request.id] = Job(
        request: request, session: session, inputs: inputs, resource: resource,
        ahead: state.dispatcher.waiting + state.dispatcher.busyWorkers,
        waiting: state.times.arrived(now: request.arrival), continuation: continuation)
      state.dispatcher.arrived(request, now: request.arrival, actions: &state.actions)
      return apply(&state, request.arrival)
    }
    perform(effects)
  }

  /// The request's client has gone.
  private func giveUp(_ request: PendingRequest) {
    // Dropped after the lock has been given back: what a job holds may call others when it goes.
    let job = state.withLock { state -> Job? in
      if let job = state.jobs.removeValue(forKey: request.id) {
        let hasWaited = state.dispatcher.cancelled(request)
        assert(hasWaited, "a request that waits is in the dispatcher's queue")
        return job
      }
      func isIt(_ job: Job) -> Bool { job.request.id == request.id }
      for worker in 0..<options.workers {
        if let index = state.assigned[worker]?.firstIndex(where: isIt) {
          return state.assigned[worker]?.remove(at: index)
        }
        if let index = state.computing[worker].firstIndex(where: isIt) {
          state.abandoned.insert(request.id)
          return state.computing[worker][index]
        }
      }
      // It has not come, or has its answer.
      return nil
    }
    job?.continuation.resume(throwing: CancellationError())
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
    var failed: [(CheckedContinuation<Answer, any Error>, any Error)] = []
    var alarm: Nanoseconds?
  }

  private func apply(_ state: inout State, _ now: Nanoseconds) -> Effects {
    var effects = Effects()
    for action in state.actions {
      switch action {
      case .start(let worker, let first, let others):
        state.assigned[worker] = ([first] + others).compactMap { request in
          guard var job = state.jobs.removeValue(forKey: request.id) else { return nil }
          state.times.assigned(&job.waiting, now: now)
          return job
        }
        effects.wake.append(worker)
      case .reject(let request):
        guard let job = state.jobs.removeValue(forKey: request.id) else { continue }
        let seconds = state.times.drainSeconds(waiting: state.dispatcher.waiting, workers: options.workers)
        effects.failed.append((job.continuation, SchedulingError.queueFull(retryAfterSeconds: seconds)))
      case .expire(let request):
        guard let job = state.jobs.removeValue(forKey: request.id) else { continue }
        effects.failed.append((job.continuation, SchedulingError.deadlinePassed))
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
      guard let jobs = state.assigned[worker].take() else { return nil }
      state.computing[worker] = jobs
      return jobs
    }
  }

  /// - Parameter previous: when this worker finished its last pass, where it has not slept since.
  /// - Returns: when it finished this one, if the next was waiting for it by then.
  private func compute(_ jobs: [Job], worker: Int, previous: Nanoseconds?) -> Nanoseconds? {
    let started = clock()
    // The worker took a moment to wake, and deadlines may be as short.
    let due = jobs.filter { $0.request.deadline > started }
    let results = due.isEmpty ? [] : Self.run(due)
    let finished = clock()
    let (effects, abandoned) = state.withLock { state -> (Effects, Set<Int>) in
      if !due.isEmpty { state.times.computed(requests: due.count, in: finished - started) }
      state.computing[worker] = []
      // Those of other workers' passes are theirs to take out.
      let abandoned = state.abandoned
      for job in jobs where !abandoned.isEmpty { state.abandoned.remove(job.request.id) }
      state.dispatcher.finished(worker: worker, now: finished, actions: &state.actions)
      return (apply(&state, finished), abandoned)
    }
    let pass = PoolTimes.Pass(previous: previous, started: started, finished: finished, requests: due.count)
    // The answers first: their requests have waited longest. The first that somebody waits for stands for the pass.
    var isFirst = true
    for (job, result) in zip(due, results) where !abandoned.contains(job.request.id) {
      switch result {
      case .success(let outputs):
        job.continuation.resume(
          returning: (outputs, pass.timings(of: job.waiting, ahead: job.ahead, isFirstOfBatch: isFirst)))
      case .failure(let error): job.continuation.resume(throwing: error)
      }
      isFirst = false
    }
    if due.count < jobs.count {
      for job in jobs where job.request.deadline <= started && !abandoned.contains(job.request.id) {
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
