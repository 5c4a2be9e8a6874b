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
    var arguments = [
      "--repository", repository, "--host", host, "--port", "\(port)", "--workers", "\(workers)", "--threads",
      "\(threads)",
    ]
    func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: ",") }
    if !warmTokens.isEmpty { arguments += ["--warm-tokens", list(warmTokens)] }
    if let limitModels { arguments += ["--limit-models", "\(limitModels)"] }
    if let pinWorkers { arguments += ["--pin-workers", list(pinWorkers)] }
    if let ioCPUs { arguments += ["--io-cpus", list(ioCPUs)] }
    if !isKept { arguments.append("--stop-on-stdin-eof") }
    return arguments + extraArguments
  }
}

/// The line of JSON that a server prints on standard output when it is ready.
struct ReadyLine: Decodable, Hashable, Sendable {
  var ready: Bool
  var port: Int
  var models: Int
  var pid: Int32?
}
