import Foundation

/// Memory of one process, from the kernel's own accounts (proc(5)). Server and planner both count by this.
public struct ProcessMemory: Sendable {
  private let folder: String

  /// Memory of the process that asks.
  public static let own = ProcessMemory(folder: "/proc/self")

  /// Memory of another process of this machine.
  public init(pid: Int32) { folder = "/proc/\(pid)" }

  private init(folder: String) { self.folder = folder }

  /// Bytes that would be free if the process ended: its private pages, clean and dirty. The resident set where the
  /// kernel does not tell them apart; nil where there is no such process.
  public var privateBytes: Int64? {
    if let text = read("smaps_rollup"), let clean = Self.kibibytes("Private_Clean", in: text),
      let dirty = Self.kibibytes("Private_Dirty", in: text)
    {
      return (clean + dirty + (Self.kibibytes("Private_Hugetlb", in: text) ?? 0)) << 10
    }
    return read("status").flatMap { Self.kibibytes("VmRSS", in: $0) }.map { $0 << 10 }
  }

  /// Bytes in memory, mapped files and what is shared with others included, counted page by page. Slow, and exact where
  /// `quickResidentBytes` may be off by what each thread has not yet handed in; nil where there is no such process.
  public var residentBytes: Int64? { read("smaps_rollup").flatMap { Self.kibibytes("Rss", in: $0) }.map { $0 << 10 } }

  /// Bytes in memory, mapped files and what is shared with others included; nil where there is no such process.
  public var quickResidentBytes: Int64? { pages(at: 1) }

  /// Bytes of address space; nil where there is no such process.
  public var virtualBytes: Int64? { pages(at: 0) }

  private func pages(at index: Int) -> Int64? {
    let fields = read("statm")?.split(separator: " ") ?? []
    guard index < fields.count, let pages = Int64(fields[index]) else { return nil }
    return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
  }

  private func read(_ name: String) -> String? { try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) }

  /// The number after `name:` in a listing such as /proc/meminfo, which counts in kB of 1,024 bytes; nil where the
  /// listing has no such line.
  public static func kibibytes(_ name: String, in text: String) -> Int64? {
    for line in text.split(separator: "\n") where line.hasPrefix("\(name):") {
      return line.dropFirst(name.count + 1).split(separator: " ").first.flatMap { Int64($0) }
    }
    return nil
  }
}
