import Executor
import LoadTest
import PlannerCore
import Profiler

/// What sends a schedule to a node and returns with the last answer.
public protocol LoadSender: Sendable {
  /// - Parameters:
  ///   - warmupSeconds: requests that are due earlier are sent and not counted.
  ///   - progress: called about once a second.
  func send(
    _ schedule: Schedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
  ) async throws -> LoadResult
}

/// Sends over HTTP, from this machine.
public struct HTTPLoadSender: LoadSender {
  let address: NodeAddress
  /// One for each model.
  let requests: [RequestBytes]
  /// CPUs that are the node's, and those that are left for sending.
  let cpus: CPUSplit

  public init(address: NodeAddress, requests: [RequestBytes], cpus: CPUSplit) {
    self.address = address
    self.requests = requests
    self.cpus = cpus
  }

  public func send(
    _ schedule: Schedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
  ) async throws -> LoadResult {
    var options = LoadOptions()
    options.cpu = cpus.others.last
    options.warmupSeconds = warmupSeconds
    let generator = LoadGenerator(host: address.host, port: address.port, options: options)
    return try await cpus.confined {
      try await generator.run(schedule: schedule, requests: requests, progress: progress)
    }
  }
}

/// A node that was deployed, and the requests that it is asked.
public struct NodeUnderLoad: Sendable {
  let sender: any LoadSender
  let workload: Workload
  let models: Int

  /// Sent before the counted part of a run, in simulation and run alike, seconds.
  public static let warmupSeconds = 3.0
  /// A node that has just loaded its models was seen to be slower for about so long: 15 % at p50 with 3 GB of them on a
  /// virtual machine. Why is not known.
  static let settlingSeconds = 30.0
  /// A calibration lasts at least so long, and until so many requests are due.
  static let calibrationSeconds = 30.0
  static let calibrationRequests = 1.2 * Double(MeasuredTimes.leastRequests)
  static let longestCalibrationSeconds = 60.0

  public init(sender: any LoadSender, workload: Workload, models: Int) {
    self.sender = sender
    self.workload = workload
    self.models = models
  }

  /// What a node is being sent requests for.
  public enum Stage: Hashable, Sendable {
    /// Requests are sent until the node's times no longer change by themselves.
    case settling
    /// Requests are sent to find out how fast the machine is.
    case calibrating
    /// The run itself.
    case measuring
  }

  /// How fast a node was found to be.
  public struct CalibrationRun: Sendable {
    public var speed: MachineSpeed
    /// The node's times of the moment.
    public var service: ServiceModel
    /// Requests that told.
    public var requests: Int
    /// How long they were sent for, seconds.
    public var seconds: Double
  }

  public typealias Progress = @Sendable (Stage, LoadProgress) -> Void

  /// Asks the node as the run will until it has settled, and for a short while more, which tells how fast this machine
  /// is at the moment.
  ///
  /// - Parameter runSeconds: how long the run will be; settling takes no longer.
  /// - Returns: nil where too few requests were answered to tell.
  /// - Throws: what the sender throws.
  public func calibrate(
    against service: ServiceModel, runSeconds: Double, seed: UInt64, progress: @escaping Progress
  ) async throws -> CalibrationRun? {
    let rate = Double(models) * workload.ratePerModelPerSecond
    let seconds = min(max(Self.calibrationSeconds, Self.calibrationRequests / rate), Self.longestCalibrationSeconds)
    let settling = schedule(seconds: min(Self.settlingSeconds, runSeconds), seed: seed &+ 1)
    _ = try await load(settling, .settling, progress)
    let result = try await load(schedule(seconds: seconds, seed: seed), .calibrating, progress)
    let times = MeasuredTimes(result.samples.compactMap(ServedSample.init))
    return MachineSpeed(of: service, compute: times.compute, overhead: times.overhead).map { speed in
      CalibrationRun(
        speed: speed, service: service.at(speed, beside: times), requests: times.compute.count, seconds: seconds)
    }
  }

  /// Arrivals of a run whose counted part lasts `seconds`.
  public func schedule(seconds: Double, seed: UInt64) -> Schedule {
    Schedule.make(
      models: models, ratePerModelPerSecond: workload.ratePerModelPerSecond, arrivals: workload.arrivals,
      durationSeconds: seconds + Self.warmupSeconds, seed: seed)
  }

  /// Sends a schedule and waits for the last answers.
  public func load(_ schedule: Schedule, _ stage: Stage, _ progress: @escaping Progress) async throws -> LoadResult {
    try await sender.send(schedule, warmupSeconds: Self.warmupSeconds) { progress(stage, $0) }
  }
}
