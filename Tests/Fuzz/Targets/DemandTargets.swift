import AccessLogs
import Foundation
import PlannerCore
import PlannerFiles

/// Access logs: a workload that can be written and read back, or refused with a reason.
struct AccessLogTarget: FuzzTarget {
  private let folder = NSTemporaryDirectory() + "planner-fuzz-log-\(getpid())"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  mutating func run(_ input: [UInt8]) async throws -> String {
    let path = folder + "/access.log"
    try Data(input).write(to: URL(fileURLWithPath: path))
    var outcomes: [String] = []
    for format in [nil] + LogFormat.allCases.map(Optional.some) { outcomes.append(try outcome(path, format)) }
    return outcomes.joined(separator: " ")
  }

  private func outcome(_ path: String, _ format: LogFormat?) throws -> String {
    let making = LogWorkload(
      name: "w", groups: [LogGroup(name: "all", architecture: "x")], size: nil, input: .tensors,
      targetP99Seconds: 0.01, window: .busiest)
    do {
      let log = try AccessLog.read(path, format: format)
      let (workload, findings) = try making.make(log)
      let leftOut = findings.leftOut.reduce(0) { $0 + $1.lines }
      guard findings.requests + leftOut <= log.lines else { throw BrokenLaw("more requests than lines") }
      try WorkloadFile.write(workload, to: folder + "/w.yaml")
      guard try WorkloadFile.read(folder + "/w.yaml") == workload else { throw BrokenLaw("is not read back the same") }
      return "\(findings.format) \(findings.requests.leadingZeroBitCount) "
        + findings.leftOut.map(\.reason).joined(separator: ",")
    } catch let error as AccessLogError {
      guard !error.description.isEmpty else { throw BrokenLaw("refused without a reason") }
      return "refused " + error.description.filter(\.isLetter).suffix(40)
    }
  }
}

/// Workload files: read, written and read back the same, or refused with places.
struct WorkloadTarget: FuzzTarget {
  private let folder = NSTemporaryDirectory() + "planner-fuzz-workload-\(getpid())"

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (name, text) in [("shares.csv", "a,0.5\nb,0.5\n"), ("sizes.csv", "8,1\n9,2\n"), ("trace.csv", "0.5,g\n1,g\n")] {
      try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }
  }

  mutating func run(_ input: [UInt8]) async throws -> String {
    try Data(input).write(to: URL(fileURLWithPath: folder + "/in.yaml"))
    do {
      let workload = try WorkloadFile.read(folder + "/in.yaml")
      let rates = workload.groups.map { ($0.rates().reduce(0, +), $0.totalRatePerSecond) }
      guard rates.allSatisfy({ ($0 - $1).magnitude <= 1e-6 * $1 }) else { throw BrokenLaw("rates do not sum up") }
      try WorkloadFile.write(workload, to: folder + "/out.yaml")
      guard try WorkloadFile.read(folder + "/out.yaml") == workload else {
        throw BrokenLaw("is not read back the same")
      }
      return "read \(workload.groups.count) \(workload.isFlat ? "flat" : "mixed")"
    } catch let error as FileError {
      guard !error.problems.isEmpty else { throw BrokenLaw("refused without a reason") }
      return error.problems.prefix(3).map { $0.message.filter(\.isLetter).prefix(60) }.joined(separator: " ")
    }
  }
}
