import AccessLogs
import Foundation
import PlannerCore
import TestSupport

/// Logs made of schedules, and what is read of them.
enum Logs {
  /// Seconds from 1970 to 2026-11-27T00:00:00Z, when the logs begin.
  static let start = 1_795_737_600

  static func group(
    models: Int, total: Double, popularity: Popularity = .uniform, arrivals: ArrivalProcess = .poisson,
    sizes: RequestSizes = .fixed(16)
  ) -> ModelGroup {
    ModelGroup(
      name: "g", architecture: "x", models: models, modelNames: (0..<models).map { "m\($0)" },
      requests: RequestMix(sizes: sizes), ratePerModelPerSecond: total / Double(models), popularity: popularity,
      arrivals: arrivals, targetP99Seconds: 0.01)
  }

  static func schedule(_ group: ModelGroup, seconds: Double, seed: UInt64 = 1) -> Schedule {
    Schedule.make(Workload(name: "w", groups: [group], source: "a test"), durationSeconds: seconds, seed: seed)
  }

  /// How a server would have logged these requests.
  static func text(_ schedule: Schedule, _ format: LogFormat) -> String {
    var lines: [String] = []
    for request in schedule.requests {
      let seconds = request.due.seconds
      switch format {
      case .csv: lines.append("\(seconds),m\(request.model),\(request.size)")
      case .common:
        lines.append(
          "127.0.0.1 - - [\(common(start + Int(seconds)))] \"POST /v2/models/m\(request.model)/infer HTTP/1.1\" 200 99 "
            + "\"-\" \"curl/8.5\"")
      case .envoy:
        let fraction = String(Int(seconds * 1000) % 1000 + 1000).dropFirst()
        lines.append(
          "[\(iso(start + Int(seconds))).\(fraction)Z] \"POST /predictions/m\(request.model) HTTP/2\" 200 - 154 0 226 "
            + "100 \"10.0.35.28\" \"grpc\" \"cc21d9b0\" \"locations\" \"10.0.2.1:80\"")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func parts(_ time: Int) -> DateComponents {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(secondsFromGMT: 0)!
    return calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second], from: Date(timeIntervalSince1970: Double(time)))
  }

  private static func two(_ number: Int?) -> String { String((number ?? 0) + 100).dropFirst().description }

  /// `27/Nov/2026:01:00:00 +0100`, an hour east of Greenwich.
  static func common(_ time: Int) -> String {
    let parts = parts(time + 3600)
    return "\(two(parts.day))/\(months[(parts.month ?? 1) - 1])/\(parts.year ?? 0):\(two(parts.hour)):"
      + "\(two(parts.minute)):\(two(parts.second)) +0100"
  }

  static func iso(_ time: Int) -> String {
    let parts = parts(time)
    return "\(parts.year ?? 0)-\(two(parts.month))-\(two(parts.day))T\(two(parts.hour)):\(two(parts.minute)):"
      + two(parts.second)
  }

  static func settings(
    size: Int? = nil, input: RequestInput = .tensors, window: LogWindow = .mean, groups: [LogGroup]? = nil
  ) -> LogWorkload {
    LogWorkload(
      name: "w", groups: groups ?? [LogGroup(name: "all", architecture: "x")], size: size, input: input,
      targetP99Seconds: 0.01, window: window)
  }

  /// The workload of a log of that text.
  static func read(
    _ text: String, _ format: LogFormat? = nil, _ settings: LogWorkload = settings()
  ) throws -> (workload: Workload, findings: LogFindings) {
    try read(Data(text.utf8), format, settings)
  }

  static func read(
    _ data: Data, _ format: LogFormat? = nil, _ settings: LogWorkload = settings()
  ) throws -> (workload: Workload, findings: LogFindings) {
    let folder = try TemporaryFolder()
    let path = folder.path + "/access.log"
    try data.write(to: URL(fileURLWithPath: path))
    return try settings.make(try AccessLog.read(path, format: format))
  }
}
