import CLinux
import Foundation
import PlannerCore
import Synchronization

/// Runs one request's forward pass. The engine's models do it; tests put something else in their place.
public protocol InferenceSession: Sendable {
  func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor]
}

extension TorchModel: InferenceSession {
  public func infer(_ inputs: [HostTensor]) throws(EngineError) -> [HostTensor] { try run(inputs) }
}

/// Why a request was not computed.
public enum SchedulingError: Error, Hashable, Sendable {
  /// As many wait as may: 429.
  case queueFull
  /// Its deadline passed while it waited: 504.
  case deadlinePassed
  /// The server is shutting down: 503.
  case draining
}

/// Where a request's time went inside the server.
public struct RequestTimings: Hashable, Sendable {
  public var queueSeconds: Double
  /// Time that the worker was occupied.
  public var computeSeconds: Double
  /// Requests waiting or in service when it came.
  public var ahead: Int
  /// What the worker spent on handing the previous answer over before it could start this one; nil where it
  /// was idle. Part of the queueing time.
  public var handoverSeconds: Double?

  public init(queueSeconds: Double, computeSeconds: Double, ahead: Int, handoverSeconds: Double? = nil) {
    self.queueSeconds = queueSeconds
    self.computeSeconds = computeSeconds
    self.ahead = ahead
    self.handoverSeconds = handoverSeconds
  }
}

/// The workers of a server: dedicated threads that compute what the shared `Dispatcher` tells them to.
///
/// The dispatcher decides under one lock; computing, waking and answering happen outside it. Inference never runs
/// on an event loop or on the cooperative pool.
public final class WorkerPool: Sendable {
  public struct Options: Sendable {
    public var workers: Int
    /// Threads of one forward pass.
    public var threadsPerWorker: Int
    /// How many may wait; nil is unbounded.
    public var queueCapacity: Int?
    /// CPU of each worker, used in turn; empty leaves them to the system.
    public var pinnedCPUs: [Int]
    /// How long a worker without work polls before it sleeps. Only for workers that have a CPU to themselves.
    public var idlePolling: Nanoseconds

    public init(
      workers: Int, threadsPerWorker: Int, queueCapacity: Int?, pinnedCPUs: [Int] = [], idlePolling: Nanoseconds = .zero
    ) {
      self.workers = workers
      self.threadsPerWorker = threadsPerWorker
      self.queueCapacity = queueCapacity
      self.pinnedCPUs = pinnedCPUs
      self.idlePolling = idlePolling
    }
  }

  public typealias Answer = (outputs: [HostTensor], timings: RequestTimings)

  private struct Job {
    var session: any InferenceSession
    var inputs: [HostTensor]
    var arrival: Nanoseconds
    var ahead: Int
    var continuation: CheckedContinuation<Answer, any Error>
  }

  private struct State {
    var dispatcher: Dispatcher
    var jobs: [Int: Job] = [:]
    var nextID = 0
    var isDraining = false
    var isStopped = false
    /// Job that each worker is to start with when it wakes.
    var assigned: [Job?]
    var actions: [DispatchAction] = []
  }

  private let state: Mutex<State>
  private let doorbells: [Doorbell]
  private let clock: @Sendable () -> Nanoseconds
  public let options: Options

  /// - Parameter clock: monotonic time; tests hand in one that they move by hand.
  public init(options: Options, clock: @escaping @Sendable () -> Nanoseconds = WorkerPool.monotonicNow) {
    self.options = options
    self.clock = clock
    doorbells = (0..<options.workers).map { _ in Doorbell() }
    state = Mutex(
      State(
        dispatcher: Dispatcher(workers: options.workers, queueCapacity: options.queueCapacity),
        assigned: Array(repeating: nil, count: options.workers)))
  }

