/// The program that `planner` starts and `Sources/ModelServer` builds.
public enum ServerProgram {
  /// File name of the program, and what it calls itself.
  public static let name = "model-server"
  public static let version = "0.1.0"
}

/// Exit codes of `model-server`; docs/exit-codes.md lists them for users.
public enum ServerExitCode: Int32, Sendable {
  case done = 0
  /// The command line makes no sense.
  case usage = 64
  /// A file or an answer is not what it should be.
  case badData = 65
  /// Something is not there, may not be used or is taken.
  case unavailable = 69
  /// The program is at fault.
  case internalError = 70
  /// A probed model could not have its memory.
  case outOfMemory = 71
}
