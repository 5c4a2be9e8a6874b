import CLinux
import Foundation

/// Starts a program, never by fork: OpenMP and other libraries do not survive one.
///
/// The child is the leader of a process group of its own, so that the terminal's Ctrl-C reaches only the planner,
/// which then stops the child in order; and so that its whole group can be ended. Signal dispositions and mask
/// start at their defaults and every descriptor but the three standard ones is closed.
struct Spawn {
  var binary: String
  var arguments: [String]
  /// Variables that are added to this process's own environment.
  var environment: [String: String]
  /// Descriptors that become the child's standard input, output and error.
  var input: Int32
  var output: Int32
  var error: Int32
  /// Leads a session of its own and so outlives the terminal.
  var newSession = false

  /// - Returns: the process id.
  func start() throws(ExecutorError) -> pid_t {
    try Self.checkExecutable(binary)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, error, 2)
    cl_close_from(&actions, 3)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var flags = Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK)
    flags |= newSession ? cl_spawn_new_session() : Int32(POSIX_SPAWN_SETPGROUP)
    posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
    posix_spawnattr_setpgroup(&attributes, 0)
    // An ignored signal stays ignored across exec, and `Interrupts` ignores some.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)

    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    var pid: pid_t = 0
    let problem = Self.withCStrings([binary] + arguments) { argv in
      Self.withCStrings(variables.map { "\($0.key)=\($0.value)" }) { envp in
        posix_spawn(&pid, binary, &actions, &attributes, argv, envp)
      }
    }
    guard problem == 0 else { throw .spawn(binary: binary, reason: systemMessage(problem)) }
    return pid
  }

  static func checkExecutable(_ path: String) throws(ExecutorError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .notExecutable(path: path, reason: "there is no such file")
    }
    if isFolder.boolValue { throw .notExecutable(path: path, reason: "it is a folder") }
    guard access(path, X_OK) == 0 else {
      throw .notExecutable(path: path, reason: systemMessage(errno))
    }
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("the array holds at least its end mark") }
      return body(base)
    }
  }
}

/// A pipe whose ends no child inherits unless it is told to.
struct Pipe {
  var read: Int32
  var write: Int32

  static func make() throws(ExecutorError) -> Pipe {
    var ends: [Int32] = [-1, -1]
    let problem = cl_pipe(&ends)
    guard problem == 0 else { throw .spawn(binary: "a pipe", reason: systemMessage(problem)) }
    return Pipe(read: ends[0], write: ends[1])
  }
}

func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
