import Foundation

/// Memory of a process, from the kernel's own accounts.
public enum ProcessMemory {
  /// Bytes that would be free if the process ended: its private pages, clean and dirty. Falls back to the resident
  /// set where the kernel does not tell them apart.
  ///
  /// - Throws: `ExecutorError.host` where there is no such process.
  public static func privateBytes(pid: Int32) throws(ExecutorError) -> Int64 {
    if let text = try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8) {
      let clean = kibibytes("Private_Clean", in: text)
      let dirty = kibibytes("Private_Dirty", in: text)
      if let clean, let dirty { return (clean + dirty + (kibibytes("Private_Hugetlb", in: text) ?? 0)) << 10 }
    }
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
      let resident = kibibytes("VmRSS", in: text)
    else { throw .host(what: "the memory of process \(pid)", reason: "there is no such process") }
    return resident << 10
  }

  /// The number after `name:` in a listing such as /proc/meminfo, which counts in kB of 1,024 bytes.
  static func kibibytes(_ name: String, in text: String) -> Int64? {
    for line in text.split(separator: "\n") where line.hasPrefix("\(name):") {
      return line.dropFirst(name.count + 1).split(separator: " ").first.flatMap { Int64($0) }
    }
    return nil
  }
}
