import Foundation
import ServerContract

/// Memory and processor limits: the machine's own and those of the control groups that this process is in.
extension HostFiles {
  /// A limit and what of it is in use, bytes.
  private struct Limit {
    var limit: Int64
    /// Pages that the kernel can drop at once not counted.
    var used: Int64
  }

  package func memoryBytes() throws -> Int64 {
    let machine = try memoryField("MemTotal")
    return memoryLimits().map(\.limit).min().map { min($0, machine) } ?? machine
  }

  package func availableMemoryBytes() throws -> Int64 {
    let machine = try memoryField("MemAvailable")
    return memoryLimits().map { max(0, $0.limit - $0.used) }.min().map { min($0, machine) } ?? machine
  }

  package func cpuQuota() -> Double? {
    var quotas: [Double] = []
    for folder in groupFolders(controller: "", version2: true) {
      let parts = (value("\(folder)/cpu.max") ?? "").split(separator: " ").map(String.init)
      if parts.count == 2, let quota = Double(parts[0]), let period = Double(parts[1]), period > 0 {
        quotas.append(quota / period)
      }
    }
    for folder in groupFolders(controller: "cpu", version2: false) {
      if let quota = value("\(folder)/cpu.cfs_quota_us").flatMap({ Double($0) }), quota > 0,
        let period = value("\(folder)/cpu.cfs_period_us").flatMap({ Double($0) }), period > 0
      {
        quotas.append(quota / period)
      }
    }
    return quotas.min()
  }

  /// CPUs that the cpusets of the control groups grant; nil where none is set.
  package func cpuset() -> Set<Int>? {
    var granted: Set<Int>?
    let lists =
      groupFolders(controller: "", version2: true).map { "\($0)/cpuset.cpus.effective" }
      + groupFolders(controller: "cpuset", version2: false).map { "\($0)/cpuset.cpus" }
    for list in lists {
      guard let cpus = value(list).flatMap(Self.cpuList), !cpus.isEmpty else { continue }
      granted = granted.map { $0.intersection(cpus) } ?? cpus
    }
    return granted
  }

  /// `0-3,8` as the kernel writes it; nil for anything else.
  private static func cpuList(_ text: String) -> Set<Int>? {
    var cpus: Set<Int> = []
    for part in text.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first >= 0, first <= last,
        last < 1 << 16
      else { return nil }
      cpus.formUnion(first...last)
    }
    return cpus
  }

  private func memoryField(_ name: String) throws -> Int64 {
    guard let listing = text("/proc/meminfo"), let size = ProcessMemory.kibibytes(name, in: listing) else {
      throw ExecutorError.host(what: "the memory", reason: "/proc/meminfo has no \(name)")
    }
    return size << 10
  }

  private func memoryLimits() -> [Limit] {
    var limits: [Limit] = []
    for folder in groupFolders(controller: "", version2: true) {
      if let limit = value("\(folder)/memory.max").flatMap({ Int64($0) }) {
        let used = value("\(folder)/memory.current").flatMap { Int64($0) } ?? 0
        limits.append(Limit(limit: limit, used: used - droppable(folder, "inactive_file")))
      }
    }
    for folder in groupFolders(controller: "memory", version2: false) {
      // Version 1 writes "no limit" as the largest number of whole pages.
      if let limit = value("\(folder)/memory.limit_in_bytes").flatMap({ Int64($0) }), limit < 1 << 60 {
        let used = value("\(folder)/memory.usage_in_bytes").flatMap { Int64($0) } ?? 0
        limits.append(Limit(limit: limit, used: used - droppable(folder, "total_inactive_file")))
      }
    }
    return limits
  }

  private func droppable(_ folder: String, _ name: String) -> Int64 {
    for line in (text("\(folder)/memory.stat") ?? "").split(separator: "\n") where line.hasPrefix("\(name) ") {
      return Int64(line.dropFirst(name.count + 1)) ?? 0
    }
    return 0
  }

  /// Folders of the group that this process is in and of all above it: each sets a limit of its own.
  ///
  /// Inside a container the path that the kernel names may not be visible; what is mounted is then the group itself,
  /// and the walk up to the mount finds it.
  func groupFolders(controller: String, version2: Bool) -> [String] {
    guard let listing = text("/proc/self/cgroup") else { return [] }
    for line in listing.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let mount: String
      if version2 {
        guard parts[0] == "0", parts[1].isEmpty else { continue }
        mount = text("/sys/fs/cgroup/cgroup.controllers") == nil ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup"
      } else {
        guard parts[1].split(separator: ",").contains(Substring(controller)) else { continue }
        let joined = "/sys/fs/cgroup/\(parts[1])"
        mount = FileManager.default.fileExists(atPath: root + joined) ? joined : "/sys/fs/cgroup/\(controller)"
      }
      var path = String(parts[2]).split(separator: "/")
      var folders: [String] = []
      while !path.isEmpty {
        folders.append("\(mount)/\(path.joined(separator: "/"))")
        path.removeLast()
      }
      return folders + [mount]
    }
    return []
  }
}
