import Foundation

/// A control group of one node's own, below that of this process: what limits its memory, or which CPUs it runs on.
/// Version 1 of control groups has one for each; version 2 has both in one.
struct NodeControlGroup: Codable, Hashable, Sendable {
  enum Limit: String, Codable, Sendable {
    case memory, cpus
  }

  /// Full path of the group's folder.
  var folder: String
  var limits: [Limit]
  var version: Int

  private static let mount = "/sys/fs/cgroup"

  /// What a node is held to.
  struct Wish: Hashable, Sendable {
    var memoryBytes: Int64?
    var cpus: [Int]?
  }

  /// Makes the groups of a node, as far as this user may.
  ///
  /// - Parameter name: of the folders; one that is there is taken over.
  /// - Returns: groups that hold what of the wish they name; empty where none could be made.
  static func make(_ name: String, _ wish: Wish, files: HostFiles = HostFiles()) -> [NodeControlGroup] {
    guard wish.memoryBytes != nil || wish.cpus != nil else { return [] }
    if let group = version2(name, wish, files) { return [group] }
    var groups: [NodeControlGroup] = []
    if let bytes = wish.memoryBytes,
      let group = version1(name, "memory", .memory, files, write: { write("\(bytes)", "\($0)/memory.limit_in_bytes") })
    {
      groups.append(group)
    }
    if let cpus = wish.cpus,
      let group = version1(
        name, "cpuset", .cpus, files,
        write: { folder in
          // A set without memory nodes takes no process; it gets its parent's.
          let parent = (folder as NSString).deletingLastPathComponent
          return read("\(parent)/cpuset.mems").map { write($0, "\(folder)/cpuset.mems") } == true
            && write(list(cpus), "\(folder)/cpuset.cpus")
        })
    {
      groups.append(group)
    }
    return groups
  }

  /// A group that the kernel has given to this user, or to root: nearest first, one whose children may be limited.
  private static func version2(_ name: String, _ wish: Wish, _ files: HostFiles) -> NodeControlGroup? {
    for parent in files.groupFolders(controller: "", version2: true) {
      let controllers = (read("\(parent)/cgroup.subtree_control") ?? "").split(separator: " ")
      guard wish.memoryBytes == nil || controllers.contains("memory"),
        access("\(parent)/cgroup.procs", W_OK) == 0, !controllers.isEmpty
      else { continue }
      let folder = "\(parent)/\(name)"
      guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { continue }
      var limits: [Limit] = []
      if let bytes = wish.memoryBytes, write("\(bytes)", "\(folder)/memory.max") { limits.append(.memory) }
      if let cpus = wish.cpus, controllers.contains("cpuset"), write(list(cpus), "\(folder)/cpuset.cpus") {
        limits.append(.cpus)
      }
      if !limits.isEmpty { return NodeControlGroup(folder: folder, limits: limits, version: 2) }
      rmdir(folder)
    }
    return nil
  }

  private static func version1(
    _ name: String, _ controller: String, _ limit: Limit, _ files: HostFiles, write: (String) -> Bool
  ) -> NodeControlGroup? {
    // The nearest that can be seen from here.
    let parents = files.groupFolders(controller: controller, version2: false)
    guard let parent = parents.first(where: { FileManager.default.fileExists(atPath: $0) }) else { return nil }
    let folder = "\(parent)/\(name)"
    guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { return nil }
    if write(folder) { return NodeControlGroup(folder: folder, limits: [limit], version: 1) }
    rmdir(folder)
    return nil
  }

  /// Starts a program inside of groups: a shell enters them and becomes the program, which then has no moment outside.
  /// Paths and arguments are words of their own, never part of the script.
  static func command(
    _ binary: String, _ arguments: [String], inside groups: [NodeControlGroup]
  ) -> (binary: String, arguments: [String]) {
    let script = #"while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@""#
    let files = groups.map { "\($0.folder)/cgroup.procs" }
    return ("/bin/sh", ["-c", script, "planner-node"] + files + ["--", binary] + arguments)
  }

  /// Processes of the group that the kernel has ended for lack of memory.
  var endedForLackOfMemory: Int {
    let file = version == 2 ? "\(folder)/memory.events" : "\(folder)/memory.oom_control"
    for line in (Self.read(file) ?? "").split(separator: "\n") where line.hasPrefix("oom_kill ") {
      return Int(line.dropFirst("oom_kill ".count)) ?? 0
    }
    return 0
  }

  /// Removes the group. A group goes only when its last process has gone, which takes the kernel a moment.
  func remove() {
    for _ in 0..<200 {
      if rmdir(folder) == 0 || errno != EBUSY { return }
      usleep(5000)
    }
  }

  private static func list(_ cpus: [Int]) -> String { cpus.sorted().map(String.init).joined(separator: ",") }

  private static func read(_ path: String) -> String? {
    (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The kernel's files take a value in one write, or refuse it there.
  private static func write(_ value: String, _ path: String) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let bytes = Array(value.utf8)
    return Foundation.write(descriptor, bytes, bytes.count) == bytes.count
  }
}