  public static let monotonicNow: @Sendable () -> Nanoseconds = {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Nanoseconds(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// Starts the worker threads and returns once each has its library settings.
  ///
  /// - Throws: `EngineError` where a worker could not be set up.
  public func start() throws(EngineError) {
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
  /// - Parameter timeoutSeconds: a request that has waited longer is not computed.
  /// - Throws: `SchedulingError`, or the `EngineError` of the forward pass.
  public func infer(
    _ session: any InferenceSession, _ inputs: [HostTensor], timeoutSeconds: Double? = nil
  ) async throws -> Answer {
    try await withCheckedThrowingContinuation { continuation in
      submit(session, inputs, timeoutSeconds: timeoutSeconds, continuation)
    }
  }

  private func submit(
    _ session: any InferenceSession, _ inputs: [HostTensor], timeoutSeconds: Double?,
    _ continuation: CheckedContinuation<Answer, any Error>
  ) {
    let now = clock()
    let effects = state.withLock { state -> Effects in
      guard !state.isDraining else { return Effects(failed: [(continuation, .draining)]) }
      let id = state.nextID
      state.nextID += 1
      let ahead = state.dispatcher.waiting + state.dispatcher.busyWorkers
      state.jobs[id] = Job(
        session: session, inputs: inputs, arrival: now, ahead: ahead, continuation: continuation)
      let deadline = timeoutSeconds.map { now + Nanoseconds(seconds: $0) } ?? .never
      state.dispatcher.arrived(
        PendingRequest(id: id, model: 0, arrival: now, deadline: deadline), now: now, actions: &state.actions)
      return Self.apply(&state)
    }
    perform(effects)
  }

  /// What is to be done outside the lock.
  private struct Effects {
    var wake: [Int] = []
    var failed: [(CheckedContinuation<Answer, any Error>, SchedulingError)] = []
  }

  private static func apply(_ state: inout State) -> Effects {
    var effects = Effects()
    for action in state.actions {
      switch action {
      case .start(let worker, let first, _):
        state.assigned[worker] = state.jobs.removeValue(forKey: first.id)
        effects.wake.append(worker)
      case .reject(let request):
        if let job = state.jobs.removeValue(forKey: request.id) {
          effects.failed.append((job.continuation, .queueFull))
        }
      case .expire(let request):
        if let job = state.jobs.removeValue(forKey: request.id) {
          effects.failed.append((job.continuation, .deadlinePassed))
        }
      case .wake: break  // Only batches wait, and this pool computes one request at a time.
      }
    }
    state.actions.removeAll(keepingCapacity: true)
    return effects
  }

  private func perform(_ effects: Effects, exceptWorker own: Int? = nil) {
    for worker in effects.wake where worker != own { doorbells[worker].ring() }
    for (continuation, error) in effects.failed { continuation.resume(throwing: error) }
  }

  // MARK: Workers

  private func work(as worker: Int) {
    while true {
      doorbells[worker].wait(polling: options.idlePolling, clock: clock)
      var previous: Nanoseconds?
      while let job = takeAssigned(worker) { previous = compute(job, worker: worker, previous: previous) }
      if state.withLock({ $0.isStopped }) { return }
    }
  }

  private func takeAssigned(_ worker: Int) -> Job? {
    state.withLock { state in
      defer { state.assigned[worker] = nil }
      return state.assigned[worker]
    }
  }

  /// - Parameter previous: when this worker finished its last pass, where it has not slept since.
  /// - Returns: when it finished this one, if the next was waiting for it by then.
  private func compute(_ job: Job, worker: Int, previous: Nanoseconds?) -> Nanoseconds? {
    let started = clock()
    let result: Result<[HostTensor], EngineError>
    do throws(EngineError) {
      result = .success(try job.session.infer(job.inputs))
    } catch {
      result = .failure(error)
    }
    let finished = clock()
    let timings = RequestTimings(
      queueSeconds: (started - job.arrival).seconds, computeSeconds: (finished - started).seconds, ahead: job.ahead,
      handoverSeconds: previous.map { (started - $0).seconds })
    let effects = state.withLock { state -> Effects in
      state.dispatcher.finished(worker: worker, now: finished, actions: &state.actions)
      return Self.apply(&state)
    }
    // The answer first: whoever waits for it has waited longest.
    switch result {
    case .success(let outputs): job.continuation.resume(returning: (outputs, timings))
    case .failure(let error): job.continuation.resume(throwing: error)
    }
    // This worker's own next job is picked up by its loop, without a ring.
    perform(effects, exceptWorker: worker)
    return effects.wake.contains(worker) ? finished : nil
  }

  // MARK: Load and shutdown

  public struct Load: Hashable, Sendable {
    public var waiting: Int
    public var busyWorkers: Int

    public init(waiting: Int, busyWorkers: Int) {
      self.waiting = waiting
      self.busyWorkers = busyWorkers
    }
  }

  public var load: Load {
    state.withLock { Load(waiting: $0.dispatcher.waiting, busyWorkers: $0.dispatcher.busyWorkers) }
  }

  /// From now on, new requests are turned away; those that were accepted are still answered.
  public func drain() { state.withLock { $0.isDraining = true } }

  /// Ends the worker threads once they have nothing to do. Waiting requests must have been drained.
  public func stop() {
    state.withLock { state in
      state.isDraining = true
      state.isStopped = true
    }
    for doorbell in doorbells { doorbell.ring() }
  }
}
