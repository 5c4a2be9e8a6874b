/// Why something could not be started, kept running or found on this machine.
public enum ExecutorError: Error, Equatable, CustomStringConvertible {
  /// `path` is no program that may be run.
  case notExecutable(path: String, reason: String)
  /// No `model-server` in any of these places.
  case serverNotFound(searched: [String])
  case spawn(binary: String, reason: String)
  case logFile(path: String, reason: String)
  /// The process ended before it said that it was ready.
  case endedBeforeReady(binary: String, status: ExitStatus, logTail: [String], logFile: String)
  case notReadyInTime(binary: String, seconds: Double, logTail: [String], logFile: String)
  /// The process ended without having been asked to.
  case crashed(pid: Int32, status: ExitStatus, logTail: [String], logFile: String)
  /// Nothing new is started once an interrupt was seen.
  case interrupted
  /// Another run holds the lock.
  case locked(path: String, holder: String)
  case lockFile(path: String, reason: String)
  case portInUse(host: String, port: Int, reason: String)
  /// Nodes side by side need more CPUs for their workers than there are.
  case tooFewCPUs(nodes: Int, needed: Int, free: Int, usable: Int)
  /// A fact about this machine that could not be read.
  case host(what: String, reason: String)

  public var description: String {
    switch self {
    case .notExecutable(let path, let reason):
      "\(path) cannot be run: \(reason)"
    case .serverNotFound(let searched):
      "no model-server found (looked at \(searched.joined(separator: ", "))); build it with `make build`, or name it "
        + "in PLANNER_MODEL_SERVER"
    case .spawn(let binary, let reason):
      "\(binary) could not be started: \(reason)"
    case .logFile(let path, let reason):
      "the file \(path) cannot be written: \(reason)"
    case .endedBeforeReady(_, _, let tail, let log), .notReadyInTime(_, _, let tail, let log),
      .crashed(_, _, let tail, let log):
      sentence + Self.quote(tail, log)
    case .interrupted:
      "interrupted: nothing new is started"
    case .locked(let path, let holder):
      "another run is in progress (\(holder), lock \(path)); wait for it to end or stop it"
    case .lockFile(let path, let reason):
      "the lock file \(path) cannot be used: \(reason)"
    case .portInUse(let host, let port, let reason):
      "port \(port) on \(host) cannot be used (\(reason)); stop what uses it or choose another port"
    case .tooFewCPUs(let nodes, let needed, let free, let usable):
      "\(nodes) nodes compute on \(needed) CPUs, and \(free) of the \(usable) that this process may use are free for "
        + "them; run fewer nodes, or leave the load generator none with --reserve-cores 0"
    case .host(let what, let reason):
      "cannot read \(what) of this machine: \(reason)"
    }
  }

  /// The part of `description` before the log that it quotes.
  var sentence: String {
    switch self {
    case .endedBeforeReady(let binary, let status, _, _): "\(binary) ended before it was ready (\(status))"
    case .notReadyInTime(let binary, let seconds, _, _): "\(binary) was not ready after \(seconds) s and was stopped"
    case .crashed(let pid, let status, _, _):
      "the server with process id \(pid) ended unexpectedly (\(status))"
    default: description
    }
  }

  /// Where to read on, with the end of a log.
  static func logEnd(_ tail: [String], _ log: String) -> String {
    tail.isEmpty ? "its log \(log) is empty" : "the end of its log \(log):\n  " + tail.joined(separator: "\n  ")
  }

  private static func quote(_ tail: [String], _ log: String) -> String {
    "; " + logEnd(tail, log)
  }
}

/// How a process ended.
public enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
  case exited(Int32)
  /// Ended by that signal.
  case signalled(Int32)

  public var isSuccess: Bool { self == .exited(0) }

  public var description: String {
    switch self {
    case .exited(let code): "exit code \(code)"
    case .signalled(let signal): "signal \(signal)"
    }
  }
}
