import ServerContract

/// How to start one `model-server` on this machine.
public struct ServerLaunch: Hashable, Sendable {
  /// Path of the program.
  public var binary: String
  /// Folder of the models.
  public var repository: String
  public var workers: Int
  /// Threads of one worker.
  public var threads: Int
  public var host = "127.0.0.1"
  /// 0 lets the system choose.
  public var port = 0
  /// Lengths at which models are warmed before the server is ready; empty leaves the server's own choice.
  public var warmTokens: [Int] = []
  /// Of the repository's models, in order, so many are loaded; nil loads all.
  public var limitModels: Int?
  /// CPUs for the workers' threads.
  public var pinWorkers: [Int]?
  /// CPUs for the threads that read and write requests.
  public var ioCPUs: [Int]?
  /// On top of this process's own: the library settings that were profiled.
  public var environment: [String: String] = [:]
  /// Gets the server's standard error; replaced where it exists.
  public var logFile: String
  public var readyTimeoutSeconds = 600.0
  /// Is to outlive the planner (`--keep`).
  public var isKept = false
  /// Options that this type does not know.
  public var extraArguments: [String] = []

  public init(binary: String, repository: String, workers: Int, threads: Int, logFile: String) {
    self.binary = binary
    self.repository = repository
    self.workers = workers
    self.threads = threads
    self.logFile = logFile
  }

  /// The command line, without the program.
  public var arguments: [String] {
    var arguments = ServerArguments()
    arguments.add(.repository, repository)
    arguments.add(.host, host)
    arguments.add(.port, port)
    arguments.add(.workers, workers)
    arguments.add(.threads, threads)
    if !warmTokens.isEmpty { arguments.add(.warmTokens, list: warmTokens) }
    if let limitModels { arguments.add(.limitModels, limitModels) }
    if let pinWorkers { arguments.add(.pinWorkers, list: pinWorkers) }
    if let ioCPUs { arguments.add(.ioCPUs, list: ioCPUs) }
    if !isKept { arguments.add(flag: .stopOnStdinEOF) }
    return arguments.words + extraArguments
  }
}
