import Executor
import LoadTest
import PlannerCore
import Simulator

/// Deploys an excerpt of a plan, predicts it on the schedule of the run, loads it, and compares.
public struct ProofRun: Sendable {
  /// What is to be run.
  public struct Order: Sendable {
    public var name: String
    /// When the run began: ISO 8601, UTC.
    public var startedAt: String
    public var plan: Plan
    public var excerpt: Excerpt
    public var deployment: DeploymentID
    /// Settings of each node of the excerpt, in their order.
    public var settings: [NodeSettings]
    /// The machine that the run is made on.
    public var host: HostFingerprint
    /// Length of the counted part, seconds.
    public var durationSeconds: Double
    public var seed: UInt64
    /// Whether the machine's speed of the moment goes into the prediction.
    public var isCalibrated: Bool
    /// Whether the nodes are left running at the end.
    public var isKept: Bool

    public init(
      name: String, startedAt: String, plan: Plan, excerpt: Excerpt, deployment: DeploymentID,
      settings: [NodeSettings], host: HostFingerprint, durationSeconds: Double, seed: UInt64, isCalibrated: Bool,
      isKept: Bool
    ) {
      precondition(settings.count == excerpt.nodes.count, "each node has settings")
      self.name = name
      self.startedAt = startedAt
      self.plan = plan
      self.excerpt = excerpt
      self.deployment = deployment
      self.settings = settings
      self.host = host
      self.durationSeconds = durationSeconds
      self.seed = seed
      self.isCalibrated = isCalibrated
      self.isKept = isKept
    }
  }

  /// What a user may want to know while it goes on.
  public enum Event: Sendable {
    /// The nodes are being started.
    case starting([NodeSettings])
    /// A node warned of something while it started.
    case warned(String)
    /// The nodes are ready, and the machine's speed is being found out.
    case calibrating
    case calibrated(CalibrationRun)
    /// Too few requests at this rate to tell the machine's speed.
    case notCalibrated
    case predicted(NodePrediction)
    /// The run itself begins: its counted part and the warm-up before it, seconds.
    case loading(seconds: Double, warmupSeconds: Double)
    case progress(NodesUnderLoad.Stage, LoadProgress)
    /// A node was left running.
    case kept(NodeAddress, handle: String)
  }

  /// A finished run.
  public struct Outcome: Sendable {
    public var record: RunRecord
    public var result: LoadResult
  }

  /// Runs that a prediction is made from.
  public static let replications = 40

  let runtime: any Runtime
  let sender: @Sendable ([NodeAddress]) throws -> any LoadSender
  let report: @Sendable (Event) -> Void
  let stallLimit: Duration?

  /// - Parameters:
  ///   - stallLimit: longest time in which no node gets further before all are ready; nil leaves it to the runtime.
  ///   - sender: makes what loads the nodes at these addresses, which are in their order.
  ///   - report: told of each step.
  public init(
    on runtime: any Runtime, stallLimit: Duration? = nil,
    sender: @escaping @Sendable ([NodeAddress]) throws -> any LoadSender,
    report: @escaping @Sendable (Event) -> Void
  ) {
    self.runtime = runtime
    self.stallLimit = stallLimit
    self.sender = sender
    self.report = report
  }

