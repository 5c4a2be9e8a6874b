import Foundation
import ServerContract

/// The process as Prometheus' own client libraries show it.
struct ProcessReading {
  var cpuSeconds = 0.0
  var residentBytes = 0
  var startSeconds = 0.0
  var openFiles = 0

  /// The process now, from /proc; fields are 0 on a system without it.
  static var current: ProcessReading {
    var reading = ProcessReading()
    var usage = rusage()
    if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
      func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
      reading.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
    func words(_ path: String) -> [Substring] {
      guard let data = FileManager.default.contents(atPath: path) else { return [] }
      let text = String(decoding: data, as: UTF8.self)
      // A program's name may hold spaces and parentheses.
      return text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    }
    reading.residentBytes = Int(ProcessMemory.own.quickResidentBytes ?? 0)
    // Field 22 of proc(5), counted from the name's closing parenthesis on.
    let fields = words("/proc/self/stat")
    if fields.count > 20, let ticks = Double(fields[20]) {
      reading.startSeconds = bootSeconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
    reading.openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    return reading
  }

  private static let bootSeconds: Double = {
    let text = FileManager.default.contents(atPath: "/proc/stat").map { String(decoding: $0, as: UTF8.self) } ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { Double($0.dropFirst(6)) } ?? 0
  }()

  func write(_ text: inout PrometheusText) {
    text.family("process_cpu_seconds_total", .counter, "User and system time of the process.")
    text.sample("process_cpu_seconds_total", "", cpuSeconds)
    text.family("process_resident_memory_bytes", .gauge, "Resident memory of the process, mapped files included.")
    text.sample("process_resident_memory_bytes", "", residentBytes)
    text.family("process_start_time_seconds", .gauge, "Start of the process since the Unix epoch.")
    text.sample("process_start_time_seconds", "", startSeconds)
    text.family("process_open_fds", .gauge, "Open file descriptors.")
    text.sample("process_open_fds", "", openFiles)
  }
}
