import Executor
import LoadTest
import PlannerCore

/// What sends a schedule to nodes and returns with the last answer.
public protocol LoadSender: Sendable {
  /// - Parameters:
  ///   - warmupSeconds: requests that are due earlier are sent and not counted.
  ///   - progress: called about once a second.
  /// - Returns: samples that name copies, as the requests do, and nodes as targets.
  func send(
    _ load: RoutedSchedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
  ) async throws -> LoadResult
}

/// Sends over HTTP, from this machine.
public struct HTTPLoadSender: LoadSender {
  let addresses: [NodeAddress]
  /// Makes the bytes of a request, whose model is a copy and whose target a node.
  let render: @Sendable (AddressedSchedule.Rendering) throws -> RequestBytes
  /// CPUs that are the nodes', and those that are left for sending.
  let cpus: CPUSplit

  public init(
    addresses: [NodeAddress], cpus: CPUSplit,
    render: @escaping @Sendable (AddressedSchedule.Rendering) throws -> RequestBytes
  ) {
    self.addresses = addresses
    self.render = render
    self.cpus = cpus
  }

  public func send(
    _ load: RoutedSchedule, warmupSeconds: Double, progress: @escaping @Sendable (LoadProgress) -> Void
  ) async throws -> LoadResult {
    var options = LoadOptions()
    options.cpu = cpus.others.last
    options.warmupSeconds = warmupSeconds
    let targets = addresses.map { LoadTarget(host: $0.host, port: $0.port) }
    let generator = LoadGenerator(targets: targets, options: options)
    let addressed = try AddressedSchedule(load.schedule, targets: load.nodes, render: render)
    return try await cpus.confined { try await generator.run(addressed, progress: progress) }
  }
}

/// Nodes that were deployed, and the requests that they are asked.
public struct NodesUnderLoad: Sendable {
  let sender: any LoadSender
  let excerpt: Excerpt

  /// Sent before the counted part of a run, in simulation and run alike, seconds.
  public static let warmupSeconds = 3.0
  /// A node that has just loaded its models was seen to be slower for about so long: 15 % at p50 with 3 GB of them on a
  /// virtual machine. Why is not known.
  static let settlingSeconds = 30.0
  /// A calibration lasts at least so long, and until so many requests are due.
  static let calibrationSeconds = 30.0
  static let calibrationRequests = 1.2 * Double(MeasuredTimes.leastRequests)
  static let longestCalibrationSeconds = 60.0

  public init(sender: any LoadSender, excerpt: Excerpt) {
    self.sender = sender
    self.excerpt = excerpt
  }

  /// What nodes are being sent requests for.
  public enum Stage: Hashable, Sendable {
    /// Requests are sent until the nodes' times no longer change by themselves.
    case settling
    /// Requests are sent to find out how fast the machine is.
    case calibrating
    /// The run itself.
    case measuring
  }

  public typealias Progress = @Sendable (Stage, LoadProgress) -> Void

  /// Asks the nodes as the run will until they have settled, and for a short while more, which tells how fast this
  /// machine is at the moment.
  ///
  /// - Parameter runSeconds: how long the run will be; settling takes no longer.
  /// - Returns: nil where too few requests were answered to tell.
  /// - Throws: what the sender throws.
  public func calibrate(
    runSeconds: Double, seed: UInt64, progress: @escaping Progress
  ) async throws -> CalibrationRun? {
    let wanted = Self.calibrationRequests / excerpt.ratePerSecond
    let seconds = min(max(Self.calibrationSeconds, wanted), Self.longestCalibrationSeconds)
    let settling = schedule(seconds: min(Self.settlingSeconds, runSeconds), seed: seed &+ 1)
    _ = try await load(settling, .settling, progress)
    let result = try await load(schedule(seconds: seconds, seed: seed), .calibrating, progress)
    return CalibrationRun(of: excerpt, result: result, seconds: seconds)
  }

  /// Arrivals of a run whose counted part lasts `seconds`.
  public func schedule(seconds: Double, seed: UInt64) -> RoutedSchedule {
    let arrivals = Schedule.make(excerpt.demand, durationSeconds: seconds + Self.warmupSeconds, seed: seed)
    return excerpt.layout.route(arrivals, of: excerpt.demand)
  }

  /// Sends a schedule and waits for the last answers.
  public func load(_ load: RoutedSchedule, _ stage: Stage, _ progress: @escaping Progress) async throws -> LoadResult {
    try await sender.send(load, warmupSeconds: Self.warmupSeconds) { progress(stage, $0) }
  }
}
