import Executor
import LoadTest
import PlannerCore
import Profiler
import Reporting

/// A node that was deployed on this machine, and the requests that it is asked.
struct NodeUnderLoad {
  let server: RunningServer
  let cpus: CPUSplit
  let workload: Workload
  let models: Int
  /// One for each model.
  let requests: [RequestBytes]

  /// Sent before the counted part of a run, in simulation and run alike.
  static let warmupSeconds = 3.0
  /// A node that has just loaded its models was seen to be slower for about so long: 15 % at p50 with 3 GB of them on a
  /// virtual machine. Why is not known.
  static let settlingSeconds = 30.0
  /// A calibration lasts at least so long, and until so many requests are due.
  static let calibrationSeconds = 30.0
  static let calibrationRequests = 1.2 * Double(MeasuredTimes.leastRequests)
  static let longestCalibrationSeconds = 60.0

  struct Calibration {
    var speed: MachineSpeed
    /// What the node does at the moment.
    var service: ServiceModel
    var requests: Int
    var seconds: Double
  }

  /// Asks the node as the run will until it has settled, and for a short while more, which tells how fast this machine
  /// is at the moment.
  ///
  /// - Parameter runSeconds: how long the run will be; settling takes no longer.
  /// - Returns: nil where too few requests were answered to tell.
  /// - Throws: what the load generator throws, or the server's end.
  func calibrate(against service: ServiceModel, runSeconds: Double, seed: UInt64) async throws -> Calibration? {
    let rate = Double(models) * workload.ratePerModelPerSecond
    let seconds = min(max(Self.calibrationSeconds, Self.calibrationRequests / rate), Self.longestCalibrationSeconds)
    let settling = schedule(seconds: min(Self.settlingSeconds, runSeconds), seed: seed &+ 1)
    _ = try await load(settling, label: "settling: ")
    let result = try await load(schedule(seconds: seconds, seed: seed), label: "calibrating: ")
    let times = MeasuredTimes(result.samples.compactMap(ServedSample.init))
    return MachineSpeed(of: service, compute: times.compute, overhead: times.overhead).map { speed in
      Calibration(
        speed: speed, service: service.at(speed, beside: times), requests: times.compute.count, seconds: seconds)
    }
  }

  func schedule(seconds: Double, seed: UInt64) -> Schedule {
    Schedule.make(
      models: models, ratePerModelPerSecond: workload.ratePerModelPerSecond, arrivals: workload.arrivals,
      durationSeconds: seconds + Self.warmupSeconds, seed: seed)
  }

  /// Sends a schedule and waits for the last answers; progress goes to the terminal.
  func load(_ schedule: Schedule, label: String = "") async throws -> LoadResult {
    var options = LoadOptions()
    options.cpu = cpus.others.last
    options.warmupSeconds = Self.warmupSeconds
    let generator = LoadGenerator(host: server.address.host, port: server.port, options: options)
    let show: @Sendable (LoadProgress) -> Void = { Self.show($0, label) }
    defer { Output.clearProgress() }
    return try await server.whileRunning {
      try await cpus.confined { try await generator.run(schedule: schedule, requests: requests, progress: show) }
    }
  }

  private static func show(_ progress: LoadProgress, _ label: String) {
    let text =
      "\(label)\(progress.completed) answered, p50 \(Format.duration(progress.p50Seconds)), "
      + "p99 \(Format.duration(progress.p99Seconds))"
      + (progress.notCompleted > 0 ? ", \(progress.notCompleted) not" : "")
    Output.progress(
      ProgressLine.render(
        done: Int(progress.elapsedSeconds), of: Int(progress.durationSeconds.rounded(.up)),
        elapsedSeconds: progress.elapsedSeconds, label: text, width: Output.width))
  }
}
