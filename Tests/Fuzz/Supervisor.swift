import Foundation
import PlannerCore

/// Starts the workers one target after the other, watches them, and writes down what broke them.
struct Supervisor {
  let kinds: [TargetKind]
  let settings: FuzzSettings

  /// A target that keeps breaking is left after so many findings.
  static let mostFindings = 5
  private static let lookEvery: UInt32 = 20_000  // microseconds

  /// - Returns: the number of findings.
  func run() throws -> Int {
    try FileManager.default.createDirectory(atPath: settings.failures, withIntermediateDirectories: true)
    let weights = kinds.map(\.weight).reduce(0, +)
    var findings = 0
    var total: UInt64 = 0
    for kind in kinds {
      var share = settings
      if settings.runs < Int.max { share.runs = max(1, settings.runs * kind.weight / weights) }
      share.seconds = settings.seconds.map { $0 / Double(kinds.count) }
      let result = try run(kind, share)
      findings += result.findings
      total += result.runs
    }
    print("fuzz: \(total) runs, \(findings) findings")
    return findings
  }

  private func run(_ kind: TargetKind, _ share: FuzzSettings) throws -> (runs: UInt64, findings: Int) {
    let path = NSTemporaryDirectory() + "planner-fuzz-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let board = try SharedBoard(path: path)
    let began = ContinuousClock.now
    var findings = 0
    var largest = 0
    while findings < Self.mostFindings {
      board.isReady = false
      let spent = (ContinuousClock.now - began) / .seconds(1)
      if let seconds = share.seconds, spent >= seconds { break }
      let worker = try start(kind, share, path, remaining: share.seconds.map { $0 - spent })
      let end = watch(worker, board, largest: &largest)
      if end == nil { break }
      findings += 1
      try report(kind, end ?? "", board.input)
      guard board.isReady else { break }
      // The one that broke it is not tried again.
      board.finished += 1
      if board.finished >= UInt64(clamping: share.runs) { break }
    }
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    print(
      "fuzz: \(kind.rawValue): \(board.finished) runs in \(Int(seconds)) s, \(board.outcomes) different outcomes, "
        + "largest \(largest >> 20) MiB, \(findings) findings")
    return (board.finished, findings)
  }

  /// - Returns: the worker's process.
  private func start(
    _ kind: TargetKind, _ share: FuzzSettings, _ board: String, remaining: Double?
  ) throws -> pid_t {
    var arguments = [
      "fuzz", "--target", kind.rawValue, "--board", board, "--seed", "\(share.seed)", "--runs", "\(share.runs)",
      "--corpus", share.corpus,
    ]
    if let remaining { arguments += ["--seconds", "\(remaining)"] }
    // A backtrace of each crash takes seconds; replaying an input gives it.
    let environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
      .map { "\($0)=\($1)" }
    var words = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup($0) } + [nil]
    defer { for text in words + variables { free(text) } }
    var process = pid_t()
    let status = posix_spawn(&process, "/proc/self/exe", nil, nil, &words, &variables)
    guard status == 0 else { throw BrokenLaw("a worker could not be started: \(String(cString: strerror(status)))") }
    return process
  }

  /// Waits for the worker's end.
  ///
  /// - Returns: nil for an orderly one, else what happened.
  private func watch(_ worker: pid_t, _ board: SharedBoard, largest: inout Int) -> String? {
    var seen = board.finished
    var since = ContinuousClock.now
    var status: Int32 = 0
    while waitpid(worker, &status, WNOHANG) == 0 {
      usleep(Self.lookEvery)
      let size = Self.residentBytes(worker)
      largest = max(largest, size)
      if size > settings.memoryLimitBytes { return end(worker, "grew to \(size >> 20) MiB") }
      if board.finished != seen {
        seen = board.finished
        since = .now
      }
      // Setting up (a server, a vocabulary) may take longer than an input.
      let limit = board.isReady ? settings.hangSeconds : 60 + settings.hangSeconds
      if ContinuousClock.now - since > .seconds(limit) { return end(worker, "hung for \(limit) s") }
    }
    // As wait(2) packs it: the signal in the low seven bits, the exit status above them.
    let signal = status & 0x7f
    if signal != 0 { return "died of signal \(signal)" }
    let code = status >> 8 & 0xff
    return code == 0 ? nil : "broke a law, or ended by itself (\(code))"
  }

  private func end(_ worker: pid_t, _ what: String) -> String {
    kill(worker, SIGKILL)
    waitpid(worker, nil, 0)
    return what
  }

  private func report(_ kind: TargetKind, _ what: String, _ input: [UInt8]) throws {
    let hash = input.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let path = "\(settings.failures)/\(kind.rawValue)-\(String(hash, radix: 16))"
    try Data(input).write(to: URL(fileURLWithPath: path))
    print(
      """
      fuzz: \(kind.rawValue) \(what); the input is in \(path), try it again with
        \(CommandLine.arguments[0]) --target \(kind.rawValue) --corpus \(settings.corpus) --replay \(path)
      """)
  }

  private static func residentBytes(_ process: Int32) -> Int {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8) else { return 0 }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
