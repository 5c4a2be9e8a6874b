import Foundation

/// A process for as long as it lives: its id together with when it was started, so that another process that is later
/// given the same id is not taken for it.
struct ProcessIdentity: Codable, Hashable, Sendable {
  var pid: Int32
  /// When the process was started, clock ticks since the machine was.
  var startTicks: UInt64
  /// Which start of the machine that counts from.
  var boot: String

  init(pid: Int32, startTicks: UInt64, boot: String) {
    self.pid = pid
    self.startTicks = startTicks
    self.boot = boot
  }

  /// The process that has this id now.
  ///
  /// - Returns: nil where none has it, or one that has ended and waits for its parent to notice.
  init?(of pid: Int32) {
    // `4711 (name) S 1 …`: the name may hold anything; what follows its last bracket does not.
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let bracket = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[stat.index(after: bracket)...].split(separator: " ")
    guard fields.count > 19, let ticks = UInt64(fields[19]), fields[0] != "Z", fields[0] != "X" else { return nil }
    self.init(pid: pid, startTicks: ticks, boot: Self.currentBoot)
  }

  static let own = ProcessIdentity(of: getpid()) ?? ProcessIdentity(pid: getpid(), startTicks: 0, boot: currentBoot)

  private static let currentBoot: String = {
    let text = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }()

  var isAlive: Bool { ProcessIdentity(of: pid) == self }

  /// Sends a signal to this process, and to no other that was given its id meanwhile.
  func signal(_ number: Int32) {
    if isAlive { kill(pid, number) }
  }

  /// Waits for the end, whether or not the task is cancelled.
  ///
  /// - Returns: whether it has ended within `limit`.
  func hasEnded(within limit: Duration) async -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while isAlive {
      if clock.now >= end { return false }
      await Self.pause(milliseconds: 10)
    }
    return true
  }

  /// A pause that cancellation does not shorten.
  private static func pause(milliseconds: Int) async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { continuation.resume() }
    }
  }

  /// Processes of this user that carry `name=value` in their environment, as children of a marked process do.
  static func carrying(_ name: String, _ value: String) -> [ProcessIdentity] {
    let wanted = Data("\(name)=\(value)".utf8)
    let ids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }
    return ids.sorted().compactMap { pid in
      guard let variables = FileManager.default.contents(atPath: "/proc/\(pid)/environ"),
        variables.split(separator: 0).contains(where: { $0.elementsEqual(wanted) })
      else { return nil }
      return ProcessIdentity(of: pid)
    }
  }
}