  /// - Throws: `ProofError`, `RuntimeError`, what the sender throws, `CancellationError`. Nothing of the deployment is
  ///   then left.
  public func run(_ order: Order) async throws -> Outcome {
    let desired = DesiredDeployment(order.deployment, settings: order.settings)
    let nodes = desired.nodes
    let lock = try await runtime.lock(order.deployment, purpose: "planner execute")
    do {
      report(.starting(order.settings))
      var rollout = Rollout(runtime)
      rollout.stallLimit = stallLimit
      let deployed = try await rollout.run(desired)
      let running = nodes.map { node -> (address: NodeAddress, handle: String) in
        guard let replica = deployed.replica(node.replica), let address = replica.address else {
          preconditionFailure("a rollout returns when every node is ready")
        }
        return (address, replica.handle)
      }
      for node in nodes {
        for warning in await warnings(of: node.replica, in: order.deployment) { report(.warned(warning)) }
      }
      let outcome = try await runtime.whileRunning(order.deployment) {
        try await measure(order, at: running.map(\.address), nodes.map(\.replica))
      }
      if order.isKept {
        for node in running { report(.kept(node.address, handle: node.handle)) }
      } else {
        try await runtime.stop(order.deployment)
      }
      await lock.release()
      return outcome
    } catch {
      // The first error is the one to tell; what cannot be stopped stays listed.
      try? await runtime.stop(order.deployment)
      await lock.release()
      throw error
    }
  }

  /// What a node warned of while it started. A log that cannot be read keeps nobody from the run.
  private func warnings(of replica: ReplicaID, in deployment: DeploymentID) async -> [String] {
    var warnings: [String] = []
    let lines = try? await runtime.logs(of: replica, in: deployment, last: 1000, follow: false)
    guard var lines = lines?.makeAsyncIterator() else { return [] }
    while let line = try? await lines.next() {
      if let warning = ServerLogLine.warning(line) { warnings.append(warning) }
    }
    return warnings
  }

  /// The schedule first, then the prediction on exactly that schedule, and only then the load.
  private func measure(
    _ order: Order, at addresses: [NodeAddress], _ replicas: [ReplicaID]
  ) async throws -> Outcome {
    let nodes = NodesUnderLoad(sender: try sender(addresses), excerpt: order.excerpt)
    let show: NodesUnderLoad.Progress = { [report] in report(.progress($0, $1)) }
    let schedule = nodes.schedule(seconds: order.durationSeconds, seed: order.seed)
    let profiled = try Self.predict(order, schedule, order.excerpt.nodes.map(\.figures))
    var prediction = profiled
    var note: RunComparison.CalibrationNote?
    if order.isCalibrated {
      report(.calibrating)
      let found = try await nodes.calibrate(
        runSeconds: order.durationSeconds, seed: order.seed &+ 1, progress: show)
      if let found {
        prediction = try Self.predict(order, schedule, found.figures)
        note = .init(speed: found.speed, requests: found.requests, seconds: found.seconds, profiled: profiled)
        report(.calibrated(found))
      } else {
        report(.notCalibrated)
      }
    }
    report(.predicted(prediction))
    report(.loading(seconds: order.durationSeconds, warmupSeconds: NodesUnderLoad.warmupSeconds))
    let result = try await nodes.load(schedule, .measuring, show)
    var memory: [Int64] = []
    for replica in replicas { memory.append(try await runtime.memoryBytes(of: replica, in: order.deployment)) }
    let record = RunComparison(
      name: order.name, startedAt: order.startedAt, runtime: runtime.name, host: order.host, plan: order.plan,
      excerpt: order.excerpt, prediction: prediction, calibration: note, result: result, measuredMemoryBytes: memory
    ).record()
    return Outcome(record: record, result: result)
  }

  /// The nodes on exactly this schedule.
  ///
  /// - Parameter figures: of each node.
  static func predict(
    _ order: Order, _ load: RoutedSchedule, _ figures: [NodeFigures]
  ) throws(ProofError) -> NodePrediction {
    var nodes = order.excerpt.nodes
    for index in nodes.indices { nodes[index].figures = figures[index] }
    let prediction = NodeSimulation.predict(
      order.excerpt.devices, of: nodes, order.excerpt.demand, schedule: load.schedule,
      warmupSeconds: NodesUnderLoad.warmupSeconds, seed: order.plan.seed, replications: replications)
    guard let prediction else {
      throw ProofError(
        .usage, "no request falls into \(order.durationSeconds) s at this rate; run it longer with --duration")
    }
    return prediction
  }
}
